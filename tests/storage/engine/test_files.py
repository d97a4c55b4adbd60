"""A SQLite file that is no longer at its path: nothing is acknowledged, nothing is read, and it is said once."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import Connection, text
from structlog.testing import capture_logs

from storage.engine.database import Database, probe_write
from storage.engine.urls import database_at
from storage.errors import StorageUnavailable
from tests.paths import API, TRACK
from tests.samples.events import ACTIVITY
from tests.servers.service import Running


def delete(file: Path) -> None:
    file.unlink()


def replace(file: Path) -> None:
    """Put a copy in its place, as restoring a backup by rename does."""
    shutil.copy(file, f"{file}.copy")
    os.replace(f"{file}.copy", file)


def move_folder(file: Path) -> None:
    file.parent.rename(f"{file.parent}.moved")


def delete_log(file: Path) -> None:
    Path(f"{file}-wal").unlink()


def delete_index(file: Path) -> None:
    Path(f"{file}-shm").unlink()


def overwrite(file: Path) -> None:
    """Copy a shorter one over it, into the same file."""
    file.write_bytes(file.read_bytes()[:8192])


FAULTS = [delete, replace, move_folder, delete_log, delete_index, overwrite]
GONE = "deleted, moved or replaced"


async def checkpoint(database: Database) -> None:
    """Let the file have all there is."""
    await database.scrub()


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_file_that_has_gone_takes_nothing(tmp_path: Path, fault: Callable[[Path], None]) -> None:
    """When the file is not at its path any more, writes and reads fail, for good, and one line says what to do."""
    folder = tmp_path / "data"
    database = database_at(f"sqlite+aiosqlite:///{folder}/analytics.db")
    await database.open()
    await database.write(probe_write)
    await checkpoint(database)
    await database.write(probe_write)
    async with database.read() as connection:
        await connection.execute(text("SELECT 1"))
    with capture_logs() as logs:
        fault(Path(database.name))
        for _ in range(3):
            with pytest.raises(StorageUnavailable, match=GONE):
                await database.write(probe_write)
            for read in (database.read, database.read_for_feeds):
                with pytest.raises(StorageUnavailable, match=GONE):
                    async with read():
                        raise AssertionError("it was read")
    assert [line["event"] for line in logs] == ["database_file_gone"]
    assert "start it again" in logs[0]["advice"]
    await database.close()


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_commit_into_a_file_that_goes_is_not_acknowledged(
    tmp_path: Path, fault: Callable[[Path], None]
) -> None:
    """A file that goes away in the middle of a transaction: the commit is not acknowledged."""
    database = database_at(f"sqlite+aiosqlite:///{tmp_path}/data/analytics.db")
    await database.open()
    await checkpoint(database)

    def work(connection: Connection) -> None:
        probe_write(connection)
        fault(Path(database.name))

    with capture_logs(), pytest.raises(StorageUnavailable, match=GONE):
        await database.write(work)
    await database.close()


async def test_a_folder_that_comes_back_is_not_trusted(tmp_path: Path) -> None:
    """Once the file was gone it stays so until a restart, which then finds all that was acknowledged."""
    url = f"sqlite+aiosqlite:///{tmp_path}/data/analytics.db"
    database = database_at(url)
    await database.open()
    await database.write(lambda writer: writer.execute(text("CREATE TABLE kept AS SELECT 7 AS number")))
    moved = (tmp_path / "data").rename(tmp_path / "elsewhere")
    with capture_logs():
        for _ in range(2):
            with pytest.raises(StorageUnavailable, match=GONE):
                await database.write(probe_write)
            if moved.exists():
                moved.rename(tmp_path / "data")
    await database.close()
    database = database_at(url)
    await database.open()
    async with database.read() as connection:
        assert (await connection.scalars(text("SELECT number FROM kept"))).one() == 7
    await database.close()


async def test_it_is_seen_from_outside(running: Running) -> None:
    """Deleted while serving: posts 503 with what to do, /ready 503, reports 503, and a panel says that it is stale."""
    answer = await running.post("activity-public", ACTIVITY)
    panel = await running.panel()
    await panel.until_position(answer["position"])
    delete(Path(running.service.database.name))
    refused = await running.http.post(f"{TRACK}/activity-public", json=ACTIVITY)
    assert (refused.status_code, refused.headers["retry-after"]) == (503, "30")
    assert "stop the service" in refused.json()["detail"]
    assert (await running.http.get("/ready")).status_code == 503
    assert (await running.http.get("/health")).status_code == 200
    assert (await running.http.get(f"{API}/summary", headers=running.admin())).status_code == 503
    await panel.until(lambda: panel.state.stale_since is not None)
