"""A service that may send to this machine, and a webhook receiver."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.receivers.webhooks import Receiver, receiver
from tests.servers.service import Running, start


@pytest.fixture
async def hook() -> AsyncIterator[Receiver]:
    async with receiver() as found:
        yield found


@pytest.fixture
async def alerting(tmp_path: Path, database_url: str) -> AsyncIterator[Running]:
    found = await start(
        tmp_path, DATABASE_URL=database_url, ALERTS_NETWORKS="127.0.0.0/8", ALERTS_SECRET="a secret of the tests"
    )
    yield found
    await found.drop()
