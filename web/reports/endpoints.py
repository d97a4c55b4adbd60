"""The admin's endpoints: the lists, the summary, and the snapshot that a panel begins with.

All that an answer holds is read in one transaction, so its figures and its position are from one moment. Its ETag
(RFC 9110, 8.8.3) is made of position and local day, on which alone it depends; it is weak, since an answer may be
gzipped or not. A list is also there as CSV, for those who would rather have that. Who asks waits for a turn, in which
an answer is read, written and compressed; what it then holds is counted until the client has taken it.
"""

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from storage.engine.database import Database
from storage.model import clock
from storage.model.changes import minute_items, plain
from storage.model.metrics import summary
from storage.read.reports import Page
from storage.read.snapshots import read_head, read_snapshot, read_totals
from web.auth.admin import MISSING, AdminAuthenticator, find_credential
from web.http.accept import prefers, takes_gzip
from web.http.connections import mark_authenticated, network_of
from web.http.etag import matches, weak
from web.http.operations import (
    Answer,
    Endpoint,
    JsonSchema,
    Operation,
    Parameter,
    boolean,
    moment,
    opaque,
    read_cursor,
    read_query,
    whole,
    write_cursor,
)
from web.http.problems import MEDIA_TYPE, PROBLEM, Problem, invalid, unauthorized
from web.ops.audit import PRINCIPAL
from web.reports import shapes
from web.reports.admission import ALLOCATION, Admission
from web.reports.answers import GZIP_BYTES, compress, encode
from web.reports.copies import Copies
from web.reports.exports import EVERYTHING, HELD_BYTES, Exports, Reader, Selection, download
from web.reports.formats import Csv
from web.reports.lists import LISTS, MAX_LIMIT, Ask, Cost, List, Values, is_long

PREFIX = "/api/v1/analytics"
MAX_QUERY = 16 << 10
"""Bytes; more than all parameters need. To take 60 KB of them apart would take 25 ms."""
JSON = "application/json"
CSV = "text/csv"
VARY = {"Vary": "Authorization, Cookie, Origin, Accept, Accept-Encoding"}
HEADERS = {**VARY, "Cache-Control": "private, no-cache"}
CSV_SHAPE: JsonSchema = {"type": "string", "description": "All that is selected, unless a limit is given."}

Read = Callable[[Ask], Awaitable[Values]]

_FROM = Parameter("from", "Inclusive: a date (of the tenant's zone) or an ISO 8601 time.", {"type": "string"}, moment)
_TO = Parameter("to", "Exclusive: a date (of the tenant's zone) or an ISO 8601 time.", {"type": "string"}, moment)
_BOM = Parameter(
    "bom",
    "As CSV: begin with a byte-order mark, without which Excel does not read UTF-8.",
    {"type": "boolean", "default": False},
    boolean,
    default=False,
)
_CURSOR = Parameter("cursor", "The `next` of the page before.", {"type": "string"}, opaque)


