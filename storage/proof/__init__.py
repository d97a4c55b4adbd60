"""The recount of everything, and what is held against it."""
