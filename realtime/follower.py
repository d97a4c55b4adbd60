"""The follower: it keeps the feeds of a process equal to the database.

All of them are compared with the heads of their tenants, read by one query for many: a feed that misses nothing costs
3 us. What a feed misses, and the state of a new one, is read apart from that, for a few at a time.
"""

import asyncio
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

import structlog

from realtime.feed import VERIFY_SECONDS, Feed, compare
from storage.engine.database import FOLLOWERS, Database
from storage.errors import StorageError
from storage.fairness.slicing import Slicer
from storage.fairness.turns import Turns

log = structlog.get_logger()

COMPARED = 1000
"""Feeds that are compared by one query: 3 ms of the event loop."""
VERIFY_SHARE = 0.05
"""How much of the time verification may take. At 8 ms each they are six a second: 375 tenants a minute."""
LOAD, CATCH_UP, VERIFY = "load", "catch up", "verify"
"""Why feeds read; each reason has its turn, however many feeds wait for another one."""

FeedCallback = Callable[[Feed], None]


class Follower:
    """Reads for feeds, within the connections of ``Database.read_for_feeds``: one of them is left for comparing."""

    def __init__(self, database: Database, on_behind: FeedCallback, on_mismatch: FeedCallback) -> None:
        """*on_behind* gets a feed that misses something again, *on_mismatch* one whose state was wrong."""
        self._database = database
        self._on_behind = on_behind
        self._on_mismatch = on_mismatch
        # Only feeds that are open, or about to be, wait here: connections bound their number.
        self._turns = Turns("the live figures", FOLLOWERS - 1, FOLLOWERS - 2, sys.maxsize)
        self._catching_up: dict[Feed, asyncio.Task[None]] = {}

    async def stop(self) -> None:
        """Read no more."""
        for task in self._catching_up.values():
            task.cancel()
        await asyncio.gather(*self._catching_up.values(), return_exceptions=True)

    async def load(self, feed: Feed) -> None:
        """Load a new feed when it is its turn; raises what the database raises."""
        async with self._turns.of(LOAD):
            await feed.load()

    async def compare(self, feeds: Iterable[Feed]) -> None:
        """Compare *feeds* with the database, and begin to read what some of them miss."""
        slicer = Slicer()
        waiting = [feed for feed in feeds if feed not in self._catching_up]
        for begin in range(0, len(waiting), COMPARED):
            some = waiting[begin : begin + COMPARED]
            with _log_failures(*some):
                for feed in await compare(self._database, some):
                    self._catching_up[feed] = asyncio.create_task(self._catch_up(feed), name="catch-up")
            await slicer.yield_if_due()

    async def _catch_up(self, feed: Feed) -> None:
        try:
            with _log_failures(feed):
                async with self._turns.of(CATCH_UP):
                    await feed.catch_up()
                if feed.is_behind:
                    self._on_behind(feed)
        finally:
            del self._catching_up[feed]

    async def verify(self, feeds: Iterable[Feed]) -> None:
        """Verify those of the *feeds* that are due, one after another, the longest due first.

        After each there is a pause, so that all of them take no more than :data:`VERIFY_SHARE` of the time.
        """
        due = sorted((feed for feed in feeds if feed.needs_verification), key=lambda feed: feed.verify_at)
        for feed in due:
            async with self._turns.of(VERIFY):
                begun = _ticks()
                with _log_failures(feed):
                    if not await feed.verify():
                        self._on_mismatch(feed)
                spent = _ticks() - begun
            await asyncio.sleep(min(VERIFY_SECONDS, spent / VERIFY_SHARE - spent))


@contextmanager
def _log_failures(*feeds: Feed) -> Iterator[None]:
    """Log that reading for *feeds* failed, and continue: without following, a lost change would stay lost."""
    try:
        yield
    except StorageError as error:
        log.warning("follow_failed", error=type(error).__name__)
        for feed in feeds:
            feed.mark_behind()
    except Exception:
        log.exception("follow_broken")


def _ticks() -> float:
    return asyncio.get_running_loop().time()
