"""What a tracking call leaves in the queue, and what becomes of it when it is posted. Pure.

A call leaves a tuple, which takes a microsecond; the JSON text is made later, in the background.
"""

import json
from datetime import datetime, timezone
from typing import Any

Event = dict[str, Any]
"""An event as it is posted: its ``type``, ``timestamp``, ``event_id``, and the fields of its type."""

FIELDS = {
    "activity": ("user_id", "username", "activity_type", "ip_address", "user_agent"),
    "conversation": ("conversation_id", "user_id", "action"),
    "message": ("message_id", "conversation_id", "user_id", "role", "token_count", "model_used", "response_time"),
    "api_usage": ("endpoint", "method", "status_code", "response_time", "user_id"),
}
"""The fields of each type, in the order of a record's values."""
RECORD_BYTES = 400
"""What a record takes in memory beside its texts."""


Record = tuple[int, str, float, int, tuple[Any, ...], "str | None"]
"""A call in the queue: its size in memory, its type, its Unix time, the number in its event id, the values of its
fields, and its free data as JSON text. A plain tuple takes half the time of a named one to make."""


def text(value: Any) -> str | None:
    """Give the text of an identifier, which may be a number or a UUID; None stays None."""
    return value if value is None or type(value) is str else str(value)


def extra_text(extra_data: Any) -> str | None:
    """Write free data as JSON text; raises TypeError, ValueError or RecursionError if it cannot be written."""
    return None if extra_data is None else json.dumps(extra_data, separators=(",", ":"), allow_nan=False)


def event(record: Record, prefix: str) -> Event:
    """Make the event of a record; the *prefix* of event ids belongs to one process."""
    _, kind, at, number, values, _ = record
    made: Event = {"type": kind}
    for name, value in zip(FIELDS[kind], values):  # noqa: B905 - FIELDS is what makes the records
        if value is not None:
            made[name] = value
    moment = datetime.fromtimestamp(at, timezone.utc)
    made["timestamp"] = f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03}Z"
    made["event_id"] = f"{prefix}-{number}"
    return made


def line(record: Record, prefix: str) -> bytes:
    """Write the JSON text of a record; raises TypeError or ValueError if a value cannot be written."""
    written = _ENCODE(event(record, prefix))
    if (extra := record[5]) is not None:
        written = f'{written[:-1]},"extra_data":{extra}}}'
    return written.encode()


def full_event(record: Record, prefix: str) -> Event:
    """Make the event of a record with its free data, as others see it."""
    made = event(record, prefix)
    if (extra := record[5]) is not None:
        made["extra_data"] = json.loads(extra)
    return made


def full_line(made: Event) -> bytes:
    """Write the JSON text of an event that others may have changed; raises TypeError or ValueError."""
    return _ENCODE(made).encode()


# Everything but ASCII is escaped: half of a surrogate pair, too, which the service refuses by its field's name.
_ENCODE = json.JSONEncoder(separators=(",", ":"), allow_nan=False, check_circular=False).encode
