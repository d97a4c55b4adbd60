"""The tracking endpoints: services post events, and are answered when these are durable."""

import asyncio
import zlib
from collections.abc import AsyncIterator, Callable, Iterable
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from storage import events
from storage.events import Activity, AnyEvent, ApiUsage, Conversation, InvalidEvent, MalformedJson, Message
from storage.groups import Receipt
from storage.removal.retention import Earliest
from storage.writer import Writer
from web.door import Door
from web.operations import Answer, Operation
from web.problems import Problem
from web.rates import Rates

PREFIX = "/api/v1/analytics/track"
MAX_BODY = 1 << 20
"""Bytes of the body of a single event."""
MAX_BATCH = 16 << 20
"""Bytes of the body of a batch, once it is decompressed."""
MAX_BATCH_EVENTS = 10_000
PARSE_SLICE = 500
"""Items read in one go where they are read one by one, about 4 ms."""
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


class Rejected(msgspec.Struct):
    """An item of a batch that was not taken: its place, the field at fault, and the rule it broke."""

    index: int
    field: str
    error: str


class Tracking:
    """The five endpoints. *count* is told of each answered request: kind, recorded, duplicates, rejected."""

    def __init__(
        self,
        writer: Writer,
        door: Door,
        rates: Rates,
        earliest: Earliest,
        count: Callable[[str, int, int, int], None],
    ) -> None:
        self._writer = writer
        self._earliest = earliest
        self._door = door
        self._rates = rates
        self._count = count

    def operations(self) -> list[Operation]:
        """List the endpoints."""
        singles = [
            self._single("activity-public", "activity", Activity, "Track a user's activity"),
            self._single("api-usage-public", "api_usage", ApiUsage, "Track an API call"),
            self._single(
                "conversation-public", "conversation", Conversation, "Track that a conversation was created or deleted"
            ),
            self._single("message-public", "message", Message, "Track a message"),
        ]
        any_event = {"$ref": "#/components/schemas/AnyEvent"}
        batch = Operation(
            "POST",
            f"{PREFIX}/batch",
            "trackBatch",
            "Tracking",
            "Track many events",
            self.batch,
            {201: Answer(f"{_RECORDED} Items that broke a rule are listed in `rejected`.", BATCH_SCHEMA)},
            description=f"A JSON array, or NDJSON, of up to {MAX_BATCH_EVENTS} events that name their kind in `type`; "
            "gzip is accepted. Good items are recorded whatever becomes of the others.",
            access="tracking",
            body={
                JSON: {"type": "array", "items": any_event, "maxItems": MAX_BATCH_EVENTS},
                NDJSON: {"type": "string", "description": "One event a line."},
            },
        )
        return [*singles, batch]

    def _single(self, path: str, name: str, kind: type[AnyEvent], summary: str) -> Operation:
        async def track(request: Request) -> Response:
            guest = self._door.admit(request.scope)
            self._rates.check(guest.account)
            self._rates.count(guest.account, 1)
            if request.headers.get("content-encoding", "identity") != "identity":
                raise Problem(415, "send a single event without a content encoding")
            if _media_type(request) not in (JSON, ""):
                raise Problem(415, f"send the event as {JSON}")
            body = await _read(request.stream(), MAX_BODY, request)
            try:
                event = events.parse(body, kind)
                self._earliest.check(event)
            except InvalidEvent:
                self._count(name, 0, 0, 1)
                raise
            receipt = await self._writer.write(guest.tenant_id, [event])
            self._count(name, receipt.recorded, receipt.duplicates, 0)
            return _answer(receipt)

        return Operation(
            "POST",
            f"{PREFIX}/{path}",
            f"track{kind.__name__}",
            "Tracking",
            summary,
            track,
            {201: Answer(_RECORDED, RECEIPT_SCHEMA)},
            access="tracking",
            body={JSON: {"$ref": f"#/components/schemas/{kind.__name__}"}},
        )

    async def batch(self, request: Request) -> Response:
        """Take many events at once."""
        guest = self._door.admit(request.scope)
        self._rates.check(guest.account)
        self._writer.check(guest.tenant_id)
        stream: AsyncIterator[bytes] = request.stream()
        encoding = request.headers.get("content-encoding", "identity").lower()
        if encoding == "gzip":
            stream = _gunzip(stream)
        elif encoding != "identity":
            raise Problem(415, "send a batch as it is, or with the content encoding gzip")
        media_type = _media_type(request)
        if media_type not in (JSON, "", *_NDJSON_NAMES):
            raise Problem(415, f"send a batch as {JSON} or {NDJSON}")
        body = await _read(stream, MAX_BATCH, request)
        lines = media_type in _NDJSON_NAMES or (not media_type and not body.lstrip().startswith(b"["))
        accepted, rejected = await (_parse_lines(body, self._earliest) if lines else _parse_array(body, self._earliest))
        self._rates.count(guest.account, len(accepted) + len(rejected))
        receipt = await self._writer.write(guest.tenant_id, accepted)
        self._count("batch", receipt.recorded, receipt.duplicates, len(rejected))
        return _answer(receipt, rejected)


