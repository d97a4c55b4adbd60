"""The middle room: from a committed change to every panel that shows it. It may import storage, never web."""
