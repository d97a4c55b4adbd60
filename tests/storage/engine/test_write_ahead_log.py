"""SQLite's write-ahead log stays short whoever reads, and readers that were ended harm nobody."""

import asyncio
import contextlib
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import Connection, text
from structlog.testing import capture_logs

from storage.engine import sqlite, write_ahead_log
from storage.engine.database import Database
from storage.engine.readers import Readers
from storage.engine.urls import database_at
from storage.errors import StorageUnavailable
from tests.faults.disk import small_disk
from tests.paths import TRACK
from tests.samples.events import ACTIVITY
from tests.servers.service import Running

CHECKPOINT_BYTES = 2_000_000
WAIT_BYTES = 3_000_000
BOUND_BYTES = 4_000_000
ENDLESS = text("WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT COUNT(*) FROM n")
COUNT = text("SELECT COUNT(*) FROM filler")


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """All is smaller, in proportion."""
    monkeypatch.setattr(write_ahead_log, "CHECKPOINT_BYTES", CHECKPOINT_BYTES)
    monkeypatch.setattr(write_ahead_log, "WAIT_BYTES", WAIT_BYTES)
    monkeypatch.setattr(write_ahead_log, "HELD_SECONDS", 0.05)
    monkeypatch.setattr(sqlite, "CHECKPOINT_PAGES", 400)


@contextlib.asynccontextmanager
async def opened(folder: Path, read_seconds: float | None = None) -> AsyncIterator[Database]:
    database = database_at(f"sqlite+aiosqlite:///{folder}/analytics.db", read_seconds=read_seconds)
    await database.open()
    await database.write(lambda writer: writer.execute(text("CREATE TABLE filler (id INTEGER PRIMARY KEY, body TEXT)")))
    try:
        yield database
    finally:
        await database.close()


def fill(writer: Connection) -> None:
    """Write some 100 KB."""
    writer.execute(text("INSERT INTO filler (body) VALUES (:body)"), [{"body": "x" * 1000}] * 100)


def log_bytes(database: Database) -> int:
    return Path(f"{database.name}-wal").stat().st_size


async def write_much(database: Database) -> int:
    """Write until the log is long; gives how many rows that were."""
    for count in range(1, 200):
        await database.write(fill)
        if log_bytes(database) > CHECKPOINT_BYTES:
            return 100 * count
    raise AssertionError("nothing kept the log")


async def until_short(database: Database) -> None:
    async with asyncio.timeout(20):
        while log_bytes(database) > CHECKPOINT_BYTES:  # noqa: ASYNC110 - another task empties it
            await asyncio.sleep(0.01)


async def read_slowly(database: Database, seconds: float) -> int:
    """Read twice in one transaction; gives what was counted."""
    async with database.read() as connection:
        first: int = (await connection.scalars(COUNT)).one()
        await asyncio.sleep(seconds)
        assert (await connection.scalars(COUNT)).one() == first
    return first


async def read_on(database: Database, seconds: float) -> int:
    """Read for as long as others write; gives how often it was ended."""
    ended = 0
    while True:
        try:
            await read_slowly(database, seconds)
        except StorageUnavailable as error:
            ended += "write-ahead log" in str(error) and error.retry_after > 1
        except asyncio.CancelledError:
            return ended


