"""What people read of alerts in an e-mail or a chat: a line, and what follows from it. Pure."""

from collections import Counter
from typing import Any

import msgspec

from storage.alerts.message import GROUP

CHAT_LINES = 10
"""How many alerts of a group a chat is told of, 150 characters each: the service that takes least takes 2,000."""
MAX_LINE = 150
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
Document = dict[str, Any]


def subject(body: str) -> str:
    """Write the line: ``Firing: Budget of u7 (80 %)``, or ``2 firing, 1 resolved: Budget of u7 (80 %) and 2 more``."""
    document = msgspec.json.decode(body)
    if document["type"] != GROUP:
        return _subject(document)
    first, *others = document["data"]["alerts"]
    counts = Counter(_status(alert) for alert in (first, *others))
    more = f" and {len(others)} more" if others else ""
    return f"{', '.join(f'{count} {status}' for status, count in sorted(counts.items()))}: {_name(first)}{more}"


def text(body: str) -> str:
    """Write all that is known, a line each."""
    document = msgspec.json.decode(body)
    if document["type"] != GROUP:
        return _text(document)
    return "\n".join(map(_text, document["data"]["alerts"]))


def short_text(body: str) -> str:
    """Write what a chat has room for: of a group one line for each alert, and how many more there are."""
    document = msgspec.json.decode(body)
    if document["type"] != GROUP:
        return _text(document)
    alerts = document["data"]["alerts"]
    lines = [_line(alert) for alert in alerts[:CHAT_LINES]]
    if len(alerts) > CHAT_LINES:
        lines.append(f"and {len(alerts) - CHAT_LINES} more")
    return "\n".join(lines) + "\n"


def _line(document: Document) -> str:
    data = document["data"]
    value = f": {data['value']} {data.get('unit') or ''}".rstrip() if data.get("value") is not None else ""
    return f"{_subject(document)}{value}"[:MAX_LINE]


def _subject(document: Document) -> str:
    return f"{_status(document).capitalize()}: {_name(document)}"


def _status(document: Document) -> str:
    """Say what became of an alert: firing, resolved, or test."""
    return str(document["type"].partition(".")[2])


def _name(document: Document) -> str:
    data = document["data"]
    level = f" ({data['level']} %)" if data.get("level") else ""
    return f"{data.get('name') or data.get('rule')}{level}"


def _text(document: Document) -> str:
    data = document["data"]
    lines = [_subject(document), "", f"Time: {document['timestamp']}"]
    lines += [f"{title}: {data[name]}" for name, title in _FIELDS if data.get(name) is not None]
    return "\n".join(lines) + "\n"
