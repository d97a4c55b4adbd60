"""The real service on a real socket, in the event loop of the tests."""

import asyncio
import contextlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2

from realtime.subscriber_state import Json
from storage.verify.comparison import VerificationResult, verify
from tests.new_database import create
from tests.paths import API, TRACK
from tests.servers.settings import SECRET, environment
from tests.subscribers.live import Fed, LivePanel
from web.auth.tokens import ADMIN, make_token
from web.server.app import Service, open_service
from web.server.runner import Server, listen
from web.settings import Settings
from web.site.assets import FOLDER


@dataclass
class Running:
    """A service that runs in this process, with a client for its HTTP side."""

    service: Service
    opened: contextlib.AsyncExitStack
    server: Server
    task: "asyncio.Task[None]"
    url: str
    http: httpx2.AsyncClient
    panels: list[Fed] = field(default_factory=list)
    disagreements: int = 0
    """How often a panel or a feed is to have noticed wrong figures by the end of the test."""

    def token(self, tenant: str = "default", sub: str = "ada", seconds: float = 3600, **claims: Any) -> str:
        return make_token(SECRET, sub, claims.pop("roles", [ADMIN]), tenant, seconds)

    def admin(self, tenant: str = "default") -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token(tenant)}"}

    async def get(self, path: str, tenant: str = "default", **params: Any) -> Any:
        response = await self.http.get(f"{API}/{path}", params=params, headers=self.admin(tenant))
        assert response.status_code == 200, response.text
        return response.json()

    async def post(self, name: str, event: Json, key: str | None = None) -> Any:
        headers = {} if key is None else {"X-Tracking-Key": key}
        response = await self.http.post(f"{TRACK}/{name}", json=event, headers=headers)
        assert response.status_code == 201, response.text
        return response.json()

    async def panel(self, tenant: str = "default", **options: Any) -> LivePanel:
        panel = LivePanel(self.url, options.pop("token", None) or self.token(tenant))
        panel.compression = options.pop("compression", None)
        self.panels.append(panel)
        await panel.open(**options)
        return panel

    def check_proofs(self) -> None:
        """See that every digest and every look at the database found the figures right."""
        counted = self.service.telemetry
        noticed = [
            next(iter(metric.collect())).samples[0].value
            for metric in (counted.subscriber_disagreements, counted.feed_disagreements)
        ]
        assert sum(noticed) == self.disagreements, noticed
        assert all(panel.state.agrees for panel in self.panels)

    async def verdict(self) -> VerificationResult:
        async with self.service.database.read() as connection:
            return await verify(connection, self.service.database.days)

    async def stop(self) -> None:
        """Stop as on SIGTERM."""
        await self._leave()
        self.server.should_exit = True
        await self.task
        await self.opened.aclose()

    async def drop(self) -> None:
        """Stop without the pauses that uvicorn makes for clients who have gone already here: 0.15 s a test."""
        await self._leave()
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)
        await self.server.stop_accepting()
        for connection in list(self.server.server_state.connections):
            connection.shutdown()
        await self.opened.aclose()

    async def _leave(self) -> None:
        self.check_proofs()
        for panel in self.panels:
            await panel.close()
        await self.http.aclose()


async def start(folder: Path, static: Path = FOLDER, /, *, plain: bool = False, **settings: str) -> Running:
    """Start a service; *plain* takes uvicorn's own WebSocket protocol, as any other ASGI server would."""
    opened, read = contextlib.AsyncExitStack(), Settings.read(environment(folder, **settings))
    create(read.database_url)
    service = await opened.enter_async_context(open_service(read, static))
    server = Server(service, listen(service.settings))
    if plain:
        server.config.ws, server.config.http = "websockets-sansio", "httptools"
    # The signals of the test runner are not the server's.
    server.capture_signals = contextlib.nullcontext  # type: ignore[method-assign,assignment]
    task = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110 - uvicorn has no event for it
        await asyncio.sleep(0.005)
    url = f"http://127.0.0.1:{service.settings.port}"
    return Running(service, opened, server, task, url, httpx2.AsyncClient(base_url=url, timeout=30))
