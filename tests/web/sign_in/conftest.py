"""A provider that lies, and a service that trusts it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.routing import Route

from tests.servers.service import Running, start
from tests.web.sign_in.open_id.liar import Liar


@pytest.fixture
async def liar() -> AsyncIterator[Liar]:
    found = Liar()
    app = Starlette(routes=[Route("/{path:path}", found.serve, methods=["GET", "POST"])])
    config = uvicorn.Config(app, port=found.port, log_config=None, lifespan="off", timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    server.capture_signals = contextlib.nullcontext  # type: ignore[method-assign,assignment]
    task = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110 - uvicorn has no event for it
        await asyncio.sleep(0.005)
    yield found
    server.should_exit = True
    await task


@pytest.fixture
async def trusting(tmp_path: Path, liar: Liar) -> AsyncIterator[Running]:
    """A service whose provider is the liar."""
    found = await start(tmp_path, **liar.settings, OIDC_NAME="Example")  # type: ignore[arg-type]
    yield found
    await found.drop()
