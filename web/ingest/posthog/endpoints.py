"""PostHog's endpoint for batches. The project's key, in the body, is a tracking key."""

from collections.abc import Callable, Iterator
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from storage.model.batch import MAX_EVENTS, Rejected
from storage.model.events import AnyEvent
from storage.model.parsing import Body, InvalidEvent, MalformedJson
from web.auth.ingest import IngestIdentity
from web.http.operations import Answer, Operation
from web.http.problems import Problem, unauthorized
from web.ingest.ingest import Ingest
from web.ingest.json_walk import TooManyMembers, Walk
from web.ingest.posthog.events import MAX_ITEM, read_event
from web.ingest.tracking import BATCH_SCHEMA, MAX_BATCH

PATH = "/batch/"
UNNAMED = ""
"""Stands for the tenant while a body is read whose key is in it: all such posts share what one tenant may hold."""
SLICE, SLICE_BYTES = 32, 64 << 10
"""Events that are read in one go, and their bytes: about a millisecond."""
MAX_KEY = 1000
"""Bytes of a key."""
_JSON = "application/json"


class Batches:
    """The endpoint; *count* gets each answered request: kind, recorded, duplicates, rejected."""

    def __init__(self, ingest: Ingest, count: Callable[[str, int, int, int], None]) -> None:
        self._ingest = ingest
        self._count = count

    def operation(self) -> Operation:
        """Describe the endpoint."""
        answer = {
            **BATCH_SCHEMA,
            "required": ["status", *BATCH_SCHEMA["required"]],
            "properties": {"status": {"type": "string"}, **BATCH_SCHEMA["properties"]},  # type: ignore[dict-item]
        }
        return Operation(
            "POST",
            PATH,
            "postHogBatch",
            "Tracking",
            "Take a batch of PostHog's SDKs",
            self.batch,
            {200: Answer("Durable. Items that broke a rule are listed in `rejected`.", answer)},
            description="Generations and embeddings of models become LLM calls, all other events activities; `uuid` is "
            "the event id. Gzip is accepted. `api_key` is a tracking key.",
            access="tracking",
            body={
                _JSON: {
                    "type": "object",
                    "required": ["batch"],
                    "properties": {
                        "api_key": {"type": "string"},
                        "batch": {"type": "array", "items": {"type": "object"}, "maxItems": MAX_EVENTS},
                    },
                }
            },
        )

    async def batch(self, request: Request) -> Response:
        """Take a batch."""
        encoding = request.headers.get("content-encoding", "identity").lower()
        if encoding not in ("gzip", "identity"):
            raise Problem(415, "send a batch as it is, or with the content encoding gzip")
        stranger = IngestIdentity(UNNAMED, self._ingest.authenticator.source(request.scope))
        with self._ingest.intake.begin(stranger) as post:
            body = await (post.gunzipped if encoding == "gzip" else post.body)(request, MAX_BATCH)
            batch = _Batch(body)
            try:
                async for _ in post.pieces(batch.cut()):
                    pass
            except TooManyMembers as error:
                raise Problem(413, str(error)) from None
            identity = self._identify(request, batch.key)
            with self._ingest.intake.begin(identity) as own:
                async for _ in own.pieces(batch.read(self._ingest.earliest.check)):
                    pass
                own.charge(len(batch.cuts))
                receipt = await self._ingest.write(identity, batch.events)
        self._count("posthog", receipt.recorded, receipt.duplicates, len(batch.rejected))
        answer: dict[str, Any] = {
            "status": "Ok",
            "recorded": receipt.recorded,
            "duplicates": receipt.duplicates,
            "rejected": batch.rejected,
            "position": str(receipt.position),
        }
        return Response(msgspec.json.encode(answer), media_type=_JSON)

    def _identify(self, request: Request, key: str | None) -> IngestIdentity:
        """Say who posts: by the key in the body; without one as at all other endpoints. Raises a 401."""
        authenticator = self._ingest.authenticator
        return authenticator.of_key(request.scope, key) if key else authenticator.authenticate(request.scope)


class _Batch:
    """A batch: first it is cut into its events, which finds the key, then these are read."""

    def __init__(self, body: Body) -> None:
        self.key: str | None = None
        self.cuts: list[tuple[int, int]] = []
        self.events: list[AnyEvent] = []
        self.rejected: list[Rejected] = []
        self._walk = Walk(body)

    def cut(self) -> Iterator[None]:
        """Find the key, and where events begin and end; raises :exc:`MalformedJson` or :exc:`TooManyMembers`."""
        walk = self._walk
        for name in walk.members():
            if name == "batch" and walk.mark() == "[":
                for _ in walk.items():
                    begin = walk.at
                    yield from walk.skip()
                    self.cuts.append((begin, walk.at))
                    if len(self.cuts) > MAX_EVENTS:
                        raise TooManyMembers(f"a batch holds at most {MAX_EVENTS} events")
                    yield from walk.pause()
                continue
            walk.mark()
            begin = walk.at
            yield from walk.skip()
            yield from walk.pause()
            if name == "api_key":
                self.key = _text(walk.text[begin : min(walk.at, begin + MAX_KEY)])
        if walk.mark():
            raise MalformedJson("the body is not valid JSON")

    def read(self, check: Callable[[AnyEvent], None]) -> Iterator[None]:
        """Read the events; those that break a rule are listed in :attr:`rejected`."""
        size = 0
        for number, (begin, end) in enumerate(self.cuts):
            try:
                # A larger one is not even copied.
                event = read_event(self._walk.text[begin : min(end, begin + MAX_ITEM + 1)])
                check(event)
                self.events.append(event)
            except InvalidEvent as error:
                self.rejected.append(Rejected(number, error.field, error.error))
            size += end - begin
            if number % SLICE == SLICE - 1 or size > SLICE_BYTES:
                size = 0
                yield


def _text(written: Body) -> str:
    """Read a string; raises a 401 :exc:`Problem` if it is none, or too long."""
    try:
        return msgspec.json.decode(written, type=str)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise unauthorized("api_key must be a tracking key") from None
