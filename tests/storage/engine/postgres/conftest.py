"""Databases of a PostgreSQL, and two writers of one, with connections of their own, as two processes have."""

from collections.abc import AsyncIterator, Iterator

import pytest

from tests.servers.postgres import Postgres
from tests.storage.writers import Bench


@pytest.fixture
def url(postgres: Postgres) -> Iterator[str]:
    name = postgres.create()
    yield postgres.url(name)
    postgres.drop(name)


@pytest.fixture
async def benches(url: str) -> AsyncIterator[list[Bench]]:
    """Two writers of one database, each with connections of its own, as two processes have."""
    found = [Bench(url), Bench(url)]
    for bench in found:
        await bench.database.open()
    yield found
    for bench in found:
        await bench.writer.stop()
        await bench.database.close()


@pytest.fixture
async def bench(benches: list[Bench]) -> Bench:
    return benches[0]
