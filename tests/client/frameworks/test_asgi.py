"""The middleware for ASGI, on Starlette behind uvicorn, and on FastAPI in two versions."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.authentication import AuthCredentials, AuthenticationBackend, SimpleUser
from starlette.background import BackgroundTask
from starlette.middleware import Middleware
from starlette.middleware.authentication import AuthenticationMiddleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.requests import HTTPConnection, Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Host, Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles
from starlette.websockets import WebSocket
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

import convoai_analytics_client
from convoai_analytics_client import Analytics
from convoai_analytics_client.asgi import AnalyticsMiddleware, Message, Scope
from tests.client.frameworks.serving import ask, events, leave, reachable, served, tracked, until
from tests.repository import ROOT
from tests.servers.ports import free_port
from tests.servers.program import spawn
from tests.servers.service import Running

FRAMEWORKS = Path(os.environ.get("FRAMEWORKS", ROOT / ".venv" / "frameworks"))
"""Environments with versions of frameworks, as ``make .venv/frameworks`` makes them."""


async def hello(_: Request) -> Response:
    return PlainTextResponse("hello")


async def missing(_: Request) -> Response:
    return PlainTextResponse("no such item", 404)


async def fail(_: Request) -> Response:
    raise RuntimeError("the endpoint fails")


async def stream(_: Request) -> Response:
    async def parts() -> AsyncIterator[str]:
        for _ in range(3):
            yield "part"

    return StreamingResponse(parts())


async def endless(_: Request) -> Response:
    async def parts() -> AsyncIterator[str]:
        while True:
            yield "part" * 1000
            await asyncio.sleep(0.005)

    return StreamingResponse(parts())


async def fail_in_stream(_: Request) -> Response:
    async def parts() -> AsyncIterator[str]:
        yield "part"
        raise RuntimeError("the stream fails")

    return StreamingResponse(parts())


async def echo(websocket: WebSocket) -> None:
    await websocket.accept()
    await websocket.send_text(await websocket.receive_text())
    await websocket.close()


async def refuse(websocket: WebSocket) -> None:
    await websocket.close()


async def fail_in_websocket(websocket: WebSocket) -> None:
    await websocket.accept()
    raise RuntimeError("the WebSocket fails")


async def raw(scope: Scope, _receive: Any, send: Any) -> None:
    """An application that knows no routes."""
    await send({"type": "http.response.start", "status": 200 if scope["path"].endswith("/here") else 404})
    await send({"type": "http.response.body", "body": b""})


class User(AuthenticationBackend):
    async def authenticate(self, conn: HTTPConnection) -> tuple[AuthCredentials, SimpleUser] | None:
        name = conn.headers.get("X-User")
        return None if name is None else (AuthCredentials(), SimpleUser(name))


def user(scope: Scope) -> str | None:
    return scope["user"].display_name or None


def application(**options: Any) -> Starlette:
    inner = Starlette(routes=[Route("/{item}", hello), Route("/missing/{item}", missing)])
    deeper = Starlette(routes=[Mount("/of/{item:int}", app=Starlette(routes=[Route("/end", hello)]))])
    routes: list[Any] = [
        Route("/conversations/{id}", hello, methods=["GET", "DELETE"]),
        Route("/missing/{id}", missing),
        Route("/health", hello),
        Route("/fail/{id}", fail),
        Route("/stream/{id}", stream),
        Route("/endless/{id}", endless),
        Route("/fail-in-stream/{id}", fail_in_stream),
        Route("/files/{rest:path}", hello),
        WebSocketRoute("/echo/{id}", echo),
        WebSocketRoute("/refuse/{id}", refuse),
        WebSocketRoute("/fail-in-websocket/{id}", fail_in_websocket),
        Mount("/admin", app=inner),
        Mount("/tenants/{tenant}", app=inner),
        Mount("/deep/{item}", app=deeper),
        Mount("/raw", app=raw),
        Mount("/static", app=StaticFiles(directory=Path(__file__).parent)),
        Host("other.example", app=Starlette(routes=[Mount("/by-host/{item}", routes=[Route("/{id}", hello)])])),
    ]
    middleware = [Middleware(AnalyticsMiddleware, **options), Middleware(AuthenticationMiddleware, backend=User())]
    return Starlette(routes=routes, middleware=middleware)


async def test_endpoints_are_templates(running: Running, analytics: Analytics) -> None:
    """An endpoint is the template of the route with those of its mounts: no value of a path is in it."""
    async with served(application(analytics=analytics)) as url:
        requests = ["/conversations/1", "/conversations/2", "/missing/1", "/files/a/b", "/admin/1", "/tenants/acme/1"]
        requests += ["/tenants/acme/missing/1", "/deep/of/of/7/end", "/raw/here", "/static/__init__.py"]
        await ask(url, *(f"GET {path}" for path in requests), "DELETE /conversations/1")
        async with httpx2.AsyncClient(base_url=url) as client:
            await client.get("/by-host/7/8", headers={"Host": "other.example"})
    assert await tracked(running, analytics) == [
        ("/conversations/{id}", "GET", 200, None),
        ("/conversations/{id}", "GET", 200, None),
        ("/missing/{id}", "GET", 404, None),
        ("/files/{rest}", "GET", 200, None),
        ("/admin/{item}", "GET", 200, None),
        ("/tenants/{tenant}/{item}", "GET", 200, None),
        ("/tenants/{tenant}/missing/{item}", "GET", 404, None),
        ("/deep/{item}/of/{item}/end", "GET", 200, None),
        ("/raw/{path}", "GET", 200, None),
        ("/static/{path}", "GET", 200, None),
        ("/conversations/{id}", "DELETE", 200, None),
        ("/by-host/{item}/{id}", "GET", 200, None),
    ]


async def test_what_no_route_takes_has_one_name(running: Running, analytics: Analytics) -> None:
    """Requests without a route share a name, and odd methods another; a wrong method has its route."""
    async with served(application(analytics=analytics), http="h11") as url:
        requests = ["GET /nothing/1", "GET /nothing/2", "GET /admin/1/2/3", "GET /raw/1", "GET /static/1"]
        await ask(url, *requests, "GET /conversations/1/", "POST /conversations/1", "A-VERY-LONG-METHOD-INDEED /x")
    assert await tracked(running, analytics) == [
        *[("(unmatched)", "GET", 404, None)] * 5,
        ("(unmatched)", "GET", 307, None),
        ("/conversations/{id}", "POST", 405, None),
        ("(unmatched)", "OTHER", 404, None),
    ]


async def test_the_root_path_is_part_of_an_endpoint(running: Running, analytics: Analytics) -> None:
    """An application that is served below a path has that in its endpoints, and excludes paths without it."""
    async with served(application(analytics=analytics), root_path="/chat") as url:
        await ask(url, "GET /conversations/1", "GET /tenants/acme/1", "GET /admin/1", "GET /admin/2", "GET /health")
    assert await tracked(running, analytics) == [
        ("/chat/conversations/{id}", "GET", 200, None),
        ("/chat/tenants/{tenant}/{item}", "GET", 200, None),
        ("/chat/admin/{item}", "GET", 200, None),
        ("/chat/admin/{item}", "GET", 200, None),
    ]


async def test_middleware_within_a_mount_knows_the_whole_template(running: Running, analytics: Analytics) -> None:
    """An application with the middleware that is mounted at a parameter does not take its value into endpoints."""
    app = Starlette(routes=[Mount("/at/{place}", app=application(analytics=analytics))])
    async with served(app) as url:
        await ask(url, "GET /at/paris/conversations/1")
    assert await tracked(running, analytics) == [("/at/{place}/conversations/{id}", "GET", 200, None)]


async def test_a_mount_that_cannot_be_explained_leaks_nothing(running: Running, analytics: Analytics) -> None:
    """Where the template of a mount is nowhere to be found, its part of the path stays out all the same."""

    async def app(scope: Scope, receive: Any, send: Any) -> None:
        scope.update(route=Route("/items/{id}", hello), app_root_path="", root_path="/tenants/acme")
        await raw(scope, receive, send)

    await AnalyticsMiddleware(app, analytics)(scope_of("/tenants/acme/items/1"), receive, send)
    assert await tracked(running, analytics) == [("/{mount}/items/{id}", "GET", 404, None)]


async def test_users_are_those_of_the_end(running: Running, analytics: Analytics) -> None:
    """The user is who authentication has found by the time that the answer ends."""
    async with served(application(analytics=analytics, user=user)) as url:
        await ask(url, "GET /conversations/1")
    assert await tracked(running, analytics) == [("/conversations/{id}", "GET", 200, "ada")]


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


async def receive() -> Message:
    return {"type": "http.request", "body": b"", "more_body": False}


async def send(_: Message) -> None:
    return


def scope_of(path: str, **fields: Any) -> Scope:
    return {"type": "http", "method": "GET", "path": path, "headers": [], "query_string": b"", **fields}


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


async def test_excluded_paths_are_not_tracked(running: Running, analytics: Analytics) -> None:
    """Health checks are left out unless they are asked for; a pattern leaves out what is below it."""
    async with served(application(analytics=analytics)) as url:
        await ask(url, "GET /health")
    async with served(application(analytics=analytics, exclude=["/files/*"])) as url:
        await ask(url, "GET /health", "GET /files/a/b")
    assert await tracked(running, analytics) == [("/health", "GET", 200, None)]


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


async def test_the_lifespan_is_the_applications() -> None:
    """Start and stop of the application pass through, and are no requests."""
    seen: list[str] = []

    @asynccontextmanager
    async def lifespan(_: Any) -> AsyncIterator[None]:
        seen.append("start")
        yield
        seen.append("stop")

    analytics = Analytics(None)
    async with served(AnalyticsMiddleware(Starlette(lifespan=lifespan), analytics)):
        assert seen == ["start"]
    assert seen == ["start", "stop"]
    assert analytics.stats().tracked == 0


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


async def test_endpoints_of_other_frameworks(running: Running, analytics: Analytics) -> None:
    """A framework that keeps its templates elsewhere is read by a function."""

    def endpoint(scope: Scope) -> str | None:
        return "/here" if scope["path"].endswith("/here") else None

    app = AnalyticsMiddleware(raw, analytics, endpoint=endpoint)
    await app(scope_of("/1/here"), receive, send)
    await app(scope_of("/1/there"), receive, send)
    assert await tracked(running, analytics) == [("/here", "GET", 200, None), ("(unmatched)", "GET", 404, None)]


async def test_the_default_client(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a client, the one that the environment describes is made at the first request."""
    monkeypatch.setattr(sys.modules["convoai_analytics_client.environment"], "_client", None)
    app = AnalyticsMiddleware(raw)
    monkeypatch.setenv("ANALYTICS_URL", running.url)
    await app(scope_of("/here"), receive, send)
    client = convoai_analytics_client.default()
    assert await tracked(running, client) == [("(unmatched)", "GET", 200, None)]
    client.close(0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"exclude": ["health"]}, "exclude: expected paths that begin with /"),
        ({"user": "ada"}, "user: expected a function that is not a coroutine function"),
        ({"user": hello}, "user: expected a function that is not a coroutine function"),
    ],
)
def test_arguments_that_make_no_sense(options: dict[str, Any], message: str) -> None:
    """A wrong argument is refused by its name when the application is put together."""
    with pytest.raises((ValueError, TypeError), match=message):
        AnalyticsMiddleware(raw, Analytics(None), **options)


