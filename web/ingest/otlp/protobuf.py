"""Spans from an ExportTraceServiceRequest in protobuf, a few at a time.

The request is cut into its spans by its wire format, and each span is read by the protobuf library alone. Of a large
one, long attributes are left out before that: they are prompts and answers.
"""

from collections.abc import Callable, Collection, Iterator
from typing import Any

from storage.model.parsing import Body
from web.ingest.otlp.spans import (
    ERROR,
    EXCEPTION_EVENT,
    EXCEPTION_TYPE,
    FIRST_TOKEN_EVENTS,
    MAX_ATTRIBUTES,
    MAX_SPANS,
    PAUSE,
    Cut,
    InvalidSpan,
    Slices,
    Span,
    TooManySpans,
    Value,
    check_ids,
    slices,
)
from web.ingest.otlp.wire import BYTES, MalformedProtobuf, Part, parts

SMALL = 16 << 10
"""Bytes of a span that is read as it is: at the worst in 0.6 ms, and 400 KB of memory."""
MAX_ATTRIBUTE = 4096
"""Bytes of an attribute, or of another part, that is left in a larger span."""
MAX_PARTS = 200_000
"""Parts of a request that are looked at in all, beside the spans."""

# Numbers of fields, of opentelemetry/proto/trace/v1/trace.proto and collector/trace/v1/trace_service.proto.
_RESOURCE_SPANS = 1
_SCOPE_SPANS = 2
_SCOPE, _SPANS = 1, 2
_SCOPE_NAME = 1


class ProtobufReader:
    """Reads the spans of one request; *wanted* are the attributes that matter."""

    def __init__(self, body: Body, wanted: Collection[str]) -> None:
        self._body = body
        self._wanted = wanted
        self._span, self._decode_error = _library()
        self._looked_at = 0
        self._spans = 0

    def read(self) -> Slices:
        """Give the spans of the request, slice by slice; an empty slice lets others run.

        Raises :exc:`MalformedProtobuf` if the request is no such message, :exc:`TooManySpans` beyond a limit.
        """
        for resource in self._parts(0, len(self._body)):
            if resource.number == _RESOURCE_SPANS and resource.kind == BYTES:
                for scope in self._parts(resource.content, resource.end):
                    if scope.number == _SCOPE_SPANS and scope.kind == BYTES:
                        yield from self._read_scope(scope)
                    yield from self._pause()
            yield from self._pause()

    def _pause(self) -> Slices:
        if not self._looked_at % PAUSE:
            yield []

    def _parts(self, begin: int, end: int) -> Iterator[Part]:
        for part in parts(self._body, begin, end):
            self._looked_at += 1
            if self._looked_at > MAX_PARTS:
                raise TooManySpans(f"a request holds at most {MAX_PARTS} parts")
            yield part

    def _read_scope(self, scope: Part) -> Slices:
        name, cuts = "", list[Cut]()
        for part in self._parts(scope.content, scope.end):
            if part.number == _SCOPE and part.kind == BYTES:
                name = self._scope_name(part)
            elif part.number == _SPANS and part.kind == BYTES:
                self._spans += 1
                if self._spans > MAX_SPANS:
                    raise TooManySpans(f"a request holds at most {MAX_SPANS} spans")
                cuts.append((part.content, part.end))
            yield from self._pause()
        for some in slices(cuts):
            yield [self._read_span(begin, end, name) for begin, end in some]

    def _scope_name(self, scope: Part) -> str:
        for part in self._parts(scope.content, scope.end):
            if part.number == _SCOPE_NAME and part.kind == BYTES:
                return bytes(self._body[part.content : min(part.end, part.content + MAX_ATTRIBUTE)]).decode(
                    errors="replace"
                )
        return ""

    def _read_span(self, begin: int, end: int, scope: str) -> Span | InvalidSpan:
        try:
            text = bytes(self._body[begin:end]) if end - begin <= SMALL else self._without_long_parts(begin, end)
            return self._decode(self._span(text), scope)
        except InvalidSpan as error:
            return error
        except (MalformedProtobuf, self._decode_error):
            return InvalidSpan("spans: one is not valid protobuf")

    def _without_long_parts(self, begin: int, end: int) -> bytes:
        """Copy what is short of a large span."""
        kept = bytearray()
        for number, part in enumerate(parts(self._body, begin, end)):
            if number > MAX_ATTRIBUTES:
                raise InvalidSpan(f"attributes: there are more than {MAX_ATTRIBUTES}")
            if part.end - part.begin <= MAX_ATTRIBUTE:
                kept += self._body[part.begin : part.end]
            if len(kept) > SMALL:
                raise InvalidSpan(f"attributes: all that are short have more than {SMALL} bytes")
        return bytes(kept)

    def _decode(self, span: Any, scope: str) -> Span:
        trace_id, span_id = span.trace_id.hex(), span.span_id.hex()
        check_ids(trace_id, span_id)
        if len(span.attributes) > MAX_ATTRIBUTES:
            raise InvalidSpan(f"attributes: there are more than {MAX_ATTRIBUTES}")
        attributes = {
            key: value
            for attribute in span.attributes
            if (key := attribute.key) in self._wanted and (value := _value(attribute.value)) is not None
        }
        found = Span(
            trace_id,
            span_id,
            span.parent_span_id.hex(),
            span.start_time_unix_nano,
            span.end_time_unix_nano,
            span.status.code == ERROR,
            scope,
            attributes,
        )
        if span.events:
            _read_events(found, span.events)
        return found


def _read_events(found: Span, events: Any) -> None:
    for event in events:
        if event.name == EXCEPTION_EVENT:
            types = (attribute.value.string_value for attribute in event.attributes if attribute.key == EXCEPTION_TYPE)
            found.exception = next(types, None) or found.exception
        elif found.first_token is None and event.name in FIRST_TOKEN_EVENTS:
            found.first_token = event.time_unix_nano


def _value(value: Any) -> Value | None:
    kind = value.WhichOneof("value")
    if kind in ("string_value", "int_value", "double_value", "bool_value"):
        found: Value = getattr(value, kind)
        return found
    if kind == "array_value":
        return next((item.string_value for item in value.array_value.values if item.HasField("string_value")), None)
    return None


def _library() -> tuple[Callable[[bytes], Any], type[Exception]]:
    """Give what reads a span, and the error that it raises.

    Imported here, since it costs 6 MB and 50 ms that most services need not pay. Raises :exc:`ModuleNotFoundError` if
    the extra ``otlp`` is not installed.
    """
    from google.protobuf.message import DecodeError
    from opentelemetry.proto.trace.v1.trace_pb2 import Span as Message

    return Message.FromString, DecodeError
