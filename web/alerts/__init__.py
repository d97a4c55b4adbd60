"""Alerts over REST, the clock that decides what time alone does, and the sending of messages."""
