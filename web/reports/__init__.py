"""The endpoints that admins read."""
