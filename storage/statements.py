"""Statements of SQLite's readers, each in one change of threads.

The driver's connection lives in a thread of its own. SQLAlchemy changes to it four times a statement: to make a cursor,
to execute, to fetch, to close. While the event loop is busy each change takes milliseconds: a ``summary`` took 18 of
them, and 100 ms; it takes 5 now.
"""

import sqlite3
from collections.abc import Sequence
from typing import Any, Self

import aiosqlite
from sqlalchemy import event
from sqlalchemy.dialects.sqlite.aiosqlite import AsyncAdapt_aiosqlite_connection, AsyncAdapt_aiosqlite_cursor
from sqlalchemy.engine import Engine
from sqlalchemy.util import await_only

Row = tuple[Any, ...]


class _Statement:
    """One statement, in the form of a cursor of the driver: all its rows are fetched when it is executed."""

    arraysize = 1
    description: Any = None
    rowcount = -1
    lastrowid: int | None = None

    def __init__(self, connection: Any) -> None:
        """Take the driver's connection."""
        self._connection = connection
        self._rows: list[Row] = []

    async def __aenter__(self) -> Self:
        return self

    async def execute(self, sql: str, parameters: Sequence[Any] = ()) -> Self:
        await self._connection._execute(self._run, sql, parameters)
        return self

    async def fetchall(self) -> list[Row]:
        return self._rows

    async def close(self) -> None:
        """Do nothing: the driver's cursor has been closed in its own thread."""

    def _run(self, sql: str, parameters: Sequence[Any]) -> None:
        cursor: sqlite3.Cursor = self._connection._conn.execute(sql, parameters)
        try:
            self.description, self.rowcount, self.lastrowid = cursor.description, cursor.rowcount, cursor.lastrowid
            self._rows = cursor.fetchall()
        finally:
            cursor.close()


class _Cursor(AsyncAdapt_aiosqlite_cursor):
    __slots__ = ()

    def _make_new_cursor(self, connection: Any) -> Any:
        return _Statement(connection)


class _Connection(AsyncAdapt_aiosqlite_connection):
    __slots__ = ()

    _cursor_cls = _Cursor

    def rollback(self) -> None:
        """Roll back, if there is a transaction: the pool asks for that after every commit."""
        if self._connection.in_transaction:
            super().rollback()


def read_in_one_step(engine: Engine) -> None:
    """Let the connections of an *engine* of aiosqlite do so. What is streamed is not concerned."""

    @event.listens_for(engine, "do_connect")
    def connect(dialect: Any, _record: Any, arguments: Any, options: Any) -> _Connection:
        connection: Any = aiosqlite.connect(*arguments, **options)
        # An end of the process does not wait for it.
        connection._thread.daemon = True
        return _Connection(dialect.dbapi, await_only(connection))
