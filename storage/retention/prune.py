"""Pruning: rows older than the retention are removed, in steps.

First the cutoffs move: from then on nothing needs the counters by minute and hour before them, nor, before those of
every table, the users of each day. These are deleted next, and the rows last, oldest first: while there are rows, there
is work left.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial

from sqlalchemy import ColumnElement, Connection, Select, Table, and_, delete, func, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from storage.model.changes import MINUTES, RECENT
from storage.model.clock import Days
from storage.model.cutoffs import Cutoffs
from storage.model.metrics import NAMES
from storage.model.rollups import EVENTS_OF, LLM_MODEL_HOURS, RESPONSE_HOURS, USER_DAYS
from storage.model.user_days import HOURLY_USERS
from storage.read.snapshots import NEWEST_STARTS
from storage.retention.archive import archive_sums, count_for_good, remove
from storage.retention.steps import NOTHING, ROWS, Done, Step, Steps
from storage.tables import schema
from storage.tables.heads import Head, move_cutoffs
from storage.tables.rows import TIMES

_counters = schema.counters.c
_archived = schema.archived_counters.c
_heads = schema.heads.c
_activity = schema.user_activity.c

_ACTIVE_USERS = "active_users"
EXPIRED_ROWS = 2000
"""How many small rows a step deletes at the most."""


async def prune(steps: Steps, tenant_id: str, wanted: Cutoffs) -> Counter[str]:
    """Remove the tenant's rows before the *wanted* cutoffs, and what expires with them; gives how much, by table.

    Any number of processes may do it at once, and it may be interrupted anywhere: the next call continues.
    """
    days, removed = steps.database.days, Counter[str]()
    async with steps.database.read() as connection:
        if not await _is_due(connection, tenant_id, wanted, days):
            return removed
    await steps.take(tenant_id, _move_cutoffs(wanted))
    for step in (_count_users_of_day(days), _delete_expired(days), *(_remove(table, wanted, days) for table in TIMES)):
        while (done := await steps.take(tenant_id, step)).moved:
            removed += Counter({done.what: done.rows})
    return removed


async def read_tenants(connection: AsyncConnection) -> list[str]:
    """Name all tenants."""
    return list(await connection.scalars(select(_heads.tenant_id).order_by(_heads.tenant_id)))


async def count_due(connection: AsyncConnection, tenant_id: str, wanted: Cutoffs) -> Counter[str]:
    """Count the rows of each table that lie before the *wanted* cutoffs."""
    due = Counter[str]()
    for table, before in _old_rows(tenant_id, wanted):
        due[table.name] = await connection.scalar(select(func.count()).select_from(table).where(before)) or 0
    return due


async def _is_due(connection: AsyncConnection, tenant_id: str, wanted: Cutoffs, days: Days) -> bool:
    for table, old in _old_rows(tenant_id, wanted):
        if await connection.scalar(_any(table, old)) is not None:
            return True
    known = schema.user_days.c
    oldest = await connection.scalar(select(func.min(known.day)).where(known.tenant_id == tenant_id))
    return bool(oldest and wanted.earliest) and str(oldest) < days.of(wanted.earliest)


def _old_rows(tenant_id: str, wanted: Cutoffs) -> Iterator[tuple[Table, ColumnElement[bool]]]:
    """Say of each table with a cutoff which rows lie before it."""
    for table, time in TIMES.items():
        if before := wanted.tables[table.name]:
            yield table, and_(table.c.tenant_id == tenant_id, table.c[time] < before)


def _any(table: Table, where: ColumnElement[bool]) -> Select[int]:
    return select(table.c.id).where(where).limit(1)


def newest_activities(connection: Connection, tenant_id: str) -> set[int]:
    """Give the ids of the activities that subscribers show."""
    newest = select(_activity.id).where(_activity.tenant_id == tenant_id)
    return set(connection.scalars(newest.order_by(_activity.timestamp.desc(), _activity.id.desc()).limit(RECENT)))


def _move_cutoffs(wanted: Cutoffs) -> Step:
    """Move the cutoffs. Subscribers hold no minute before the latest one, so those that do take a snapshot."""

    def step(connection: Connection, head: Head) -> Done:
        cutoffs = head.cutoffs.later(wanted)
        if cutoffs == head.cutoffs:
            return NOTHING
        shown = {"tenant": head.tenant_id, "since": head.cutoffs.latest}
        starts = sorted(connection.scalars(NEWEST_STARTS, shown))[-MINUTES:]
        move_cutoffs(connection, head.tenant_id, cutoffs)
        return Done(reset=bool(starts) and starts[0] < cutoffs.latest)

    return step


def _count_users_of_day(days: Days) -> Step:
    """Archive the number of users of one more day: then their ids are not needed any more."""

    def step(connection: Connection, head: Head) -> Done:
        cutoffs, known = head.cutoffs, schema.user_days.c
        end = days.of(cutoffs.earliest) if cutoffs.earliest else ""
        if cutoffs.user_days >= end:
            return NOTHING
        ours = (known.tenant_id == head.tenant_id, known.day >= cutoffs.user_days, known.day < end)
        day = connection.scalar(select(func.min(known.day)).where(*ours))
        if day is not None:
            active = select(func.count()).where(known.tenant_id == head.tenant_id, known.day == day)
            archive_sums(connection, head.tenant_id, {(_ACTIVE_USERS, day): connection.scalar(active) or 0})
            count_for_good(connection, head.tenant_id, day)
            end = days.shift(day, 1)
        move_cutoffs(connection, head.tenant_id, cutoffs.with_counted_days(end))
        return Done()

    return step


def _delete_expired(days: Days) -> Step:
    """Delete counters by minute and hour, and users by day, that have expired: no recount reads them."""

    def step(connection: Connection, head: Head) -> Done:
        left = EXPIRED_ROWS
        for cut in _deletions(connection, head, days):
            left -= cut(left)
            if left <= 0:
                break
        return NOTHING if left == EXPIRED_ROWS else Done(EXPIRED_ROWS - left, "rollups")

    return step


def _deletions(connection: Connection, head: Head, days: Days) -> Iterator[Callable[[int], int]]:
    """Say what there may be to delete: each deletes up to so many rows, and gives how many it did."""
    tenant_id, cutoffs = head.tenant_id, head.cutoffs
    totals = select(_counters.metric).where(_counters.tenant_id == tenant_id, _counters.grain == "total")
    for metric in sorted({*connection.scalars(totals), *NAMES, HOURLY_USERS}):
        if before := cutoffs.of(metric):
            for grain, end in (("minute", before), ("hour", _past_hour(before))):
                of_grain = and_(_counters.tenant_id == tenant_id, _counters.grain == grain, _counters.metric == metric)
                expired = and_(of_grain, _counters.start < end)
                yield partial(_delete_first, connection, schema.counters, (_counters.start,), expired)
            yield partial(_archive_by_day, connection, tenant_id, metric, before, days)
            if metric == HOURLY_USERS:
                of_metric = and_(_archived.tenant_id == tenant_id, _archived.metric == metric)
                expired = and_(of_metric, _archived.start < _past_hour(before))
                yield partial(_delete_first, connection, schema.archived_counters, (_archived.start,), expired)
    for table in (schema.user_days, schema.ARCHIVE[USER_DAYS.name]):
        settled = and_(table.c.tenant_id == tenant_id, table.c.day < cutoffs.user_days)
        yield partial(_delete_first, connection, table, (table.c.day, table.c.user_id), settled)
    for table in (schema.response_hours, schema.ARCHIVE[RESPONSE_HOURS.name]):
        for scope, events in EVENTS_OF.items():
            if before := cutoffs.tables[events]:
                of_scope = and_(table.c.tenant_id == tenant_id, table.c.scope == scope)
                expired = and_(of_scope, table.c.hour < _past_hour(before))
                yield partial(_delete_first, connection, table, (table.c.hour, table.c.label), expired)
    if before := cutoffs.tables[schema.llm_calls.name]:
        for store in (schema.ROLLUPS, schema.ARCHIVE):
            table = store[LLM_MODEL_HOURS.name]
            expired = and_(table.c.tenant_id == tenant_id, table.c.hour < _past_hour(before))
            yield partial(_delete_first, connection, table, (table.c.hour, table.c.model), expired)


def _past_hour(cutoff: str) -> str:
    """Give the text before which the hours that have expired sort: the whole one in which the cutoff lies has."""
    # ":" sorts behind the hour, and before the next one.
    return cutoff[:13] + ("" if cutoff.endswith("00") else ":")


def _delete_first(
    connection: Connection, table: Table, key: tuple[ColumnElement[str], ...], where: ColumnElement[bool], limit: int
) -> int:
    """Delete the first rows, in the order of *key*, that *where* selects."""
    last = connection.execute(select(*key).where(where).order_by(*key).offset(limit - 1).limit(1)).first()
    if last is not None:
        where = and_(where, tuple_(*key) <= tuple_(*last))
    return connection.execute(delete(table).where(where)).rowcount


def _archive_by_day(connection: Connection, tenant_id: str, metric: str, before: str, days: Days, limit: int) -> int:
    """Archive by day what was archived by a minute that has expired now."""
    expired = and_(
        _archived.tenant_id == tenant_id,
        _archived.metric == metric,
        _archived.start < before,
        func.length(_archived.start) == len(before),
    )
    rows = connection.execute(select(_archived.start, _archived.value).where(expired).limit(limit)).all()
    sums = Counter[tuple[str, str]]()
    for start, value in rows:
        sums[metric, days.of(start)] += value
    archive_sums(connection, tenant_id, sums)
    starts = [start for start, _ in rows]
    connection.execute(delete(schema.archived_counters).where(expired, _archived.start.in_(starts)))
    return len(rows)


def _remove(table: Table, wanted: Cutoffs, days: Days) -> Step:
    """Remove the oldest rows of a table. The last step of all is a reset: the log still has what was removed."""

    def step(connection: Connection, head: Head) -> Done:
        if not (before := wanted.tables[table.name]):
            return NOTHING
        shown = newest_activities(connection, head.tenant_id) if table is schema.user_activity else set()
        removed = remove(connection, head, days, table, table.c[TIMES[table]] < before, ROWS)
        if not removed:
            return NOTHING
        is_last = not any(connection.scalar(_any(*rows)) for rows in _old_rows(head.tenant_id, wanted))
        return Done(len(removed), table.name, reset=is_last or not shown.isdisjoint(removed))

    return step
