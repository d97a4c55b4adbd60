"""Queries: snapshots, lists, and figures over time."""
