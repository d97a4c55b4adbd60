"""An import that is killed, and run again."""

import asyncio
import random
import signal
import subprocess
import time
from pathlib import Path

import pytest

from storage.engine.urls import database_at
from tests.faults.figures import Figures
from tests.load import differences, stored_messages
from tests.samples.legacy import make
from tests.servers.process import COMMAND, Process

each_database = pytest.mark.each_database


@each_database
async def test_an_import_that_is_killed_goes_on(
    tmp_path: Path, database_url: str, full: bool, figures: Figures
) -> None:
    """Killed at random moments and run again to its end, it has taken every row over once, and verify is clean."""
    drawn, rows = random.Random(3), 201_000 if full else 12_000
    make(tmp_path / "old.db", rows)
    process = Process(tmp_path, DATABASE_URL=database_url)
    database = database_at(database_url)
    await database.open()
    await database.close()
    command = [*COMMAND, "import", str(tmp_path / "old.db")]
    kills = 0
    for _ in range(4 if full else 2):
        before = len(await stored_messages(database_url))
        began = subprocess.Popen(command, env=process.environment, stdout=subprocess.DEVNULL)  # noqa: ASYNC220
        while len(await stored_messages(database_url)) == before and began.poll() is None:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        await asyncio.sleep(drawn.uniform(0, 0.1))
        began.kill()
        kills += began.wait() == -signal.SIGKILL
    started = time.monotonic()
    done = await asyncio.to_thread(process.command, "import", str(tmp_path / "old.db"))
    seconds = time.monotonic() - started
    assert done.returncode == 0, done.stdout + done.stderr
    stored = await stored_messages(database_url)
    assert len(stored) == len(set(stored)) == rows // 3
    assert f"user_activity: {rows // 3:,} rows" in done.stdout
    assert await differences(database_url) == []
    figures(
        f"import killed, {'SQLite' if 'sqlite' in database_url else 'PostgreSQL'}",
        kills=kills,
        rows=rows,
        lost=0,
        counted_twice=0,
        rows_a_second_of_the_last_run=round(rows / seconds),
    )
