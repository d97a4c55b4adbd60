"""Statements of SQLite's readers, each in one change of threads.

The driver's connection lives in a thread of its own. SQLAlchemy changes to it four times a statement: to make a cursor,
to execute, to fetch, to close; and again to begin a transaction and to end it. While the event loop is busy each change
takes milliseconds: a ``summary`` took 18 of them, and 100 ms. Here a transaction begins together with its first
statement, a statement is one change, and there is no wait for the end of what only read.
"""

import sqlite3
from collections.abc import Sequence
from typing import Any, Self

import aiosqlite
from sqlalchemy import Connection, event
from sqlalchemy.dialects.sqlite.aiosqlite import AsyncAdapt_aiosqlite_connection, AsyncAdapt_aiosqlite_cursor
from sqlalchemy.engine import Engine
from sqlalchemy.util import await_only

Row = tuple[Any, ...]

BEGIN = "BEGIN"


class _Statement:
    """One statement, in the form of a cursor of the driver: all its rows are fetched when it is executed."""

    arraysize = 1
    description: Any = None
    rowcount = -1
    lastrowid: int | None = None

    def __init__(self, connection: "_Connection") -> None:
        self._connection = connection
        self._rows: list[Row] = []

    async def __aenter__(self) -> Self:
        return self

    async def execute(self, sql: str, parameters: Sequence[Any] = ()) -> Self:
        await self._connection.run(self._execute, sql, parameters)
        return self

    async def fetchall(self) -> list[Row]:
        return self._rows

    async def close(self) -> None:
        """Do nothing: the driver's cursor has been closed in its own thread."""

    def _execute(self, driver: sqlite3.Connection, sql: str, parameters: Sequence[Any]) -> None:
        cursor = driver.execute(sql, parameters)
        try:
            self.description, self.rowcount, self.lastrowid = cursor.description, cursor.rowcount, cursor.lastrowid
            self._rows = cursor.fetchall()
        finally:
            cursor.close()


class _Cursor(AsyncAdapt_aiosqlite_cursor):
    __slots__ = ()

    def _make_new_cursor(self, connection: Any) -> Any:
        return _Statement(self._adapt_connection)  # type: ignore[arg-type]


class _Connection(AsyncAdapt_aiosqlite_connection):
    """``is_asked`` to begin a transaction with the next statement; ``is_begun``: it has."""

    __slots__ = ("is_asked", "is_begun")

    _cursor_cls = _Cursor

    def __init__(self, dbapi: Any, connection: Any) -> None:
        super().__init__(dbapi, connection)
        self.is_asked = self.is_begun = False

    async def run(self, work: Any, *arguments: Any) -> None:
        """Run *work* in the driver's thread, within the transaction."""
        driver: Any = self._connection
        await driver._execute(self._run, work, arguments)

    def _run(self, work: Any, arguments: Any) -> None:
        driver: sqlite3.Connection = self._connection._conn
        if self.is_asked:
            # There was no wait for the end of the one before: should that have failed, nothing may be read on in it.
            driver.rollback()
            driver.execute(BEGIN).close()
            self.is_asked, self.is_begun = False, True
        work(driver, *arguments)

    def cursor(self, server_side: bool = False) -> Any:
        """Make a cursor; one that fetches as it goes is the driver's own, for which the transaction begins here."""
        if server_side and self.is_asked:
            await_only(self.run(lambda _driver: None))
        return super().cursor(server_side)

    def commit(self) -> None:
        """End the transaction, without waiting: the next statement of this connection comes behind it."""
        if self.is_begun and self._connection._connection:
            self._connection._tx.put_nowait((None, self._connection._conn.commit))
        self.is_asked = self.is_begun = False

    def rollback(self) -> None:
        """Roll back, if there is a transaction: the pool asks for that after every commit."""
        is_begun, self.is_asked, self.is_begun = self.is_begun, False, False
        if is_begun:
            super().rollback()


def read_in_one_step(engine: Engine) -> None:
    """Let the connections of an *engine* of aiosqlite, which only read, do so."""

    @event.listens_for(engine, "do_connect")
    def connect(dialect: Any, _record: Any, arguments: Any, options: Any) -> _Connection:
        connection: Any = aiosqlite.connect(*arguments, **options)
        # An end of the process does not wait for it.
        connection._thread.daemon = True
        return _Connection(dialect.dbapi, await_only(connection))

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        asked: Any = connection.connection.dbapi_connection
        asked.is_asked = True
