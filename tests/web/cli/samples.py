"""What the panel of a terminal is sent."""

from datetime import UTC, datetime
from typing import Any

NOW = datetime(2026, 11, 22, 12, 0, 10, tzinfo=UTC)
SUMMARY = {
    "total_users": 1234,
    "active_users_today": 56,
    "total_conversations": 7890,
    "total_messages": 45_678,
    "total_tokens": 26_450_535,
    "avg_response_time": 5.4781,
}
LOGIN = {"user_id": "u1", "username": "Ada", "activity_type": "login"}


def snapshot(**fields: Any) -> dict[str, Any]:
    activity = {"id": 1, "user_id": "u1", "username": "Ada", "activity_type": "login"}
    return {
        "type": "snapshot",
        "position": "e.1.a",
        "at": "2026-11-22T12:00:07.500Z",
        "heartbeat_seconds": 10,
        "summary": SUMMARY,
        "activities": [{**activity, "timestamp": "2026-11-22T11:57:00.000Z"}],
        "top_users": [{"user_id": f"u{n}", "username": f"User {n}", "activity_count": 5000 // n} for n in (1, 2)],
        **fields,
    }
