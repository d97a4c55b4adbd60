"""Delivery: what waits, in memory or on disk, and the thread that posts it."""
