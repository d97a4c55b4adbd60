"""SQLite: one file, one process that writes it, one connection that does."""

import fcntl
import os
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import structlog
from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL
from sqlalchemy.exc import DatabaseError, DBAPIError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from storage.engine.database import POOL_SECONDS, Database, ReadTransaction, migrate
from storage.engine.files import Files
from storage.engine.readers import Readers
from storage.engine.statements import read_in_one_step
from storage.engine.write_ahead_log import Checkpoint, Mode, WriteAheadLog
from storage.errors import DatabaseInUse, StorageUnavailable, WrongDatabase

log = structlog.get_logger()

T = TypeVar("T")

PAGE_BYTES = 4096
CHECKPOINT_PAGES = 4_000
"""Pages after which SQLite runs a checkpoint by itself, 16 MB. Posts wait for that meanwhile: 70 ms;
with 64 MB 170 to 370. A commit of 500 events writes 360 pages in a new database and 980 after 30,000 events: at
SQLite's own default of 1,000 nearly every commit would pay for a checkpoint."""
PREPARED = 512
"""Prepared statements that the writing connection keeps."""
BUSY_MS = 5000
"""How long SQLite waits for a lock that another program holds, before a write fails."""
CHECKPOINT_BUSY_MS = 50
"""How long a checkpoint waits for readers: there are no commits meanwhile."""
SCRUB_SECONDS = 10.0
"""How long it is tried to empty the log of what was erased."""

MAX_ADDRESS = 1024
"""Bytes of the address in a lock file."""


