"""What the ASGI middleware adds to a request, beside what Starlette's own kind of middleware adds to the same one."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

from convoai_analytics_client import Analytics
from convoai_analytics_client.asgi import AnalyticsMiddleware
from starlette.applications import Starlette
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from bench.row import Ratio, Row
from bench.server import Service

TARGET_US = 5.0
TARGET_RATIO = 1 / 20
ROUNDS = 40
TURNS = 10
REQUESTS = 20
"""In a turn of one application. A round has fewer of them than the client posts at once, so that its thread does not
work meanwhile; the turns are short, since the machine's speed changes."""


def measure(folder: Path) -> list[Row]:
    """Call an application without a server, with and without each middleware, in turn."""
    with Service(folder) as service:
        analytics = Analytics(f"http://127.0.0.1:{service.port}", flush_seconds=3600)
        rounds = asyncio.run(_rounds(analytics))
        stats = analytics.stats()
        analytics.close()
        assert stats.recorded == stats.tracked == ROUNDS * TURNS * REQUESTS + 1
    ours = [with_ours - plain for plain, with_ours, _ in rounds]
    theirs = [with_theirs - plain for plain, _, with_theirs in rounds]
    ratio = Ratio(list(zip(ours, theirs, strict=True)))
    without = median(plain for plain, *_ in rounds)
    return [
        Row(
            "middleware: time that it adds to a request at the median",
            f"{median(ours):.1f} us ({min(ours):.1f}-{max(ours):.1f}; {without:.0f} without)",
            f"<= {TARGET_US:.0f} us",
            median(ours) <= TARGET_US,
        ),
        Row(
            "middleware: to what an empty BaseHTTPMiddleware adds",
            ratio.show("us", 1),
            f"<= {TARGET_RATIO}",
            ratio.value <= TARGET_RATIO,
        ),
    ]


async def _answer(_: Request) -> Response:
    return JSONResponse({"status": "ok"})


async def _dispatch(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
    return await call_next(request)


def _application() -> Starlette:
    return Starlette(routes=[Route("/conversations/{id}", _answer)])


async def _rounds(analytics: Analytics) -> list[tuple[float, float, float]]:
    """Give the microseconds of a request in each round: without middleware, with ours, with Starlette's."""
    plain, ours, theirs = _application(), _application(), _application()
    ours.add_middleware(AnalyticsMiddleware, analytics=analytics)
    theirs.add_middleware(BaseHTTPMiddleware, dispatch=_dispatch)
    for app in (plain, ours, theirs):
        # What an application makes at its first request.
        await app(_scope(), _receive, _send)
    rounds = []
    for _ in range(ROUNDS):
        times: list[list[float]] = [[], [], []]
        for _ in range(TURNS):
            for taken, app in zip(times, (plain, ours, theirs), strict=True):
                taken += [await _seconds(app) for _ in range(REQUESTS)]
        await analytics.aflush()
        without, with_ours, with_theirs = (median(taken) * 1e6 for taken in times)
        rounds.append((without, with_ours, with_theirs))
    return rounds


async def _seconds(app: Any) -> float:
    scope = _scope()
    start = perf_counter()
    await app(scope, _receive, _send)
    return perf_counter() - start


def _scope() -> dict[str, Any]:
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": "/conversations/42",
        "raw_path": b"/conversations/42",
        "query_string": b"",
        "root_path": "",
        "headers": [(b"host", b"127.0.0.1:8000")],
        "client": ("127.0.0.1", 40000),
        "server": ("127.0.0.1", 8000),
        "state": {},
    }


async def _receive() -> dict[str, Any]:
    return {"type": "http.request", "body": b"", "more_body": False}


async def _send(_: Any) -> None:
    return
