"""A span, as far as a call of a language model is told by it. No text of prompts or answers is part of it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

Value = str | int | float | bool
"""Of a list, the first text."""


@dataclass(slots=True)
class Span:
    """One span; ``trace_id``, ``span_id`` and ``parent_id`` are in hex, the last one "" for a root.

    ``started`` and ``ended`` are nanoseconds since 1970. ``scope`` names the instrumentation. ``attributes`` are those
    alone that a dialect names. ``exception`` is the type of the last one recorded, ``first_token`` the time at which
    the first part of an answer came; both are told by events.
    """

    trace_id: str
    span_id: str
    parent_id: str
    started: int
    ended: int
    failed: bool
    scope: str
    attributes: Mapping[str, Value] = field(default_factory=dict)
    exception: str | None = None
    first_token: int | None = None

    @property
    def key(self) -> str:
        """Name the span among those of all traces."""
        return f"{self.trace_id}:{self.span_id}"

    @property
    def parent_key(self) -> str:
        """Name its parent likewise."""
        return f"{self.trace_id}:{self.parent_id}"

    def text(self, *names: str) -> str | None:
        """Give the first of the attributes that is text and not empty."""
        return next((value for name in names if isinstance(value := self.attributes.get(name), str) and value), None)


class InvalidSpan(ValueError):
    """A span that breaks a rule of OTLP; the others of its request are taken. Its text names the field at fault."""


class TooManySpans(ValueError):
    """A request that holds more than can be taken at once: the sender should send smaller ones."""


MAX_SPANS = 20_000
"""Spans of a request. A collector sends 8,192, an SDK 512."""

SLICE_SPANS, SLICE_BYTES = 32, 64 << 10
"""Spans that are read in one go, and their bytes: about a millisecond."""
PAUSE = 256
"""Other parts of a request that are looked at in one go."""
MAX_ATTRIBUTES = 1000
"""Attributes of a span; SDKs send 128 at the most, unless they are told otherwise."""

Slice = list[Span | InvalidSpan]
Slices = Iterator[Slice]
"""The spans of a request, a slice at a time; an empty one lets others run."""
Cut = tuple[int, int]
"""Where a span begins and ends in the body."""

ERROR = 2
"""The code of a status that tells of an error (opentelemetry.proto.trace.v1.Status)."""
TRACE_DIGITS, SPAN_DIGITS = 32, 16
EXCEPTION_EVENT, EXCEPTION_TYPE = "exception", "exception.type"
FIRST_TOKEN_EVENTS = ("First Token Stream Event", "gen_ai.content.completion.chunk")
"""Names of the events by which OpenInference and Traceloop tell the first part of a streamed answer."""


def check_ids(trace_id: str, span_id: str) -> None:
    """Raise :exc:`InvalidSpan` unless both are as the specification says: 16 and 8 bytes, and not all zero."""
    for name, found, digits in (("trace_id", trace_id, TRACE_DIGITS), ("span_id", span_id, SPAN_DIGITS)):
        if len(found) != digits or found.strip("0") == "":
            raise InvalidSpan(f"{name}: must be {digits // 2} bytes that are not all zero")


def slices(cuts: Sequence[Cut]) -> Iterator[Sequence[Cut]]:
    """Split spans into as many as are read in one go."""
    begin = size = 0
    for place, (first, last) in enumerate(cuts, 1):
        size += last - first
        if place - begin == SLICE_SPANS or size > SLICE_BYTES:
            yield cuts[begin:place]
            begin, size = place, 0
    if begin < len(cuts):
        yield cuts[begin:]
