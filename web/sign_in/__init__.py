"""Signing in: sessions of dashboards, and what begins one."""