async def test_overlapping_readers_do_not_let_it_grow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Readers who leave no moment between them are ended when the log is long; it stays within its bound."""
    monkeypatch.setattr(write_ahead_log, "CHECKPOINT_SECONDS", 30)
    async with opened(tmp_path) as database:
        readers = [asyncio.create_task(read_on(database, 0.2 + number / 20)) for number in range(4)]
        longest = 0
        for _ in range(200):
            await database.write(fill)
            longest = max(longest, log_bytes(database))
        for reader in readers:
            reader.cancel()
        assert sum(await asyncio.gather(*readers)) > 0
        # Without its end the log would hold all of 20 MB.
        assert CHECKPOINT_BYTES < longest < BOUND_BYTES


async def test_posts_empty_it_too(running: Running) -> None:
    """What services post lets the log be emptied, as every other commit does."""
    database = running.service.database
    reader = asyncio.create_task(hold_on(database))
    longest = 0
    for number in range(60):
        batch = [{"type": "activity", **ACTIVITY, "event_id": f"{number}-{part}"} for part in range(200)]
        assert (await running.http.post(f"{TRACK}/batch", json=batch)).status_code == 201
        longest = max(longest, log_bytes(database))
    reader.cancel()
    assert await asyncio.gather(reader)
    assert CHECKPOINT_BYTES < longest < BOUND_BYTES


async def hold_on(database: Database) -> int:
    """Keep the log, and again whenever it is taken; gives how often that was."""
    ended = 0
    while True:
        try:
            async with database.read() as connection:
                await connection.execute(text("SELECT COUNT(*) FROM heads"))
                while True:
                    await asyncio.sleep(0.01)
                    await connection.execute(text("SELECT 1"))
        except StorageUnavailable:
            ended += 1
        except asyncio.CancelledError:
            return ended


async def test_short_readers_are_not_ended(tmp_path: Path) -> None:
    """Whoever reads shortly never notices that the log is emptied."""
    async with opened(tmp_path) as database:

        async def read() -> None:
            while True:
                await read_slowly(database, 0)

        readers = [asyncio.create_task(read()) for _ in range(4)]
        for _ in range(100):
            await database.write(fill)
        await until_short(database)
        assert not any(reader.done() for reader in readers)
        for reader in readers:
            reader.cancel()
        await asyncio.gather(*readers, return_exceptions=True)


@pytest.mark.parametrize("is_between", [True, False], ids=["between statements", "in a statement"])
async def test_a_reader_is_ended_wherever_it_is(tmp_path: Path, is_between: bool) -> None:
    """A reader is ended in a statement and between two; no later statement reads of another moment; its connection
    serves the next reader.
    """
    async with opened(tmp_path) as database:
        begun = asyncio.Event()

        async def read() -> None:
            async with database.read() as connection:
                await connection.execute(COUNT)
                begun.set()
                if is_between:
                    await asyncio.sleep(1)
                await connection.execute(COUNT if is_between else ENDLESS)

        reader = asyncio.create_task(read())
        await begun.wait()
        await write_much(database)
        await until_short(database)
        with pytest.raises(StorageUnavailable, match="write-ahead log"):
            await reader
        # Of all the connections that read: none is in a transaction still, none refuses.
        counted = await asyncio.gather(*(read_slowly(database, 0.01) for _ in range(60)))
        assert len(set(counted)) == 1
        await database.write(fill)
        assert set(await asyncio.gather(*(read_slowly(database, 0) for _ in range(8)))) == {counted[0] + 100}


async def test_a_reader_that_was_cancelled_is_ended_too(tmp_path: Path) -> None:
    """A client that was cancelled in the middle of a statement does not keep the log."""
    async with opened(tmp_path) as database:

        async def read() -> None:
            async with database.read() as connection:
                await connection.execute(COUNT)
                await connection.execute(ENDLESS)

        reader = asyncio.create_task(read())
        await asyncio.sleep(0.1)
        reader.cancel()
        async with asyncio.timeout(20):
            # The statement itself would never end.
            await asyncio.gather(reader, return_exceptions=True)
        assert reader.cancelled()
        # At once, also while the cancelled task still knows what it did.
        assert await database.scrub()
        assert await read_slowly(database, 0) == 0


async def test_a_read_has_a_time_limit(tmp_path: Path) -> None:
    """A read that takes too long is ended and told so; one that is short enough is not."""
    async with opened(tmp_path, read_seconds=0.3) as database:
        await read_slowly(database, 0)
        for work in (read_slowly(database, 1), read_endlessly(database)):
            with pytest.raises(StorageUnavailable, match=r"took longer than 0\.3 s"):
                await work
        assert await read_slowly(database, 0) == 0


async def read_endlessly(database: Database) -> None:
    async with database.read_for_feeds() as connection:
        await connection.execute(ENDLESS)


async def test_another_program_that_reads_is_reported(tmp_path: Path) -> None:
    """While another program reads, the log grows, posts and readers go on; when it ends, the log is emptied."""
    async with opened(tmp_path) as database:
        with closing(sqlite3.connect(database.name, isolation_level=None)) as other, capture_logs() as logs:
            other.execute("BEGIN")
            other.execute("SELECT COUNT(*) FROM filler").fetchone()
            for _ in range(60):
                await database.write(fill)
            await asyncio.sleep(write_ahead_log.CHECKPOINT_SECONDS + 0.5)
            # Nobody is ended in vain: it would not help.
            await read_slowly(database, 0.3)
            assert log_bytes(database) > BOUND_BYTES
            assert [line["event"] for line in logs] == ["log_held"]
            other.execute("ROLLBACK")
            await until_short(database)
            async with asyncio.timeout(20):
                while logs[-1]["event"] != "log_emptied":  # noqa: ASYNC110 - another task says it
                    await asyncio.sleep(0.01)


async def test_closing_waits_for_nobody(tmp_path: Path) -> None:
    """A service that stops while another program holds the log stops at once."""
    with contextlib.ExitStack() as stack:
        async with opened(tmp_path) as database:
            other = stack.enter_context(closing(sqlite3.connect(database.name, isolation_level=None)))
            other.execute("BEGIN")
            other.execute("SELECT COUNT(*) FROM filler").fetchone()
            for _ in range(40):
                await database.write(fill)
            before = asyncio.get_running_loop().time()
        assert asyncio.get_running_loop().time() - before < 2


async def test_a_full_disk_ends_nothing(tmp_path: Path) -> None:
    """A disk that fills up before the log is emptied: it is emptied once there is room, and nothing is lost."""
    with small_disk() as disk:
        async with opened(disk.folder) as database:
            written = 0
            reader = asyncio.create_task(read_on(database, 10))
            await asyncio.sleep(0.1)
            while log_bytes(database) < CHECKPOINT_BYTES - 200_000:
                await database.write(fill)
                written += 100
            disk.fill()
            with capture_logs(), contextlib.suppress(StorageUnavailable):
                for _ in range(10):
                    await database.write(fill)
                    written += 100
            disk.free()
            written += await write_much(database)
            await until_short(database)
            reader.cancel()
            await reader
            assert await read_slowly(database, 0) == written


async def test_what_was_erased_is_emptied_beside_readers(tmp_path: Path) -> None:
    """The log is emptied on demand, too, beside this process's own readers."""
    async with opened(tmp_path) as database:
        reader = asyncio.create_task(read_on(database, 10))
        await database.write(fill)
        assert log_bytes(database) > 0
        assert await database.scrub()
        assert log_bytes(database) == 0
        reader.cancel()
        await reader


async def test_held_back_readers_go_on() -> None:
    """Readers that are held back wait, also when what held them back fails."""
    readers = Readers()
    with contextlib.suppress(ValueError), readers.paused():
        assert not readers._open.is_set()
        raise ValueError
    assert readers._open.is_set()
