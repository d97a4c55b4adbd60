"""PostgreSQL, through psycopg 3: many processes may write one database, each tenant's commits in line."""

import time
from collections.abc import Callable
from typing import Any, TypeVar

import structlog
from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.engine import URL
from sqlalchemy.exc import DatabaseError, DBAPIError, OperationalError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from storage.engine.database import POOL_SECONDS, REVISION, Database, migrate, revision
from storage.errors import DatabaseInUse, StorageUnavailable, WrongDatabase

log = structlog.get_logger()

T = TypeVar("T")

MIGRATION_LOCK = int.from_bytes(b"convoai")
"""The advisory lock under which one process at a time migrates and agrees on the epoch."""
TABLES_LOCK = MIGRATION_LOCK + 1
"""The advisory lock that every connection that writes shares: who changes the tables under it must have it alone."""
ATTEMPTS = 4
"""How often a transaction is tried that the database gave up for another one's sake."""
LOCK_MS = 100
"""How long a transaction waits for a lock, such as its tenant's head row, before it gives its connection to others."""
IDLE_SECONDS = 30
"""How long a writing transaction may stand still before the server ends it: a process that was stopped in the middle of
a commit would otherwise keep its tenant locked."""
APPLICATION = "convoai-analytics"
"""By which the server knows our connections."""
GONE_TRIES, GONE_SECONDS = 20, 0.1
"""How often, and how far apart, it is looked whether other processes have gone."""
NETWORK = {
    "connect_timeout": "5",
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "15000",
}
"""By which a host that has gone is noticed in 15 to 25 s; the kernel's own defaults wait for hours. The URL may say
otherwise."""

_SERIALIZATION_FAILURE, _DEADLOCK = "40001", "40P01"
_DISK_FULL = "53100"
_LOCK_NOT_AVAILABLE = "55P03"
_QUERY_CANCELED = "57014"
_READ_ONLY = "25006"
_INSUFFICIENT_PRIVILEGE, _UNDEFINED_TABLE = "42501", "42P01"
_LIMIT_EXCEEDED = "54"
"""A class of errors: a value that no index takes, among others."""


