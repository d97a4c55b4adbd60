"""The errors of storage: what the database says is translated, and what is a fault of the program is not hidden."""

import asyncio
import gc
from collections.abc import AsyncIterator
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection

from storage.engine.database import Database
from storage.engine.urls import database_at
from storage.errors import StorageError, StorageUnavailable

pytestmark = pytest.mark.each_database

MANY = text(
    "WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 1000000) "
    "SELECT n FROM numbers"
)
WRONG = text("SELECT no_such_column FROM about")


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    found = database_at(database_url)
    await found.open()
    yield found
    await found.close()


async def read_and_break(database: Database) -> None:
    """Stream many rows, and end that from outside after the first, as an interrupt or a stop of the server does."""
    async with database.read() as connection:
        backend = None
        if connection.dialect.name == "postgresql":
            backend = await connection.scalar(text("SELECT pg_backend_pid()"))
        rows = await connection.stream(MANY)
        assert await anext(rows) == (1,)
        await end(database, connection, backend)
        _ = [row async for row in rows]


async def end(database: Database, connection: AsyncConnection, backend: int | None) -> None:
    if backend is None:
        raw: Any = await connection.get_raw_connection()
        await raw.driver_connection.interrupt()
        return
    async with database.read_for_feeds() as other:
        await other.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": backend})
    await asyncio.sleep(0.2)


@pytest.mark.filterwarnings("ignore::ResourceWarning")
async def test_a_read_that_breaks_in_the_middle_is_unavailable(database: Database) -> None:
    """An error between two rows of a streamed read is told as all others are, and the next read works."""
    with pytest.raises(StorageUnavailable) as raised:
        await read_and_break(database)
    assert isinstance(raised.value.__cause__, DBAPIError)
    # A cursor of PostgreSQL cannot be closed any more; the driver warns of that when it is collected.
    del raised
    gc.collect()
    async with database.read() as connection:
        assert await connection.scalar(text("SELECT 1")) == 1


async def test_a_table_that_is_missing_is_unavailable(database: Database) -> None:
    """While a table is not there, as when a database is being put back, whoever needs it is told to come back later."""
    gone = text("SELECT * FROM gone")
    with pytest.raises(StorageUnavailable):
        async with database.read() as connection:
            await connection.execute(gone)
    with pytest.raises(StorageUnavailable):
        await database.write(lambda connection: connection.execute(gone))


async def test_a_wrong_statement_is_not_hidden(database: Database) -> None:
    """What no database takes is a fault of the program: it is no error of storage, neither in a read nor in a write."""
    with pytest.raises(SQLAlchemyError, match="no_such_column"):
        async with database.read() as connection:
            await connection.execute(WRONG)
    with pytest.raises(SQLAlchemyError, match="no_such_column"):
        await database.write(lambda connection: connection.execute(WRONG))
    with pytest.raises(SQLAlchemyError, match="bind parameter"):
        async with database.read() as connection:
            await connection.execute(text("SELECT :missing"))
    with pytest.raises(ZeroDivisionError):
        async with database.read():
            _ = 1 / 0
    assert not issubclass(SQLAlchemyError, StorageError)
    assert await database.write(lambda connection: connection.scalar(text("SELECT 1"))) == 1
