"""Paths of the service's endpoints."""

API = "/api/v1/analytics"
TRACK = f"{API}/track"
LIVE = f"{API}/live"
