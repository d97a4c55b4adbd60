"""The database: engines, SQLite's pragmas and its one-writer lock, migrations, and the epoch."""

import asyncio
import fcntl
import os
import secrets
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import structlog
from sqlalchemy import Connection, Engine, create_engine, event, inspect, select, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DatabaseError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from storage import schema
from storage.bulk import replace
from storage.clock import Days, now
from storage.errors import DatabaseInUse, StorageUnavailable, WrongDatabase

log = structlog.get_logger()

T = TypeVar("T")

REVISION = "0003"
"""The newest migration; a test holds it to the files."""
READERS = 4
"""Connections that read at the same time; each is a thread and about 2 MB of page cache."""
FOLLOWERS = 2
"""Further ones for the live feeds."""
POOL_SECONDS = 10.0
"""How long a read waits for a connection."""
CHECKPOINT_PAGES = 16_000
"""Pages of 4 KB that the write-ahead log may hold, 64 MB. A commit of 500 events writes 360 in a new database and 980
after 30,000 events: at SQLite's own default of 1,000 nearly every commit would pay for a checkpoint (ingest 0.30 of
plain SQLite's rate; so 0.39)."""
PREPARED = 512
"""Prepared statements that the writing connection keeps."""
BUSY_MS = 5000
"""How long SQLite waits for a lock that another program holds, before a write fails."""


def parse_url(url: str) -> URL:
    """Check a database URL; raises ``ValueError`` with what is wrong."""
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise ValueError("is not a database URL") from None
    if parsed.drivername != "sqlite+aiosqlite":
        raise ValueError("must begin with sqlite+aiosqlite://")
    if not parsed.database or parsed.database == ":memory:" or "mode=memory" in parsed.database:
        raise ValueError("must name a file: what is committed has to outlive the process")
    return parsed


def file_of(url: URL) -> Path:
    """Name the SQLite file that *url* stands for."""
    return Path(url.database or "")


_NOTE = replace(schema.about)


class Database:
    """One database: a connection that writes, in a thread of its own, and several that read, on the event loop.

    A write transaction is some fifteen statements. Each would cost an asynchronous driver four changes of thread
    (13 ms for a commit of 64 events); as one piece of work in the writer's thread they cost one (7 ms).

    ``epoch`` is a random name that the database got when it was made; ``days`` cuts time in its zone.
    """

    def __init__(self, url: URL, zone: str = "UTC") -> None:
        self.url = url
        self.days = Days(zone)
        self.epoch = ""
        self._lock: int | None = None
        self._thread = ThreadPoolExecutor(1, "writer")
        self._writing: Engine | None = None
        self._writer: Connection | None = None
        self._reading: AsyncEngine | None = None
        self._following: AsyncEngine | None = None

    async def open(self) -> None:
        """Take the write lock, migrate, and read the epoch.

        Raises :exc:`DatabaseInUse` if another process writes the file, :exc:`WrongDatabase` if its days were cut
        in another zone, or if a newer version has migrated it.
        """
        path = file_of(self.url)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._lock = _lock(path)
        except OSError as error:
            raise WrongDatabase(f"{path} cannot be used: {error.strerror}") from None
        self._open_writer()
        try:
            await self.write(migrate)
            self.epoch = await self.write(self._agree)
        except DatabaseError as error:
            raise WrongDatabase(f"{path} cannot be used: {error.orig}") from None
        self.open_readers()

    async def open_beside(self) -> None:
        """Open for a few small writes beside a running service, as commands do: without lock and migrations.

        SQLite lets several programs write in turn: each waits for the other's transaction for up to :data:`BUSY_MS`.
        The lock is against a second *service*, which would number changes that the first does not know of. Raises
        :exc:`WrongDatabase` if there is no database of this version.
        """
        path = file_of(self.url)
        if not path.exists():
            raise WrongDatabase(f"there is no database at {path}: start the service first, or run migrate")
        self._open_writer()
        try:
            found = await self.write(revision)
        except DatabaseError as error:
            raise WrongDatabase(f"{path} cannot be used: {error.orig}") from None
        if found != REVISION:
            raise WrongDatabase(f"the database is at migration {found}, this version at {REVISION}: run migrate")
        self.open_readers()

    def _open_writer(self) -> None:
        self._writing = create_engine(
            self.url.set(drivername="sqlite"),
            pool_size=1,
            max_overflow=0,
            connect_args={"cached_statements": PREPARED},
            # Errors would else repeat what events hold, and errors are logged.
            hide_parameters=True,
        )
        _configure(self._writing, begin="BEGIN IMMEDIATE", readonly=False)

    def open_readers(self) -> None:
        """Make the reading engines; enough for a program that only reads, beside a running service."""
        self._reading = self._reader(READERS)
        self._following = self._reader(FOLLOWERS)

    def _reader(self, size: int) -> AsyncEngine:
        engine = create_async_engine(
            self.url, pool_size=size, max_overflow=0, pool_timeout=POOL_SECONDS, hide_parameters=True
        )
        _configure(engine.sync_engine, begin="BEGIN", readonly=True)
        return engine

    async def close(self) -> None:
        """Close every connection and give the lock back."""
        for engine in (self._reading, self._following):
            if engine is not None:
                await engine.dispose()
        if self._writing is not None:
            await asyncio.get_running_loop().run_in_executor(self._thread, self._close_writer, self._writing)
        self._thread.shutdown()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    async def write(self, work: Callable[[Connection], T]) -> T:
        """Run *work* in the writer's thread, in a transaction; it is committed, durably, when this returns."""
        engine = self._writing
        if engine is None:
            raise StorageUnavailable("the database is not open for writing")

        def transaction() -> T:
            # One connection for good: taking it from the pool and putting it back costs as much as a statement.
            if self._writer is None:
                self._writer = engine.connect()
            with self._writer.begin():
                return work(self._writer)

        return await asyncio.get_running_loop().run_in_executor(self._thread, transaction)

    def read(self) -> AbstractAsyncContextManager[AsyncConnection]:
        """Open a read transaction: all that is read in it is from one moment.

        Raises :exc:`StorageUnavailable` if the database cannot be read just now.
        """
        return _transaction(self._reading)

    def follow(self) -> AbstractAsyncContextManager[AsyncConnection]:
        """Open a read transaction for a live feed: slow reports do not keep it waiting."""
        return _transaction(self._following)

    def _close_writer(self, engine: Engine) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None
        engine.dispose()

    def _agree(self, connection: Connection) -> str:
        """Read the epoch and check the zone; a new database gets both."""
        rows = connection.execute(select(schema.about.c.name, schema.about.c.value))
        about = {str(name): str(value) for name, value in rows}
        if not about:
            about = {"epoch": secrets.token_hex(4), "timezone": self.days.zone.key}
            connection.execute(schema.about.insert(), [{"name": name, "value": value} for name, value in about.items()])
        if about["timezone"] != self.days.zone.key:
            raise WrongDatabase(
                f"ANALYTICS_TIMEZONE is {self.days.zone.key}, but the days of this database were cut in "
                f"{about['timezone']}: set it to that, or start with a new database"
            )
        return about["epoch"]


