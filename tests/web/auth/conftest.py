"""An auth service whose keys a test may change."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from starlette.applications import Starlette
from starlette.routing import Route

from tests.web.auth.auth_service import AuthService


@pytest.fixture
async def auth_service() -> AsyncIterator[AuthService]:
    import contextlib

    import uvicorn

    found = AuthService()
    app = Starlette(routes=[Route("/jwks.json", found.publish)])
    server = uvicorn.Server(uvicorn.Config(app, port=found.port, log_config=None, lifespan="off"))
    server.capture_signals = contextlib.nullcontext  # type: ignore[method-assign,assignment]
    task = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110 - uvicorn has no event for it
        await asyncio.sleep(0.005)
    yield found
    server.should_exit = True
    await task
