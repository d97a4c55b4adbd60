"""Brokers: how a change reaches every process."""
