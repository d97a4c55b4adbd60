"""Removal: rows that are too old and users who are erased; every figure stays."""
