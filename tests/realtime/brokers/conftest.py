"""Servers of Redis, and brokers on each."""

from collections.abc import AsyncIterator, Iterator

import pytest

from realtime.brokers.memory import MemoryBroker
from realtime.brokers.redis import RedisBroker
from tests.realtime.brokers.receivers import KINDS, Ear, Make, Servers
from tests.servers.ports import free_port
from tests.servers.valkey import Valkey, ended


@pytest.fixture(scope="session")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Valkey]:
    with ended(Valkey(tmp_path_factory.mktemp("valkey"), free_port())) as server:
        yield server


@pytest.fixture(params=KINDS)
def servers(request: pytest.FixtureRequest) -> Servers:
    found: Servers = request.getfixturevalue(KINDS[request.param])
    return found


@pytest.fixture(params=["memory", *KINDS])
async def make(request: pytest.FixtureRequest) -> AsyncIterator[Make]:
    url = request.getfixturevalue(KINDS[request.param]).url if request.param in KINDS else ""
    made: list[Ear] = []

    async def make_one() -> Ear:
        ear = Ear(RedisBroker(url, "ab") if url else MemoryBroker())
        made.append(ear)
        await ear.start()
        return ear

    yield make_one
    for ear in made:
        await ear.broker.stop()
