"""Removing rows: what they had added to rollups moves to the archive, in the transaction that deletes them.

The archive has the rollups of the removed rows, made by the same :func:`roll`. So at every moment the rollups are what
a recount over archive and raw rows gives.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence

from sqlalchemy import ColumnElement, Connection, Table, and_, delete, select, text

from storage.model.clock import Days
from storage.model.cutoffs import Cutoffs
from storage.model.merging import Batch, Known, Rolled, gather, roll
from storage.model.metrics import DERIVED
from storage.model.rollup import Entry, Key, Rollup, Row
from storage.model.rollups import ROLLUPS, USER_DAYS, USER_RETURNS
from storage.model.user_days import HOURLY_USERS, hours
from storage.tables import schema
from storage.tables.bulk import add
from storage.tables.heads import Head
from storage.tables.rollup_rows import ARCHIVE, LIVE, by_group
from storage.tables.rows import TIMES, columns, entry

_ADD = add(schema.archived_counters)
_ADD_RETURNS = add(schema.ARCHIVE[USER_RETURNS.name])


def remove(
    connection: Connection, head: Head, days: Days, table: Table, where: ColumnElement[bool], limit: int
) -> list[int]:
    """Remove up to *limit* rows of the tenant, oldest first, and archive what they added; gives their ids."""
    of_tenant = table.c.tenant_id == head.tenant_id
    query = select(*columns(table)).where(of_tenant, where).order_by(table.c[TIMES[table]]).limit(limit)
    entries = [entry(table, row, days) for row in connection.execute(query)]
    if entries:
        _archive(connection, head, days, entries)
    ids = [removed.id for removed in entries]
    if ids:
        connection.execute(delete(table).where(of_tenant, table.c.id.in_(ids)))
    return ids


def _archive(connection: Connection, head: Head, days: Days, entries: Sequence[Entry]) -> None:
    batch = gather(entries)
    rolled = roll(batch, _known(connection, head.tenant_id, batch), days.of, head.cutoffs)
    ARCHIVE.write(connection, head.tenant_id, rolled)
    archive_sums(connection, head.tenant_id, _sums(rolled, days))


def _known(connection: Connection, tenant_id: str, batch: Batch) -> Known:
    """Read the archived rows that are touched; a label has a row of its own if it has one among the live rows."""
    known = ARCHIVE.read(connection, tenant_id, batch)
    for rollup in ROLLUPS:
        if rollup.bound is not None:
            keys = batch.facts[rollup.name]
            known.named |= {(rollup.name, key) for key in LIVE.tables[rollup.name].find(connection, tenant_id, keys)}
            known.labels |= dict.fromkeys(((rollup.name, group) for group in by_group(keys)), rollup.bound)
    return known


Sums = dict[tuple[str, str], int]
"""Archived counters by (metric, start)."""


def _sums(rolled: Rolled, days: Days) -> Sums:
    """Take what was added to each minute, and of a day what was not added to a minute because that has expired."""
    sums: defaultdict[tuple[str, str], int] = defaultdict(int)
    for (grain, metric, start), value in rolled.counters.items():
        # Those that are derived follow from the archived rows.
        if metric not in DERIVED and grain in ("day", "minute"):
            sums[metric, start] += value
            if grain == "minute":
                sums[metric, days.of(start)] -= value
    return sums


def archive_sums(connection: Connection, tenant_id: str, sums: Sums) -> None:
    """Add to the archived counters."""
    rows = [(tenant_id, metric, start, value) for (metric, start), value in sorted(sums.items()) if value]
    _ADD.write(connection, rows)


def start_of(metric: str, at: str, cutoffs: Cutoffs, days: Days) -> str:
    """Say where a counter archives what happened *at* a time: its minute, or if that has expired its local day."""
    return days.of(at) if cutoffs.has_expired(metric, at[:16]) else at[:16]


def counts_of(rollup: Rollup, rows: Iterable[Row], cutoffs: Cutoffs, days: Days) -> Counter[tuple[str, str]]:
    """Give the counts of rows that will be deleted, as archived counters: each stays counted where it was."""
    sums = Counter[tuple[str, str]]()
    for row in rows:
        if not rollup.expires(row.key, cutoffs):
            for count, at in rollup.counted(row.values):
                sums[count.metric, start_of(count.metric, at, cutoffs, days) if at else ""] += 1
    return sums


def archive_hours(connection: Connection, tenant_id: str, rows: Mapping[Key, Row], cutoffs: Cutoffs) -> None:
    """Keep a user counted in each hour of the days that will be deleted."""
    place = USER_DAYS.place("hours")
    active = {hour for (day, _), row in rows.items() for hour in hours(day, row.values[place])}
    sums = {(HOURLY_USERS, hour): 1 for hour in active if not cutoffs.has_expired(HOURLY_USERS, hour)}
    archive_sums(connection, tenant_id, sums)


def archive_returns(
    connection: Connection, tenant_id: str, user_id: str, cutoffs: Cutoffs, active: Iterable[str]
) -> None:
    """Keep a user counted on each of the *active* days that will be deleted, by the day before; forget the last one
    that was counted for good.
    """
    of_user = and_(_counted.tenant_id == tenant_id, _counted.user_id == user_id)
    previous = connection.scalar(select(_counted.day).where(of_user)) or ""
    rows = []
    for day in sorted(day for day in active if day >= cutoffs.user_days):
        rows.append((tenant_id, day, previous, 1))
        previous = day
    _ADD_RETURNS.write(connection, rows)
    connection.execute(delete(schema.last_counted_days).where(of_user))


def count_for_good(connection: Connection, tenant_id: str, day: str) -> None:
    """Archive the returns of a *day* as they are, and that of all its users it is the last day counted for good."""
    values = {"tenant": tenant_id, "day": day}
    for statement in _COUNT_FOR_GOOD:
        connection.execute(statement, values)


_counted = schema.last_counted_days.c
_COUNT_FOR_GOOD = tuple(
    text(statement)
    for statement in (
        "DELETE FROM carried_user_returns WHERE tenant_id = :tenant AND day = :day",
        "INSERT INTO carried_user_returns SELECT tenant_id, day, previous, users FROM user_returns "
        "WHERE tenant_id = :tenant AND day = :day AND users <> 0",
        "INSERT INTO carried_last_days SELECT tenant_id, user_id, day FROM user_days "
        "WHERE tenant_id = :tenant AND day = :day "
        "ON CONFLICT (tenant_id, user_id) DO UPDATE SET day = excluded.day",
    )
)
