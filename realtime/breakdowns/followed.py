"""One breakdown that subscribers of a tenant follow: when it has to be read again, and what was read last."""

import math
import time

from realtime.breakdowns.shown import Shown
from realtime.feed import STALE_SECONDS, Feed
from storage.engine.database import Database
from storage.model import clock
from storage.read.breakdowns.live import Question, read_top

_ticks = time.monotonic


class Followed:
    """Shared by all subscribers that ask the same ``question``; ``shown`` is None until it was read.

    ``read_at`` is when it was last read, in monotonic seconds; -inf: never.
    """

    def __init__(self, question: Question, feed: Feed, database: Database) -> None:
        self.question = question
        self.shown: Shown | None = None
        self.subscribers = 0
        self.read_at = -math.inf
        self._feed = feed
        self._database = database
        self._key = ""
        self._reloads = 0
        self._at = ""
        self._due_since: float | None = None

    def is_due(self) -> bool:
        """Say whether the rows can be others than those that were read last: by events, removed rows, or the clock."""
        is_due = self._is_due()
        if not is_due:
            self._due_since = None
        elif self._due_since is None:
            self._due_since = _ticks()
        return is_due

    def _is_due(self) -> bool:
        state, shown = self._feed.state, self.shown
        if state is None:
            return False
        if shown is None or shown.fields["stale_since"] or self._reloads != self._feed.reloads:
            return True
        since = shown.position.sequence
        return self._key != self.question.key(state.day) or state.moved_since(self.question.counters, since)

    def has_become_stale(self) -> bool:
        """Say, once, that rows which can have changed could not be read for too long."""
        if self.shown is None or self._due_since is None or self.shown.fields["stale_since"]:
            return False
        if _ticks() - self._due_since <= STALE_SECONDS:
            return False
        self.shown = self.shown.stale(self._at)
        return True

    async def read(self) -> None:
        """Read the rows; raises what the database raises, and :exc:`TooWide`."""
        state, at = self._feed.state, clock.now()
        if state is None:
            return
        # Taken before the transaction begins: what changes meanwhile makes it due again.
        self.read_at, reloads, key = _ticks(), self._feed.reloads, self.question.key(state.day)
        async with self._database.read_for_feeds() as connection:
            database, tenant_id = self._database, self._feed.tenant_id
            top = await read_top(connection, database.epoch, database.days, tenant_id, self.question, key)
        self._reloads, self._key, self._at, self._due_since = reloads, key, at, None
        self.shown = Shown.of(self.question, top)
