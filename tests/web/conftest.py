"""A service that is watched while a test sends arbitrary bytes."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.servers.service import Running, start
from tests.servers.tasks import running_tasks, settle


@pytest.fixture
async def watched(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> AsyncIterator[Running]:
    """A service that has to be, after whatever a test does to it, as it was before."""
    found = await start(tmp_path, HEAD_SECONDS="2", SUBSCRIBE_SECONDS="2")
    before = await found.panel()
    await before.close()
    await found.get("summary")
    await found.http.aclose()
    await settle(found, set())
    tasks = running_tasks()
    try:
        yield found
        await settle(found, tasks)
        assert [record.message for record in caplog.records if record.exc_info or record.levelname == "ERROR"] == []
    finally:
        await found.stop()
