"""Removing rows while every figure stays: retention, pruning, forgetting."""
