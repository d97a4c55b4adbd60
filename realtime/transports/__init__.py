"""Transports: how a frame reaches one client, over a WebSocket or an event stream."""
