"""A tenant's feed: its live state, kept equal to the database by contiguous changes.

Changes come from the broker. What the broker lost is refilled from the change log; if the log no longer has it, or
contradicts the state (a database restored from an old copy), the state is loaded again.
"""

import asyncio
import random
import time
from collections.abc import Callable, Sequence

import structlog

from realtime.state import Marker, State
from storage.engine.database import Database, ReadTransaction
from storage.model import clock
from storage.model.changes import Change, Position, Snapshot
from storage.model.clock import Days
from storage.read.snapshots import read_changes, read_heads, read_log, read_snapshot

log = structlog.get_logger()

_ticks = time.monotonic

STALE_SECONDS = 3.0
"""How long the database may be unreachable before the figures count as stale."""
VERIFY_SECONDS = 60.0
"""How soon after the last verification a live state that has changed is compared with the database's figures again."""


class Feed:
    """The live state of one tenant.

    ``at`` is when the state last matched the head of the database. ``state`` is None until :meth:`load` has ended.
    """

    def __init__(self, tenant_id: str, database: Database, window: int, changed: Callable[[], None]) -> None:
        """*changed* is called after every change of the state; *window* is how far back deltas reach."""
        self.tenant_id = tenant_id
        self._database = database
        self._window = window
        self._changed = changed
        self._behind = False
        self.state: State | None = None
        self.at = clock.now()
        self._matched_at = _ticks()
        self._was_stale = False
        # One read for the feed at a time; what is received meanwhile is applied all the same.
        self._reading = asyncio.Lock()
        self._verified: Marker | None = None
        # Drawn, so that tenants whose subscribers connected at once (after a restart) are not all read again at once.
        self.verify_at = _ticks() + VERIFY_SECONDS * random.uniform(0.5, 1)
        self.reloads = 0
        self.refills = 0

    @property
    def is_behind(self) -> bool:
        """Whether a change is known to be missing; the next :meth:`compare_and_catch_up` reads it."""
        return self._behind

    async def load(self) -> None:
        """Read the state, and the change log up to it, in one transaction."""
        at = clock.now()
        async with self._reading, self._database.read_for_feeds() as connection:
            await self._load(connection, at)

    async def _load(self, connection: ReadTransaction, at: str) -> None:
        days, epoch = self._database.days, self._database.epoch
        snapshot = await read_snapshot(connection, epoch, self.tenant_id, days.today())
        sequence = snapshot.position.sequence
        after = max(0, sequence - self._window)
        entries = [change async for change in read_log(connection, self.tenant_id, after)] if sequence else []
        # In a thread: 10,000 entries take 0.15 s.
        self.state = await asyncio.to_thread(State, snapshot, entries, days, self._window)
        self._verified = self.state.marker
        self._matched(at)
        self._changed()

    def receive(self, change: Change) -> None:
        """Take a change from the broker: the next one is applied, an old one ignored; a gap is noted."""
        state = self.state
        if state is None or change.epoch != state.position.epoch:
            self._behind = True
        elif change.sequence == state.position.sequence + 1 and not change.reset:
            state.apply(change)
            self._matched(change.committed_at)
            self._changed()
        elif change.sequence > state.position.sequence:
            self._behind = True

    def mark_behind(self) -> None:
        """Record that the broker may have lost changes."""
        self._behind = True

    async def compare_and_catch_up(self) -> None:
        """Compare with the head of the database, and read what is missing.

        Raises what the database raises; ``at`` then stays, and with it grows the age of the figures.
        """
        if await compare(self._database, [self]):
            await self.catch_up()

    def start_comparison(self) -> Position | None:
        """Say where the feed stands, before a head is read that it :meth:`matches_head`; None: it has no state yet."""
        self._behind = False
        return None if self.state is None else self.state.position

    def matches_head(self, head: Position, before: Position | None, at: str) -> bool:
        """Say whether the state is that of the *head*, or lies behind it by changes received meanwhile.

        The head was read at the time *at* or later, and after the feed was at *before*. If the state is neither, what
        is missing, or all of it, has to be read: :meth:`catch_up`.
        """
        state = self.state
        if state is None or before is None or head.sequence > state.position.sequence:
            return False
        # A head before the feed's position is a database that went back.
        if head.sequence < before.sequence or not state.knows(head):
            return False
        self._matched(at)
        return True

    async def catch_up(self) -> None:
        """Read what is missing from the change log or, if that does not continue the state, load it again.

        Raises what the database raises.
        """
        async with self._reading:
            state, at = self.state, clock.now()
            self._behind = False
            # Taken before the transaction begins, so that its change log has this position if it ever had it.
            before = None if state is None else state.position
            async with self._database.read_for_feeds() as connection:
                if state is not None and before is not None and await self._refill(connection, state, before):
                    self._matched(at)
                    return
                await self._load(connection, at)
            if before is not None:
                # After a reset too: the log then begins with it, so that no subscriber gets a delta across it.
                log.warning("feed_reloaded", sequence=before.sequence)
                self.reloads += 1

    @property
    def needs_verification(self) -> bool:
        """Whether it is time to :meth:`verify` the state: it has changed since it last was, and that is a while ago."""
        return self.state is not None and self.state.marker is not self._verified and _ticks() >= self.verify_at

    async def verify(self) -> bool:
        """Compare all that subscribers show with the database's own figures at the same position.

        False: they differed, and the state was loaded again. Raises what the database raises. It costs 8 ms for a
        tenant of any size whose 66 minutes are all full, most of them spent reading.
        """
        async with self._reading:
            self.verify_at = _ticks() + VERIFY_SECONDS
            if await self._matches_database():
                return True
        # Changes that the live state had applied beyond it are read again.
        await self.compare_and_catch_up()
        return False

    async def _matches_database(self) -> bool:
        state, at = self.state, clock.now()
        if state is None:
            return True
        # The live state changes meanwhile: what is compared is a copy, brought to the database's position.
        marker, copy = state.marker, state.copy()
        async with self._database.read_for_feeds() as connection:
            fresh = await read_snapshot(connection, self._database.epoch, self.tenant_id, copy.day)
            log_ = await read_changes(connection, self.tenant_id, copy.position.sequence, self._window)
            if _agree(copy, fresh, log_, self._database.days, self._window):
                self._verified = marker
                return True
            log.error("feed_disagrees", sequence=fresh.position.sequence)
            self.reloads += 1
            await self._load(connection, at)
        return False

    async def _refill(self, connection: ReadTransaction, state: State, start: Position) -> bool:
        """Read what follows *start* from the change log into the state; False if the log does not continue it."""
        self.refills += 1
        if not await self._is_in_log(connection, start):
            return False
        try:
            async for change in read_log(connection, self.tenant_id, start.sequence):
                if change.sequence == state.position.sequence + 1 and not change.reset:
                    state.apply(change)
                elif change.sequence > state.position.sequence:
                    return False
            return True
        finally:
            self._changed()

    async def _is_in_log(self, connection: ReadTransaction, position: Position) -> bool:
        if position.sequence == 0:
            return True
        found = await read_changes(connection, self.tenant_id, position.sequence - 1, 1)
        return bool(found) and found[0].position == position

    def change_day(self, today: str) -> None:
        """Change to the current local day, *today*."""
        if self.state is not None and self.state.change_day(today):
            self._changed()

    @property
    def stale_since(self) -> str | None:
        """When the state last matched, if that is too long ago; None while the figures are live."""
        return self.at if _ticks() - self._matched_at > STALE_SECONDS else None

    def freshness_changed(self) -> bool:
        """Say whether the figures became stale, or live again, since the last call."""
        was, self._was_stale = self._was_stale, self.stale_since is not None
        return was != self._was_stale

    def _matched(self, at: str) -> None:
        self.at = max(self.at, at)
        # The age is measured apart from the clock, which may be set back.
        self._matched_at = _ticks()


async def compare(database: Database, feeds: Sequence[Feed]) -> list[Feed]:
    """Compare *feeds* with the heads of their tenants, read by one query, and give those that miss something.

    Raises what the database raises; then nothing is known of any of them.
    """
    at = clock.now()
    before = [feed.start_comparison() for feed in feeds]
    async with database.read_for_feeds() as connection:
        heads = await read_heads(connection, database.epoch, [feed.tenant_id for feed in feeds])
    stood = zip(feeds, before, strict=True)
    return [feed for feed, position in stood if not feed.matches_head(heads[feed.tenant_id], position, at)]


def _agree(copy: State, fresh: Snapshot, log_: list[Change], days: Days, window: int) -> bool:
    """Say whether *copy*, brought on by the changes of *log_*, is *fresh*; True also if they do not lead there."""
    for change in log_:
        if change.sequence != copy.position.sequence + 1 or change.reset:
            return True
        copy.apply(change)
    if copy.position != fresh.position:
        return True
    there = State(fresh, (), days, window)
    there.change_day(copy.day)
    return there.snapshot() == copy.snapshot()
