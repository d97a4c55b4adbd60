"""One commit: a tenant's events become rows, rollups and one change-log entry, inside the caller's transaction."""

import heapq
import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, bindparam, func, select

from storage.model.changes import MINUTES, Change, Minutes, Position
from storage.model.clock import Days, now
from storage.model.events import AnyEvent, Message
from storage.model.rollups import OTHER_ENDPOINTS, Entry, Known, Rollup, roll, touched
from storage.tables import schema
from storage.tables.bulk import Lookup, add
from storage.tables.heads import append, lock
from storage.tables.rollup_rows import LIVE, by_day, read_models
from storage.tables.rows import TABLES, insert


@dataclass(frozen=True)
class Outcome:
    """What a commit did. ``recorded`` has one truth value an event; ``change`` is None if all were duplicates."""

    recorded: list[bool]
    position: Position
    change: Change | None


def commit(
    connection: Connection,
    epoch: str,
    days: Days,
    tenant_id: str,
    arrived: Sequence[tuple[AnyEvent, str]],
    keep: int,
) -> Outcome:
    """Write the events of one tenant; each comes with the time at which it arrived.

    *keep* is how many entries the change log holds at the least. The caller's transaction must end in a commit before
    anything of the outcome is told to anyone.
    """
    head = lock(connection, tenant_id)
    recorded = _new(connection, tenant_id, [event for event, _ in arrived])
    accepted = [pair for pair, is_new in zip(arrived, recorded, strict=True) if is_new]
    if not accepted:
        return Outcome(recorded, Position(epoch, head.sequence, head.tag), None)
    entries = []
    for row_id, (event, arrival) in enumerate(accepted, head.last_id + 1):
        at = arrival if event.timestamp is None else str(event.timestamp)
        entries.append(Entry(event, row_id, at, days.of(at)))
    rollup = roll(entries, read_known(connection, tenant_id, entries), days.of, head.horizons)
    insert(connection, tenant_id, entries)
    sums = write_rollup(connection, tenant_id, rollup)
    change = Change(
        tenant_id=tenant_id,
        epoch=epoch,
        sequence=head.sequence + 1,
        tag=secrets.token_hex(4),
        committed_at=now(),
        totals={metric: value for (grain, metric, _), value in sums.items() if grain == "total"},
        active_users=_recent_active_users(sums, days),
        activities=rollup.activities,
        top_users=rollup.top_users,
        minutes=_newest_minutes(sums, head.horizons.latest),
    )
    append(connection, change, entries[-1].id, keep)
    return Outcome(recorded, change.position, change)


_FIND_EVENTS = {kind: Lookup(table, "event_id", ["event_id"]) for kind, table in TABLES.items()}
_FIND_MESSAGES = Lookup(schema.message_metrics, "message_id", ["message_id"])


def _new(connection: Connection, tenant_id: str, events: Sequence[AnyEvent]) -> list[bool]:
    """Say of each event whether its ids are new: neither in the database nor earlier in *events*."""
    event_ids: dict[type[AnyEvent], set[str]] = {}
    for event in events:
        if event.event_id is not None:
            event_ids.setdefault(type(event), set()).add(event.event_id)
    seen: set[tuple[type[AnyEvent], str]] = set()
    for kind, keys in event_ids.items():
        seen.update((kind, key) for (key,) in _FIND_EVENTS[kind].find(connection, (tenant_id,), keys))
    message_ids = {event.message_id for event in events if type(event) is Message}
    messages: set[str] = {key for (key,) in _FIND_MESSAGES.find(connection, (tenant_id,), message_ids)}
    recorded = []
    for event in events:
        key = None if event.event_id is None else (type(event), event.event_id)
        message_id = event.message_id if type(event) is Message else None
        is_new = key not in seen and message_id not in messages
        if is_new and key is not None:
            seen.add(key)
        if is_new and message_id is not None:
            messages.add(message_id)
        recorded.append(is_new)
    return recorded


def read_known(connection: Connection, tenant_id: str, entries: Sequence[Entry]) -> Known:
    """Read the rows that *entries* touch, and what tells whether a model or an endpoint is counted by itself."""
    keys = touched(entries)
    known = LIVE.read(connection, tenant_id, keys)
    for day, endpoints in by_day(keys.endpoint_days).items():
        # Their number only if one is new, since that reads all of the day.
        if any((day, endpoint) not in known.endpoint_days for endpoint in endpoints):
            known.endpoints[day] = connection.scalar(_COUNT_ENDPOINTS, {"tenant": tenant_id, "day": day}) or 0
    if keys.models:
        known.models = read_models(connection, tenant_id)
    return known


_endpoint_days = schema.endpoint_days.c
_COUNT_ENDPOINTS = select(func.count()).where(
    _endpoint_days.tenant_id == bindparam("tenant"),
    _endpoint_days.day == bindparam("day"),
    _endpoint_days.endpoint != OTHER_ENDPOINTS,
)


_ADD_COUNTERS = add(schema.counters)


Sums = dict[tuple[str, str, str], int]
"""Counters by (grain, metric, start)."""


def write_rollup(connection: Connection, tenant_id: str, rollup: Rollup) -> Sums:
    """Write the rows and add to the counters; gives the counters that moved, as they stand now."""
    LIVE.write(connection, tenant_id, rollup)
    added = [(tenant_id, *key, value) for key, value in sorted(rollup.counters.items())]
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
    """Pick the minutes that can be among those that a panel holds: none before *since*, where something is closed."""
    minutes: Minutes = {}
    for (grain, metric, start), value in sums.items():
        if grain == "minute" and start >= since:
            minutes.setdefault(start, {})[metric] = value
    return {start: minutes[start] for start in heapq.nlargest(MINUTES, minutes)}