@pytest.mark.parametrize("version", ["fastapi-old", "fastapi-new"])
async def test_fastapi(running: Running, version: str, tmp_path: Path) -> None:
    """FastAPI before 0.137 and now: the same events for included routers, mounts, errors and streams."""
    python = FRAMEWORKS / version / "bin" / "python"
    assert python.exists(), "make .venv/frameworks"
    port = free_port()
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT / "client"), "ANALYTICS_URL": running.url}
    with (tmp_path / "log").open("wb") as log:
        program = Path(__file__).with_name("fastapi_app.py")
        process = spawn([python, program, str(port)], env=environment, stdout=log, stderr=log)
    try:
        url = f"http://127.0.0.1:{port}"
        await reachable(url, process, tmp_path / "log")
        requests = ["/items/1", "/api/v1/users/7/posts/8", "/api/v1/plain/1", "/sub/items/1", "/tenants/acme/items/1"]
        requests += ["/tenants/acme/plain/1", "/deep/acme/inner/1", "/docs", "/sub/docs", "/stream/1"]
        requests += ["/refused/1", "/nothing", "/sub/nothing", "/items/word"]
        await ask(url, *(f"GET {path}" for path in requests), "DELETE /items/1", "POST /api/v1/users/7/posts/8")
        await ask(url, "GET /fail/1")
        await leave(url, "/endless/1")
        async with connect(f"ws://127.0.0.1:{port}/api/v1/socket/1", proxy=None):
            pass
    finally:
        process.send_signal(signal.SIGTERM)
        await asyncio.to_thread(process.wait, 20)
    log_text = (tmp_path / "log").read_text()
    assert sorted(await events(running)) == sorted(
        [
            ("/items/{id}", "GET", 200, "ada"),
            ("/api/v1/users/{user}/posts/{post}", "GET", 200, "ada"),
            ("/api/v1/plain/{id}", "GET", 200, "ada"),
            ("/sub/items/{id}", "GET", 200, "ada"),
            ("/tenants/{tenant}/items/{id}", "GET", 200, "ada"),
            ("/tenants/{tenant}/plain/{id}", "GET", 200, "ada"),
            ("/deep/{tenant}/inner/{id}", "GET", 200, "ada"),
            ("/docs", "GET", 200, "ada"),
            ("/sub/docs", "GET", 200, "ada"),
            ("/stream/{id}", "GET", 200, "ada"),
            ("/fail/{id}", "GET", 500, "ada"),
            ("/refused/{id}", "GET", 404, "ada"),
            ("(unmatched)", "GET", 404, "ada"),
            ("(unmatched)", "GET", 404, "ada"),
            ("/items/{id}", "GET", 422, "ada"),
            ("/items/{id}", "DELETE", 405, "ada"),
            ("/api/v1/users/{user}/posts/{post}", "POST", 405, "ada"),
            ("/endless/{id}", "GET", 499, None),
            ("/api/v1/socket/{id}", "WEBSOCKET", 101, None),
        ]
    ), log_text
