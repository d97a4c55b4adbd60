"""Structured logs, and the access log. They never hold query strings, tokens, keys or what events contain."""

import logging
import sys
import time
from typing import TextIO, cast

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from web.ops.log_stream import STDERR
from web.ops.telemetry import Telemetry

log = structlog.get_logger()


def configure(level: str, form: str, **context: object) -> None:
    """Send all logs to stderr: lines of JSON, or on a terminal (or if *form* says so) text for people.

    Each line has the *context*.
    """
    readable = form == "console" or (form == "auto" and sys.stderr.isatty())
    # The plain formatter: the default one shows the values of local variables, among them tokens and events.
    console = structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
    renderer = console if readable else structlog.processors.JSONRenderer()
    exceptions = [] if readable else [structlog.processors.format_exc_info]
    shared: list[structlog.typing.Processor] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        lambda _logger, _name, line: {**line, **context},
    ]
    structlog.configure(
        processors=[*shared, *exceptions, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(cast("TextIO", STDERR)),
        cache_logger_on_first_use=True,
    )
    # uvicorn's own lines below a warning hold paths with query strings, in which a client may have put a token.
    handler = logging.StreamHandler(STDERR)
    plain = structlog.stdlib.ProcessorFormatter.remove_processors_meta
    formatter = structlog.stdlib.ProcessorFormatter(processors=[plain, *exceptions, renderer], foreign_pre_chain=shared)
    handler.setFormatter(formatter)
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)


_EVENT_STREAM = (b"content-type", b"text/event-stream; charset=utf-8")


class AccessLog:
    """Counts and times every request by its route, and logs those that *which* asks for."""

    def __init__(self, app: ASGIApp, telemetry: Telemetry, which: str) -> None:
        """*which* is ``off``, ``errors`` (status 400 or more) or ``all``."""
        self._app = app
        self._telemetry = telemetry
        self._lowest = {"off": 1000, "errors": 400, "all": 0}[which]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status, started, ended = 500, time.perf_counter(), None

        async def note(message: Message) -> None:
            nonlocal status, ended
            if message["type"] == "http.response.start":
                status = message["status"]
                # A stream lasts for as long as its subscriber stays: what counts is how soon it began.
                if _EVENT_STREAM in message["headers"]:
                    ended = time.perf_counter()
            await send(message)

        try:
            await self._app(scope, receive, note)
        finally:
            # The template of the route, never the path: that is the client's own text.
            route = getattr(scope.get("route"), "path", "none")
            seconds = (ended or time.perf_counter()) - started
            method = (
                scope["method"] if scope["method"] in ("GET", "HEAD", "POST", "PATCH", "DELETE", "OPTIONS") else "other"
            )
            self._telemetry.requested(route, method, status, seconds)
            if status >= self._lowest:
                log.info("request", route=route, method=method, status=status, ms=round(seconds * 1000, 1))
