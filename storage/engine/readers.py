"""The read transactions of this process: they can be held back, and ended, which SQLite itself does not offer.

A statement that runs is interrupted. Between two statements the transaction is rolled back, and the next statement is
refused. Either way the connection is good for the next reader.
"""

import asyncio
import contextlib
import sqlite3
from collections.abc import AsyncIterator, Iterator
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from storage.errors import StorageUnavailable

ROLLBACK_SECONDS = 0.05
"""How long it is waited for a connection to roll back: a statement that began after the interrupt is in its way."""
CHECK_SECONDS = 0.01
RETRY_AFTER = 2
"""After how many seconds a reader that was ended may try again."""


def too_long(seconds: float | None) -> str:
    """Tell a reader that it was ended after so many *seconds*."""
    return f"this read took longer than {seconds:g} s: ask for less, by a shorter range or page by page"


class Reader:
    """One read transaction. ``why`` says why it was ended; None while it may continue."""

    def __init__(self, driver: Any) -> None:
        """Take the connection of aiosqlite, whose statements run in a thread of its own."""
        self._driver = driver
        self.why: str | None = None

    async def end(self, why: str) -> None:
        """End the transaction, for a reason that the reader gets.

        A statement that was about to begin is missed: see again whether it has ended.
        """
        self.why = self.why or why
        # A connection that is being closed raises ValueError; a rollback can be what is interrupted.
        with contextlib.suppress(ValueError, sqlite3.Error, TimeoutError):
            await self._driver.interrupt()
            async with asyncio.timeout(ROLLBACK_SECONDS):
                await self._driver.rollback()


class Readers:
    """All of them. Each may take *seconds*, None: as long as it likes."""

    def __init__(self, seconds: float | None = None) -> None:
        self._seconds = seconds
        self._running: dict[Any, Reader] = {}
        self._late: set[asyncio.Task[None]] = set()
        self._open = asyncio.Event()
        self._open.set()
        self._idle = asyncio.Event()
        self._idle.set()

    @contextlib.asynccontextmanager
    async def admit(self, connection: AsyncConnection) -> AsyncIterator[None]:
        """Let a read transaction in that has read nothing yet; waits while readers are held back.

        Raises :exc:`StorageUnavailable` if it is ended before it has read all it wanted.
        """
        await self._open.wait()
        driver = (await connection.get_raw_connection()).driver_connection
        reader = self._running[driver] = Reader(driver)
        self._idle.clear()
        limit = self._limit(reader)
        try:
            yield
        except DBAPIError as error:
            if reader.why is None:
                raise
            raise StorageUnavailable(reader.why, RETRY_AFTER) from error
        finally:
            if limit is not None:
                limit.cancel()
            del self._running[driver]
            if not self._running:
                self._idle.set()

    def check(self, connection: Connection, *_statement: Any) -> None:
        """Refuse a statement of a reader that was ended: it would be one of another moment."""
        reader = self._running.get(connection.connection.driver_connection)
        if reader is not None and reader.why is not None:
            raise StorageUnavailable(reader.why, RETRY_AFTER)

    @staticmethod
    def drop(connection: Any, *_why: Any) -> None:
        """End what a connection does that is about to be closed, because its reader was cancelled.

        Closing alone waits for the statement, and leaves the transaction open while a traceback holds it.
        """
        with contextlib.suppress(ValueError, sqlite3.Error):
            connection.run_async(lambda driver: driver.interrupt())
            connection.rollback()

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """Let no new reader begin: they wait until this ends."""
        self._open.clear()
        try:
            yield
        finally:
            self._open.set()

    async def leave(self, seconds: float) -> None:
        """Wait until there is no reader, but no longer than *seconds*."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._idle.wait()

    async def end(self, why: str) -> None:
        """End those who read now."""
        await asyncio.gather(*(reader.end(why) for reader in self._running.values()))

    def _limit(self, reader: Reader) -> asyncio.TimerHandle | None:
        if self._seconds is None:
            return None
        return asyncio.get_running_loop().call_later(self._seconds, self._expire, reader)

    def _expire(self, reader: Reader) -> None:
        task = asyncio.create_task(self._end_late(reader), name="late reader")
        self._late.add(task)
        task.add_done_callback(self._late.discard)

    async def _end_late(self, reader: Reader) -> None:
        why = too_long(self._seconds)
        while reader in self._running.values():
            await reader.end(why)
            await asyncio.sleep(CHECK_SECONDS)
