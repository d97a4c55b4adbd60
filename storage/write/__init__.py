"""Commits: events in, one transaction, one change."""
