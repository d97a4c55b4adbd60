"""What the three services have in common: errors, bodies, the pages ``/docs`` and ``/health``, and how they are run."""

import os
import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from html import escape
from http import HTTPStatus
from inspect import getdoc
from typing import Any, TypeVar

import msgspec
import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from examples.convoai.settings import Settings

MOST_BODY = 64 * 1024
"""Bytes of a request's body."""
STOP_SECONDS = 5
"""How long a stop waits for requests in hand."""
DOCS_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'"
STYLE = """:root { color-scheme: light dark } body { font: 16px/1.6 system-ui, sans-serif; max-width: 46rem;
margin: 2rem auto; padding: 0 1rem } dt { margin-top: 1.2rem } dd { margin: .2rem 0 0; white-space: pre-line }
code { font: .92em ui-monospace, monospace } b { color: light-dark(#3350cf, #8fa6ff) }"""

Body = TypeVar("Body", bound=msgspec.Struct)
Lifespan = Callable[[Starlette], AbstractAsyncContextManager[None]]


class Refused(Exception):
    """A request that is not served: a status, a reason, and the field at fault, if it is about one."""

    def __init__(self, status: int, detail: str, field: str | None = None, **headers: str) -> None:
        """Take *headers* by their names, with ``_`` for ``-``."""
        super().__init__(detail)
        self.status, self.detail, self.field = status, detail, field
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}


def refusal(_request: Request, refused: Exception) -> Response:
    """Answer with a problem document (RFC 9457)."""
    if not isinstance(refused, Refused):
        raise refused
    document: dict[str, Any] = {"title": HTTPStatus(refused.status).phrase, "status": refused.status}
    document |= {"detail": refused.detail} | ({"field": refused.field} if refused.field else {})
    return JSONResponse(document, refused.status, refused.headers, "application/problem+json")


async def body(request: Request, kind: type[Body]) -> Body:
    """Read a JSON body; raises :exc:`Refused`, which names the field at fault and never its value."""
    try:
        return msgspec.json.decode(await request.body(), type=kind)
    except msgspec.ValidationError as error:
        reason, _, path = str(error).partition(" - at `$.")
        field = path.rstrip("`") or "body"
        raise Refused(422, f"{field}: {reason}", field) from None
    except msgspec.DecodeError:
        raise Refused(422, "body: expected JSON in UTF-8", "body") from None


class Bounded:
    """Middleware: no body of more than MOST_BODY bytes is read, and every answer has headers that make it safer."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request within the bound."""
        left = MOST_BODY

        async def count() -> Message:
            nonlocal left
            message = await receive()
            left -= len(message.get("body", b""))
            if left < 0:
                raise Refused(413, f"the body has more than {MOST_BODY} bytes", "body")
            return message

        async def harden(message: Message) -> None:
            if message["type"] == "http.response.start":
                safer = [(b"x-content-type-options", b"nosniff"), (b"referrer-policy", b"no-referrer")]
                message["headers"] = [*message.get("headers", []), *safer]
            await send(message)

        if scope["type"] == "http":
            await self._app(scope, count, harden)
        else:
            await self._app(scope, receive, send)


def application(
    title: str, routes: Sequence[BaseRoute], middleware: Sequence[Middleware], lifespan: Lifespan
) -> Starlette:
    """Make the application of a service, with ``/health`` and a page of its endpoints at ``/docs``."""
    page = _docs(title, [route for route in routes if isinstance(route, Route) and route.include_in_schema])

    async def health(_request: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def docs(_request: Request) -> Response:
        return HTMLResponse(page, headers={"Content-Security-Policy": DOCS_POLICY})

    own = [Route("/health", health), Route("/docs", docs)]
    return Starlette(
        routes=[*own, *routes],
        middleware=[Middleware(Bounded), *middleware],
        exception_handlers={Refused: refusal},
        lifespan=lifespan,
    )


def run(make: Callable[[Settings], Starlette], port: int) -> None:
    """Serve what *make* makes of the environment's settings until SIGTERM or Ctrl-C."""
    try:
        settings = Settings.read(os.environ, port)
    except ValueError as error:
        sys.exit(str(error))
    uvicorn.run(
        make(settings),
        host=settings.host,
        port=settings.port,
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=STOP_SECONDS,
    )


def _docs(title: str, routes: Sequence[Route]) -> str:
    entries = "".join(_entry(route) for route in routes)
    return (
        f"<!doctype html><html lang='en'><meta charset='utf-8'><meta name='viewport' content='width=device-width'>"
        f"<title>{escape(title)}</title><style>{STYLE}</style><h1>{escape(title)}</h1><dl>{entries}</dl></html>"
    )


def _entry(route: Route) -> str:
    methods = " ".join(sorted((route.methods or set()) - {"HEAD"}))
    return f"<dt><code><b>{methods}</b> {escape(route.path)}</code><dd>{escape(getdoc(route.endpoint) or '')}"
