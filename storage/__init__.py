"""Storage: events, figures, tables and SQL. It imports nothing of the packages above it."""
