"""The tracking endpoints: services post events, and are answered when these are durable."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from storage.model.batch import MAX_EVENTS, Part, Rejected, begins_array, read_array, read_lines
from storage.model.events import KINDS, AnyEvent, Kind
from storage.model.parsing import Body, InvalidEvent, parse
from storage.write.groups import Receipt
from web.http.operations import Answer, Operation
from web.http.problems import Problem
from web.ingest.drops import HEADER, read_drops
from web.ingest.ingest import Ingest

PREFIX = "/api/v1/analytics/track"
MAX_BODY = 1 << 20
"""Bytes of the body of a single event."""
MAX_BATCH = 16 << 20
"""Bytes of the body of a batch, once it is decompressed."""
JSON = "application/json"
NDJSON = "application/x-ndjson"
_NDJSON_NAMES = (NDJSON, "application/ndjson", "application/jsonl", "application/jsonlines")

_INTEGER = {"type": "integer", "minimum": 0}
RECEIPT_SCHEMA = {
    "type": "object",
    "required": ["recorded", "duplicates", "position"],
    "properties": {"recorded": _INTEGER, "duplicates": _INTEGER, "position": {"type": "string"}},
}
BATCH_SCHEMA = {
    "type": "object",
    "required": ["recorded", "duplicates", "rejected", "position"],
    "properties": {
        **RECEIPT_SCHEMA["properties"],  # type: ignore[dict-item]
        "rejected": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["index", "field", "error"],
                "properties": {"index": _INTEGER, "field": {"type": "string"}, "error": {"type": "string"}},
            },
        },
    },
}
_RECORDED = "Durable. A duplicate is counted in `duplicates` and changes nothing."


class Tracking:
    """The endpoints: one for each kind of event, and one for batches.

    *count* gets each answered request: kind, recorded, duplicates, rejected.
    *count_drops* gets what clients dropped before they posted: reason, events.
    """

    def __init__(
        self,
        ingest: Ingest,
        count: Callable[[str, int, int, int], None],
        count_drops: Callable[[str, int], None],
    ) -> None:
        self._ingest = ingest
        self._count = count
        self._count_drops = count_drops

    def operations(self) -> list[Operation]:
        """List the endpoints."""
        any_event = {"$ref": "#/components/schemas/AnyEvent"}
        batch = Operation(
            "POST",
            f"{PREFIX}/batch",
            "trackBatch",
            "Tracking",
            "Track many events",
            self.batch,
            {201: Answer(f"{_RECORDED} Items that broke a rule are listed in `rejected`.", BATCH_SCHEMA)},
            description=f"A JSON array, or NDJSON, of up to {MAX_EVENTS} events that name their kind in `type`; "
            "gzip is accepted. Good items are recorded whatever becomes of the others. "
            "A client tells what it dropped in the header `Analytics-Client-Dropped` (`queue_full=12, refused=3`): "
            "that is counted in `convoai_client_dropped_events_total`.",
            access="tracking",
            body={
                JSON: {"type": "array", "items": any_event, "maxItems": MAX_EVENTS},
                NDJSON: {"type": "string", "description": "One event a line."},
            },
        )
        return [*map(self._single, KINDS), batch]

    def _single(self, kind: Kind) -> Operation:
        async def track(request: Request) -> Response:
            identity = self._ingest.authenticator.authenticate(request.scope)
            with self._ingest.intake.begin(identity) as post:
                if request.headers.get("content-encoding", "identity") != "identity":
                    raise Problem(415, "send a single event without a content encoding")
                if _media_type(request) not in (JSON, ""):
                    raise Problem(415, f"send the event as {JSON}")
                body = await post.body(request, MAX_BODY)
                async with self._ingest.served.of(identity.tenant_id):
                    receipt = await self._ingest.writer.write(identity.tenant_id, [self._event(body, kind)])
            self._count(kind.name, receipt.recorded, receipt.duplicates, 0)
            return _answer(receipt)

        return Operation(
            "POST",
            f"{PREFIX}/{kind.path}",
            f"track{kind.event.__name__}",
            "Tracking",
            kind.summary,
            track,
            {201: Answer(_RECORDED, RECEIPT_SCHEMA)},
            access="tracking",
            body={JSON: {"$ref": f"#/components/schemas/{kind.event.__name__}"}},
        )

    def _event(self, body: Body, kind: Kind) -> AnyEvent:
        try:
            event = parse(body, kind.event)
            self._ingest.earliest.check(event)
        except InvalidEvent:
            self._count(kind.name, 0, 0, 1)
            raise
        return event

    async def batch(self, request: Request) -> Response:
        """Take many events at once."""
        identity = self._ingest.authenticator.authenticate(request.scope)
        self._ingest.writer.check(identity.tenant_id)
        with self._ingest.intake.begin(identity) as post:
            encoding = request.headers.get("content-encoding", "identity").lower()
            if encoding not in ("gzip", "identity"):
                raise Problem(415, "send a batch as it is, or with the content encoding gzip")
            media_type = _media_type(request)
            if media_type not in (JSON, "", *_NDJSON_NAMES):
                raise Problem(415, f"send a batch as {JSON} or {NDJSON}")
            body = await (post.gunzipped if encoding == "gzip" else post.body)(request, MAX_BATCH)
            check = self._ingest.earliest.check if self._ingest.earliest.today() else None
            lines = media_type in _NDJSON_NAMES or (not media_type and not begins_array(body))
            accepted, rejected = await _together(post.parts((read_lines if lines else read_array)(body, check)))
            post.charge(len(accepted) + len(rejected))
            # What was read is held by its events from here on.
            del body
            receipt = await self._ingest.write(identity, accepted)
            self._count("batch", receipt.recorded, receipt.duplicates, len(rejected))
            for reason, events in read_drops(request.headers.get(HEADER, "")):
                self._count_drops(reason, events)
            return _answer(receipt, rejected)


def _answer(receipt: Receipt, rejected: list[Rejected] | None = None) -> Response:
    body: dict[str, Any] = {"recorded": receipt.recorded, "duplicates": receipt.duplicates}
    if rejected is not None:
        body["rejected"] = rejected
    body["position"] = str(receipt.position)
    return Response(msgspec.json.encode(body), 201, media_type=JSON)


async def _together(parts: AsyncIterator[Part]) -> tuple[list[AnyEvent], list[Rejected]]:
    accepted: list[AnyEvent] = []
    rejected: list[Rejected] = []
    async for part in parts:
        accepted += part.events
        rejected += part.rejected
    return accepted, rejected


def _media_type(request: Request) -> str:
    """Name the media type without its parameters; empty if the request names none, which is taken for JSON."""
    media_type, *parameters = request.headers.get("content-type", "").lower().split(";")
    for parameter in parameters:
        name, _, value = parameter.strip().partition("=")
        if name == "charset" and value.strip('"') not in ("utf-8", "utf8"):
            raise Problem(415, "send the body in UTF-8")
    return media_type.strip()
