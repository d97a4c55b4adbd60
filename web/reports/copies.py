"""Copies: lists that have been copied aside, gzipped, in temporary files (``TMPDIR``), until they are downloaded.

A file has no name, so nothing is left of it whatever ends the process. All that has to do with files and with zlib is
done in threads: a slow disk, or a slow one behind a network, keeps only its reader waiting.
"""

import asyncio
import errno
import sys
import zlib
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from tempfile import SpooledTemporaryFile, gettempdir
from typing import IO, TypeVar

import structlog

from storage.errors import StorageFull, StorageUnavailable
from storage.fairness.shares import Allocation, FairShares
from web.reports.answers import GZIP_WINDOW, PIECE_BYTES

log = structlog.get_logger()

T = TypeVar("T")

LEVEL = 1
"""The fastest: 200,000 users with random ids take 7 MB instead of 20."""
SMALL_BYTES = PIECE_BYTES
"""A copy up to this size needs no file."""
_ADVICE = "ask for less of it (limit, from, to), or have the operator make room"
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT)


class Copies:
    """Makes copies; tenants share the room for them."""

    def __init__(self, total: int = sys.maxsize) -> None:
        """Let all copies take *total* bytes together."""
        # Python looks for a folder once. It is to find the one that is meant, not another one while that is full.
        with suppress(OSError):
            gettempdir()
        self._shares = FairShares("room for exports", total, 1.0)

    @asynccontextmanager
    async def make(self, tenant_id: str) -> "AsyncIterator[Copy]":
        """Make a copy, and take its room back at the end."""
        with Allocation(self._shares, tenant_id) as held, SpooledTemporaryFile(SMALL_BYTES) as file:
            yield Copy(file, self._shares, held)


class Copy:
    """One copy: written from its beginning to its end, then read."""

    def __init__(self, file: IO[bytes], shares: FairShares, held: Allocation) -> None:
        self._file = file
        self._shares = shares
        self._held = held
        self._gzip = zlib.compressobj(LEVEL, zlib.DEFLATED, GZIP_WINDOW)

    async def write(self, piece: bytes) -> None:
        """Append a *piece*.

        Raises :exc:`ShareExceeded` and :exc:`Overloaded` as :meth:`FairShares.take` does, :exc:`StorageFull` if the
        disk is full or the room for all is too small even for this copy alone, :exc:`StorageUnavailable` if the disk
        fails.
        """
        self._hold(await _in_thread(lambda: self._file.write(self._gzip.compress(piece))))

    async def end(self) -> None:
        """Append nothing more; raises as :meth:`write` does."""
        self._hold(await _in_thread(self._end))

    def _hold(self, size: int) -> None:
        try:
            self._held.grow(size)
        except StorageUnavailable:
            if self._shares.used > self._held.amount:
                raise
            # It is alone: to try again later would not help.
            too_small = f"ANALYTICS_EXPORTS_MB is too small for this export, of which it allows half: {_ADVICE}"
            raise StorageFull(too_small) from None

    def _end(self) -> int:
        size = self._file.write(self._gzip.flush())
        self._file.seek(0)
        return size

    async def gzipped(self) -> AsyncIterator[bytes]:
        """Read it as it lies there; raises :exc:`StorageUnavailable`."""
        while piece := await _in_thread(lambda: self._file.read(PIECE_BYTES)):
            yield piece

    async def plain(self) -> AsyncIterator[bytes]:
        """Read it as it was written, in pieces however well it was compressed; raises :exc:`StorageUnavailable`."""
        gzip = zlib.decompressobj(GZIP_WINDOW)
        while not gzip.eof:
            packed = gzip.unconsumed_tail or await _in_thread(lambda: self._file.read(PIECE_BYTES))
            yield await asyncio.to_thread(gzip.decompress, packed, PIECE_BYTES)


async def _in_thread(work: Callable[[], T]) -> T:
    with _explained():
        return await asyncio.to_thread(work)


@contextmanager
def _explained() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in _NO_ROOM:
            raise StorageFull(
                f"the folder of temporary files (TMPDIR) has no room for this export: {_ADVICE}"
            ) from error
        log.warning("copy_failed", error=type(error).__name__, errno=error.errno)
        raise StorageUnavailable("the folder of temporary files cannot be used just now") from error
