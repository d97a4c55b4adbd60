"""Breakdowns: one metric by one or two dimensions, from the rollups alone."""