class PostgresDatabase(Database):
    """A database on a server: twelve connections from each process."""

    writers = 4

    def __init__(self, url: URL, zone: str = "UTC", read_seconds: float | None = None) -> None:
        """Raises :exc:`WrongDatabase` if the driver is not installed."""
        try:
            import psycopg  # noqa: F401 - whether it is there
        except ImportError:
            raise WrongDatabase(
                "PostgreSQL needs its driver: pip install 'convoai-analytics[postgres]', or psycopg[binary]"
            ) from None
        super().__init__(url.set(drivername="postgresql+psycopg"), zone, read_seconds)

    @property
    def name(self) -> str:
        """Name host, port and database."""
        return f"{self.url.host or 'the local PostgreSQL'}:{self.url.port or 5432}/{self.url.database}"

    async def open(self) -> None:
        """Connect, migrate, and read the epoch; of several processes one does it, the others wait."""
        try:
            self.epoch = await self._in_thread(self._settle)
        except OperationalError as error:
            raise StorageUnavailable(f"{self.name} cannot be used: {_line(error)}") from None
        except DatabaseError as error:
            raise WrongDatabase(f"{self.name} cannot be used: {_line(error)}") from None
        self._writing = self._writer_engine()
        # From this connection on no process migrates.
        await self.write(lambda connection: None)
        self.open_readers()

    def _settle(self) -> str:
        """Migrate and agree, by a connection that shares no tables yet: it may need them alone."""
        engine = self._engine(1)
        try:
            return self._transact(engine, self._prepare)
        finally:
            engine.dispose()

    def _writer_engine(self) -> Engine:
        engine = self._engine(self.writers)
        event.listen(engine, "connect", self._share_tables)
        return engine

    def _engine(self, size: int) -> Engine:
        engine = create_engine(self.url, pool_size=size, **self._options())
        event.listen(engine, "connect", _prepare_writer)
        return engine

    def _share_tables(self, connection: Any, _record: Any) -> None:
        """Hold the tables as this version knows them; one that is open already writes no others."""
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_lock_shared(%s)", (TABLES_LOCK,))
            if self.epoch:
                self._check_tables(cursor)
        connection.commit()

    def _check_tables(self, cursor: Any) -> None:
        found = cursor.execute("SELECT version_num FROM alembic_version").fetchall()
        if found != [(REVISION,)]:
            log.error("database_migrated", ours=REVISION)
            raise StorageUnavailable("the database was migrated by another version: start that one")
        about = dict(cursor.execute("SELECT name, value FROM about").fetchall())
        if (about.get("epoch"), about.get("timezone")) != (self.epoch, self.days.zone.key):
            log.error("database_changed")
            raise StorageUnavailable("the database is another one, or its days were cut anew: restart")

    def _reader(self, size: int) -> AsyncEngine:
        engine = create_async_engine(
            self.url,
            pool_size=size,
            pool_timeout=POOL_SECONDS,
            isolation_level="REPEATABLE READ",
            execution_options={"postgresql_readonly": True},
            **self._options(),
        )
        event.listen(engine.sync_engine, "connect", self._limit_reads)
        return engine

    def _limit_reads(self, connection: Any, _record: Any) -> None:
        if self._read_seconds is not None:
            cursor = connection.cursor()
            cursor.execute(f"SET statement_timeout = {self._read_seconds * 1000:.0f}")
            cursor.close()
            connection.commit()

    def _options(self) -> dict[str, Any]:
        network = {name: value for name, value in NETWORK.items() if name not in self.url.query}
        return {
            "max_overflow": 0,
            # One round trip a transaction; connections that a restart of the server cut are replaced unseen.
            "pool_pre_ping": True,
            # Errors would otherwise repeat what events hold, and errors are logged.
            "hide_parameters": True,
            "use_native_hstore": False,
            "connect_args": {"application_name": APPLICATION, **network},
        }

    def _prepare(self, connection: Connection) -> str:
        # Another process may migrate for longer than a commit may wait.
        connection.execute(text("SET LOCAL lock_timeout = 0"))
        connection.execute(text("SET LOCAL idle_in_transaction_session_timeout = 0"))
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": MIGRATION_LOCK})
        encoding = connection.scalar(text("SHOW server_encoding"))
        if encoding != "UTF8":
            raise WrongDatabase(f"the encoding of {self.name} is {encoding}: make one with ENCODING 'UTF8'")
        if revision(connection) != REVISION:
            self._lock_tables(connection)
            migrate(connection)
        return self._check_zone(connection)

    def lock_exclusively(self, connection: Connection) -> None:
        """Hold the lock under which processes open the database, and that of those that have done so."""
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": MIGRATION_LOCK})
        self._lock_tables(connection)

    def _lock_tables(self, connection: Connection) -> None:
        for _ in range(GONE_TRIES):
            if connection.scalar(text("SELECT pg_try_advisory_xact_lock(:lock)"), {"lock": TABLES_LOCK}):
                return
            # The server takes a moment to see that a connection is closed.
            time.sleep(GONE_SECONDS)
        raise DatabaseInUse(f"other processes have {self.name} open: stop the services first")

    def _transact(self, engine: Engine, work: Callable[[Connection], T]) -> T:
        for _ in range(ATTEMPTS - 1):
            try:
                return _once(engine, work)
            except DBAPIError as error:
                if _sqlstate(error) not in (_SERIALIZATION_FAILURE, _DEADLOCK):
                    raise
        return _once(engine, work)

    def _is_full(self, error: DBAPIError) -> bool:
        return _sqlstate(error) == _DISK_FULL

    def _is_late(self, error: DBAPIError) -> bool:
        return _sqlstate(error) == _QUERY_CANCELED

    def _is_locked(self, error: DBAPIError) -> bool:
        return _sqlstate(error) == _LOCK_NOT_AVAILABLE

    def _is_bug(self, error: SQLAlchemyError) -> bool:
        """Say so, but not of a table that is not there, or not ours to use: an operator may just be restoring it."""
        state = _sqlstate(error) if isinstance(error, DBAPIError) else ""
        return state not in (_INSUFFICIENT_PRIVILEGE, _UNDEFINED_TABLE) and super()._is_bug(error)

    def _is_wrong_read(self, error: SQLAlchemyError) -> bool:
        """Say so, too, of a statement that writes: nothing but a read may come in a read transaction."""
        writes = isinstance(error, DBAPIError) and _sqlstate(error) == _READ_ONLY
        return writes or super()._is_wrong_read(error)

    def _is_refusal(self, error: DBAPIError) -> bool:
        return super()._is_refusal(error) or _sqlstate(error).startswith(_LIMIT_EXCEEDED)


def _once(engine: Engine, work: Callable[[Connection], T]) -> T:
    # If the connection is lost during the COMMIT its outcome is unknown: an error, and the client may post again.
    with engine.begin() as connection:
        return work(connection)


def _prepare_writer(connection: Any, _record: Any) -> None:
    """Set up a connection that writes: a commit waits for the disk, and no lock or transaction lasts for ever."""
    cursor = connection.cursor()
    # What is stricter, such as waiting for a standby, stays as the server has it.
    cursor.execute(
        "SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'"
    )
    # A plan that was made while a table was small would read all of a tenant's rows for every commit, until the table
    # has statistics. To plan again costs 0.5 ms a commit.
    cursor.execute("SET plan_cache_mode = force_custom_plan")
    cursor.execute(f"SET lock_timeout = {LOCK_MS}")
    cursor.execute(f"SET idle_in_transaction_session_timeout = '{IDLE_SECONDS}s'")
    cursor.close()
    connection.commit()


def _sqlstate(error: DBAPIError) -> str:
    return getattr(error.orig, "sqlstate", None) or ""


def _line(error: DBAPIError) -> str:
    """Write what libpq says as one line; it names hosts and users, never a password."""
    return " ".join(str(error.orig).split())
