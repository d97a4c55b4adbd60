"""Measures the running service against its targets; ``python -m bench``. Linux only: it reads ``/proc``."""
