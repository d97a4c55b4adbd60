"""Authentication: tokens of admins, tracking keys of services."""
