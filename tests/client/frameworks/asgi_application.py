"""An ASGI application with a route of every kind, and requests to it without a server."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.authentication import AuthCredentials, AuthenticationBackend, SimpleUser
from starlette.middleware import Middleware
from starlette.middleware.authentication import AuthenticationMiddleware
from starlette.requests import HTTPConnection, Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Host, Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles
from starlette.websockets import WebSocket

from convoai_analytics_client.asgi import AnalyticsMiddleware, Message, Scope


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


async def receive() -> Message:
    return {"type": "http.request", "body": b"", "more_body": False}


async def send(_: Message) -> None:
    return


def scope_of(path: str, **fields: Any) -> Scope:
    return {"type": "http", "method": "GET", "path": path, "headers": [], "query_string": b"", **fields}
