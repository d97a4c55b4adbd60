"""The audit of admins' requests: who read or changed what. One line of JSON each on standard output, where nothing else
is written.

Who: the token's subject, tenant and id. What: the route, and the names of the parameters that were given, never their
values; the status; of a change the method, too. Only requests whose token was valid are here: the others are in the
access log. What was changed, by whom, is in the database, too (``storage/credentials.py``).
"""

from typing import TextIO, cast

import structlog
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from realtime.principal import Principal
from web.ops.log_stream import STDOUT


class Audit:
    """Writes the lines; switched off, none. 10 us a line to a file, where a report takes 400 us at the least."""

    def __init__(self, on: bool) -> None:
        self._log = structlog.wrap_logger(
            structlog.WriteLogger(cast("TextIO", STDOUT)),
            processors=[structlog.processors.TimeStamper(fmt="iso", utc=True), structlog.processors.JSONRenderer()],
            wrapper_class=structlog.BoundLogger,
        ).bind(logger="audit")
        self._on = on

    def read(self, principal: Principal, route: str, status: int, filters: list[str]) -> None:
        """Record that someone read *route*, by which *filters*."""
        self._write("read", principal, route=route, filters=filters, status=status)

    def change(self, principal: Principal, route: str, status: int, method: str) -> None:
        """Record that someone changed *route*, or was refused to, by which *method*."""
        self._write("change", principal, route=route, method=method, status=status)

    def _write(self, event: str, principal: Principal, **what: object) -> None:
        if self._on:
            who = {"sub": principal.subject, "tenant": principal.tenant_id, "jti": principal.token_id}
            self._log.info(event, **who, **what)


class AuditMiddleware:
    """Middleware of a route: records each answer to a principal."""

    def __init__(self, app: ASGIApp, audit: Audit, route: str, parameters: frozenset[str]) -> None:
        """Take the *parameters* that the route knows: names of others are the client's own text."""
        self._app = app
        self._audit = audit
        self._route = route
        self._parameters = parameters

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""

        async def note(message: Message) -> None:
            if message["type"] == "http.response.start" and PRINCIPAL in scope:
                self._record(scope, message["status"])
            await send(message)

        await self._app(scope, receive, note)

    def _record(self, scope: Scope, status: int) -> None:
        if scope["method"] in ("GET", "HEAD"):
            filters = sorted(self._parameters & set(Request(scope).query_params))
            self._audit.read(scope[PRINCIPAL], self._route, status, filters)
        else:
            self._audit.change(scope[PRINCIPAL], self._route, status, scope["method"])


PRINCIPAL = "convoai.principal"
"""Where an endpoint leaves in the ASGI scope who asks."""
