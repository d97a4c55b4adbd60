"""Operation: health, metrics, logs, audit, housekeeping."""
