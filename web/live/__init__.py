"""The live endpoint."""
