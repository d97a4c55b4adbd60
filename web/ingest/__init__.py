"""The tracking endpoints, and what a request may cost."""
