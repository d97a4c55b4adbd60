"""Settings of services under test."""

from typing import Any

RETENTION: dict[str, Any] = {
    f"RETENTION_{name}_DAYS": "3" for name in ("ACTIVITY", "MESSAGE", "API_USAGE", "CONVERSATION")
}
"""Of a service that keeps three days of everything."""
