"""The example services on real sockets in the test's own event loop, beside the real analytics service."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import uvicorn
from starlette.applications import Starlette

from examples.convoai import auth, chatbot
from examples.convoai.grant import grant_admin
from examples.convoai.settings import AUDIENCE, Settings
from examples.convoai.signing import SigningKey
from tests.servers.ports import free_port
from tests.servers.service import Running, start
from tests.servers.settings import SECRET
from web.auth.tokens import ADMIN, make_token

KEY = "own-key-0123456789"
PASSWORD = "correct horse battery"
Json = dict[str, Any]


@dataclass
class Platform:
    """The auth service, the chatbot and the analytics service, and a client for each of the first two.

    The names of people begin with a prefix, which each test has for itself.
    """

    settings: Settings
    auth: httpx2.AsyncClient
    chatbot: httpx2.AsyncClient
    analytics: Running
    prefix: str = ""

    async def register(self, username: str = "ada", password: str = PASSWORD) -> httpx2.Response:
        return await self.auth.post("/users/", json={"username": self.prefix + username, "password": password})

    async def sign_in(self, username: str = "ada", password: str = PASSWORD, **headers: str) -> httpx2.Response:
        form = {"grant_type": "password", "username": self.prefix + username, "password": password}
        return await self.auth.post("/auth/token", data=form, headers=headers)

    async def bearer(self, username: str = "ada") -> dict[str, str]:
        """Register somebody, if need be, and give the header with their token."""
        await self.register(username)
        answer = await self.sign_in(username)
        assert answer.status_code == 200, answer.text
        return {"Authorization": f"Bearer {answer.json()['access_token']}"}

    def person(self, name: str = "ada") -> dict[str, str]:
        """Give the header with the token of somebody whom the auth service has never seen, signed by its key."""
        now, name = int(time.time()), self.prefix + name
        claims = {"iss": self.settings.auth_url, "aud": AUDIENCE, "sub": name, "roles": ["user"]}
        key = SigningKey.kept(self.settings.data / "auth.key")
        return {"Authorization": f"Bearer {key.sign({**claims, 'iat': now, 'exp': now + 600})}"}

    def grant_admin(self, username: str = "ada") -> None:
        grant_admin(self.settings.data / "auth.db", self.prefix + username)

    async def report(self, path: str, headers: dict[str, str]) -> httpx2.Response:
        async with httpx2.AsyncClient(base_url=self.settings.analytics_url, headers=headers) as client:
            return await client.get(f"/api/v1/analytics/{path}")

    async def rows(self, path: str, **filters: Any) -> list[Json]:
        """What the analytics service has of a kind, by a token of its own secret."""
        found: list[Json] = (await self.analytics.get(path, **filters))["items"]
        return found

    async def until(self, path: str, enough: Callable[[list[Json]], bool], **filters: Any) -> list[Json]:
        """Wait until the analytics service has enough of a kind: the client posts in the background."""
        async with asyncio.timeout(10):
            while not enough(rows := await self.rows(path, **filters)):  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        return rows


@asynccontextmanager
async def served(app: Starlette, port: int) -> AsyncIterator[None]:
    """Serve an application in this event loop."""
    config = uvicorn.Config(app, port=port, log_level="warning", lifespan="on", timeout_graceful_shutdown=5)
    server = uvicorn.Server(config)
    # The signals of the test runner are not the server's.
    server.capture_signals = contextlib.nullcontext  # type: ignore[method-assign,assignment]
    task = asyncio.create_task(server.serve())
    while not server.started:
        assert not task.done(), "the service did not start"
        await asyncio.sleep(0.005)
    try:
        yield
    finally:
        server.should_exit = True
        await task


@asynccontextmanager
async def platform_of(folder: Path, **environment: str) -> AsyncIterator[Platform]:
    """Run the services with their data in *folder*."""
    ports = {name: free_port() for name in ("AUTH", "CHATBOT", "PAGE")}
    urls = {f"CONVOAI_{name}_URL": f"http://127.0.0.1:{port}" for name, port in ports.items()}
    analytics = await start(
        folder,
        JWKS_URL=f"{urls['CONVOAI_AUTH_URL']}/.well-known/jwks.json",
        JWT_ISSUER=f"{urls['CONVOAI_AUTH_URL']},tests",
        JWT_AUDIENCE=AUDIENCE,
    )
    # Tokens of the tests' own secret are let in, too.
    analytics.token = lambda *_, **__: _own_token()  # type: ignore[method-assign]
    settings = Settings.read(
        {
            "CONVOAI_DATA": str(folder),
            "CONVOAI_TOKENS_PER_SECOND": "2000",
            "ANALYTICS_URL": analytics.url,
            "ANALYTICS_TRACKING_KEY": KEY,
            **urls,
            **environment,
        },
        port=1,
    )
    async with (
        served(auth.app(settings), ports["AUTH"]),
        served(chatbot.app(settings), ports["CHATBOT"]),
        httpx2.AsyncClient(base_url=settings.auth_url) as to_auth,
        httpx2.AsyncClient(base_url=settings.chatbot_url) as to_chatbot,
    ):
        yield Platform(settings, to_auth, to_chatbot, analytics)
    await analytics.drop()


def _own_token() -> str:
    return make_token(SECRET, "tests", [ADMIN], "default", 3600, aud=AUDIENCE, iss="tests")
