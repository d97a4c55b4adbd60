"""What a server has to be like, and what its errors say."""

import asyncio
import sys
import threading
from typing import Any

import pytest
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from storage.engine.urls import database_at
from storage.errors import StorageError, WrongDatabase
from tests.servers.postgres import PASSWORD, Postgres
from tests.storage.engine.postgres.databases import name_of


async def test_transactions_are_what_they_must_be(url: str, postgres: Postgres) -> None:
    """A commit waits for the disk even where the server's default does not; a read is of one moment and only reads."""
    postgres.execute(f"ALTER DATABASE {name_of(url)} SET synchronous_commit = off")
    database = database_at(url)
    await database.open()
    names = ("synchronous_commit", "transaction_isolation", "transaction_read_only")

    def shown(connection: Connection) -> list[Any]:
        return [connection.scalar(text(f"SHOW {name}")) for name in names]

    assert await database.write(shown) == ["on", "read committed", "off"]
    for read in (database.read, database.read_for_feeds):
        async with read() as connection:
            assert (await connection.run_sync(shown))[1:] == ["repeatable read", "on"]
    with pytest.raises(DBAPIError, match="read-only"):
        async with database.read() as connection:
            await connection.execute(text("DELETE FROM heads"))
    await database.close()


def test_keys_are_in_code_point_order(url: str, postgres: Postgres) -> None:
    """Every text in a key or an index sorts by code point, whatever the language of the server; so do names."""
    columns = """
        SELECT DISTINCT table_name, column_name, collation_name FROM information_schema.columns
        LEFT JOIN pg_index ON indrelid = table_name::regclass
        LEFT JOIN pg_attribute ON attrelid = indrelid AND attnum = ANY(indkey)
        WHERE table_schema = 'public' AND data_type = 'character varying'
            AND (attname = column_name OR (table_name, column_name) = ('users', 'username'))
    """
    found = {(table, column): order for table, column, order in postgres.execute(columns, database=name_of(url))}
    assert len(found) > 40
    assert {key for key, order in found.items() if order != "C"} == {("alembic_version", "version_num")}


async def test_another_encoding_is_refused(postgres: Postgres) -> None:
    """A database that cannot hold every text is refused at the start, not at the first emoji."""
    postgres.execute("CREATE DATABASE latin ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0")
    database = database_at(postgres.url("latin"))
    with pytest.raises(WrongDatabase, match="UTF8"):
        await database.open()
    await database.close()


async def test_a_missing_driver_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without psycopg the error says what to install."""
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(WrongDatabase, match=r"pip install 'convoai-analytics\[postgres\]'"):
        database_at("postgresql://user:hunter2@db/x")


@pytest.mark.parametrize("name", ["postgres", "absent", "postgres?a=b", "postgres?connect_timeout=soon"])
async def test_no_error_tells_the_password(postgres: Postgres, name: str) -> None:
    """Whatever keeps the database from being opened, the error is one line without the password."""
    password = "wrong-hunter2" if name == "postgres" else PASSWORD
    database = database_at(postgres.url(name, password))
    with pytest.raises(StorageError) as caught:
        await database.open()
    assert "hunter2" not in str(caught.value)
    assert "\n" not in str(caught.value)
    await database.close()


async def test_a_write_without_its_caller_leaves_no_connection(url: str) -> None:
    """A write whose caller was cancelled comes to its end before the database is closed, and its connection with it."""
    database = database_at(url)
    await database.open()
    begun, goes_on, used = threading.Event(), threading.Event(), []

    def work(connection: Connection) -> None:
        used.append(connection.connection.dbapi_connection)
        begun.set()
        goes_on.wait(30)

    task = asyncio.create_task(database.write(work))
    await asyncio.to_thread(begun.wait, 30)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    closing = asyncio.create_task(database.close())
    # The other writer's thread would close all connections that are not in use, now.
    await asyncio.sleep(0.2)
    assert not closing.done()
    goes_on.set()
    await closing
    assert [connection.closed for connection in used if connection is not None] == [True]
