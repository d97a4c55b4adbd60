"""Alerts: rules about figures, their states, and what is to be sent."""
