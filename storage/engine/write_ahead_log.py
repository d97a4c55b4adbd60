"""SQLite's write-ahead log, kept at a bounded size however many readers there are.

SQLite copies the log into the database (a checkpoint) and starts it again by itself, but only at a moment when no
reader uses it: readers that overlap leave no such moment, and the log grows for as long as they do. So once it is long,
new readers pause for a moment, the others are ended, and the log is emptied. How long a reader can run thus depends on
how much is written: one that begins when the log was just emptied has :data:`CHECKPOINT_BYTES` of it.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Literal

import structlog

from storage.engine.readers import Readers

log = structlog.get_logger()

CHECKPOINT_BYTES = 80_000_000
"""Beyond this the log is emptied."""
WAIT_BYTES = 112_000_000
"""Beyond this writers wait until it is: one more commit may follow, and the log is to stay below 128 MB."""
GRACE_SECONDS = 0.1
"""How long open readers are waited for; new ones wait as long, too."""
CHECKPOINT_SECONDS = 0.5
"""How long it is tried to end readers and empty the log. Only readers of other programs need more than a few tries."""
TRY_SECONDS = 0.02
HELD_SECONDS = 1.0
"""How often it is checked whether a reader of another program still uses the log."""
ENDED = "the service ended this read to keep SQLite's write-ahead log short: try again, or ask for less at a time"

Mode = Literal["PASSIVE", "TRUNCATE"]


@dataclass(frozen=True)
class Checkpoint:
    """What a checkpoint did: whether the log is empty now, and how many of its pages are in the database."""

    is_empty: bool
    checkpointed: int


class WriteAheadLog:
    """The log of a database with these *readers*; *checkpoint* copies it into the database."""

    def __init__(self, readers: Readers, checkpoint: Callable[[Mode], Awaitable[Checkpoint]]) -> None:
        self._readers = readers
        self._checkpoint = checkpoint
        self._task: asyncio.Task[None] | None = None
        self._settled = asyncio.Event()
        self._settled.set()

    async def grown(self, size: int) -> None:
        """See to it that the log, of *size* bytes after a commit, becomes no longer than it may."""
        if size > CHECKPOINT_BYTES and (self._task is None or self._task.done()):
            self._settled.clear()
            self._task = asyncio.create_task(self._empty(), name="write-ahead log")
        if size > WAIT_BYTES:
            await self._settled.wait()

    async def close(self) -> None:
        """Stop."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def truncate(self, seconds: float) -> bool:
        """Copy the log into the database and empty it; False if another program still reads from it after *seconds*."""
        until = _ticks() + seconds
        with self._readers.paused():
            await self._readers.leave(GRACE_SECONDS)
            while True:
                await self._readers.end(ENDED)
                if (await self._checkpoint("TRUNCATE")).is_empty:
                    return True
                if _ticks() > until:
                    return False
                await asyncio.sleep(TRY_SECONDS)

    async def _empty(self) -> None:
        try:
            is_empty = await self.truncate(CHECKPOINT_SECONDS)
        finally:
            # Another program's reader can hold the log for hours: no writer waits for that.
            self._settled.set()
        if not is_empty:
            await self._wait_for_others()

    async def _wait_for_others(self) -> None:
        log.warning(
            "log_held", advice="another program reads the database, or a disk is full: the log grows until that ends"
        )
        # All readers of this process were ended, so the checkpoint reaches as far as the other program permits. To end
        # our readers again helps only once it permits more.
        held_at = (await self._checkpoint("PASSIVE")).checkpointed
        while True:
            await asyncio.sleep(HELD_SECONDS)
            if (await self._checkpoint("PASSIVE")).checkpointed > held_at:
                if await self.truncate(CHECKPOINT_SECONDS):
                    log.info("log_emptied")
                    return
                held_at = (await self._checkpoint("PASSIVE")).checkpointed


def _ticks() -> float:
    return asyncio.get_running_loop().time()
