"""Servers that the tests of middleware put an application behind, and the events that the service has then."""

import asyncio
import contextlib
import subprocess
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

import httpx2
import uvicorn

from convoai_analytics_client import Analytics
from tests.servers.ports import free_port
from tests.servers.service import Running

Event = tuple[str, str, int, str | None]
"""Endpoint, method, status, user."""


@contextlib.asynccontextmanager
async def served(app: Any, **options: Any) -> AsyncIterator[str]:
    """Serve an ASGI application by uvicorn, in this event loop; gives its URL."""
    port = free_port()
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_config=None, ws="websockets-sansio", **options))
    server.capture_signals = contextlib.nullcontext  # type: ignore[method-assign,assignment]
    task = asyncio.create_task(server.serve())
    await until(lambda: server.started)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        await task


class _Quiet(WSGIRequestHandler):
    def log_message(self, *_: Any) -> None:
        return


@contextlib.contextmanager
def wsgi_served(app: Any) -> Iterator[str]:
    """Serve a WSGI application by the standard library's server; gives its URL."""
    with make_server("127.0.0.1", 0, app, handler_class=_Quiet) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


async def until(condition: Callable[[], bool], seconds: float = 20) -> None:
    """Wait for a condition."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.005)


async def reachable(url: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
    """Wait until a program answers; fails with its log if it ends before."""
    async with httpx2.AsyncClient(base_url=url) as client:
        while True:
            try:
                await client.get("/health")
            except httpx2.TransportError:
                assert process.poll() is None, await asyncio.to_thread(log.read_text)
                await asyncio.sleep(0.02)
            else:
                return


async def leave(url: str, path: str) -> None:
    """Ask for a path, wait for the first bytes of the body, and go away."""
    host, port = url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(f"GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
    await reader.readuntil(b"\r\n\r\n")
    await reader.read(1)
    writer.transport.abort()


async def ask(url: str, *requests: str) -> list[int]:
    """Send requests, each written as ``METHOD path``; gives the statuses, 0 for a broken answer."""
    statuses = []
    async with httpx2.AsyncClient(base_url=url, timeout=20) as client:
        for request in requests:
            method, path = request.split(" ")
            try:
                statuses.append((await client.request(method, path, headers={"X-User": "ada"})).status_code)
            except httpx2.TransportError:
                statuses.append(0)
    return statuses


async def tracked(running: Running, analytics: Analytics) -> list[Event]:
    """Give the events that the service has of a client, the oldest first."""
    assert await analytics.aflush()
    stats = analytics.stats()
    assert stats.recorded == stats.tracked
    return await events(running)


async def events(running: Running) -> list[Event]:
    """Give the events of API usage that the service has, the oldest first."""
    items = (await running.get("api-usage", limit=1000))["items"]
    assert all(item["response_time"] >= 0 for item in items)
    return [(item["endpoint"], item["method"], item["status_code"], item["user_id"]) for item in reversed(items)]
