"""What events, figures and changes are; pure: no I/O, no database."""
