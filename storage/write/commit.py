"""One commit: a tenant's events become rows, rollups and one change-log entry, inside the caller's transaction."""

import heapq
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from storage.alerts.decide import decide, watch_of
from storage.model.changes import MINUTES, AlertCounts, Change, Minutes, Position
from storage.model.clock import Days, now
from storage.model.events import KINDS, AnyEvent
from storage.model.merging import Rolled, gather, roll
from storage.model.rollup import Entry
from storage.prices.pricing import price_calls
from storage.tables import schema
from storage.tables.bulk import Lookup, add
from storage.tables.heads import Head, append, lock
from storage.tables.known import read_known
from storage.tables.rollup_rows import LIVE
from storage.tables.rows import TABLES, insert
from storage.write.row_cache import KeptRows, kept_after


@dataclass(frozen=True)
class Outcome:
    """What a commit did. ``recorded`` has one truth value an event; ``change`` is None if all were duplicates.

    ``kept`` are rows that the tenant's next commit need not read, once this one is durable. ``deliveries`` says how
    many messages about alerts wait to be sent because of it.
    """

    recorded: list[bool]
    position: Position
    change: Change | None
    kept: KeptRows | None
    deliveries: int = 0


def commit(
    connection: Connection,
    epoch: str,
    days: Days,
    tenant_id: str,
    arrived: Sequence[tuple[AnyEvent, str]],
    keep: int,
    kept: KeptRows | None = None,
) -> Outcome:
    """Write the events of one tenant; each comes with the time at which it arrived.

    *keep* is how many entries the change log holds at the least. *kept* is of the outcome of an earlier commit; it is
    changed in place. The caller's transaction must end in a commit before the outcome is used.
    """
    head = lock(connection, tenant_id)
    watch = watch_of(connection, head, None if kept is None else kept.watch)
    if kept is not None and not kept.are_of(head):
        kept = None
    recorded = _new(connection, tenant_id, [event for event, _ in arrived])
    accepted = [pair for pair, is_new in zip(arrived, recorded, strict=True) if is_new]
    if not accepted:
        return Outcome(recorded, Position(epoch, head.sequence, head.tag), None, kept)
    entries = []
    for row_id, (event, arrival) in enumerate(accepted, head.last_id + 1):
        at = arrival if event.timestamp is None else str(event.timestamp)
        entries.append(Entry(event, row_id, at, days.of(at)))
    price_calls(connection, tenant_id, entries)
    batch = gather(entries)
    known = read_known(connection, tenant_id, batch, days, head.cutoffs, None if kept is None else kept.known)
    rolled = roll(batch, known, days.of, head.cutoffs)
    insert(connection, tenant_id, entries)
    sums = write_rollups(connection, tenant_id, rolled)
    decided = decide(connection, head, watch, epoch, days, rolled)
    change = change_of(head, epoch, days, rolled, sums, decided.counts)
    append(connection, change, entries[-1].id, keep)
    return Outcome(
        recorded, change.position, change, kept_after(known, change.position, kept, watch), decided.deliveries
    )


def change_of(
    head: Head, epoch: str, days: Days, rolled: Rolled, sums: "Sums", alerts: AlertCounts | None = None
) -> Change:
    """Make the change after *head* of what was written to the rollups."""
    return Change(
        tenant_id=head.tenant_id,
        epoch=epoch,
        sequence=head.sequence + 1,
        tag=head.next_tag,
        committed_at=now(),
        totals={metric: value for (grain, metric, _), value in sums.items() if grain == "total"},
        active_users=_recent_active_users(sums, days),
        activities=rolled.activities,
        top_users=rolled.top_users,
        minutes=_newest_minutes(sums, head.cutoffs.latest),
        alerts=alerts,
    )


_IDS = {kind.event: ("event_id", *kind.ids) for kind in KINDS}
_FIND = {(kind, name): Lookup(TABLES[kind], name, [name]) for kind, names in _IDS.items() for name in names}


def _new(connection: Connection, tenant_id: str, events: Sequence[AnyEvent]) -> list[bool]:
    """Say of each event whether its ids are new: neither in the database nor earlier in *events*."""
    of_kind: defaultdict[type[AnyEvent], list[AnyEvent]] = defaultdict(list)
    for event in events:
        of_kind[type(event)].append(event)
    seen: dict[type[AnyEvent], list[tuple[str, set[str]]]] = {}
    for kind, found in of_kind.items():
        seen[kind] = [(name, _known(connection, tenant_id, kind, name, found)) for name in _IDS[kind]]
    return [_is_new(event, seen[type(event)]) for event in events]


def _is_new(event: AnyEvent, seen: Sequence[tuple[str, set[str]]]) -> bool:
    """Say whether none of the event's ids was *seen*, by their names; then they are from now on."""
    for name, values in seen:
        if getattr(event, name) in values:
            return False
    for name, values in seen:
        if (value := getattr(event, name)) is not None:
            values.add(value)
    return True


def _known(
    connection: Connection, tenant_id: str, kind: type[AnyEvent], name: str, events: Sequence[AnyEvent]
) -> set[str]:
    """Find which of the events' ids of this *name* are in the database."""
    ids = {getattr(event, name) for event in events} - {None}
    return {value for (value,) in _FIND[kind, name].find(connection, (tenant_id,), ids)} if ids else set()


_ADD_COUNTERS = add(schema.counters)


Sums = dict[tuple[str, str, str], int]
"""Counters by (grain, metric, start)."""


def write_rollups(connection: Connection, tenant_id: str, rolled: Rolled) -> Sums:
    """Write the rows and add to the counters; gives the counters that moved, as they stand now."""
    LIVE.write(connection, tenant_id, rolled)
    added = [(tenant_id, *key, value) for key, value in sorted(rolled.counters.items())]
    return {(grain, metric, start): value for _, grain, metric, start, value in _ADD_COUNTERS.write(connection, added)}


def _recent_active_users(sums: Sums, days: Days) -> dict[str, int]:
    """Pick the active users of those days that can be a today."""
    recent = days.shift(days.today(), -1)
    return {
        start: value
        for (grain, metric, start), value in sums.items()
        if grain == "day" and metric == "active_users" and start >= recent
    }


def _newest_minutes(sums: Sums, since: str) -> Minutes:
    """Pick the minutes that a subscriber can hold: none before *since*, where counters have expired."""
    minutes: Minutes = {}
    for (grain, metric, start), value in sums.items():
        if grain == "minute" and start >= since:
            minutes.setdefault(start, {})[metric] = value
    return {start: minutes[start] for start in heapq.nlargest(MINUTES, minutes)}
