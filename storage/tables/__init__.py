"""The tables, and how rows of each are read and written."""
