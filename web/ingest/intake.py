"""What a post costs its sender before it is served: a rate, a share of memory, and turns.

Bytes are paid for as they come, so what turns out to be no event at all is paid for too. What a post holds in memory,
from its first bytes until its answer, counts against one budget of the process, of which each tenant and each key has a
share. Long bodies are read in slices, a slice for each sender in turn.
"""

import zlib
from collections.abc import AsyncIterator, Iterator
from types import TracebackType
from typing import Self, TypeVar

from starlette.requests import Request

from storage.fairness.shares import Allocation, FairShares
from storage.fairness.slicing import SharedSlicer, Slicer
from storage.fairness.turns import Turns
from storage.model.batch import BatchTooLarge, Part
from storage.model.parsing import Body
from web.auth.ingest import IngestIdentity
from web.http.problems import Problem
from web.ingest.rates import Rates

SMALL = 4096
"""Bytes of a body that is not worth counting in memory."""
LARGE = 64 << 10
"""Bytes of a body that needs more than one read from its socket."""
TOKEN_BYTES = 1024
"""Bytes that count as much as an event does."""
INFLATED = 64 << 10
"""Bytes that are decompressed in one go, in some 0.2 ms."""
MAX_MEMBERS = 10_000
"""Members of a gzip body (RFC 1952, 2.2): each costs some microseconds, also if nothing is in it."""
WAITING = 10_000
"""Bodies of a tenant that may wait for their next slice; memory ends earlier."""
READS = 2
"""Reads from sockets that large bodies continue with in one turn of the event loop: each is up to 256 KB, in some 0.2
ms. A hundred large bodies that come together would otherwise hold the loop for a second."""


Piece = TypeVar("Piece")


class Intake:
    """Lets posts in, each as one :class:`Post`."""

    def __init__(self, rates: Rates, memory: FairShares) -> None:
        self._rates = rates
        self._memory = memory
        self._slices = Turns("bodies to be read", 1, 1, WAITING)
        self._reads = SharedSlicer(READS)

    def begin(self, identity: IngestIdentity) -> "Post":
        """Begin a post, which costs one event at the least; raises a 429 :exc:`Problem` if nothing is left."""
        self._rates.check(identity.account)
        self._rates.count(identity.account, 1)
        return Post(identity, self._rates, self._memory, self._slices, self._reads)


class Post:
    """One post: what it has paid for, and what it holds until its end."""

    __slots__ = ("_allocation", "_identity", "_memory", "_paid", "_rates", "_reads", "_slicer", "_slices")

    def __init__(
        self, identity: IngestIdentity, rates: Rates, memory: FairShares, slices: Turns, reads: SharedSlicer
    ) -> None:
        self._identity = identity
        self._rates = rates
        self._memory = memory
        self._slices = slices
        self._reads = reads
        self._slicer = Slicer()
        self._paid = 1
        self._allocation: Allocation | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._allocation is not None:
            self._allocation.release()

    async def body(self, request: Request, limit: int) -> Body:
        """Read a body of at most *limit* bytes, as it comes.

        Raises a 413 :exc:`Problem` beyond the limit; ShareExceeded or Overloaded if there is no memory for it.
        """
        length = request.headers.get("content-length", "")
        if length.isdigit() and int(length) > limit:
            raise _too_large(limit)
        return await self._gather(self._stream(request), limit)

    async def gunzipped(self, request: Request, limit: int) -> Body:
        """Read a body of at most *limit* bytes, as it comes and as it is once it is decompressed; raises likewise."""
        return await self._gather(self._gunzip(self._stream(request), limit), limit)

    async def parts(self, parts: Iterator[Part]) -> AsyncIterator[Part]:
        """Read on part by part, in turn with others; raises a 413 :exc:`Problem` beyond a limit of batches."""
        try:
            async for part in self.pieces(parts):
                yield part
        except BatchTooLarge as error:
            raise Problem(413, str(error)) from None

    async def pieces(self, pieces: Iterator[Piece]) -> AsyncIterator[Piece]:
        """Do work piece by piece, each of about a millisecond, in turn with others."""
        while True:
            async with self._slices.of(self._identity.tenant_id):
                try:
                    piece = next(pieces)
                except StopIteration:
                    return
            yield piece
            # Perhaps no other post waits for a slice, but other tasks wait for the loop.
            await self._slicer.yield_if_due()

    def charge(self, events: int) -> None:
        """Pay for so many events, as far as their bytes did not."""
        if events > self._paid:
            self._rates.count(self._identity.account, events - self._paid)
            self._paid = events

    async def _stream(self, request: Request) -> AsyncIterator[bytes]:
        """Give a body as it comes; a large one waits for its turn before each further read from the socket."""
        taken, length = 0, request.headers.get("content-length", "")
        async for chunk in request.stream():
            taken += len(chunk)
            yield chunk
            if taken > LARGE and length != str(taken):
                await self._reads.enter(self._identity.tenant_id)

    async def _gather(self, stream: AsyncIterator[bytes], limit: int) -> Body:
        body: Body = b""
        async for chunk in stream:
            if chunk:
                size = len(body) + len(chunk)
                if size > limit:
                    raise _too_large(limit)
                if size > TOKEN_BYTES:
                    self._count(size)
                # Most bodies come in one piece, which is taken as it is.
                body = chunk if not body else _appended(body, chunk)
        return body

    def _count(self, size: int) -> None:
        self.charge(size // TOKEN_BYTES)
        if size > SMALL:
            if self._allocation is None:
                self._allocation = Allocation(self._memory, self._identity.tenant_id, self._identity.account)
            self._allocation.grow(size - self._allocation.amount)

    async def _gunzip(self, stream: AsyncIterator[bytes], limit: int) -> AsyncIterator[bytes]:
        """Decompress piece by piece, so that a small body cannot become a large one before the limit is seen."""
        inflate, taken, members = zlib.decompressobj(wbits=31), 0, 1
        try:
            async for chunk in stream:
                taken += len(chunk)
                if taken > limit:
                    raise _too_large(limit)
                while chunk:
                    if inflate.eof:
                        inflate, members = zlib.decompressobj(wbits=31), members + 1
                    if members > MAX_MEMBERS:
                        raise Problem(400, f"the gzip body has more than {MAX_MEMBERS} members")
                    async with self._slices.of(self._identity.tenant_id):
                        piece = inflate.decompress(chunk, INFLATED)
                    yield piece
                    await self._slicer.yield_if_due()
                    chunk = inflate.unused_data if inflate.eof else inflate.unconsumed_tail
        except zlib.error:
            raise Problem(400, "the body is not valid gzip") from None
        if not inflate.eof:
            raise Problem(400, "the gzip body ends too early")


def _too_large(limit: int) -> Problem:
    return Problem(413, f"the body holds more than {limit} bytes")


def _appended(body: Body, chunk: bytes) -> bytearray:
    whole = body if isinstance(body, bytearray) else bytearray(body)
    whole += chunk
    return whole
