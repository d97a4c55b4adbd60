"""OTLP/HTTP's endpoint for traces: spans of LLM calls become events, all others are acknowledged and not stored."""

from collections import Counter
from collections.abc import Callable, Iterator

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from storage.errors import StorageUnavailable
from storage.model.events import AnyEvent
from storage.model.parsing import Body, InvalidEvent, MalformedJson
from web.http.operations import Answer, JsonSchema, Operation
from web.http.problems import Problem, explain
from web.ingest.ingest import Ingest
from web.ingest.json_walk import TooManyMembers
from web.ingest.otlp.answers import JSON, PROTOBUF, accept, refuse
from web.ingest.otlp.calls import SAME_CALL, Call, event_of, outermost, read_call
from web.ingest.otlp.dialects.known import WANTED
from web.ingest.otlp.json_text import JsonReader
from web.ingest.otlp.protobuf import ProtobufReader
from web.ingest.otlp.recent import RecentCalls
from web.ingest.otlp.spans import InvalidSpan, Span, TooManySpans
from web.ingest.otlp.tally import CALL, INVALID, Tally
from web.ingest.otlp.wire import MalformedProtobuf

PATH = "/v1/traces"
LANGFUSE_PATH = "/api/public/otel/v1/traces"
"""Where langfuse's SDK posts to."""
MAX_REQUEST = 16 << 20
"""Bytes of a request, once it is decompressed."""
SLICE = 32
"""Calls that become events in one go, in about a millisecond."""
MAX_REASON = 200
"""Characters of what an exporter is told about the first span that was refused."""

_STATUS: JsonSchema = {
    "type": "object",
    "required": ["code", "message"],
    "properties": {"code": {"type": "integer"}, "message": {"type": "string"}},
}
_BINARY: JsonSchema = {"type": "string", "format": "binary"}
_ACCEPTED: JsonSchema = {
    "type": "object",
    "properties": {
        "partialSuccess": {
            "type": "object",
            "properties": {"rejectedSpans": {"type": "string"}, "errorMessage": {"type": "string"}},
        }
    },
}
_ERRORS = {
    400: "The body is not such a request, or not valid gzip.",
    401: "A tracking key is needed here, or the one that was sent is not known.",
    413: "The request holds too many bytes, spans or parts: send smaller ones.",
    415: "The media type or the content encoding is not one of those listed, or protobuf is not installed.",
    429: "More than may be posted; nothing was recorded; come back after Retry-After.",
    503: "Not recorded, or not known to be: send it again after Retry-After.",
}


