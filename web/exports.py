"""Exports: all that a list's filters select, as a stream of one moment.

The rows of events never change and their ids grow with every commit, so these are read page by page, each in a read
transaction of its own and none above the id that was the last at the start. What does change - users, conversations,
days - is copied aside in one transaction, as fast as it can be read (360,000 users: 2.5 s by id, 7 s by another order,
during which the log is not folded). Either way a slow download keeps no connection to the database.
"""

import asyncio
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from tempfile import SpooledTemporaryFile
from typing import IO, Any

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from storage import reports
from storage.database import Database
from storage.errors import StorageError, StorageUnavailable
from storage.reports import Item, Listing, Page
from web.formats import Format
from web.lists import Ask, List

log = structlog.get_logger()

ROWS = 1000
"""Rows that are read and written at a time."""
COPIED_ROWS = 5000
"""Rows that are read at a time while a list is copied aside: some sort all of it for every page."""
SPOOL_BYTES = 1 << 20
"""How much of a copy is kept in memory; what is beyond lies in a temporary file."""
CHUNK_BYTES = 1 << 16
EVERYTHING = sys.maxsize
WAITING = 8
"""Copies that may wait for one another; beyond it an export is asked to come back."""


@dataclass(frozen=True)
class Selection:
    """What of a list is exported: at most ``limit`` rows; ``page`` says from where, and in which range."""

    tenant_id: str
    page: Page
    values: Mapping[str, Any]
    limit: int = EVERYTHING


class Exports:
    """Makes exports of one database."""

    def __init__(self, database: Database) -> None:
        self._database = database
        # One copy at a time: several would keep every reading connection busy.
        self._copying = asyncio.Lock()
        self._copies = 0

    def stream(self, source: List, wanted: Selection, form: Format) -> AsyncGenerator[bytes, None]:
        """Write what is *wanted* piece by piece; raises :exc:`StorageUnavailable`, also between two pieces."""
        return (self._pages if source.appended else self._copy)(source, wanted, form)

    async def _pages(self, source: List, wanted: Selection, form: Format) -> AsyncGenerator[bytes, None]:
        today = self._database.days.today()
        async with self._database.read() as connection:
            newest = await reports.last_id(connection, wanted.tenant_id)

        async def read(page: Page) -> Listing:
            async with self._database.read() as connection:
                return await source.read(self._ask(connection, wanted, today, page))

        head = form.head()
        async for items in _walk(read, replace(wanted.page, newest_id=newest), wanted.limit, ROWS):
            yield head + form.write(items)
            head = b""

    async def _copy(self, source: List, wanted: Selection, form: Format) -> AsyncGenerator[bytes, None]:
        with SpooledTemporaryFile(SPOOL_BYTES) as copy:
            copy.write(form.head())
            async with self._turn(), self._database.read() as connection:
                await self._fill(copy, connection, source, wanted, form)
            copy.seek(0)
            while chunk := copy.read(CHUNK_BYTES):
                yield chunk

    @asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        """Wait until no other copy is made; raises :exc:`StorageUnavailable` if many wait already."""
        if self._copies >= WAITING:
            raise StorageUnavailable("many exports are being made just now")
        self._copies += 1
        try:
            async with self._copying:
                yield
        finally:
            self._copies -= 1

    async def _fill(
        self, copy: IO[bytes], connection: AsyncConnection, source: List, wanted: Selection, form: Format
    ) -> None:
        today = self._database.days.today()

        def read(page: Page) -> Awaitable[Listing]:
            return source.read(self._ask(connection, wanted, today, page))

        async for items in _walk(read, wanted.page, wanted.limit, COPIED_ROWS):
            for begin in range(0, len(items), ROWS):
                copy.write(form.write(items[begin : begin + ROWS]))
                # Others have their turn: to write so many rows takes milliseconds.
                await asyncio.sleep(0)

    def _ask(self, connection: AsyncConnection, wanted: Selection, today: str, page: Page) -> Ask:
        return Ask(connection, wanted.tenant_id, self._database.days, today, page, wanted.values)


async def _walk(
    read: Callable[[Page], Awaitable[Listing]], page: Page, limit: int, size: int
) -> AsyncIterator[list[Item]]:
    """Read page after page; the first one even if it is empty."""
    while True:
        listing = await read(replace(page, limit=min(size, limit)))
        yield listing.items
        limit -= len(listing.items)
        if listing.next is None or limit <= 0:
            return
        page = replace(page, after=listing.next)


class Download(Response):
    """An export as an answer.

    Its first piece has to be there before the answer begins, so that what fails until then is answered as an error.
    What fails later breaks the connection off: the file must not look complete. Unlike Starlette's own streams it ends
    between two pieces when the client has gone, never in the middle of a read.
    """

    media_type = "text/csv; charset=utf-8; header=present"

    def __init__(self, name: str, first: bytes, rest: AsyncGenerator[bytes, None], headers: Mapping[str, str]) -> None:
        self._first = first
        self._rest = rest
        super().__init__(
            headers={
                **headers,
                "Cache-Control": "private, no-store",
                "Content-Disposition": f'attachment; filename="{name}.csv"',
            }
        )
        del self.headers["content-length"]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""
        request = Request(scope, receive)
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        try:
            piece = None if scope["method"] == "HEAD" else self._first
            while piece is not None:
                await send({"type": "http.response.body", "body": piece, "more_body": True})
                if await request.is_disconnected():
                    return
                piece = await anext(self._rest, None)
        except StorageError:
            # Without the last message the server closes the connection, and the client sees that something is missing.
            log.warning("export_broken_off")
            return
        finally:
            await self._rest.aclose()
        await send({"type": "http.response.body", "body": b""})


async def download(source: List, pieces: AsyncGenerator[bytes, None], headers: Mapping[str, str]) -> Download:
    """Begin an export as an answer; raises what its first piece raises."""
    return Download(source.name, await anext(pieces), pieces, headers)
