"""The middleware for aiohttp, on its own server."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Handler
from websockets.asyncio.client import connect

from convoai_analytics_client import Analytics
from convoai_analytics_client.aiohttp import analytics_middleware
from tests.client.frameworks.serving import ask, leave, tracked, until
from tests.servers.service import Running

USER = web.RequestKey("user", str)


@contextlib.asynccontextmanager
async def served(app: web.Application, **options: Any) -> AsyncIterator[str]:
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1, **options)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


async def hello(_: web.Request) -> web.Response:
    return web.Response(text="hello")


async def refused(_: web.Request) -> web.Response:
    raise web.HTTPForbidden


async def fail(_: web.Request) -> web.Response:
    raise RuntimeError("the handler fails")


async def endless(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    while True:
        await response.write(b"part" * 1000)
        await asyncio.sleep(0.005)


async def echo(request: web.Request) -> web.WebSocketResponse:
    websocket = web.WebSocketResponse()
    await websocket.prepare(request)
    async for message in websocket:
        await websocket.send_str(message.data)
    return websocket


@web.middleware
async def authenticate(request: web.Request, handler: Handler) -> web.StreamResponse:
    if "X-User" in request.headers:
        request[USER] = request.headers["X-User"]
    return await handler(request)


def user(request: web.Request) -> str | None:
    return request.get(USER)


def application(analytics: Analytics, **options: Any) -> web.Application:
    app = web.Application(middlewares=[analytics_middleware(analytics, user=user, **options), authenticate])
    inner = web.Application()
    for path, handler in {"conversations": hello, "refused": refused, "fail": fail, "endless": endless}.items():
        app.router.add_get(f"/{path}/{{id}}", handler)
    app.router.add_get("/health", hello)
    app.router.add_get("/echo/{id:[0-9]+}", echo)
    inner.router.add_get("/{item}", hello)
    app.add_subapp("/admin", inner)
    return app


async def test_endpoints_are_resources(running: Running, analytics: Analytics) -> None:
    """An endpoint is the path of its resource, with the application's around it; exceptions are answers or 500."""
    async with served(application(analytics)) as url:
        requests = ["GET /conversations/1", "GET /refused/1", "GET /admin/1", "GET /nothing", "POST /conversations/1"]
        assert await ask(url, *requests, "GET /health", "GET /fail/1") == [200, 403, 200, 404, 405, 200, 500]
    assert await tracked(running, analytics) == [
        ("/conversations/{id}", "GET", 200, "ada"),
        ("/refused/{id}", "GET", 403, "ada"),
        ("/admin/{item}", "GET", 200, "ada"),
        ("(unmatched)", "GET", 404, "ada"),
        ("(unmatched)", "POST", 405, "ada"),
        ("/fail/{id}", "GET", 500, "ada"),
    ]


async def test_a_client_that_leaves_is_499(running: Running, analytics: Analytics) -> None:
    """A stream whose client has left counts as 499, whether or not the server cancels its handler."""
    for options in ({}, {"handler_cancellation": True}):
        async with served(application(analytics), **options) as url:
            before = analytics.stats().tracked
            await leave(url, "/endless/1")
            await until(lambda before=before: analytics.stats().tracked == before + 1)  # type: ignore[misc]
    assert await tracked(running, analytics) == [("/endless/{id}", "GET", 499, None)] * 2


async def test_websockets_count_once_if_asked_for(running: Running, analytics: Analytics) -> None:
    """A WebSocket is an event when it closes, or none if they are not asked for."""
    for options in ({}, {"websockets": True}):
        async with served(application(analytics, **options)) as url:
            async with connect(f"{url.replace('http', 'ws')}/echo/1", proxy=None) as websocket:
                await websocket.send("hello")
                assert await websocket.recv() == "hello"
            if options:
                await until(lambda: analytics.stats().tracked == 1)
    assert await tracked(running, analytics) == [("/echo/{id}", "WEBSOCKET", 101, None)]
