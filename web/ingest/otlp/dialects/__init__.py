"""The names by which instrumentations tell of LLM calls: a table for each dialect."""
