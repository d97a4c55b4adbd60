"""LLM calls from spans: which spans are calls, which of them tell of the same call, and the event of each. Pure.

A call is counted once, although several spans tell of it. Two instrumentations of one client make a span within a span:
the outer one counts, and takes from the inner ones what it does not know itself. Within a request that is seen by
the ids of parents. Across requests, processes and restarts, the id of the event decides, which the commit looks up: it
is made of the trace, the id of the answer and its tokens, or of the span where no answer's id is told.
"""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from hashlib import blake2b
from typing import NamedTuple

from storage.model import clock
from storage.model.events import AnyEvent, LlmCall
from storage.model.parsing import InvalidEvent, convert
from web.ingest.otlp.dialects.dialect import UNKNOWN_PROVIDER, Fields
from web.ingest.otlp.dialects.known import dialect_of
from web.ingest.otlp.spans import Span

SHORTEST_ID = 16
"""Characters of an answer's id that is taken for unique. Ollama makes ``chatcmpl-`` and a number below 999: two calls
of a trace would be taken for one."""
STEP = 256
"""Calls that are put together in one go, in less than a millisecond."""
NO_MODEL, NOT_A_CALL, SAME_CALL = "no_model", "not_a_call", "same_call"
"""Why a span is not stored: it speaks no dialect; it is an agent, a tool or a step; or it is within that of a call."""

_TOKENS = ("input_tokens", "cached_input_tokens", "cache_write_tokens", "output_tokens", "reasoning_tokens")


class Call(NamedTuple):
    """The span of a call, and what it tells."""

    span: Span
    fields: Fields


def read_call(span: Span) -> Call | str:
    """Read the call that a span tells of; gives why there is none otherwise."""
    dialect = dialect_of(span)
    if dialect is None:
        return NO_MODEL
    operation = dialect.operation_of(span)
    if operation is None:
        return NOT_A_CALL
    return Call(span, {"operation": operation, **dialect.read(span)})


def outermost(by_key: Mapping[str, Call]) -> Iterator[list[Call]]:
    """Put calls together that are the same: each list begins with the outermost span, then come those within it.

    *by_key* has each call by the key of its span. An empty list lets others run.
    """
    roots: dict[str, str] = {}
    groups: dict[str, list[Call]] = {}
    for number, (key, call) in enumerate(by_key.items()):
        root = _root(call, by_key, roots)
        group = groups.setdefault(root, [by_key[root]])
        if key != root:
            group.append(call)
        if number % STEP == STEP - 1:
            yield []
    yield from groups.values()


def _root(call: Call, by_key: Mapping[str, Call], roots: dict[str, str]) -> str:
    """Name the outermost of the calls that a call is within; *roots* has what was found before, and gets this."""
    path: dict[str, None] = {}
    key = call.span.key
    while key not in roots and key not in path:
        path[key] = None
        parent = by_key[key].span.parent_key
        if parent not in by_key:
            roots[key] = key
            break
        key = parent
    else:
        if key not in roots:
            # Parents that go round in a circle, which nothing real does.
            roots[key] = min(path)
    root = roots[key]
    roots.update(dict.fromkeys(path, root))
    return root


def event_of(group: list[Call]) -> AnyEvent:
    """Make the event of a call from all spans that tell of it; raises :exc:`InvalidEvent`."""
    span, fields = group[0].span, dict(group[0].fields)
    # Made of what the outermost span tells alone: it is the same whatever else comes in the same request.
    event_id = _event_id(span, fields)
    for call in group[1:]:
        _complete(fields, call.fields)
    fields.pop("response_id", None)
    fields.setdefault("provider", UNKNOWN_PROVIDER)
    if "model" not in fields:
        raise InvalidEvent("model", "is not told by the span of a call")
    return convert({**fields, **_times(span, fields), "event_id": event_id}, LlmCall)


def _event_id(span: Span, fields: Fields) -> str:
    response_id = str(fields.get("response_id", ""))
    if len(response_id) < SHORTEST_ID:
        return f"span:{span.key}"
    named = f"{span.trace_id}:{fields.get('input_tokens')}:{fields.get('output_tokens')}:{response_id}"
    return f"call:{blake2b(named.encode(), digest_size=16).hexdigest()}"


def _complete(fields: Fields, more: Fields) -> None:
    """Add what is not known yet; tokens only as a whole, since those of two sources need not fit together."""
    has_tokens = any(name in fields for name in _TOKENS)
    for name, value in more.items():
        if name not in fields and not (has_tokens and name in _TOKENS):
            fields[name] = value


def _times(span: Span, fields: Fields) -> Fields:
    """Give the time at which the answer ended, and how long it took; a span without an end has neither."""
    times: Fields = {}
    if span.ended:
        times["timestamp"] = _timestamp(span.ended)
    if span.started and span.ended >= span.started:
        times["response_time"] = (span.ended - span.started) / 1e9
    if fields.get("time_to_first_token", 0) < 0:
        # Told by another clock, which runs behind.
        times["time_to_first_token"] = None
    return times


def _timestamp(nanoseconds: int) -> str:
    try:
        # In whole milliseconds: a float of so many nanoseconds is not exact.
        moment = datetime.fromtimestamp(nanoseconds // 1_000_000_000, UTC)
    except (ValueError, OverflowError, OSError):
        raise InvalidEvent("timestamp", "is not a moment that the calendar holds") from None
    return clock.text(moment.replace(microsecond=nanoseconds % 1_000_000_000 // 1000))
