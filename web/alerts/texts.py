"""What people read of an alert in an e-mail or a chat: a line, and what follows from it. Pure."""

from typing import Any

import msgspec

_FIELDS = (
    ("rule", "Rule"),
    ("severity", "Severity"),
    ("figure", "Figure"),
    ("value", "Value"),
    ("reason", "Reason"),
    ("limit", "Limit"),
    ("compared_with", "Compared with"),
    ("unit", "Unit"),
    ("window", "Window"),
    ("window_start", "Window began"),
    ("user_id", "User"),
    ("provider", "Provider"),
    ("model", "Model"),
    ("position", "Position"),
    ("id", "Id"),
)


def subject(body: str) -> str:
    """Write the line: ``Firing: Budget of u7 (80 %)``."""
    document = msgspec.json.decode(body)
    data: dict[str, Any] = document["data"]
    level = f" ({data['level']} %)" if data.get("level") else ""
    return f"{document['type'].partition('.')[2].capitalize()}: {data.get('name') or data.get('rule')}{level}"


def text(body: str) -> str:
    """Write all that is known, a line each."""
    document = msgspec.json.decode(body)
    data: dict[str, Any] = document["data"]
    lines = [subject(body), "", f"Time: {document['timestamp']}"]
    lines += [f"{title}: {data[name]}" for name, title in _FIELDS if data.get(name) is not None]
    return "\n".join(lines) + "\n"
