"""What a tracking call leaves in the queue, and what becomes of it when it is posted. Pure.

A call leaves a tuple, which takes a microsecond; the JSON text is made later, in the background.
"""

import json
from functools import lru_cache
from json.encoder import encode_basestring_ascii as quoted
from math import isfinite
from time import gmtime, strftime
from typing import Any

Event = dict[str, Any]
"""An event as it is posted: its ``type``, ``timestamp``, ``event_id``, and the fields of its type."""

FIELDS = {
    "activity": ("user_id", "username", "activity_type", "ip_address", "user_agent"),
    "conversation": ("conversation_id", "user_id", "action"),
    "message": (
        "message_id",
        "conversation_id",
        "user_id",
        "role",
        "token_count",
        "model_used",
        "response_time",
        "time_to_first_token",
        "finish_reason",
    ),
    "api_usage": ("endpoint", "method", "status_code", "response_time", "user_id"),
    "llm_call": (
        "provider",
        "model",
        "operation",
        "user_id",
        "conversation_id",
        "message_id",
        "input_tokens",
        "cached_input_tokens",
        "cache_write_tokens",
        "output_tokens",
        "reasoning_tokens",
        "response_time",
        "time_to_first_token",
        "finish_reason",
        "error_type",
        "service_tier",
        "cost",
    ),
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


def dollars(cost: Any) -> str | None:
    """Write an amount of money as decimal text, without an exponent; text stays as it is, None stays None."""
    if cost is None or type(cost) is str:
        return cost
    # Twelve decimals of a float are more than the nine that the service keeps.
    return format(cost, ".12f" if isinstance(cost, float) else "f")


def extra_text(extra_data: Any) -> str | None:
    """Write free data as JSON text; raises TypeError, ValueError or RecursionError if it cannot be written."""
    return None if extra_data is None else json.dumps(extra_data, separators=(",", ":"), allow_nan=False)


def event(record: Record, prefix: str) -> Event:
    """Make the event of a record; the *prefix* of event ids belongs to one process."""
    _, kind, at, number, values, extra = record
    made: Event = {"type": kind}
    for name, value in zip(FIELDS[kind], values):  # noqa: B905 - FIELDS is what makes the records
        if value is not None:
            made[name] = value
    made["timestamp"] = _timestamp(at)
    made["event_id"] = f"{prefix}-{number}"
    if extra is not None:
        made["extra_data"] = json.loads(extra)
    return made


def line(record: Record, prefix: str) -> bytes:
    """Write the JSON text of a record's event; raises TypeError or ValueError if a value cannot be written.

    Twice as fast as to encode what :func:`event` makes.
    """
    _, kind, at, number, values, extra = record
    written = f'{{"type":"{kind}"'
    for key, value in zip(_KEYS[kind], values):  # noqa: B905 - as above
        if value is not None:
            written += key + (quoted(value) if type(value) is str else _written(value))
    written += f',"timestamp":"{_timestamp(at)}","event_id":"{prefix}-{number}"'
    if extra is not None:
        written += f',"extra_data":{extra}'
    return (written + "}").encode()


def event_line(made: Event) -> bytes:
    """Write the JSON text of an event that others may have changed; raises TypeError or ValueError."""
    return _ENCODE(made).encode()


def _timestamp(at: float) -> str:
    """Write a Unix time as RFC 3339 does, with milliseconds."""
    milliseconds = int(at * 1000)
    return f"{_second(milliseconds // 1000)}.{milliseconds % 1000:03}Z"


@lru_cache(16)
def _second(at: int) -> str:
    return strftime("%Y-%m-%dT%H:%M:%S", gmtime(at))


def _written(value: Any) -> str:
    kind = type(value)
    if kind is int or (kind is float and isfinite(value)):
        return repr(value)
    return _ENCODE(value)


_KEYS = {kind: tuple(f',"{name}":' for name in names) for kind, names in FIELDS.items()}
# Everything but ASCII is escaped: half of a surrogate pair, too, which the service refuses by its field's name.
_ENCODE = json.JSONEncoder(separators=(",", ":"), allow_nan=False, check_circular=False).encode
