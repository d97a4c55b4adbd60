"""Lists that are copied aside: what comes out, and the room they may take."""

import random
import zlib

import pytest

from storage.errors import ShareExceeded, StorageFull
from web.reports.answers import GZIP_WINDOW, PIECE_BYTES
from web.reports.copies import Copies, Copy

MEGABYTE = 1 << 20


@pytest.mark.parametrize("size", [0, 1, 1000, PIECE_BYTES, 3 * MEGABYTE + 1])
@pytest.mark.parametrize("kind", ["random", "zeros"])
async def test_what_comes_out_is_what_was_written(size: int, kind: str) -> None:
    """Gzipped or plain a copy is what was written, in pieces of a bounded size however well it was compressed."""
    data = random.Random(1).randbytes(size) if kind == "random" else bytes(size)
    for is_gzipped in (True, False):
        async with Copies().make("acme") as copy:
            for begin in range(0, size, 100_000):
                await copy.write(data[begin : begin + 100_000])
            await copy.end()
            pieces = [piece async for piece in (copy.gzipped() if is_gzipped else copy.plain())]
        assert all(len(piece) <= PIECE_BYTES for piece in pieces)
        written = b"".join(pieces)
        assert (zlib.decompress(written, GZIP_WINDOW) if is_gzipped else written) == data


async def fill(copy: Copy, megabytes: int) -> None:
    for _ in range(megabytes):
        await copy.write(random.Random(1).randbytes(MEGABYTE))
    await copy.end()


async def test_tenants_share_the_room() -> None:
    """A tenant that has its share is told to come back later, another one still finds room; what a copy took is given
    back when it was read.
    """
    copies = Copies(20 * MEGABYTE)
    async with copies.make("acme") as mine:
        await fill(mine, 6)
        async with copies.make("acme") as again:
            with pytest.raises(ShareExceeded):
                await fill(again, 6)
        async with copies.make("globex") as theirs:
            await fill(theirs, 5)
    async with copies.make("acme") as later:
        await fill(later, 9)


async def test_one_that_is_too_large_even_alone_is_told_so() -> None:
    """Where waiting would not help, the answer is that there is no room, and names the setting."""
    async with Copies(4 * MEGABYTE).make("acme") as copy:
        with pytest.raises(StorageFull, match="ANALYTICS_EXPORTS_MB"):
            await fill(copy, 3)