class Traces:
    """The endpoint; *count* gets each answered request: kind, recorded, duplicates, rejected."""

    def __init__(self, ingest: Ingest, tally: Tally, count: Callable[[str, int, int, int], None]) -> None:
        self._ingest = ingest
        self._tally = tally
        self._count = count
        self._recent = RecentCalls()

    def operations(self) -> list[Operation]:
        """List it under both its paths."""
        return [self._operation(PATH, "exportTraces"), self._operation(LANGFUSE_PATH, "exportTracesOfLangfuse")]

    def _operation(self, path: str, name: str) -> Operation:
        errors = {status: Answer(meaning, _STATUS, JSON, {PROTOBUF: _BINARY}) for status, meaning in _ERRORS.items()}
        accepted = Answer("Durable, as far as spans tell of LLM calls.", _ACCEPTED, JSON, {PROTOBUF: _BINARY})
        return Operation(
            "POST",
            path,
            name,
            "Tracking",
            "Take spans by OTLP/HTTP",
            self.export,
            {200: accepted, **errors},
            description="An ExportTraceServiceRequest of OpenTelemetry, gzip accepted. Spans of LLM calls become "
            "events; all others are acknowledged and not stored. The tracking key may be a bearer credential, or the "
            "password of a Basic one.",
            access="spans",
            body={PROTOBUF: _BINARY, JSON: {"type": "object"}},
        )

    async def export(self, request: Request) -> Response:
        """Answer a request in its own media type, also if it fails."""
        media = request.headers.get("content-type", "").lower().partition(";")[0].strip()
        try:
            return await self._export(request, media)
        except MalformedProtobuf as error:
            return refuse(media, Problem(400, str(error)))
        except (TooManySpans, TooManyMembers) as error:
            return refuse(media, Problem(413, str(error)))
        except (Problem, InvalidEvent, MalformedJson, StorageUnavailable, ClientDisconnect, HTTPException) as error:
            return refuse(media, explain(error))

    async def _export(self, request: Request, media: str) -> Response:
        identity = self._ingest.authenticator.authenticate(request.scope)
        self._ingest.writer.check(identity.tenant_id)
        with self._ingest.intake.begin(identity) as post:
            encoding = request.headers.get("content-encoding", "identity").lower()
            if encoding not in ("gzip", "identity"):
                raise Problem(415, "send spans as they are, or with the content encoding gzip")
            if media not in (JSON, PROTOBUF):
                raise Problem(415, f"send spans as {PROTOBUF} or {JSON}")
            body = await (post.gunzipped if encoding == "gzip" else post.body)(request, MAX_REQUEST)
            batch = _Batch(identity.tenant_id, self._recent, self._ingest.earliest.check)
            async for _ in post.pieces(batch.read(body, media)):
                pass
            post.charge(sum(batch.outcomes.values()))
            # What was read is held by the events from here on.
            del body
            receipt = await self._ingest.write(identity, batch.events)
            self._recent.add(identity.tenant_id, batch.groups)
        self._tally.add(batch.outcomes)
        self._count("otlp", receipt.recorded, receipt.duplicates, batch.outcomes[INVALID])
        return accept(media, batch.outcomes[INVALID], batch.reason)


class _Batch:
    """The events of one request, and what became of its spans; *check* raises :exc:`InvalidEvent`."""

    def __init__(self, tenant_id: str, recent: RecentCalls, check: Callable[[AnyEvent], None]) -> None:
        self.events: list[AnyEvent] = []
        self.groups: list[list[Call]] = []
        """The calls that are recorded, or were before, each with all spans that tell of it."""
        self.outcomes: Counter[str] = Counter()
        self.reason = ""
        """Why the first span that was refused was so; "" if none was."""
        self._tenant_id = tenant_id
        self._recent = recent
        self._check = check
        self._calls: dict[str, Call] = {}

    def read(self, body: Body, media: str) -> Iterator[None]:
        """Read a request; others may run between the steps.

        Raises what the readers do.
        """
        for spans in _reader(body, media).read():
            for span in spans:
                self._take(span)
            yield
        for number, group in enumerate(outermost(self._calls)):
            if group:
                self._add(group)
            if not group or number % SLICE == SLICE - 1:
                yield

    def _take(self, span: Span | InvalidSpan) -> None:
        if isinstance(span, InvalidSpan):
            self._refuse(str(span))
            return
        found = read_call(span)
        if isinstance(found, Call):
            self._calls[span.key] = found
        else:
            self.outcomes[found] += 1

    def _add(self, group: list[Call]) -> None:
        if self._recent.has(self._tenant_id, group):
            self.groups.append(group)
            self.outcomes[SAME_CALL] += len(group)
            return
        try:
            event = event_of(group)
            self._check(event)
        except InvalidEvent as error:
            self._refuse(str(error))
        else:
            self.groups.append(group)
            self.events.append(event)
            self.outcomes[CALL] += 1
        if len(group) > 1:
            self.outcomes[SAME_CALL] += len(group) - 1

    def _refuse(self, reason: str) -> None:
        self.outcomes[INVALID] += 1
        self.reason = self.reason or reason[:MAX_REASON]


def _reader(body: Body, media: str) -> JsonReader | ProtobufReader:
    if media == JSON:
        return JsonReader(body, WANTED)
    try:
        return ProtobufReader(body, WANTED)
    except ModuleNotFoundError:
        raise Problem(
            415,
            "protobuf needs the extra otlp: pip install 'convoai-analytics[otlp]', or set "
            f"OTEL_EXPORTER_OTLP_PROTOCOL=http/json to send {JSON}",
        ) from None
