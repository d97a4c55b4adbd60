"""FastAPI, old and new, in environments of their own."""

import asyncio
import os
import signal
from pathlib import Path

import pytest
from websockets.asyncio.client import connect

from tests.client.frameworks.serving import ask, events, leave, reachable
from tests.repository import ROOT
from tests.servers.ports import free_port
from tests.servers.program import spawn
from tests.servers.service import Running

FRAMEWORKS = Path(os.environ.get("FRAMEWORKS", ROOT / ".venv" / "frameworks"))
"""Environments with versions of frameworks, as ``make .venv/frameworks`` makes them."""


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
