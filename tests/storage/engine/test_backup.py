"""The online backup of a file; under load it is tested with the faults."""

import asyncio
import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from storage.engine.backup import back_up
from storage.engine.urls import file_of
from storage.errors import BackupFailed
from tests.samples.events import BATCH, EVENTS
from tests.servers.postgres import Postgres
from tests.servers.process import Process
from tests.servers.service import Running, start


@pytest.fixture
async def source(running: Running) -> Path:
    """The file of a running service that holds one event of each kind."""
    for name, event in EVENTS.items():
        await running.post(name, event)
    found = file_of(running.service.settings.database_url)
    assert found is not None
    return found


def quiet(_done: int, _total: int) -> None:
    pass


def copies(folder: Path) -> list[str]:
    """The names that are there for a copy, of finished ones and of parts."""
    return sorted(file.name for file in folder.glob("copy.db*"))


async def test_a_backup_says_what_it_holds(running: Running, source: Path, tmp_path: Path) -> None:
    """It names its size and where each tenant stands, is its owner's alone, and needs no other file."""
    receipt = await running.post(
        "message-public", {**EVENTS["message-public"], "message_id": "m2"}, "acme-key-0123456789"
    )
    told: list[tuple[int, int]] = []
    copy = back_up(source, tmp_path / "copy.db", lambda done, total: told.append((done, total)))
    assert {name: position.sequence for name, position in copy.positions.items()} == {"acme": 1, "default": len(BATCH)}
    assert str(copy.positions["acme"]) == receipt["position"]
    assert copy.size == (tmp_path / "copy.db").stat().st_size
    assert (tmp_path / "copy.db").stat().st_mode & 0o777 == 0o600
    assert told[-1][0] == told[-1][1] > 0
    assert copies(tmp_path) == ["copy.db"]
    with closing(sqlite3.connect(tmp_path / "copy.db")) as database:
        assert database.execute("PRAGMA journal_mode").fetchone() == ("delete",)


async def test_a_backup_overwrites_nothing(source: Path, tmp_path: Path) -> None:
    """Where something is already, it is refused and left as it is; also if it came while the copy was made."""
    target = tmp_path / "copy.db"
    target.write_text("precious")
    with pytest.raises(BackupFailed, match="exists already"):
        back_up(source, target, quiet)
    target.unlink()

    def get_in_first(_done: int, _total: int) -> None:
        target.write_text("precious")

    with pytest.raises(BackupFailed, match="exists already"):
        back_up(source, target, get_in_first)
    assert target.read_text() == "precious"
    assert copies(tmp_path) == ["copy.db"]


async def test_a_backup_that_is_broken_off_leaves_nothing(source: Path, tmp_path: Path) -> None:
    """A backup that is interrupted is not there, under no name."""

    def interrupt(_done: int, _total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        back_up(source, tmp_path / "copy.db", interrupt)
    assert copies(tmp_path) == []


async def test_a_damaged_database_makes_no_backup(source: Path, tmp_path: Path) -> None:
    """Of a file with a page of noise no copy is made that calls itself good."""
    good = back_up(source, tmp_path / "good.db", quiet)
    damaged = tmp_path / "damaged.db"
    whole = bytearray((tmp_path / "good.db").read_bytes())
    with closing(sqlite3.connect(tmp_path / "good.db")) as database:
        (root,) = database.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'user_activity_time'").fetchone()
        (page,) = database.execute("PRAGMA page_size").fetchone()
    whole[(root - 1) * page : root * page] = os.urandom(page)
    damaged.write_bytes(whole)
    assert good.size == len(whole)
    with pytest.raises(BackupFailed, match="integrity check"):
        back_up(damaged, tmp_path / "copy.db", quiet)
    assert copies(tmp_path) == []


async def test_a_server_is_backed_up_by_its_own_means(postgres: Postgres, tmp_path: Path) -> None:
    """pg_dump and pg_restore, as docs/operations.md has them: the restored database verifies clean, stands at the
    position of the dump, and the service goes on from it. The command says that it is not for this."""
    made = postgres.create()
    url = postgres.url(made)
    process = Process(tmp_path, DATABASE_URL=url)
    refused = await asyncio.to_thread(process.command, "backup", str(tmp_path / "copy.db"))
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "pg_dump" in refused.stderr
    first = await start(tmp_path, DATABASE_URL=url)
    receipt = await first.post("message-public", EVENTS["message-public"])
    dump = str(tmp_path / "analytics.dump")
    postgres.command("pg_dump", "--format=custom", f"--file={dump}", f"--dbname={made}")
    await first.post("message-public", {**EVENTS["message-public"], "message_id": "lost"})
    await first.stop()
    postgres.command("pg_restore", "--clean", "--if-exists", "--single-transaction", f"--dbname={made}", dump)
    again = await start(tmp_path, DATABASE_URL=url)
    assert (await again.get("summary"))["position"] == receipt["position"]
    assert (await again.post("message-public", {**EVENTS["message-public"], "message_id": "m2"}))["recorded"] == 1
    assert (await again.verdict()).differences == []
    await again.stop()
    postgres.drop(made)


def test_what_is_no_database_is_not_copied(tmp_path: Path) -> None:
    """Another file, another program's database, a missing folder: one line each, and nothing is left behind."""
    (tmp_path / "text").write_text("hello " * 1000)
    with closing(sqlite3.connect(tmp_path / "other.db")) as database:
        database.execute("CREATE TABLE other (a)")
    sources = [tmp_path / "missing.db", tmp_path / "text", tmp_path / "other.db"]
    for source in sources:
        with pytest.raises(BackupFailed) as error:
            back_up(source, tmp_path / "copy.db", quiet)
        assert "\n" not in str(error.value)
    with pytest.raises(BackupFailed, match="cannot be written"):
        back_up(tmp_path / "other.db", tmp_path / "nowhere" / "copy.db", quiet)
    assert copies(tmp_path) == []
    assert not (tmp_path / "missing.db").exists()
