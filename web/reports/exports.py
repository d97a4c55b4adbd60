"""Exports: all that a list's filters select, as a stream of one moment.

The rows of events never change and their ids grow with every commit, so these are read page by page, each in a read
transaction of its own and none above the id that was the last at the start. Rows can be removed meanwhile: they are
counted at the start, and an export that does not come to that number ends as one that failed. What does change (users,
conversations, days), and events in an order without an index, is copied aside in one transaction (203,000 users: 3.3 s
by id, 5.4 s by another order, half of it in pauses for others), which ``ANALYTICS_READ_SECONDS`` bounds. Either way a
slow download keeps no connection to the database.
"""

import asyncio
import sys
import zlib
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, aclosing, asynccontextmanager, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import structlog
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from storage.engine.database import Database, ReadTransaction
from storage.errors import RowsRemoved, ShareExceeded, StorageError
from storage.fairness.slicing import collect
from storage.read import reports
from storage.read.reports import Item, Page
from storage.read.snapshots import read_cutoffs
from web.reports.answers import GZIP_LEVEL, GZIP_WINDOW
from web.reports.copies import Copies, Copy
from web.reports.formats import Format
from web.reports.lists import Ask, List

log = structlog.get_logger()

ROWS = 1000
"""Rows that are read at a time, unless they are long."""
CHARACTERS = 1 << 19
"""How much text they may hold together; 2 MiB at the most, since a character has up to four bytes."""
WRITTEN_ROWS = 50
"""Rows that are written at a time, in a third of a millisecond."""
COPIED_ROWS = 10_000
"""Rows that are read at a time while a list is copied aside: some sort all of it for every page."""
HELD_BYTES = (4 * CHARACTERS) + (1 << 18)
"""What a download holds while the client reads: a page, and what zlib keeps."""
EVERYTHING = sys.maxsize

Turn = Callable[[], AbstractAsyncContextManager[None]]
"""Waits for its turn to read, and ends it; raises :exc:`ShareExceeded` if too many wait."""


@dataclass(frozen=True)
class Selection:
    """What of a list is exported: at most ``limit`` rows; ``page`` says from where, and in which range."""

    tenant_id: str
    page: Page
    values: Mapping[str, Any]
    limit: int = EVERYTHING


async def _never() -> bool:
    return False


@dataclass(frozen=True)
class Reader:
    """Who takes an export: how it waits for its ``turn``, whether it has left, and whether it takes gzip."""

    turn: Turn = nullcontext
    has_left: Callable[[], Awaitable[bool]] = _never
    gzip: bool = False


