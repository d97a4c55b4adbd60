"""The top room: HTTP and WebSocket endpoints, authentication, settings, commands. It may import both others."""
