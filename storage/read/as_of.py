"""The counters as they stood at an earlier position, worked out from the change log.

A change has the values of the counters that it moved. So a counter that did not move after a position stands there as
it stands now, and one that did has the value of the last change up to the position that moved it. If none in the log
did, it was 0 if the log begins with the tenant's first commit, and is not known otherwise. Nothing is guessed: one
counter that is not known makes the whole unknown.
"""

from dataclasses import dataclass, field
from datetime import timedelta

from sqlalchemy.ext.asyncio import AsyncConnection

from storage.errors import PositionGone
from storage.model import clock
from storage.model.changes import Change, Position
from storage.model.clock import Days
from storage.model.events import MAX_AHEAD_SECONDS
from storage.read.snapshots import read_head, read_log, read_totals

_AHEAD = timedelta(seconds=MAX_AHEAD_SECONDS, hours=1)
"""How far ahead of its commit an event can lie, with what the clocks of several machines may differ."""
_GONE = "the change log does not reach back to this position, or it is none of this tenant"


@dataclass(frozen=True)
class Standing:
    """The counters at a position: totals, and the active users of the local ``day`` on which it was committed."""

    day: str
    totals: dict[str, int]
    active_users: int


@dataclass
class _Log:
    """What the change log says: the values up to a position, and what moved after it."""

    position: Position
    first: Change | None = None
    last: Change | None = None
    at: Change | None = None
    totals: dict[str, int] = field(default_factory=dict)
    active_users: dict[str, int] = field(default_factory=dict)
    moved: set[str] = field(default_factory=set)
    moved_days: set[str] = field(default_factory=set)

    def add(self, change: Change) -> None:
        """Add a change; they come in their order."""
        self.first, self.last = self.first or change, change
        if change.sequence > self.position.sequence:
            self.moved |= change.totals.keys()
            self.moved_days |= change.active_users.keys()
            return
        self.totals |= change.totals
        self.active_users |= change.active_users
        if change.position == self.position:
            self.at = change


async def read_standing(
    connection: AsyncConnection, epoch: str, tenant_id: str, days: Days, position: Position
) -> Standing:
    """Read the counters at a position; raises :exc:`PositionGone`. Its cost is that of reading the change log."""
    log = _Log(position)
    if position.epoch == epoch and position.sequence <= (await read_head(connection, epoch, tenant_id)).sequence:
        async for change in read_log(connection, tenant_id, 0):
            log.add(change)
    if log.at is None or log.first is None or log.last is None:
        raise PositionGone(_GONE)
    day = days.of(log.at.committed_at)
    if days.of(log.last.committed_at) > days.shift(day, 1):
        # Changes tell of the active users of their day and the day before alone.
        raise PositionGone("figures have changed on a later day than the one after this position")
    totals, active_users = await read_totals(connection, tenant_id, day)
    for name in log.moved - log.totals.keys():
        if not _is_first(log.first):
            raise PositionGone(f"the change log does not reach back far enough to know {name} at this position")
        log.totals[name] = 0
    return Standing(
        day,
        {**totals, **{name: log.totals[name] for name in log.moved}},
        _active_users(log, log.first, days, day) if day in log.moved_days else active_users.get(day, 0),
    )


def _active_users(log: _Log, first: Change, days: Days, day: str) -> int:
    if day in log.active_users:
        return log.active_users[day]
    # No event of the day can have come before the log begins: none lies further ahead than this.
    is_older = clock.moment(first.committed_at) < clock.moment(days.start(day)) - _AHEAD
    if not is_older and not _is_first(first):
        raise PositionGone("the change log does not reach back far enough to know the active users at this position")
    return 0


def _is_first(change: Change) -> bool:
    """Say whether nothing was committed before a change."""
    return change.sequence == 1