class Exports:
    """Makes exports of one database."""

    def __init__(self, database: Database, copies: Copies) -> None:
        self._database = database
        self._copies = copies

    def stream(self, source: List, wanted: Selection, form: Format, reader: Reader) -> AsyncGenerator[bytes, None]:
        """Write what is *wanted* piece by piece.

        Raises :exc:`StorageUnavailable` and :exc:`RowsRemoved`, also between two pieces, and :exc:`ClientDisconnect`.
        """
        if not source.is_read_in_pages(wanted.values):
            return self._copy(source, wanted, form, reader)
        pieces = self._pages(source, wanted, form, reader)
        return _gzipped(pieces) if reader.gzip else pieces

    async def _pages(
        self, source: List, wanted: Selection, form: Format, reader: Reader
    ) -> AsyncGenerator[bytes, None]:
        today, turn = self._database.days.today(), reader.turn
        page, left = replace(wanted.page, characters=CHARACTERS, counts=True), wanted.limit
        head = form.head()
        while True:
            async with turn():
                async with self._database.read() as connection:
                    if page.counts:
                        page = await _of_now(connection, source, wanted.tenant_id, page)
                    asked = replace(page, limit=min(ROWS, left))
                    listing = await source.read(self._ask(connection, wanted, today, asked))
                piece = head + await _write(form, listing.items)
            if listing.count is not None:
                left = min(left, listing.count)
            left, after = left - len(listing.items), listing.next
            # Not kept while the client reads.
            del listing
            yield piece
            if after is None or not left:
                break
            page, head, turn = replace(page, counts=False, after=after), b"", partial(_wait_without_limit, reader.turn)
        if left:
            raise RowsRemoved(f"{left:,} rows were removed while they were exported: export them anew")

    async def _copy(self, source: List, wanted: Selection, form: Format, reader: Reader) -> AsyncGenerator[bytes, None]:
        async with self._copies.make(wanted.tenant_id) as copy:
            async with reader.turn(), self._database.read() as connection:
                await self._fill(copy, connection, source, wanted, form, reader)
            async for piece in copy.gzipped() if reader.gzip else copy.plain():
                yield piece

    async def _fill(
        self, copy: Copy, connection: ReadTransaction, source: List, wanted: Selection, form: Format, reader: Reader
    ) -> None:
        today, page, left = self._database.days.today(), wanted.page, wanted.limit
        await copy.write(form.head())
        while True:
            asked = replace(page, limit=min(COPIED_ROWS, left))
            listing = await source.read(self._ask(connection, wanted, today, asked))
            await copy.write(await _write(form, listing.items))
            left -= len(listing.items)
            if listing.next is None or left <= 0:
                break
            if await reader.has_left():
                raise ClientDisconnect
            page = replace(page, after=listing.next)
        await copy.end()

    def _ask(self, connection: ReadTransaction, wanted: Selection, today: str, page: Page) -> Ask:
        return Ask(connection, wanted.tenant_id, self._database.days, today, page, wanted.values)


async def _of_now(connection: ReadTransaction, source: List, tenant_id: str, page: Page) -> Page:
    """Leave out events that come later, and those that are just being pruned, which would break the export off."""
    newest = await reports.last_id(connection, tenant_id)
    cutoff = (await read_cutoffs(connection, tenant_id)).tables[source.table or ""]
    return replace(page, newest_id=newest, start=max(page.start or "", cutoff) or None)


async def _write(form: Format, items: Sequence[Item]) -> bytes:
    slices = range(0, len(items), WRITTEN_ROWS)
    return b"".join(await collect(form.write(items[begin : begin + WRITTEN_ROWS]) for begin in slices))


async def _gzipped(pieces: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
    gzip = zlib.compressobj(GZIP_LEVEL, zlib.DEFLATED, GZIP_WINDOW)
    async with aclosing(pieces):
        async for piece in pieces:
            yield await asyncio.to_thread(lambda: gzip.compress(piece) + gzip.flush(zlib.Z_SYNC_FLUSH))  # noqa: B023
    yield gzip.flush()


@asynccontextmanager
async def _wait_without_limit(turn: Turn) -> AsyncIterator[None]:
    """Wait for a turn, however many wait: what has begun is not broken off for that."""
    async with AsyncExitStack() as taken:
        while True:
            try:
                await taken.enter_async_context(turn())
                break
            except ShareExceeded as error:
                await asyncio.sleep(error.retry_after)
        yield


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
            self._first = b""
            while piece is not None:
                await send({"type": "http.response.body", "body": piece, "more_body": True})
                if await request.is_disconnected():
                    return
                piece = await anext(self._rest, None)
        except ClientDisconnect:
            return
        except StorageError as error:
            # Without the last message the server closes the connection, and the client sees that something is missing.
            log.warning("export_broken_off", error=type(error).__name__)
            return
        finally:
            await self._rest.aclose()
        await send({"type": "http.response.body", "body": b""})


async def download(
    source: List, pieces: AsyncGenerator[bytes, None], headers: Mapping[str, str], *, gzip: bool
) -> Download:
    """Begin an export as an answer; raises what its first piece raises."""
    encoding = {"Content-Encoding": "gzip"} if gzip else {}
    return Download(source.name, await anext(pieces), pieces, {**headers, **encoding})