class Reports:
    """The endpoints."""

    def __init__(
        self,
        database: Database,
        admins: AdminAuthenticator,
        heartbeat_seconds: float,
        admission: Admission,
        copies: Copies,
    ) -> None:
        self._database = database
        self._admins = admins
        self._heartbeat_seconds = heartbeat_seconds
        self._admission = admission
        self._exports = Exports(database, copies)

    def operations(self) -> list[Operation]:
        """List the endpoints."""
        return [
            self.report("summary", "getSummary", "The figures of now", self._summary, shapes.SUMMARY),
            *(self.list_of(source) for source in LISTS),
            self.report(
                "snapshot", "getSnapshot", "All that a panel shows, in one read", self._snapshot, shapes.SNAPSHOT
            ),
        ]

    def report(
        self,
        path: str,
        name: str,
        title: str,
        read: Read,
        shape: JsonSchema,
        parameters: tuple[Parameter, ...] = (),
        *,
        moving: bool = False,
        is_heavy: Cost = is_long,
        missing: str | None = None,
    ) -> Operation:
        """Make an endpoint that answers with what *read* gives, and the position; ``ask.page`` holds its range.

        One that is *moving* answers differently every minute, also if nothing was committed. *is_heavy* says in which
        line it waits, *missing* what a 404 means (None: there is none).
        """

        async def endpoint(request: Request) -> Response:
            tenant_id = await self.admit(request)
            values = read_query(request.query_params, parameters, self._database.days)
            start, end = _range(values)
            page = Page(1, None, start, end)
            async with self._admission.turn(request, heavy=is_heavy(page, values)):
                return await self._answer(request, tenant_id, page, values, read, _stamp(moving))

        return _operation(path, name, title, endpoint, Answer("The report.", shape), parameters, missing)

    def list_of(self, source: List) -> Operation:
        """Make the endpoint of a list."""
        parameters = (*source.filters, _FROM, _TO, _limit(source), _CURSOR, _BOM)

        async def endpoint(request: Request) -> Response:
            tenant_id = await self.admit(request)
            values = read_query(request.query_params, parameters, self._database.days)
            page = _page(source, values)
            if prefers(request.headers.get("accept", ""), CSV, JSON):
                wanted = Selection(tenant_id, page, values, values["limit"] or EVERYTHING)
                return await self._download(request, source, wanted)
            async with self._admission.turn(request, heavy=source.is_heavy(page, values)):
                return await self._answer(request, tenant_id, page, values, _reader(source), _stamp(source.moving))

        answer = Answer("The report.", _shape(source), also={CSV: CSV_SHAPE})
        return _operation(source.path, source.operation, source.title, endpoint, answer, parameters)

    async def admit(self, request: Request) -> str:
        """Name the tenant whose admin asks; raises a :exc:`Problem`, and as :meth:`FairShares.take` does.

        Who asks is in the scope then, under :data:`PRINCIPAL`.
        """
        credential = find_credential(request.headers)
        token = "" if credential is None else credential.text
        address = request.client.host if request.client else ""
        await self._admission.begin(token, network_of(address) if address else "")
        if len(request.scope["query_string"]) > MAX_QUERY:
            raise Problem(414, f"the query is longer than {MAX_QUERY:,} bytes")
        if credential is None:
            raise unauthorized(MISSING)
        try:
            principal = request.scope[PRINCIPAL] = await self._admins.authenticate(credential, address)
        except Problem:
            self._admission.drop_token(token)
            raise
        mark_authenticated(request.scope)
        self._admins.check_admin(principal)
        self._admission.admit(request, token, principal)
        return principal.tenant_id

    def light_turn(self, request: Request) -> AbstractAsyncContextManager[None]:
        """Wait for the turn of who asks for what costs little, and end it; raises as :meth:`Admission.turn` does."""
        return self._admission.turn(request, heavy=False)

    def heavy_turn(self, request: Request) -> AbstractAsyncContextManager[None]:
        """Wait for the turn of who asks for what costs much, and end it; raises as :meth:`Admission.turn` does."""
        return self._admission.turn(request, heavy=True)

    async def _download(self, request: Request, source: List, wanted: Selection) -> Response:
        request.scope[ALLOCATION].grow(HELD_BYTES)
        gzip = takes_gzip(request.headers.get("accept-encoding", ""))
        reader = Reader(partial(self._admission.turn, request, heavy=True), request.is_disconnected, gzip)
        pieces = self._exports.stream(source, wanted, Csv(source.columns, bom=wanted.values["bom"]), reader)
        return await download(source, pieces, VARY, gzip=gzip)

    async def _answer(
        self, request: Request, tenant_id: str, page: Page, values: Values, read: Read, stamp: str = ""
    ) -> Response:
        """Answer, or say that nothing changed; *stamp* is what the answer depends on beside position and day."""
        async with self._database.read() as connection:
            today = self._database.days.today()
            position = await read_head(connection, self._database.epoch, tenant_id)
            etag = weak(f"{position}.{today}{stamp}")
            headers = {**HEADERS, "ETag": etag}
            if matches(request.headers.get("if-none-match", ""), etag):
                return Response(status_code=304, headers=headers)
            body = await read(Ask(connection, tenant_id, self._database.days, today, page, values))
        body["position"] = str(position)
        written = await encode(body)
        if len(written) >= GZIP_BYTES and takes_gzip(request.headers.get("accept-encoding", "")):
            written = await compress(written)
            headers["Content-Encoding"] = "gzip"
        request.scope[ALLOCATION].grow(len(written))
        return Response(written, headers=headers, media_type=JSON)

    async def _summary(self, ask: Ask) -> Values:
        totals, active_users = await read_totals(ask.connection, ask.tenant_id, ask.today)
        return summary(totals, active_users.get(ask.today, 0))

    async def _snapshot(self, ask: Ask) -> Values:
        snapshot = await read_snapshot(ask.connection, self._database.epoch, ask.tenant_id, ask.today)
        return {
            "at": clock.now(),
            "heartbeat_seconds": self._heartbeat_seconds,
            "summary": summary(snapshot.totals, snapshot.active_users.get(ask.today, 0)),
            "activities": plain(snapshot.activities),
            "top_users": plain(snapshot.top_users),
            "series": minute_items(snapshot.minutes),
            "alerts": plain(snapshot.alerts),
        }


def _stamp(moving: bool) -> str:
    """Name the minute, for an answer that changes with it."""
    return f".{clock.now()[:16]}" if moving else ""


def _operation(
    path: str,
    name: str,
    title: str,
    endpoint: Endpoint,
    answer: Answer,
    parameters: tuple[Parameter, ...],
    missing: str | None = None,
) -> Operation:
    answers = {200: answer, 304: Answer("Nothing changed since the ETag in If-None-Match.")}
    if missing is not None:
        answers[404] = Answer(missing, PROBLEM, MEDIA_TYPE)
    return Operation(
        "GET", f"{PREFIX}/{path}", name, "Reports", title, endpoint, answers, access="admin", parameters=parameters
    )


def _limit(source: List) -> Parameter:
    shape = {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": source.limit}
    return Parameter("limit", "Items of a page; as CSV the default is all.", shape, whole(1, MAX_LIMIT))


def _shape(source: List) -> JsonSchema:
    properties = {
        "items": {"type": "array", "items": source.item},
        "next": {"type": ["string", "null"], "description": "The cursor of the next page; null: this is the last."},
        "position": shapes.STRING,
        **source.beside_shape,
    }
    return shapes.record(properties)


def _range(values: Values) -> tuple[str | None, str | None]:
    start, end = values.get("from"), values.get("to")
    if start is not None and end is not None and start > end:
        raise invalid("to", "must not lie before from")
    return start, end


def _page(source: List, values: Values) -> Page:
    start, end = _range(values)
    after = None if values["cursor"] is None else read_cursor(values["cursor"], *source.cursor(values))
    return Page(values["limit"] or source.limit, after, start, end)


def _reader(source: List) -> Read:
    async def read(ask: Ask) -> dict[str, Any]:
        listing = await source.read(ask)
        name, _ = source.cursor(ask.values)
        following = None if listing.next is None else write_cursor(name, listing.next)
        beside = {} if source.beside is None else await source.beside(ask)
        return {"items": listing.items, "next": following, **beside}

    return read
