"""What a database is to the rest of the service, and what every kind of it shares: migrations, epoch and zone.

``sqlite.py`` and ``postgres.py`` are the kinds; ``urls.py`` chooses by the URL.
"""

import asyncio
import secrets
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import structlog
from sqlalchemy import Connection, Engine, inspect, select, text
from sqlalchemy.engine import URL
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, NotSupportedError, ProgrammingError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from storage.engine.readers import RETRY_AFTER, too_long
from storage.engine.retries import LockRetry
from storage.errors import DataRefused, Locked, StorageError, StorageFull, StorageUnavailable, WrongDatabase
from storage.model.clock import Days, now
from storage.tables import schema
from storage.tables.bulk import replace

log = structlog.get_logger()

T = TypeVar("T")

ReadTransaction = AsyncConnection
"""An open read transaction, as :meth:`Database.read` gives it: pass it to the functions in storage that read."""
WriteTransaction = Connection
"""An open write transaction, as :meth:`Database.write` hands it to its work."""

REVISION = "0019"
"""The newest migration; a test holds it to the files."""
READERS = 4
"""Connections that read at the same time."""
FOLLOWERS = 4
"""Further ones for the live feeds."""
BREAKDOWN_READERS = 2
"""And for live breakdowns, so that a slow one does not keep feeds waiting."""
POOL_SECONDS = 10.0
"""How long a read waits for a connection."""

_NOTE = replace(schema.about)


