"""A database with a history."""

from collections.abc import AsyncIterator

import pytest

from storage.engine.database import Database
from tests.storage.verify.histories import opened


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    found = await opened(database_url)
    yield found
    await found.close()
