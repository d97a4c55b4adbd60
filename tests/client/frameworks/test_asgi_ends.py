"""How requests to an ASGI application end, and what is tracked of each end."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from convoai_analytics_client import Analytics
from convoai_analytics_client.asgi import AnalyticsMiddleware, Message, Scope
from tests.client.frameworks.asgi_application import application, raw, receive, scope_of, send, user
from tests.client.frameworks.serving import ask, leave, served, tracked, until
from tests.servers.service import Running


async def test_exceptions_count_and_go_on(running: Running, analytics: Analytics) -> None:
    """An exception is a 500, also in the middle of an answer, and the server gets it as it was."""
    seen: list[BaseException] = []
    app = application(analytics=analytics)

    async def outer(scope: Scope, receive: Any, send: Any) -> None:
        try:
            await app(scope, receive, send)
        except Exception as error:
            seen.append(error)
            raise

    async with served(outer) as url:
        assert [await ask(url, f"GET /{path}/1") for path in ("fail", "fail-in-stream")] == [[500], [0]]
    assert [str(error) for error in seen] == ["the endpoint fails", "the stream fails"]
    assert await tracked(running, analytics) == [
        ("/fail/{id}", "GET", 500, None),
        ("/fail-in-stream/{id}", "GET", 500, None),
    ]


async def test_a_client_that_leaves_is_499(running: Running, analytics: Analytics) -> None:
    """An answer that its client did not wait for counts as 499, behind other middleware too; a whole one as itself."""

    async def through(request: Request, call_next: Any) -> Response:
        response: Response = await call_next(request)
        return response

    app = application(analytics=analytics)
    app.add_middleware(BaseHTTPMiddleware, dispatch=through)
    async with served(app) as url:
        await leave(url, "/endless/1")
        await until(lambda: analytics.stats().tracked == 1)
        await ask(url, "GET /stream/1")
    assert await tracked(running, analytics) == [
        ("/endless/{id}", "GET", 499, None),
        ("/stream/{id}", "GET", 200, None),
    ]


async def test_a_cancelled_request_is_499(running: Running, analytics: Analytics) -> None:
    """A server that cancels the application because its client has left is told the same as ever; it counts as 499."""
    app = application(analytics=analytics)
    started = asyncio.Event()

    async def starting(_: Message) -> None:
        started.set()

    async def staying() -> Message:
        await asyncio.Event().wait()
        raise AssertionError

    task = asyncio.create_task(app(scope_of("/endless/1"), staying, starting))
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await tracked(running, analytics) == [("/endless/{id}", "GET", 499, None)]


async def test_servers_that_raise_on_send(running: Running, analytics: Analytics) -> None:
    """Where sending raises OSError because the client has left (ASGI 2.4), the request counts as 499."""

    async def broken(_: Message) -> None:
        raise OSError("the connection is closed")

    app = AnalyticsMiddleware(raw, analytics)
    with pytest.raises(OSError, match="the connection is closed"):
        await app(scope_of("/here"), receive, broken)
    assert await tracked(running, analytics) == [("(unmatched)", "GET", 499, None)]


async def test_an_answer_without_an_end_is_500(running: Running, analytics: Analytics) -> None:
    """What an application does not answer, or not to the end, counts as 500, as the server makes it."""

    async def silent(_scope: Scope, _receive: Any, _send: Any) -> None:
        return

    await AnalyticsMiddleware(silent, analytics)(scope_of("/"), receive, send)
    assert await tracked(running, analytics) == [("(unmatched)", "GET", 500, None)]


async def test_the_time_ends_with_the_last_byte(running: Running, analytics: Analytics) -> None:
    """A request is over with its last part, before background tasks begin, and not before that."""
    tracked_then: list[int] = []

    async def after() -> None:
        tracked_then.append(analytics.stats().tracked)

    async def parts() -> AsyncIterator[str]:
        yield "one"
        tracked_then.append(analytics.stats().tracked)
        yield "two"

    async def endpoint(_: Request) -> Response:
        return StreamingResponse(parts(), background=BackgroundTask(after))

    async with served(AnalyticsMiddleware(Starlette(routes=[Route("/", endpoint)]), analytics)) as url:
        assert await ask(url, "GET /") == [200]
        await until(lambda: len(tracked_then) == 2)
    assert tracked_then == [0, 1]
    assert await tracked(running, analytics) == [("/", "GET", 200, None)]


async def test_websockets_count_once_if_asked_for(running: Running, analytics: Analytics) -> None:
    """A WebSocket is an event when it closes: 101, or its refusal's status; none if they are not asked for."""
    for options in ({}, {"websockets": True}):
        async with served(application(analytics=analytics, user=user, **options)) as url:
            base = url.replace("http", "ws")
            async with connect(f"{base}/echo/1", additional_headers={"X-User": "ada"}, proxy=None) as websocket:
                assert analytics.stats().tracked == 0
                await websocket.send("hello")
                assert await websocket.recv() == "hello"
                await websocket.wait_closed()
            async with connect(f"{base}/echo/1", proxy=None):
                pass
            with pytest.raises(InvalidStatus):
                await connect(f"{base}/refuse/1", proxy=None)
            async with connect(f"{base}/fail-in-websocket/1", proxy=None) as websocket:
                await websocket.wait_closed()
            if options:
                await until(lambda: analytics.stats().tracked == 4)
    assert await tracked(running, analytics) == [
        ("/echo/{id}", "WEBSOCKET", 101, "ada"),
        ("/echo/{id}", "WEBSOCKET", 101, None),
        ("/refuse/{id}", "WEBSOCKET", 403, None),
        ("/fail-in-websocket/{id}", "WEBSOCKET", 500, None),
    ]


async def test_trouble_in_tracking_stays_here(
    running: Running, analytics: Analytics, caplog: pytest.LogCaptureFixture
) -> None:
    """Functions that fail cost the user or the name, never the answer; the log says so once, without values."""

    def failing(_: Scope) -> str:
        raise RuntimeError("secret")

    app = application(analytics=analytics, user=failing)
    async with served(app) as url:
        assert await ask(url, "GET /conversations/1", "GET /conversations/1") == [200, 200]
    named = AnalyticsMiddleware(raw, analytics, endpoint=failing)
    await named(scope_of("/here"), receive, send)

    class Broken:
        def track_api_usage(self, *_: Any) -> None:
            raise RuntimeError("secret")

    await AnalyticsMiddleware(raw, Broken())(scope_of("/here"), receive, send)  # type: ignore[arg-type]
    assert await tracked(running, analytics) == [
        ("/conversations/{id}", "GET", 200, None),
        ("/conversations/{id}", "GET", 200, None),
        ("(unmatched)", "GET", 200, None),
    ]
    logged = [record.getMessage() for record in caplog.records if record.name == "convoai_analytics_client"]
    assert logged == [
        "analytics: the function that names the user failed (RuntimeError); said once",
        "analytics: the function that names the endpoint failed (RuntimeError); said once",
        "analytics: tracking failed (RuntimeError); said once",
    ]