class Database(ABC):
    """One database: connections that write, each in a thread, and others that read, on the event loop.

    A write transaction is some fifteen statements. Each would cost an asynchronous driver four changes of thread
    (13 ms for a commit of 64 events); as one piece of work in a writer's thread they cost one (7 ms).

    ``epoch`` is a random name that the database got when it was made; ``days`` cuts time in its zone; ``writers`` is
    how many transactions can write at the same time.
    """

    writers: ClassVar[int]

    def __init__(self, url: URL, zone: str = "UTC", read_seconds: float | None = None) -> None:
        """Name the time *zone*, and how long a read may take, None: any time."""
        self.url = url
        self._read_seconds = read_seconds
        self.days = Days(zone)
        self.epoch = ""
        self._threads = ThreadPoolExecutor(self.writers, "writer")
        self._writes: set[Future[Any]] = set()
        self._writing: Engine | None = None
        self._reading: AsyncEngine | None = None
        self._following: AsyncEngine | None = None

    @property
    @abstractmethod
    def name(self) -> str:
        """Say where the database is, without a user or a password."""

    @abstractmethod
    async def open(self) -> None:
        """Make the connections, migrate, and read the epoch.

        Raises :exc:`WrongDatabase` if its days were cut in another zone, a newer version has migrated it or it is not
        one of this service, :exc:`StorageUnavailable` if it cannot be reached, and :exc:`DatabaseInUse` if another
        process writes it: SQLite's file in any case, PostgreSQL's tables if they have to be migrated.
        """

    async def open_alongside(self) -> None:
        """Open for a few small writes beside a running service, as commands do: without lock and migrations.

        SQLite lets several programs write in turn; its lock is against a second *service*, which would number changes
        that the first does not know of. Raises :exc:`WrongDatabase` if there is no database of this version,
        :exc:`StorageUnavailable` if it cannot be reached.
        """
        self.open_readers()
        self._writing = self._writer_engine()
        found = await self.write(revision)
        if found != REVISION:
            raise WrongDatabase(f"the database is at migration {found}, this version at {REVISION}: run migrate")
        about = await self.write(_about)
        self.epoch, self.days = about["epoch"], Days(about["timezone"])

    def announce(self, address: str) -> None:  # noqa: B027 - most databases need no word of it
        """Tell others who want to write this database that it is served at *address*; only SQLite's file is for one."""

    def open_readers(self) -> None:
        """Make the reading engines; enough for a program that only reads, beside a running service.

        Raises :exc:`WrongDatabase` if there is no such database.
        """
        self._reading = self._reader(READERS)
        self._following = self._reader(FOLLOWERS + BREAKDOWN_READERS)

    async def open_to_read(self) -> None:
        """Open for a program that only reads, beside a running service; days are cut in the database's own zone.

        Raises :exc:`WrongDatabase` if there is no database of this service, or one without tables of this version, and
        :exc:`StorageUnavailable` if it cannot be read.
        """
        self.open_readers()
        async with self.read() as connection:
            await connection.run_sync(self._check_own)
            about = await read_about(connection)
        self.epoch, self.days = about["epoch"], Days(about["timezone"])

    async def close(self) -> None:
        """Close every connection."""
        for engine in (self._reading, self._following):
            if engine is not None:
                await engine.dispose()
        # A write whose caller was cancelled goes on in its thread; its connection would stay open behind the others.
        await asyncio.to_thread(wait, set(self._writes))
        if self._writing is not None:
            await self._in_thread(self._writing.dispose)
        self._threads.shutdown()

    async def write(self, work: Callable[[WriteTransaction], T]) -> T:
        """Run *work* in a writer's thread, in a transaction; it is committed, durably, when this returns.

        *work* may be run again, in another transaction, if the database asks for that, or after a pause if another
        process holds what it needs. Raises :exc:`DataRefused` if the database does not take what *work* writes,
        :exc:`StorageUnavailable` if it cannot be written just now, :exc:`Locked` if that other process holds on.
        """
        retry = LockRetry()
        while True:
            try:
                return await self.attempt(work)
            except Locked:
                if not await retry.wait():
                    raise

    async def attempt(self, work: Callable[[WriteTransaction], T]) -> T:
        """Do as :meth:`write`, but raise :exc:`Locked` soon: the thread is others' too, so the caller has to wait."""
        engine = self._writing
        if engine is None:
            raise StorageUnavailable("the database is not open for writing")
        try:
            found = await self._in_thread(lambda: self._transact(engine, work))
        except SQLAlchemyError as error:
            if self._is_bug(error):
                raise
            raise self._explain(error) from error
        except OSError as error:
            raise self._explain(error) from error
        await self._settle_log()
        return found

    async def _settle_log(self) -> None:  # noqa: B027 - most kinds have nothing to do
        """See to the database's log after a commit; a server does so itself."""

    async def scrub(self) -> bool:
        """See that what was deleted cannot be read in the database's files; False if a reader still uses an old state.

        A server does it in its own time (``VACUUM``).
        """
        return True

    def read(self) -> AbstractAsyncContextManager[ReadTransaction]:
        """Open a read transaction: all that is read in it is from one moment.

        Raises :exc:`StorageUnavailable`, here or wherever something is read in it, if the database cannot be read just
        now.
        """
        return self._read_by(self._reading)

    def read_for_feeds(self) -> AbstractAsyncContextManager[ReadTransaction]:
        """Open a read transaction for a live feed: slow reports do not keep it waiting."""
        return self._read_by(self._following)

    @asynccontextmanager
    async def _read_by(self, engine: AsyncEngine | None) -> AsyncIterator[ReadTransaction]:
        if engine is None:
            raise StorageUnavailable("the database is not open")
        try:
            async with engine.begin() as connection, self._admit(connection):
                yield connection
        except SQLAlchemyError as error:
            if self._is_wrong_read(error):
                raise
            if isinstance(error, DBAPIError) and self._is_late(error):
                raise StorageUnavailable(too_long(self._read_seconds), RETRY_AFTER) from error
            log.warning("read_failed", error=type(error).__name__, cause=_cause(error))
            raise StorageUnavailable("the database cannot be read just now") from error

    def _admit(self, _connection: AsyncConnection) -> AbstractAsyncContextManager[None]:
        """Let a read transaction begin that has read nothing yet."""
        return nullcontext()

    @abstractmethod
    def lock_exclusively(self, connection: Connection) -> None:
        """Let no other process open the database until the transaction ends.

        Raises :exc:`DatabaseInUse` if one has it open.
        """

    @abstractmethod
    def _writer_engine(self) -> Engine:
        """Make the engine whose transactions write."""

    @abstractmethod
    def _reader(self, size: int) -> AsyncEngine:
        """Make an engine whose transactions read, each from one moment."""

    @abstractmethod
    def _transact(self, engine: Engine, work: Callable[[Connection], T]) -> T:
        """Run *work* in a transaction, in the thread that calls."""

    @abstractmethod
    def _is_full(self, error: DBAPIError) -> bool:
        """Say whether the database has no room left."""

    def _is_bug(self, error: SQLAlchemyError) -> bool:
        """Say whether a statement, or how a connection is used, is wrong in itself: a fault of this program."""
        if not isinstance(error, DBAPIError):
            return not isinstance(error, PoolTimeout)
        return isinstance(error, ProgrammingError | NotSupportedError) and not error.connection_invalidated

    def _is_wrong_read(self, error: SQLAlchemyError) -> bool:
        """Say so of a read: it brings no data that could be refused, so there it is the statement that is wrong."""
        return self._is_bug(error) or isinstance(error, DataError | IntegrityError)

    def _is_refusal(self, error: DBAPIError) -> bool:
        """Say whether the data are at fault, so that the same would fail again."""
        return isinstance(error, DataError | IntegrityError)

    def _is_late(self, _error: DBAPIError) -> bool:
        """Say whether the database ended a read that took too long."""
        return False

    def _is_locked(self, _error: DBAPIError) -> bool:
        """Say whether another process holds what was to be written."""
        return False

    def _explain(self, error: Exception) -> StorageError:
        if isinstance(error, DBAPIError) and self._is_refusal(error):
            return DataRefused("the database refused these events")
        if isinstance(error, DBAPIError) and self._is_full(error):
            return StorageFull("the database has no room left")
        if isinstance(error, DBAPIError) and self._is_locked(error):
            return Locked("another process holds what is to be written")
        return StorageUnavailable("the database cannot be written just now")

    async def _in_thread(self, work: Callable[[], T]) -> T:
        running = self._threads.submit(work)
        self._writes.add(running)
        running.add_done_callback(self._writes.discard)
        return await asyncio.wrap_future(running)

    def _check_own(self, connection: Connection) -> None:
        """See that all tables are there; raises :exc:`WrongDatabase` if not."""
        if schema.metadata.tables.keys() - set(inspect(connection).get_table_names()):
            raise WrongDatabase(f"{self.name} is not a database of this service, or one of an older version")

    def _check_zone(self, connection: Connection) -> str:
        """Read the epoch and check the zone; a new database gets both."""
        about = _about(connection)
        if not about:
            about = {"epoch": secrets.token_hex(4), "timezone": self.days.zone.key}
            connection.execute(schema.about.insert(), [{"name": name, "value": value} for name, value in about.items()])
        if about["timezone"] != self.days.zone.key:
            raise WrongDatabase(
                f"ANALYTICS_TIMEZONE is {self.days.zone.key}, but the days of this database were cut in "
                f"{about['timezone']}: set it to that, or cut them anew by verify --repair --rezone"
            )
        return about["epoch"]


