"""A tenant's feed: its live state, kept equal to the database by contiguous changes.

Changes come from the broker. What the broker lost is refilled from the change log; what the change log no longer has,
or what contradicts it (a database restored from an old copy), is loaded anew.
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
"""How long the database may be out of reach before the figures count as stale."""
PROVE_SECONDS = 60.0
"""How soon after the last proof a live state that has changed is held against the database's own figures again."""


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
        # Whoever reads for the feed does so alone; what is received meanwhile is taken all the same.
        self._reading = asyncio.Lock()
        self._proven: Marker | None = None
        # Drawn, so that tenants whose panels came at once (after a restart) are not all read again at once.
        self.prove_at = _ticks() + PROVE_SECONDS * random.uniform(0.5, 1)
        self.reloads = 0
        self.refills = 0

    @property
    def behind(self) -> bool:
        """Whether a change is known to be missing; the next :meth:`match` mends it."""
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
        self._proven = self.state.marker
        self._matched(at)
        self._changed()

    def receive(self, change: Change) -> None:
        """Take a change from the broker: the next one is applied, an old one ignored, a gap or a reset noted."""
        state = self.state
        if state is None or change.epoch != state.position.epoch:
            self._behind = True
        elif change.sequence == state.position.sequence + 1 and not change.reset:
            state.apply(change)
            self._matched(change.committed_at)
            self._changed()
        elif change.sequence > state.position.sequence:
            self._behind = True

    def miss(self) -> None:
        """Note that the broker may have lost changes."""
        self._behind = True

    async def match(self) -> None:
        """Compare with the head of the database, and read what is missing.

        Raises what the database raises; ``at`` then stays, and with it grows the age of the figures.
        """
        if await compare(self._database, [self]):
            await self.mend()

    def stand(self) -> Position | None:
        """Say where the feed stands, before a head is read that it :meth:`meets`; None: it has no state yet."""
        self._behind = False
        return None if self.state is None else self.state.position

    def meets(self, head: Position, before: Position | None, at: str) -> bool:
        """Say whether the state is that of the *head*, or lies behind it by changes received meanwhile.

        The head was read at the time *at* or later, and after the feed stood at *before*. If the state is neither, what
        is missing, or all of it, has to be read: :meth:`mend`.
        """
        state = self.state
        if state is None or before is None or head.sequence > state.position.sequence:
            return False
        # A head that lies before where the feed stood is a database that went back.
        if head.sequence < before.sequence or not state.knows(head):
            return False
        self._matched(at)
        return True

    async def mend(self) -> None:
        """Read what is missing from the change log or, if that does not continue the state, load it anew.

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
                # After a reset too: the log then begins with it, so that no panel gets a difference over it.
                log.warning("feed_reloaded", sequence=before.sequence)
                self.reloads += 1

    @property
    def unproven(self) -> bool:
        """Whether it is time to :meth:`prove` the state: it has changed since it last was, and that is a while ago."""
        return self.state is not None and self.state.marker is not self._proven and _ticks() >= self.prove_at

    async def prove(self) -> bool:
        """Compare all that panels show with the database's own figures at the same position.

        False: they differed, and the state was loaded anew. Raises what the database raises. It costs 8 ms for a tenant
        of any size whose 66 minutes are all full, most of them spent reading.
        """
        async with self._reading:
            self.prove_at = _ticks() + PROVE_SECONDS
            if await self._holds():
                return True
        # What the live state had taken beyond is taken again.
        await self.match()
        return False

    async def _holds(self) -> bool:
        state, at = self.state, clock.now()
        if state is None:
            return True
        # The live state goes on meanwhile: what is compared is a copy, brought to where the database stands.
        marker, copy = state.marker, state.copy()
        async with self._database.read_for_feeds() as connection:
            fresh = await read_snapshot(connection, self._database.epoch, self.tenant_id, copy.day)
            log_ = await read_changes(connection, self.tenant_id, copy.position.sequence, self._window)
            if _agree(copy, fresh, log_, self._database.days, self._window):
                self._proven = marker
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

    def turn(self, today: str) -> None:
        """Go on to the local day it is now, *today*."""
        if self.state is not None and self.state.turn(today):
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
    """Compare *feeds* with where their tenants stand, read by one query, and give those that miss something.

    Raises what the database raises; nothing is then known of any of them.
    """
    at = clock.now()
    before = [feed.stand() for feed in feeds]
    async with database.read_for_feeds() as connection:
        heads = await read_heads(connection, database.epoch, [feed.tenant_id for feed in feeds])
    stood = zip(feeds, before, strict=True)
    return [feed for feed, position in stood if not feed.meets(heads[feed.tenant_id], position, at)]


def _agree(copy: State, fresh: Snapshot, log_: list[Change], days: Days, window: int) -> bool:
    """Say whether *copy*, brought on by the changes of *log_*, is *fresh*; True also if they do not lead there."""
    for change in log_:
        if change.sequence != copy.position.sequence + 1 or change.reset:
            return True
        copy.apply(change)
    if copy.position != fresh.position:
        return True
    there = State(fresh, (), days, window)
    there.turn(copy.day)
    return there.snapshot() == copy.snapshot()
