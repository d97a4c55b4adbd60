"""The databases: SQLite and PostgreSQL, their connections, their migrations."""