def _answer(receipt: Receipt, rejected: list[Rejected] | None = None) -> Response:
    body: dict[str, Any] = {"recorded": receipt.recorded, "duplicates": receipt.duplicates}
    if rejected is not None:
        body["rejected"] = rejected
    body["position"] = str(receipt.position)
    return Response(msgspec.json.encode(body), 201, media_type=JSON)


_Parsed = tuple[list[AnyEvent], list[Rejected]]


async def _parse_array(body: bytes, earliest: Earliest) -> _Parsed:
    """Read a JSON array, in one pass if all of it is good; if it is not JSON at all, nothing of it is taken."""
    parsed = events.parse_all(body)
    if parsed is None:
        return await _parse_each(events.split(body), earliest, strict=True)
    if len(parsed) > MAX_BATCH_EVENTS:
        raise _too_many()
    return _new_enough(parsed, earliest) if earliest.today() else (parsed, [])


def _new_enough(parsed: list[AnyEvent], earliest: Earliest) -> _Parsed:
    accepted: list[AnyEvent] = []
    rejected: list[Rejected] = []
    for index, event in enumerate(parsed):
        try:
            earliest.check(event)
            accepted.append(event)
        except InvalidEvent as error:
            rejected.append(Rejected(index, error.field, error.error))
    return accepted, rejected


async def _parse_lines(body: bytes, earliest: Earliest) -> _Parsed:
    """Read NDJSON; blank lines are passed over, but each other line is at most as good as itself."""
    if body.count(b"\n") > 2 * MAX_BATCH_EVENTS:
        raise _too_many()
    return await _parse_each((line for line in body.split(b"\n") if line.strip()), earliest, strict=False)


async def _parse_each(items: Iterable[bytes], earliest: Earliest, *, strict: bool) -> _Parsed:
    """Read items one by one; if *strict*, an item that is no JSON means that the whole is none."""
    accepted: list[AnyEvent] = []
    rejected: list[Rejected] = []
    for index, item in enumerate(items):
        if index >= MAX_BATCH_EVENTS:
            raise _too_many()
        if index % PARSE_SLICE == PARSE_SLICE - 1:
            await asyncio.sleep(0)
        try:
            event = events.parse_any(item)
            earliest.check(event)
            accepted.append(event)
        except InvalidEvent as error:
            rejected.append(Rejected(index, error.field, error.error))
        except MalformedJson as error:
            if strict:
                raise
            rejected.append(Rejected(index, "", str(error)))
    return accepted, rejected


def _too_many() -> Problem:
    return Problem(413, f"a batch holds at most {MAX_BATCH_EVENTS} events")


def _media_type(request: Request) -> str:
    """Name the media type without its parameters; empty if the request names none, which is taken for JSON."""
    media_type, *parameters = request.headers.get("content-type", "").lower().split(";")
    for parameter in parameters:
        name, _, value = parameter.strip().partition("=")
        if name == "charset" and value.strip('"') not in ("utf-8", "utf8"):
            raise Problem(415, "send the body in UTF-8")
    return media_type.strip()


async def _read(stream: AsyncIterator[bytes], limit: int, request: Request) -> bytes:
    """Read a body of at most *limit* bytes, as it comes and as it is once it is decompressed."""
    too_large = Problem(413, f"the body holds more than {limit} bytes")
    length = request.headers.get("content-length", "")
    if length.isdigit() and int(length) > limit:
        raise too_large
    chunks, size = [], 0
    async for chunk in stream:
        size += len(chunk)
        if size > limit:
            raise too_large
        chunks.append(chunk)
    return b"".join(chunks)


async def _gunzip(stream: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Decompress piece by piece, so that a small body cannot become a large one before the limit is seen.

    A gzip file may have several members, one after the other (RFC 1952, 2.2).
    """
    inflate, taken = zlib.decompressobj(wbits=31), 0
    try:
        async for chunk in stream:
            taken += len(chunk)
            if taken > MAX_BATCH:
                raise Problem(413, f"the body holds more than {MAX_BATCH} bytes")
            while chunk:
                if inflate.eof:
                    inflate = zlib.decompressobj(wbits=31)
                yield inflate.decompress(chunk, MAX_BODY)
                chunk = inflate.unused_data if inflate.eof else inflate.unconsumed_tail
    except zlib.error:
        raise Problem(400, "the body is not valid gzip") from None
    if not inflate.eof:
        raise Problem(400, "the gzip body ends too early")
