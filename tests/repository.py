"""Where the files of this repository are, and its packages."""

from pathlib import Path

ROOT = Path(__file__).parent.parent
PACKAGES = ("storage", "realtime", "web")
"""From the bottom up: each imports from those before it alone."""