async def read_about(connection: AsyncConnection) -> dict[str, str]:
    """Read what a database says of itself: its ``epoch`` and ``timezone``."""
    rows = await connection.execute(select(schema.about.c.name, schema.about.c.value))
    return {str(name): str(value) for name, value in rows}


def touch(connection: Connection) -> None:
    """Write a row and nothing else, to find out whether the database can be written: a full disk shows only so."""
    _NOTE.write(connection, [("touched", now())])


def migrate(connection: Connection) -> None:
    """Bring the tables to :data:`REVISION`; raises :exc:`WrongDatabase` if they are from a newer version."""
    found = revision(connection)
    if found == REVISION:
        return
    # Imported here: Alembic costs 0.25 s, which a start with nothing to migrate need not pay.
    from alembic import command
    from alembic.config import Config
    from alembic.util import CommandError

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, "head")
    except CommandError as error:
        raise WrongDatabase(f"the database is at migration {found}, which this version does not know") from error


def revision(connection: Connection) -> str | None:
    """Name the migration that the database is at; None for a new one."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    found = connection.scalar(text("SELECT version_num FROM alembic_version"))
    return None if found is None else str(found)


@asynccontextmanager
async def _transaction(engine: AsyncEngine | None) -> AsyncIterator[AsyncConnection]:
    if engine is None:
        raise StorageUnavailable("the database is not open")
    try:
        async with engine.begin() as connection:
            yield connection
    except (OperationalError, PoolTimeout) as error:
        log.warning("read_failed", error=type(error).__name__)
        raise StorageUnavailable("the database cannot be read just now") from error


def _lock(path: Path) -> int:
    """Hold a lock beside the file for as long as the process lives; the kernel frees it when the process dies."""
    handle = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        raise DatabaseInUse(f"another process is writing {path}: stop it, or set ANALYTICS_DATABASE_URL") from None
    return handle


def _configure(engine: Engine, *, begin: str, readonly: bool) -> None:
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
            # 64 MB of page cache for the writer, whose indexes are large and touched at random.
            cursor.execute("PRAGMA cache_size=-65536")
            cursor.execute(f"PRAGMA wal_autocheckpoint={CHECKPOINT_PAGES}")
        cursor.close()

    @event.listens_for(engine, "begin")
    def begin_transaction(connection: Connection) -> None:
        connection.exec_driver_sql(begin)
