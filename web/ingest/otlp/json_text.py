"""Spans from an ExportTraceServiceRequest in JSON, a few at a time (OTLP's mapping: lowerCamelCase, ids in hex).

Each span is cut out and read alone, so that one that breaks a rule spoils no other. Values of attributes that no
dialect names stay text that nobody reads.
"""

from collections.abc import Callable, Collection

import msgspec

from storage.model.parsing import Body, MalformedJson
from web.ingest.json_walk import Pauses, Walk
from web.ingest.otlp.spans import (
    ERROR,
    EXCEPTION_EVENT,
    EXCEPTION_TYPE,
    FIRST_TOKEN_EVENTS,
    MAX_ATTRIBUTES,
    MAX_SPANS,
    Cut,
    InvalidSpan,
    Slices,
    Span,
    TooManySpans,
    Value,
    check_ids,
    slices,
)

MAX_SPAN = 1 << 20
"""Bytes of a span: to read one of that size takes some milliseconds."""

Number = int | str
"""A 64-bit integer: the mapping says text, JavaScript's exporters send numbers."""


class _AnyValue(msgspec.Struct, rename="camel"):
    string_value: str | None = None
    bool_value: bool | None = None
    int_value: Number | None = None
    double_value: float | str | None = None
    array_value: msgspec.Raw = msgspec.Raw()


class _Text(msgspec.Struct, rename="camel"):
    string_value: str | None = None


class _Texts(msgspec.Struct):
    values: list[_Text] = []


class _Attribute(msgspec.Struct):
    key: str
    value: msgspec.Raw = msgspec.Raw()


class _Event(msgspec.Struct, rename="camel"):
    name: str = ""
    time_unix_nano: Number = 0
    attributes: list[_Attribute] = []


class _Status(msgspec.Struct):
    code: int | str = 0


class _Span(msgspec.Struct, rename="camel"):
    trace_id: str
    span_id: str
    parent_span_id: str | None = None
    start_time_unix_nano: Number = 0
    end_time_unix_nano: Number = 0
    attributes: list[_Attribute] = []
    events: list[_Event] = []
    status: _Status | None = None


class _Scope(msgspec.Struct):
    name: str | None = None


_SPAN = msgspec.json.Decoder(_Span)
_SCOPE = msgspec.json.Decoder(_Scope)
_VALUE = msgspec.json.Decoder(_AnyValue)
_TEXTS = msgspec.json.Decoder(_Texts)


class JsonReader:
    """Reads the spans of one request; *wanted* are the attributes that matter."""

    def __init__(self, body: Body, wanted: Collection[str]) -> None:
        self._walk = Walk(body)
        self._wanted = wanted
        self._spans = 0

    def read(self) -> Slices:
        """Give the spans of the request, slice by slice; an empty slice lets others run.

        Raises :exc:`MalformedJson` if the request is no such object, :exc:`TooManySpans` or :exc:`TooManyMembers`
        beyond a limit.
        """
        yield from self._array_of("resourceSpans", lambda: self._array_of("scopeSpans", self._read_scope))
        if self._walk.mark():
            raise MalformedJson("the body is not valid JSON")

    def _array_of(self, name: str, read: Callable[[], Slices]) -> Slices:
        """Read the items of the member *name* of an object, and pass over all other members."""
        for key in self._walk.members():
            if key == name and self._walk.mark() == "[":
                for _ in self._walk.items():
                    yield from read()
                    yield from _pausing(self._walk.pause())
            else:
                yield from _pausing(self._walk.skip())
            yield from _pausing(self._walk.pause())

    def _read_scope(self) -> Slices:
        scope, cuts, walk = "", list[Cut](), self._walk
        for key in self._walk.members():
            if key == "spans" and walk.mark() == "[":
                yield from self._cut_spans(cuts)
                continue
            walk.mark()
            begin = walk.at
            yield from _pausing(walk.skip())
            yield from _pausing(self._walk.pause())
            if key == "scope":
                scope = self._scope_name(begin, walk.at)
        for some in slices(cuts):
            yield [self._read_span(begin, end, scope) for begin, end in some]

    def _cut_spans(self, cuts: list[Cut]) -> Slices:
        for _ in self._walk.items():
            self._spans += 1
            if self._spans > MAX_SPANS:
                raise TooManySpans(f"a request holds at most {MAX_SPANS} spans")
            begin = self._walk.at
            yield from _pausing(self._walk.skip())
            cuts.append((begin, self._walk.at))
            yield from _pausing(self._walk.pause())

    def _scope_name(self, begin: int, end: int) -> str:
        if end - begin > MAX_SPAN:
            return ""
        try:
            return _SCOPE.decode(self._walk.text[begin:end]).name or ""
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return ""

    def _read_span(self, begin: int, end: int, scope: str) -> Span | InvalidSpan:
        if end - begin > MAX_SPAN:
            return InvalidSpan(f"spans: one is larger than {MAX_SPAN} bytes of JSON")
        try:
            return self._convert(_SPAN.decode(self._walk.text[begin:end]), scope)
        except InvalidSpan as error:
            return error
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, ValueError):
            return InvalidSpan("spans: one is not as OTLP's JSON mapping says")

    def _convert(self, span: _Span, scope: str) -> Span:
        trace_id, span_id = span.trace_id.lower(), span.span_id.lower()
        check_ids(trace_id, span_id)
        bytes.fromhex(trace_id + span_id)
        found = Span(
            trace_id,
            span_id,
            (span.parent_span_id or "").lower(),
            int(span.start_time_unix_nano),
            int(span.end_time_unix_nano),
            span.status is not None and span.status.code in (ERROR, "STATUS_CODE_ERROR"),
            scope,
            self._attributes(span.attributes),
        )
        for event in span.events:
            if event.name == EXCEPTION_EVENT:
                types = (_value(attribute.value) for attribute in event.attributes if attribute.key == EXCEPTION_TYPE)
                found.exception = next((name for name in types if isinstance(name, str)), found.exception)
            elif found.first_token is None and event.name in FIRST_TOKEN_EVENTS:
                found.first_token = int(event.time_unix_nano)
        return found

    def _attributes(self, attributes: list[_Attribute]) -> dict[str, Value]:
        if len(attributes) > MAX_ATTRIBUTES:
            raise InvalidSpan(f"attributes: there are more than {MAX_ATTRIBUTES}")
        wanted = ((found.key, found.value) for found in attributes if found.key in self._wanted)
        return {key: value for key, raw in wanted if (value := _value(raw)) is not None}


def _value(raw: msgspec.Raw) -> Value | None:
    """Read the value of an attribute; None if it is of no kind that a dialect reads."""
    value = _VALUE.decode(raw) if bytes(raw) else _AnyValue()
    if value.string_value is not None:
        return value.string_value
    if value.int_value is not None:
        return int(value.int_value)
    if value.double_value is not None:
        return float(value.double_value)
    if value.bool_value is not None:
        return value.bool_value
    if not bytes(value.array_value):
        return None
    return next((text.string_value for text in _TEXTS.decode(value.array_value).values if text.string_value), None)


def _pausing(pauses: Pauses) -> Slices:
    for _ in pauses:
        yield []