def _cause(error: SQLAlchemyError) -> str:
    """Name what the driver raised; its text may hold what was asked for."""
    raised = getattr(error, "orig", None) or error
    return getattr(raised, "sqlite_errorname", None) or type(raised).__name__


async def read_about(connection: ReadTransaction) -> dict[str, str]:
    """Read what a database says of itself: its ``epoch`` and ``timezone``."""
    rows = await connection.execute(select(schema.about.c.name, schema.about.c.value))
    return {str(name): str(value) for name, value in rows}


def _about(connection: Connection) -> dict[str, str]:
    rows = connection.execute(select(schema.about.c.name, schema.about.c.value))
    return {str(name): str(value) for name, value in rows}


def probe_write(connection: Connection) -> None:
    """Write a row and nothing else, to find out whether the database can be written: a full disk shows only so."""
    _NOTE.write(connection, [("touched", now())])


def migrate(connection: Connection) -> None:
    """Bring the tables to :data:`REVISION`.

    Raises :exc:`WrongDatabase` if they are from a newer version, or are not as a migration expects them.
    """
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
    except RuntimeError as error:
        # By this a migration, which imports nothing of ours, says what is not as it expects; kinds of it are bugs.
        if type(error) is not RuntimeError:
            raise
        raise WrongDatabase(str(error)) from error


def revision(connection: Connection) -> str | None:
    """Name the migration that the database is at; None for a new one."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    found = connection.scalar(text("SELECT version_num FROM alembic_version"))
    return None if found is None else str(found)
