"""The admin's endpoints: the seven reports of the guide, and the snapshot that a panel begins with.

All that an answer holds is read in one transaction, so its figures and its position are from one moment. Its ETag
(RFC 9110, 8.8.3) is made of position and local day, on which alone it depends.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.requests import Request
from starlette.responses import Response

from storage import clock, reports
from storage.changes import Position, Snapshot, plain
from storage.database import Database
from storage.metrics import summary
from storage.reports import Listing, Page
from storage.snapshots import read_head, read_snapshot
from web import shapes
from web.auth import Verifier, bearer
from web.operations import (
    Answer,
    JsonSchema,
    Operation,
    Parameter,
    boolean,
    cursor,
    moment,
    read_query,
    text,
    whole,
    write_cursor,
)
from web.problems import invalid, unauthorized

PREFIX = "/api/v1/analytics"
MAX_LIMIT = 1000
DEFAULT_LIMIT = 50
DEFAULT_DAYS = 30
MAX_DAYS = 3650
HEADERS = {"Cache-Control": "private, no-cache", "Vary": "Authorization, Origin"}

Values = dict[str, Any]


@dataclass(frozen=True)
class Ask:
    """A report that is asked for: the open read transaction, whose it is, and what it is to hold."""

    connection: AsyncConnection
    tenant_id: str
    today: str
    position: Position
    page: Page
    values: Values


Read = Callable[[Ask], Awaitable[Values]]

_FROM = Parameter("from", "Inclusive: a date (of the tenant's zone) or an ISO 8601 time.", {"type": "string"}, moment)
_TO = Parameter("to", "Exclusive: a date (of the tenant's zone) or an ISO 8601 time.", {"type": "string"}, moment)
_USER = Parameter("user_id", "Only of this user.", {"type": "string", "minLength": 1, "maxLength": 255}, text(255))
_ENDPOINT = Parameter(
    "endpoint", "Only of this endpoint.", {"type": "string", "minLength": 1, "maxLength": 512}, text(512)
)
_ACTIVE = Parameter("active_only", "Only users with an event today.", {"type": "boolean"}, boolean, default=False)
_DAYS = Parameter(
    "days",
    "How many days, today included.",
    {"type": "integer", "minimum": 1, "maximum": MAX_DAYS, "default": DEFAULT_DAYS},
    whole(1, MAX_DAYS),
)


class Reports:
    """The eight endpoints."""

    def __init__(self, database: Database, verifier: Verifier, heartbeat_seconds: float) -> None:
        self._database = database
        self._verifier = verifier
        self._heartbeat_seconds = heartbeat_seconds

    def operations(self) -> list[Operation]:
        """List the endpoints."""
        single = self._report
        return [
            single("summary", "summary", "The figures of now", self._summary, shapes.SUMMARY),
            self._list(
                "users/activities",
                "activities",
                "Activities, newest first",
                self._activities,
                shapes.ACTIVITY,
                (_USER,),
            ),
            self._list("users/top", "top", "Users by activities, most first", self._top, shapes.TOP_USER),
            self._list(
                "users/list",
                "users",
                "Users by user id; a range is one of last_seen",
                self._users,
                shapes.USER,
                (_ACTIVE,),
            ),
            self._list(
                "conversations",
                "conversations",
                "Conversations, latest created first",
                self._conversations,
                shapes.CONVERSATION,
                (_USER,),
            ),
            self._list(
                "api-usage",
                "calls",
                "API calls, newest first, and statistics of all that are selected",
                self._api_usage,
                shapes.API_CALL,
                (_ENDPOINT,),
                extra={"stats": shapes.STATS},
            ),
            self._list(
                "daily-stats",
                "daily",
                "Local days, newest first; days without events are there with zeros",
                self._daily,
                shapes.DAY,
                (_DAYS,),
            ),
            single("snapshot", "snapshot", "All that a panel shows, in one read", self._snapshot, shapes.SNAPSHOT),
        ]

    def _list(
        self,
        path: str,
        name: str,
        summary: str,
        read: Read,
        item: JsonSchema,
        filters: tuple[Parameter, ...] = (),
        extra: JsonSchema | None = None,
    ) -> Operation:
        limit_schema = {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": DEFAULT_LIMIT}
        parameters = (
            *filters,
            _FROM,
            _TO,
            Parameter("limit", "Items of a page.", limit_schema, whole(1, MAX_LIMIT)),
            Parameter("cursor", "The `next` of the page before.", {"type": "string"}, cursor(name)),
        )
        properties = {
            "items": {"type": "array", "items": item},
            "next": {"type": ["string", "null"], "description": "The cursor of the next page; null: this is the last."},
            "position": {"type": "string"},
            **(extra or {}),
        }
        schema = {"type": "object", "required": list(properties), "properties": properties}
        return self._report(path, name, summary, read, schema, parameters)

    def _report(
        self, path: str, name: str, title: str, read: Read, schema: JsonSchema, parameters: tuple[Parameter, ...] = ()
    ) -> Operation:
        async def endpoint(request: Request) -> Response:
            token = bearer(request.headers.get("authorization"))
            if token is None:
                raise unauthorized("send the token as Authorization: Bearer")
            principal = await self._verifier.verify_admin(token)
            values = read_query(request.query_params, parameters, self._database.days)
            return await self._answer(request, principal.tenant_id, values, read)

        return Operation(
            "GET",
            f"{PREFIX}/{path}",
            f"get{name.capitalize()}",
            "Reports",
            title,
            endpoint,
            {200: Answer("The report.", schema), 304: Answer("Nothing changed since the ETag in If-None-Match.")},
            access="admin",
            parameters=parameters,
        )

    async def _answer(self, request: Request, tenant_id: str, values: Values, read: Read) -> Response:
        start, end = values.get("from"), values.get("to")
        if start is not None and end is not None and start > end:
            raise invalid("to", "must not lie before from")
        page = Page(values.get("limit") or DEFAULT_LIMIT, values.get("cursor"), start, end)
        async with self._database.read() as connection:
            today = self._database.days.today()
            position = await read_head(connection, self._database.epoch, tenant_id)
            etag = f'"{position}.{today}"'
            headers = {**HEADERS, "ETag": etag}
            if _matches(request.headers.get("if-none-match", ""), etag):
                return Response(status_code=304, headers=headers)
            body = await read(Ask(connection, tenant_id, today, position, page, values))
        return Response(msgspec.json.encode(body), headers=headers, media_type="application/json")

    async def _read_snapshot(self, ask: Ask) -> tuple[Snapshot, Values]:
        snapshot = await read_snapshot(ask.connection, self._database.epoch, ask.tenant_id, ask.today)
        return snapshot, summary(snapshot.totals, snapshot.active_users.get(ask.today, 0))

    async def _summary(self, ask: Ask) -> Values:
        _, figures = await self._read_snapshot(ask)
        return {**figures, "position": str(ask.position)}

    async def _snapshot(self, ask: Ask) -> Values:
        snapshot, figures = await self._read_snapshot(ask)
        return {
            "position": str(ask.position),
            "at": clock.now(),
            "heartbeat_seconds": self._heartbeat_seconds,
            "summary": figures,
            "activities": plain(snapshot.activities),
            "top_users": plain(snapshot.top_users),
        }

    async def _activities(self, ask: Ask) -> Values:
        user_id = ask.values["user_id"]
        return _body("activities", ask, await reports.activities(ask.connection, ask.tenant_id, ask.page, user_id))

    async def _top(self, ask: Ask) -> Values:
        return _body("top", ask, await reports.top_users(ask.connection, ask.tenant_id, ask.page))

    async def _users(self, ask: Ask) -> Values:
        active_on = ask.today if ask.values["active_only"] else None
        return _body("users", ask, await reports.users(ask.connection, ask.tenant_id, ask.page, active_on))

    async def _conversations(self, ask: Ask) -> Values:
        user_id = ask.values["user_id"]
        return _body(
            "conversations", ask, await reports.conversations(ask.connection, ask.tenant_id, ask.page, user_id)
        )

    async def _api_usage(self, ask: Ask) -> Values:
        endpoint = ask.values["endpoint"]
        listing = await reports.api_calls(ask.connection, ask.tenant_id, ask.page, endpoint)
        stats = await reports.api_stats(ask.connection, ask.tenant_id, ask.page, endpoint)
        return {**_body("calls", ask, listing), "stats": stats}

    async def _daily(self, ask: Ask) -> Values:
        """Read days: the last ``days``, or those from ``from`` to ``to``; all on one page unless a limit is given."""
        days, page = self._database.days, ask.page
        last = ask.today if page.end is None else min(ask.today, days.last_before(page.end))
        wanted = ask.values["days"] or (DEFAULT_DAYS if page.start is None else MAX_DAYS)
        first = days.shift(last, 1 - wanted)
        if page.start is not None:
            first = max(first, days.of(page.start))
        page = replace(page, limit=ask.values["limit"] or MAX_LIMIT)
        try:
            listing = await reports.daily_stats(ask.connection, ask.tenant_id, days, first, last, page)
        except (ValueError, OverflowError):
            raise invalid("cursor", "is not a cursor of this list") from None
        return _body("daily", ask, listing)


def _body(name: str, ask: Ask, listing: Listing) -> Values:
    following = None if listing.next is None else write_cursor(name, listing.next)
    return {"items": listing.items, "next": following, "position": str(ask.position)}


def _matches(header: str, etag: str) -> bool:
    """Compare weakly, as If-None-Match asks (RFC 9110, 13.1.2)."""
    return header.strip() == "*" or etag in [item.strip().removeprefix("W/") for item in header.split(",")]
