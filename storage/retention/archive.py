"""Removing rows: what they had added to rollups moves to the archive, in the transaction that deletes them.

The archive has the rollups of the removed rows, made by the same :func:`roll`. So at every moment the rollups are what
a recount over archive and raw rows gives.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

from sqlalchemy import ColumnElement, Connection, Table, delete, select

from storage.model.clock import Days
from storage.model.cutoffs import Cutoffs
from storage.model.merging import Batch, Known, Rolled, gather, roll
from storage.model.metrics import DERIVED
from storage.model.rollup import Entry, Rollup, Row
from storage.model.rollups import ROLLUPS
from storage.tables import schema
from storage.tables.bulk import add
from storage.tables.heads import Head
from storage.tables.rollup_rows import ARCHIVE, LIVE, by_group
from storage.tables.rows import TIMES, columns, entry

_ADD = add(schema.archived_counters)


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
