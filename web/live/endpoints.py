"""The live endpoint: who may open a WebSocket or an event stream, and from where.

What happens then is ``realtime/connection.py``.
"""

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import structlog
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from realtime.connection import Connection, Refused, reject
from realtime.drain import drain
from realtime.hub import Subscribers
from realtime.node import Node
from realtime.principal import Principal
from realtime.protocol import (
    BEARER,
    BREAKDOWN,
    EXPIRED,
    NOT_ALLOWED,
    OVER_CAPACITY,
    REVOKED,
    SUBPROTOCOL,
    TOPICS,
    FollowBreakdown,
    Subscribe,
    Topic,
)
from realtime.transports import eventstream
from realtime.transports.allowance import Allowances
from realtime.transports.sinks import Sink
from realtime.transports.websocket import metered, sink_for
from storage.errors import StorageError
from storage.model import clock
from storage.model.clock import Days
from storage.read.breakdowns.catalogue import METRICS, NoBreakdown
from storage.read.breakdowns.live import MAX_LIMIT
from web.auth.admin import AdminAuthenticator, Credential, find_credential
from web.auth.ingest import IngestAuthenticator
from web.http.accept import prefers
from web.http.connections import mark_authenticated
from web.http.operations import Answer, Operation, Parameter, choice, read_query, text, whole
from web.http.problems import MEDIA_TYPE, Problem, invalid, unauthorized, unavailable
from web.live.handshakes import HandshakeQueue
from web.ops.audit import PRINCIPAL, Audit
from web.ops.telemetry import Telemetry
from web.settings import Settings

log = structlog.get_logger()

PATH = "/api/v1/analytics/live"
MISSING = (
    "send a token as Authorization: Bearer, or as a second subprotocol bearer.<token>; or sign in: a session is taken "
    "from this service's own pages only"
)
FULL = "this service serves as many panels as it may"
HINT = (
    "this is the live endpoint: open a WebSocket, or ask for an event stream, such as with "
    "curl -N -H 'Accept: text/event-stream' -H 'Authorization: Bearer ...'"
)
RETURN_SECONDS = (1, 5)
"""After how long a stream that found no room, or a service that stops, may try again."""


def _topics(value: str, _days: Days) -> list[Topic]:
    known: tuple[Topic, ...] = (*TOPICS, BREAKDOWN)
    chosen = [topic for topic in known if topic in value.split(",")]
    if len(chosen) != len(value.split(",")):
        raise ValueError(f"must be some of {','.join(known)}, each once")
    return chosen


