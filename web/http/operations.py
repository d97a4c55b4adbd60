"""What an HTTP endpoint is, said once: from it come its route, the reading of its query, and its documentation."""

import base64
import binascii
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

import msgspec
from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import Response

from storage.model import clock
from storage.model.clock import Days
from storage.model.events import EARLIEST
from web.http.problems import invalid

LATEST = "9999-01-01T00:00:00.000Z"
"""Where the times end that a query may name: a day further on, the calendar does."""

Endpoint = Callable[[Request], Awaitable[Response]]
JsonSchema = dict[str, Any]


@dataclass(frozen=True)
class Parameter:
    """One query parameter: how its text becomes a value, and what it means. ``default`` is taken when it is absent."""

    name: str
    meaning: str
    schema: JsonSchema
    parse: Callable[[str, Days], Any]
    default: Any = None


@dataclass(frozen=True)
class Answer:
    """One documented answer; ``schema`` None: it has no body. ``also`` maps further media types to their schemas."""

    meaning: str
    schema: JsonSchema | None = None
    media: str = "application/json"
    also: Mapping[str, JsonSchema] = field(default_factory=dict)


@dataclass(frozen=True)
class Operation:
    """One endpoint.

    ``access`` is ``admin`` (by token or session), ``token``, ``session``, ``page`` (one of the service), ``provider``
    (whom it sends back), ``tracking``, ``spans`` (likewise, for exporters of OpenTelemetry) or None (open).

    ``body`` maps media types to schemas. One that ``streams`` answers for as long as the client stays: nothing may
    gather what it sends.
    """

    method: str
    path: str
    name: str
    tag: str
    summary: str
    endpoint: Endpoint
    answers: Mapping[int, Answer]
    description: str = ""
    access: str | None = None
    parameters: tuple[Parameter, ...] = ()
    body: Mapping[str, JsonSchema] = field(default_factory=dict)
    streams: bool = False


def read_query(query: QueryParams, parameters: tuple[Parameter, ...], days: Days) -> dict[str, Any]:
    """Read the *parameters*; raises a 422 :exc:`Problem` that names the one at fault. Others are ignored."""
    values = {}
    for parameter in parameters:
        given = query.getlist(parameter.name)
        if len(given) > 1:
            raise invalid(parameter.name, "is given more than once")
        try:
            values[parameter.name] = parameter.parse(given[0], days) if given else parameter.default
        except ValueError as error:
            raise invalid(parameter.name, str(error)) from None
    return values


def whole(low: int, high: int) -> Callable[[str, Days], int]:
    """Read a whole number from *low* to *high*."""

    def parse(text: str, _days: Days) -> int:
        if not (text.isascii() and text.isdigit() and len(text) <= 9 and low <= int(text) <= high):
            raise ValueError(f"must be a whole number from {low} to {high}")
        return int(text)

    return parse


def text(longest: int) -> Callable[[str, Days], str]:
    """Read text of 1 to *longest* characters."""

    def parse(value: str, _days: Days) -> str:
        if not 0 < len(value) <= longest or "\0" in value:
            raise ValueError(f"must be 1 to {longest} characters, without NUL")
        return value

    return parse


def boolean(value: str, _days: Days) -> bool:
    """Read ``true`` or ``false``, also written ``1`` or ``0``."""
    if value.lower() not in ("true", "false", "1", "0"):
        raise ValueError("must be true or false")
    return value.lower() in ("true", "1")


def moment(value: str, days: Days) -> str:
    """Read an ISO 8601 time with its zone, or a date: the beginning of that day in the tenant's zone."""
    try:
        if len(value) == 10:
            written = days.start(date.fromisoformat(value).isoformat())
        else:
            # In a query a plus sign means a space: 2026-11-22T11:00:00+01:00 arrives with one.
            found = datetime.fromisoformat(value.replace(" ", "+") if "T" in value else value)
            if found.tzinfo is None:
                raise ValueError
            written = clock.text(found)
    except (ValueError, OverflowError):
        raise ValueError("must be a date, or an ISO 8601 time with its zone") from None
    if not EARLIEST <= written < LATEST:
        raise ValueError(f"must lie between {EARLIEST[:4]} and {LATEST[:4]}")
    return written


def choice(*choices: str) -> Callable[[str, Days], str]:
    """Read one of the *choices*."""

    def parse(value: str, _days: Days) -> str:
        if value not in choices:
            raise ValueError(f"must be one of {', '.join(choices)}")
        return value

    return parse


def opaque(value: str, _days: Days) -> str:
    """Take the text as it is."""
    return value


def read_cursor(value: str, name: str, shape: str) -> tuple[Any, ...]:
    """Read a cursor that :func:`write_cursor` wrote for the list *name*; raises a 422 :exc:`Problem`.

    *shape* has a letter for each part of the key: ``i`` for a whole number, ``s`` for text.
    """
    try:
        padded = value + "=" * (-len(value) % 4)
        kind, *key = msgspec.json.decode(base64.b64decode(padded, altchars=b"-_", validate=True), type=list[str | int])
    except (ValueError, binascii.Error, msgspec.MsgspecError, RecursionError):
        raise invalid("cursor", "is not a cursor of this list") from None
    if kind != name or _shape(key) != shape or any(_is_out_of_bounds(part) for part in key):
        raise invalid("cursor", "is not a cursor of this list")
    return tuple(key)


def write_cursor(name: str, key: Any) -> str:
    """Write the sort *key* of a page's last row for the list *name*; it uses only ``A-Za-z0-9_-``."""
    return base64.urlsafe_b64encode(msgspec.json.encode([name, *key])).rstrip(b"=").decode()


def _shape(key: Any) -> str:
    return "".join("i" if isinstance(part, int) else "s" for part in key)


def _is_out_of_bounds(part: str | int) -> bool:
    return abs(part) >= 1 << 63 if isinstance(part, int) else "\0" in part
