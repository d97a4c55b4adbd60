"""HTTP and WebSocket endpoints, authentication, settings, commands. It may import realtime and storage."""
