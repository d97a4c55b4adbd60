"""Verification: every figure is recounted from the raw events, compared, and repaired."""