class SqliteDatabase(Database):
    """A database in a file. Each reading connection is a thread and about 2 MB of page cache."""

    writers = 1

    def __init__(self, url: URL, zone: str = "UTC", read_seconds: float | None = None) -> None:
        super().__init__(url, zone, read_seconds)
        self._file = Path(url.database or "")
        self._files: Files | None = None
        self._readers = Readers(read_seconds)
        self._log = WriteAheadLog(self._readers, self._checkpoint)
        self._log_bytes = 0
        self._lock: int | None = None
        self._writer: Connection | None = None

    @property
    def name(self) -> str:
        """Name the file."""
        return str(self._file)

    async def open(self) -> None:
        """Take the write lock, migrate, and read the epoch."""
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            self._lock = _lock(self._file)
        except OSError as error:
            raise WrongDatabase(f"{self.name} cannot be used: {error.strerror}") from None
        engine = self._writing = self._writer_engine()
        try:
            await self._in_thread(lambda: self._transact(engine, migrate))
            self.epoch = await self._in_thread(lambda: self._transact(engine, self._check_zone))
        except DatabaseError as error:
            raise WrongDatabase(f"{self.name} cannot be used: {error.orig}") from None
        self.open_readers()

    def open_readers(self) -> None:
        """Make the reading engines, if there is such a file."""
        if not self._file.exists():
            raise WrongDatabase(f"there is no database at {self.name}: start the service first, or run migrate")
        super().open_readers()

    def _writer_engine(self) -> Engine:
        engine = create_engine(
            self.url.set(drivername="sqlite"),
            pool_size=1,
            max_overflow=0,
            connect_args={"cached_statements": PREPARED},
            # Errors would otherwise repeat what events hold, and errors are logged.
            hide_parameters=True,
        )
        _configure(engine, readonly=False)
        event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN IMMEDIATE"))
        return engine

    def _reader(self, size: int) -> AsyncEngine:
        engine = create_async_engine(
            self.url, pool_size=size, max_overflow=0, pool_timeout=POOL_SECONDS, hide_parameters=True
        )
        read_in_one_step(engine.sync_engine)
        _configure(engine.sync_engine, readonly=True)
        event.listen(engine.sync_engine, "before_cursor_execute", self._readers.check)
        event.listen(engine.sync_engine, "invalidate", self._readers.drop)
        return engine

    @asynccontextmanager
    async def _read_by(self, engine: AsyncEngine | None) -> AsyncIterator[ReadTransaction]:
        # First of all: a new connection would make a new file where there is none.
        if self._files is not None:
            self._files.check()
        async with super()._read_by(engine) as connection:
            yield connection

    def _admit(self, connection: AsyncConnection) -> AbstractAsyncContextManager[None]:
        return self._readers.admit(connection)

    def announce(self, address: str) -> None:
        """Write *address* into the lock file, as :func:`writer_of` reads it."""
        if self._lock is not None:
            os.pwrite(self._lock, address.encode(), 0)

    async def close(self) -> None:
        """Close every connection and give the lock back."""
        await self._log.close()
        if self._writer is not None:
            await self._in_thread(self._writer.close)
            self._writer = None
        await super().close()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def lock_exclusively(self, connection: Connection) -> None:
        """Do nothing: the process that has a file open for writing is alone by its lock."""

    async def _settle_log(self) -> None:
        await self._log.grown(self._log_bytes)

    async def scrub(self) -> bool:
        """Empty the write-ahead log, which holds pages as they were."""
        return await self._log.truncate(SCRUB_SECONDS)

    async def _checkpoint(self, mode: Mode) -> Checkpoint:
        engine = self._writing
        if engine is None:
            raise StorageUnavailable("the database is not open for writing")
        return await self._in_thread(lambda: _checkpoint(self._connected(engine), mode))

    def _transact(self, engine: Engine, work: Callable[[Connection], T]) -> T:
        writer = self._connected(engine)
        if self._files is not None:
            self._files.check()
        with writer.begin():
            # From here on all of its files are there.
            files = self._files = self._files or Files(self._file)
            found = work(writer)
        # Before any answer: what went into a file that has gone is not recorded.
        self._log_bytes = files.check()
        return found

    def _connected(self, engine: Engine) -> Connection:
        # One connection for good: taking it from the pool and putting it back costs as much as a statement.
        if self._writer is None:
            self._writer = engine.connect()
        return self._writer

    def _is_full(self, error: DBAPIError) -> bool:
        return getattr(error.orig, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL

    def _is_bug(self, error: SQLAlchemyError) -> bool:
        """Say so too of what SQLite calls an error without a kind: a statement that it does not understand.

        But not of a table that is not there: an operator may just be restoring the database.
        """
        raised = getattr(error, "orig", None)
        if getattr(raised, "sqlite_errorcode", None) == sqlite3.SQLITE_ERROR:
            return not str(raised).startswith("no such table")
        return super()._is_bug(error)


def _checkpoint(writer: Connection, mode: Mode) -> Checkpoint:
    """Run a checkpoint, as far as it can go; outside of a transaction, within one it does nothing."""
    cursor = writer.connection.cursor()
    try:
        cursor.execute(f"PRAGMA busy_timeout={CHECKPOINT_BUSY_MS}")
        busy, _, checkpointed = cursor.execute(f"PRAGMA wal_checkpoint({mode})").fetchone()
    except sqlite3.Error as error:
        log.warning("checkpoint_failed", error=getattr(error, "sqlite_errorname", type(error).__name__))
        return Checkpoint(is_empty=False, checkpointed=-1)
    finally:
        cursor.execute(f"PRAGMA busy_timeout={BUSY_MS}")
    return Checkpoint(is_empty=mode == "TRUNCATE" and not busy, checkpointed=checkpointed)


def writer_of(path: Path) -> str | None:
    """Say at which address the file at *path* is served: "" if that is not known, None if no process writes it."""
    try:
        handle = os.open(_lock_file(path), os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        # Shared, and for a moment: only a service that begins in that moment would be refused by it.
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return os.pread(handle, MAX_ADDRESS, 0).decode(errors="replace")
    finally:
        os.close(handle)
    return None


def _lock(path: Path) -> int:
    """Hold a lock beside the file for as long as the process lives; the kernel frees it when the process dies."""
    handle = os.open(_lock_file(path), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        raise DatabaseInUse(f"another process is writing {path}: stop it, or set ANALYTICS_DATABASE_URL") from None
    # The address of the process before.
    os.ftruncate(handle, 0)
    return handle


def _lock_file(path: Path) -> str:
    return f"{path}.lock"


def _configure(engine: Engine, *, readonly: bool) -> None:
    @event.listens_for(engine, "connect")
    def connect(connection: Any, _record: Any) -> None:
        # The driver must not begin transactions by itself: only so can one begin as IMMEDIATE.
        connection.isolation_level = None
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA busy_timeout={BUSY_MS}")
        cursor.execute("PRAGMA journal_mode=WAL")
        cursor.execute("PRAGMA synchronous=FULL")
        cursor.execute("PRAGMA temp_store=MEMORY")
        if readonly:
            cursor.execute("PRAGMA query_only=ON")
        else:
            # What is deleted is overwritten, so that what was erased is not in the file either.
            cursor.execute("PRAGMA secure_delete=ON")
            # 64 MB of page cache for the writer, whose indexes are large and touched at random.
            cursor.execute("PRAGMA cache_size=-65536")
            cursor.execute(f"PRAGMA wal_autocheckpoint={CHECKPOINT_PAGES}")
            # When it begins again after readers let it grow, it becomes as short again.
            cursor.execute(f"PRAGMA journal_size_limit={CHECKPOINT_PAGES * PAGE_BYTES}")
        cursor.close()
