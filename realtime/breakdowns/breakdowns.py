"""The breakdowns that the subscribers of a tenant follow: few at a time, read one after another, within a budget."""

import asyncio
import sys
import time
from collections.abc import Callable

import structlog

from realtime.breakdowns.followed import Followed
from realtime.feed import Feed
from storage.engine.database import BREAKDOWN_READERS, Database
from storage.errors import StorageError
from storage.fairness.token_bucket import TokenBucket
from storage.fairness.turns import Turns
from storage.read.breakdowns.live import Question, TooWide

log = structlog.get_logger()

OF_TENANT, OF_PROCESS = 8, 200
"""How many different breakdowns may be followed."""
TENANT_MS, TENANT_BURST_MS = 500.0, 250.0
"""How many milliseconds of each second a tenant's breakdowns are read, and how many at once after a pause. One reading
costs 10 to 20 ms of processor time on a busy machine."""
PROCESS_MS, PROCESS_BURST_MS = 1000.0, 500.0
"""The same for all tenants together: the time of two connections, half of it."""

_ticks = time.monotonic


class TooMany(Exception):
    """As many different breakdowns are followed as may be."""


class Budget:
    """What the breakdowns of all tenants share: the turns to read, and how many there are."""

    def __init__(self) -> None:
        self.turns = Turns("live breakdowns", BREAKDOWN_READERS, 1, sys.maxsize)
        self.milliseconds = TokenBucket(PROCESS_MS, PROCESS_BURST_MS, _ticks())
        self.followed = 0


class Breakdowns:
    """Those of one tenant. A breakdown exists while somebody follows it."""

    def __init__(self, feed: Feed, database: Database, budget: Budget, pause: float) -> None:
        """Take the *pause* in seconds between two readings of the same breakdown."""
        self._feed = feed
        self._database = database
        self._budget = budget
        self._pause = pause
        self._milliseconds = TokenBucket(TENANT_MS, TENANT_BURST_MS, _ticks())
        self._followed: dict[Question, Followed] = {}
        self._task: asyncio.Task[None] | None = None
        self.on_read: Callable[[Followed], None] = lambda _followed: None
        """Called when what a breakdown shows is another one."""
        self.on_refused: Callable[[Followed, str], None] = lambda _followed, _why: None
        """Called with a breakdown that cannot be followed any more, and why."""

    def follow(self, question: Question) -> Followed:
        """Count one more who follows a breakdown; raises :exc:`TooMany`, which says what is full."""
        followed = self._followed.get(question)
        if followed is None:
            if len(self._followed) >= OF_TENANT:
                raise TooMany(f"breakdown: this tenant follows {OF_TENANT} different ones, which is the most")
            if self._budget.followed >= OF_PROCESS:
                raise TooMany(f"breakdown: this process follows {OF_PROCESS} different ones, which is the most")
            followed = self._followed[question] = Followed(question, self._feed, self._database)
            self._budget.followed += 1
        followed.subscribers += 1
        self.look()
        return followed

    def leave(self, followed: Followed) -> None:
        """Count one less; a breakdown that nobody follows is forgotten."""
        followed.subscribers -= 1
        if not followed.subscribers and self._followed.get(followed.question) is followed:
            del self._followed[followed.question]
            self._budget.followed -= 1

    def look(self) -> None:
        """Begin to read those that can have changed; it costs some microseconds if none can."""
        if not self._followed:
            return
        for followed in self._followed.values():
            if followed.has_become_stale():
                self.on_read(followed)
        if self._task is None and self._due() is not None:
            self._task = asyncio.create_task(self._read_due(), name="live breakdowns")
            self._task.add_done_callback(self._end)

    def close(self) -> None:
        """Read no more."""
        self._followed.clear()
        if self._task is not None:
            self._task.cancel()

    def _end(self, _task: "asyncio.Task[None]") -> None:
        self._task = None

    def _due(self) -> Followed | None:
        """Give the one that is due and was read longest ago."""
        due = [followed for followed in self._followed.values() if followed.is_due()]
        return min(due, key=lambda followed: followed.read_at, default=None)

    async def _read_due(self) -> None:
        while (followed := self._due()) is not None:
            try:
                await self._read(followed)
            except TooWide as error:
                self.on_refused(followed, f"breakdown.by: {error}")
            except StorageError as error:
                # Each second it is looked at again.
                log.warning("breakdown_failed", error=type(error).__name__)
                return
            except Exception:
                log.exception("breakdown_broken")
                return

    async def _read(self, followed: Followed) -> None:
        now = _ticks()
        await asyncio.sleep(max(self._milliseconds.wait(now), followed.read_at + self._pause - now))
        async with self._budget.turns.of(self._feed.tenant_id):
            # With the place taken: so the tenants whose turn it is wait, and not all others.
            await asyncio.sleep(self._budget.milliseconds.wait(_ticks()))
            begun = _ticks()
            try:
                await followed.read()
            finally:
                now = _ticks()
                for bucket in (self._milliseconds, self._budget.milliseconds):
                    bucket.take((now - begun) * 1000, now)
        self.on_read(followed)
