"""From a committed change to every subscriber that shows it. It may import storage, never web."""
