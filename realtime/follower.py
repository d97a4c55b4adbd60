"""The follower: it keeps the feeds of a process equal to the database.

All of them are compared with the heads of their tenants, read by one query for many: a feed that misses nothing costs
3 us. What a feed misses, and what a new one begins with, is read apart from that, by a few at a time.
"""

import asyncio
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

import structlog

from realtime.feed import PROVE_SECONDS, Feed, compare
from storage.engine.database import FOLLOWERS, Database
from storage.errors import StorageError
from storage.fairness.slicing import Pace
from storage.fairness.turns import Turns

log = structlog.get_logger()

COMPARED = 1000
"""Feeds that are compared by one query: 3 ms of the event loop."""
PROVE_SHARE = 0.05
"""How much of the time proofs may take. At 8 ms each they are six a second: 375 tenants a minute."""
LOAD, MEND, PROVE = "load", "mend", "prove"
"""What feeds read for; each of them takes its turn, however many wait for another one."""

Told = Callable[[Feed], None]


class Follower:
    """Reads for feeds, within the connections of ``Database.follow``: one of them is left for comparing."""

    def __init__(self, database: Database, behind: Told, disproved: Told) -> None:
        """*behind* is told of a feed that misses something again, *disproved* of one whose state was wrong."""
        self._database = database
        self._behind = behind
        self._disproved = disproved
        # Who waits here is a feed that is open or about to be: connections bound their number.
        self._turns = Turns("the live figures", FOLLOWERS - 1, FOLLOWERS - 2, sys.maxsize)
        self._mending: dict[Feed, asyncio.Task[None]] = {}

    async def stop(self) -> None:
        """Read no more."""
        for task in self._mending.values():
            task.cancel()
        await asyncio.gather(*self._mending.values(), return_exceptions=True)

    async def load(self, feed: Feed) -> None:
        """Load a new feed when it is its turn; raises what the database raises."""
        async with self._turns.of(LOAD):
            await feed.load()

    async def compare(self, feeds: Iterable[Feed]) -> None:
        """Compare *feeds* with the database, and begin to mend those that miss something."""
        pace = Pace()
        waiting = [feed for feed in feeds if feed not in self._mending]
        for begin in range(0, len(waiting), COMPARED):
            some = waiting[begin : begin + COMPARED]
            with _carry_on(*some):
                for feed in await compare(self._database, some):
                    self._mending[feed] = asyncio.create_task(self._mend(feed), name="mend")
            await pace.give_way()

    async def _mend(self, feed: Feed) -> None:
        try:
            with _carry_on(feed):
                async with self._turns.of(MEND):
                    await feed.mend()
                if feed.behind:
                    self._behind(feed)
        finally:
            del self._mending[feed]

    async def prove(self, feeds: Iterable[Feed]) -> None:
        """Prove those of the *feeds* that are due, one after another, that which has waited longest first.

        After each there is a pause, so that all of them take no more than :data:`PROVE_SHARE` of the time.
        """
        due = sorted((feed for feed in feeds if feed.unproven), key=lambda feed: feed.prove_at)
        for feed in due:
            async with self._turns.of(PROVE):
                begun = _ticks()
                with _carry_on(feed):
                    if not await feed.prove():
                        self._disproved(feed)
                spent = _ticks() - begun
            await asyncio.sleep(min(PROVE_SECONDS, spent / PROVE_SHARE - spent))


@contextmanager
def _carry_on(*feeds: Feed) -> Iterator[None]:
    """Note that reading for *feeds* failed: without following a lost change would stay lost, so it goes on."""
    try:
        yield
    except StorageError as error:
        log.warning("follow_failed", error=type(error).__name__)
        for feed in feeds:
            feed.miss()
    except Exception:
        log.exception("follow_broken")


def _ticks() -> float:
    return asyncio.get_running_loop().time()