PARAMETERS = (
    Parameter(
        "topics",
        f"Topics, separated by commas; {BREAKDOWN} goes with `metric` and `by`.",
        {"type": "string", "default": ",".join(TOPICS)},
        _topics,
        list(TOPICS),
    ),
    Parameter(
        "position",
        "The last position received, for clients that cannot send it as Last-Event-ID.",
        {"type": "string", "minLength": 1, "maxLength": 200},
        text(200),
    ),
    Parameter(
        "disagree",
        "The position at which a heartbeat's digest was not that of the figures held.",
        {"type": "string", "minLength": 1, "maxLength": 200},
        text(200),
    ),
    Parameter(
        "metric",
        f"With the topic {BREAKDOWN}: what is broken down.",
        {"type": "string", "enum": list(METRICS)},
        choice(*METRICS),
    ),
    Parameter(
        "by",
        f"With the topic {BREAKDOWN}: by which dimension, or by which two, with a comma between them.",
        {"type": "string", "minLength": 1, "maxLength": 100},
        text(100),
    ),
    Parameter(
        "range",
        f"With the topic {BREAKDOWN}: of the tenant's day, or of the hour of UTC.",
        {"type": "string", "enum": ["today", "hour"], "default": "today"},
        choice("today", "hour"),
        "today",
    ),
    Parameter(
        "limit",
        f"With the topic {BREAKDOWN}: how many rows.",
        {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": 10},
        whole(1, MAX_LIMIT),
        10,
    ),
)


class Live:
    """Serves subscribers over WebSocket, as an ASGI application, and over event streams, as an operation."""

    def __init__(
        self,
        settings: Settings,
        node: Node,
        admins: AdminAuthenticator,
        authenticator: IngestAuthenticator,
        telemetry: Telemetry,
        audit: Audit,
    ) -> None:
        self._settings = settings
        self._node = node
        self._admins = admins
        self._authenticator = authenticator
        self._telemetry = telemetry
        self._audit = audit
        self._allowances = Allowances(settings.messages_per_second, settings.max_connections_per_user)
        self._handshakes = HandshakeQueue(self._allowances)
        self._total = 0
        self._tenants: Counter[str] = Counter()
        self._users: Counter[tuple[str, str]] = Counter()
        self._addresses: Counter[str] = Counter()
        self._open: set[Connection] = set()
        self._draining = False

    def operation(self) -> Operation:
        """Describe the event stream."""
        return Operation(
            "GET",
            PATH,
            "followLive",
            "Live",
            "The live figures as an event stream",
            self.follow,
            {
                200: Answer(
                    "Events without an end: `event` is the frame's type, `id` its position, `data` the frame.",
                    {"type": "string"},
                    eventstream.MEDIA_TYPE,
                ),
                429: Answer(
                    "The panels of this subject sent too many messages; `Retry-After` says when to come back.",
                    {"$ref": "#/components/schemas/Problem"},
                    MEDIA_TYPE,
                ),
                406: Answer(
                    "Neither a WebSocket nor text/event-stream is asked for.",
                    {"$ref": "#/components/schemas/Problem"},
                    MEDIA_TYPE,
                ),
            },
            "Server-sent events, for networks that block WebSockets and for `curl -N`: the frames of docs/protocol.md. "
            "`Last-Event-ID` resumes by position. The same path takes WebSockets (`analytics.v1`).",
            "admin",
            PARAMETERS,
            streams=True,
        )

    async def wait_for_handshake(self, path: str, headers: Headers, address: str) -> None:
        """Wait in the queue of handshakes: many that reconnect after a restart must not delay posts.

        *address* is the client's.

        Raises a 429 :exc:`Problem` if the subject has sent too many messages, a 503 if the queue is too long. Of a
        WebSocket the server asks before it makes one: one that waits costs a socket, and those behind it, who may want
        to post, are accepted at once. A request without a valid credential, or for something else, is refused without
        a place.
        """
        if path != PATH or self._draining:
            return
        credential = _credential(headers)
        if credential is None:
            return
        try:
            principal = await self._admins.authenticate_admin(credential, address)
        except Problem:
            return
        await self._handshakes.enter(_subject(principal))

    async def drain(self) -> None:
        """Close all subscribers, and admit none any more."""
        self._draining = True
        limits = self._settings
        # The other half of the time is for open requests, and for subscribers that are slow to close.
        seconds = min(limits.drain_seconds, limits.stop_seconds / 2)
        await drain(self._open, seconds, limits.drain_pause_ms / 1000)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one WebSocket, from its handshake to its end."""
        await receive()
        try:
            principal = await self._admit(scope)
            subscribers = await self._join(principal)
        except Problem as problem:
            await _refuse(scope, send, problem)
            return
        allowance = self._allowances.of(_subject(principal), asyncio.get_running_loop().time())
        receive = metered(scope, receive, allowance)
        chosen = SUBPROTOCOL if SUBPROTOCOL in scope["subprotocols"] else None
        await send({"type": "websocket.accept", "subprotocol": chosen, "headers": []})
        address = str(self._authenticator.source(scope))
        if self._is_full(principal, address):
            self._telemetry.closes.labels(OVER_CAPACITY.code).inc()
            await reject(receive, send, OVER_CAPACITY, FULL)
            return
        self._audit.read(principal, PATH, 101, [])
        with self._counted(principal, address, subscribers, sink_for(scope, send)) as connection:
            if not self._admins.still_holds(principal):
                # It was signed out during the handshake, when this connection was not among those to be closed.
                connection.end(REVOKED, REVOKED.reason)
            await connection.run(receive)

    async def follow(self, request: Request) -> Response:
        """Serve one event stream."""
        principal = request.scope[PRINCIPAL] = await self._admit(request.scope)
        mark_authenticated(request.scope)
        if not prefers(request.headers.get("accept", ""), eventstream.MEDIA_TYPE, MEDIA_TYPE):
            raise Problem(406, HINT)
        query = read_query(request.query_params, PARAMETERS, self._node.days)
        if request.method == "HEAD":
            return _head()
        await self._handshakes.enter(_subject(principal))
        subscription = _subscription(query, request.headers.get("last-event-id"))
        subscribers = await self._join(principal)
        address = str(self._authenticator.source(request.scope))

        async def serve(scope: Scope, receive: Receive, send: Send) -> None:
            if self._is_full(principal, address):
                self._telemetry.closes.labels(OVER_CAPACITY.code).inc()
                raise unavailable(FULL, random.randint(*RETURN_SECONDS))
            sink = eventstream.stream_for(scope, send)
            with self._counted(principal, address, subscribers, sink) as connection:
                if not self._admins.still_holds(principal):
                    raise unauthorized("the session has ended: sign in again")
                await send({"type": "http.response.start", "status": 200, "headers": _head().raw_headers})
                if query["disagree"] is not None:
                    subscribers.disagree(connection)
                await connection.run(_until_gone(receive), subscription)

        return Streamed(serve)

    @contextmanager
    def _counted(
        self, principal: Principal, address: str, subscribers: Subscribers, sink: Sink
    ) -> Iterator[Connection]:
        """Count a subscriber while it is connected."""
        seconds = self._settings.subscribe_seconds
        connection = Connection(
            principal, subscribers, sink, self._authenticate, self._admins.renewed, clock.unix, seconds
        )
        self._count(principal, address, 1)
        subscribers.reserve(1)
        self._open.add(connection)
        try:
            yield connection
        finally:
            self._open.discard(connection)
            subscribers.reserve(-1)
            self._count(principal, address, -1)
            if connection.ended_with is not None:
                self._telemetry.closes.labels(connection.ended_with).inc()

    async def _join(self, principal: Principal) -> Subscribers:
        try:
            return await self._node.join(principal.tenant_id)
        except StorageError:
            log.warning("live_unavailable")
            raise unavailable("the figures cannot be read just now") from None

    async def _admit(self, scope: Scope) -> Principal:
        if self._draining:
            raise unavailable("the service restarts", random.randint(*RETURN_SECONDS))
        headers = Headers(scope=scope)
        origin = headers.get("origin")
        if origin is not None and not self._is_allowed(origin, headers.get("host", "")):
            raise Problem(403, "this origin may not connect: see ANALYTICS_ALLOWED_ORIGINS")
        credential = _credential(headers)
        if credential is None:
            raise unauthorized(MISSING)
        return await self._admins.authenticate_admin(credential, (scope.get("client") or ("",))[0])

    def _is_allowed(self, origin: str, host: str) -> bool:
        """Allow the service's own pages and the listed origins; the scheme may differ, since a proxy may end TLS."""
        own = origin.lower().partition("://")[2]
        return own == host.lower() or origin.lower() in self._settings.allowed_origins

    async def _authenticate(self, token: str) -> Principal:
        try:
            return await self._admins.authenticate_admin(Credential(token), "")
        except Problem as problem:
            close = {401: EXPIRED, 403: NOT_ALLOWED}.get(problem.status)
            raise Refused(close, problem.detail) from None

    def open_sessions(self) -> set[str]:
        """Name the sessions by which connections are open."""
        return {connection.principal.session for connection in self._open if connection.principal.session is not None}

    def end_revoked(self, revokes: Callable[[Principal], bool]) -> None:
        """Close the connections of those whose token was revoked, or whose session was ended."""
        for connection in list(self._open):
            if revokes(connection.principal):
                connection.end(REVOKED, REVOKED.reason)

    def _is_full(self, principal: Principal, address: str) -> bool:
        limits = self._settings
        return (
            self._total >= limits.max_connections
            or self._tenants[principal.tenant_id] >= limits.max_connections_per_tenant
            or self._users[_subject(principal)] >= limits.max_connections_per_user
            or self._addresses[address] >= limits.max_connections_per_address
        )

    def _count(self, principal: Principal, address: str, by: int) -> None:
        self._total += by
        _add(self._tenants, principal.tenant_id, by)
        _add(self._users, _subject(principal), by)
        _add(self._addresses, address, by)
        self._telemetry.panels.inc(by)


def _subscription(query: Mapping[str, Any], last_event_id: str | None) -> Subscribe:
    """Make the subscription of a stream; raises a 422 :exc:`Problem` if there is no such breakdown."""
    wanted = None
    if BREAKDOWN in query["topics"]:
        if missing := next((name for name in ("metric", "by") if query[name] is None), None):
            raise invalid(missing, f"is required with the topic {BREAKDOWN}")
        wanted = FollowBreakdown(query["metric"], query["by"], query["range"], query["limit"])
    subscription = Subscribe(query["topics"], last_event_id or query["position"], wanted)
    try:
        subscription.check()
    except NoBreakdown as error:
        raise invalid(error.field, str(error)) from None
    return subscription


def _credential(headers: Headers) -> Credential | None:
    """Take the credential out of a request, also out of the subprotocols that a browser offers; None if it has none."""
    found = find_credential(headers)
    if found is not None and not found.is_session:
        return found
    offered = [name.strip() for name in headers.get("sec-websocket-protocol", "").split(",")]
    tokens = [name.removeprefix(BEARER) for name in offered if name.startswith(BEARER)]
    return Credential(tokens[0]) if tokens and tokens[0] else found


def _subject(principal: Principal) -> tuple[str, str]:
    return principal.tenant_id, principal.subject


def _add(counts: Counter[Any], name: Any, by: int) -> None:
    counts[name] += by
    # A count of 0 is dropped.
    if not counts[name]:
        del counts[name]


class Streamed(Response):
    """An answer that *serve* writes for as long as the subscriber stays."""

    def __init__(self, serve: Callable[[Scope, Receive, Send], Awaitable[None]]) -> None:
        self._serve = serve

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve it."""
        await self._serve(scope, receive, send)


def _head() -> Response:
    """Make the head of a stream, which has no length."""
    response = Response(headers=eventstream.HEADERS, media_type=eventstream.MEDIA_TYPE)
    del response.headers["content-length"]
    return response


def _until_gone(receive: Receive) -> Receive:
    """A subscriber that follows a stream says nothing: wait until it is gone."""

    async def wait() -> Message:
        while (message := await receive())["type"] != "http.disconnect":
            pass
        return message

    return wait


async def _refuse(scope: Scope, send: Send, problem: Problem) -> None:
    """Answer the handshake with a problem document, or with a plain 403 where the server cannot (ASGI extension)."""
    if "websocket.http.response" not in scope.get("extensions", {}):
        await send({"type": "websocket.close"})
        return
    response = problem.response()
    start = {"type": "websocket.http.response.start", "status": problem.status, "headers": response.raw_headers}
    await send(start)
    await send({"type": "websocket.http.response.body", "body": response.body})
