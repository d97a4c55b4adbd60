"""The live endpoint: who may open a WebSocket, and from where. What happens then is ``realtime/connection.py``."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import structlog
from sqlalchemy.exc import SQLAlchemyError
from starlette.datastructures import Headers
from starlette.types import Receive, Scope, Send

from realtime.connection import Connection, Limits, Refused, Session, turn_away
from realtime.frames import sink_for
from realtime.node import Node
from realtime.protocol import BEARER, EXPIRED, NOT_ALLOWED, OVER_CAPACITY, REVOKED, SUBPROTOCOL
from storage import clock
from storage.errors import StorageError
from web.audit import Audit
from web.auth import Principal, Verifier, bearer
from web.door import Door
from web.problems import Problem, unauthorized, unavailable
from web.settings import Settings
from web.telemetry import Telemetry

log = structlog.get_logger()

PATH = "/api/v1/analytics/live"


class Live:
    """Serves panels over WebSocket, as an ASGI application."""

    def __init__(
        self, settings: Settings, node: Node, verifier: Verifier, door: Door, telemetry: Telemetry, audit: Audit
    ) -> None:
        self._settings = settings
        self._node = node
        self._verifier = verifier
        self._door = door
        self._telemetry = telemetry
        self._audit = audit
        self._limits = Limits(settings.subscribe_seconds, settings.messages_per_second)
        self._connections: set[Connection] = set()
        self._total = 0
        self._tenants: Counter[str] = Counter()
        self._users: Counter[tuple[str, str]] = Counter()
        self._addresses: Counter[str] = Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one WebSocket, from its handshake to its end."""
        await receive()
        try:
            principal = await self._admit(scope)
            audience = await self._node.join(principal.tenant_id)
        except Problem as problem:
            await _refuse(scope, send, problem)
            return
        except (SQLAlchemyError, StorageError, OSError):
            log.warning("live_unavailable")
            await _refuse(scope, send, unavailable("the figures cannot be read just now"))
            return
        chosen = SUBPROTOCOL if SUBPROTOCOL in scope["subprotocols"] else None
        await send({"type": "websocket.accept", "subprotocol": chosen, "headers": []})
        address = str(self._door.source(scope))
        if self._is_full(principal, address):
            self._telemetry.closes.labels(OVER_CAPACITY.code).inc()
            await turn_away(receive, send, OVER_CAPACITY, "this service serves as many panels as it may")
            return
        session = _session(principal)
        self._audit.read(session, PATH, 101, [])
        connection = Connection(session, audience, sink_for(scope, send), self._authenticate, clock.unix, self._limits)
        self._count(principal, address, 1)
        self._connections.add(connection)
        try:
            await connection.run(receive)
        finally:
            self._connections.discard(connection)
            self._count(principal, address, -1)
            if connection.closed is not None:
                self._telemetry.closes.labels(connection.closed.code).inc()

    async def _admit(self, scope: Scope) -> Principal:
        headers = Headers(scope=scope)
        origin = headers.get("origin")
        if origin is not None and not self._is_allowed(origin, headers.get("host", "")):
            raise Problem(403, "this origin may not connect: see ANALYTICS_ALLOWED_ORIGINS")
        offered = [name for name in scope["subprotocols"] if name.startswith(BEARER)]
        token = bearer(headers.get("authorization")) or (offered[0].removeprefix(BEARER) if offered else None)
        if not token:
            raise unauthorized("send a token as Authorization: Bearer, or as a second subprotocol bearer.<token>")
        return await self._verifier.verify_admin(token)

    def _is_allowed(self, origin: str, host: str) -> bool:
        """Allow the service's own pages and the listed origins; the scheme may differ, since a proxy may end TLS."""
        own = origin.lower().partition("://")[2]
        return own == host.lower() or origin.lower() in self._settings.allowed_origins

    async def _authenticate(self, token: str) -> Session:
        try:
            principal = await self._verifier.verify_admin(token)
        except Problem as problem:
            close = {401: EXPIRED, 403: NOT_ALLOWED}.get(problem.status)
            raise Refused(close, problem.detail) from None
        return _session(principal)

    def end_revoked(self, revokes: Callable[[Session], bool]) -> None:
        """Close the connections of those whose token was revoked."""
        for connection in list(self._connections):
            if revokes(connection.session):
                connection.end(REVOKED, REVOKED.reason)

    def _is_full(self, principal: Principal, address: str) -> bool:
        limits = self._settings
        return (
            self._total >= limits.max_connections
            or self._tenants[principal.tenant_id] >= limits.max_connections_per_tenant
            or self._users[principal.tenant_id, principal.subject] >= limits.max_connections_per_user
            or self._addresses[address] >= limits.max_connections_per_address
        )

    def _count(self, principal: Principal, address: str, by: int) -> None:
        self._total += by
        _add(self._tenants, principal.tenant_id, by)
        _add(self._users, (principal.tenant_id, principal.subject), by)
        _add(self._addresses, address, by)
        self._telemetry.panels.inc(by)


def _add(counts: Counter[Any], name: Any, by: int) -> None:
    counts[name] += by
    # Who has left is forgotten.
    if not counts[name]:
        del counts[name]


def _session(principal: Principal) -> Session:
    return Session(principal.subject, principal.tenant_id, principal.expires, principal.issued, principal.token_id)


async def _refuse(scope: Scope, send: Send, problem: Problem) -> None:
    """Answer the handshake with a problem document, or with a plain 403 where the server cannot (ASGI extension)."""
    if "websocket.http.response" not in scope.get("extensions", {}):
        await send({"type": "websocket.close"})
        return
    response = problem.response()
    start = {"type": "websocket.http.response.start", "status": problem.status, "headers": response.raw_headers}
    await send(start)
    await send({"type": "websocket.http.response.body", "body": response.body})
