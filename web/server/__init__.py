"""The server: the application, and everything that touches uvicorn's internals."""
