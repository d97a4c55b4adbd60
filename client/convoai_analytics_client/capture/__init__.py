"""Capture: what the middleware of all frameworks, and track_openai, take from requests and answers."""
