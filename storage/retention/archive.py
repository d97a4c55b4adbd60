"""Removing rows: what they had added to rollups moves to the carried tables, in the transaction that deletes them.

The carried tables are the rollups of the removed rows, made by the same :func:`roll`. So at every moment the rollups
are what a recount over carried facts and raw rows gives.
"""

from collections import defaultdict
from collections.abc import Sequence

from sqlalchemy import ColumnElement, Connection, Table, delete, select

from storage.model.clock import Days
from storage.model.cutoffs import Horizons
from storage.model.metrics import DERIVED
from storage.model.rollups import ENDPOINTS, EndpointDay, Entry, Known, Rollup, Touched, roll, touched
from storage.tables import schema
from storage.tables.bulk import Lookup, add
from storage.tables.heads import Head
from storage.tables.rollup_rows import CARRIED, by_day, read_models
from storage.tables.rows import TIMES, columns, entry

_ADD = add(schema.carried_counters)
_FIND_NAMED = Lookup(schema.endpoint_days, "endpoint", ["endpoint"], ["tenant_id", "day"])


def remove(
    connection: Connection, head: Head, days: Days, table: Table, where: ColumnElement[bool], limit: int
) -> list[int]:
    """Remove up to *limit* rows of the tenant, oldest first, and carry what they added; gives their ids."""
    of_tenant = table.c.tenant_id == head.tenant_id
    query = select(*columns(table)).where(of_tenant, where).order_by(table.c[TIMES[table]]).limit(limit)
    entries = [entry(table, row, days) for row in connection.execute(query)]
    if entries:
        _carry(connection, head, days, entries)
    ids = [removed.id for removed in entries]
    if ids:
        connection.execute(delete(table).where(of_tenant, table.c.id.in_(ids)))
    return ids


def _carry(connection: Connection, head: Head, days: Days, entries: Sequence[Entry]) -> None:
    rollup = roll(entries, _known(connection, head.tenant_id, touched(entries)), days.of, head.horizons)
    CARRIED.write(connection, head.tenant_id, rollup)
    carry_sums(connection, head.tenant_id, _sums(rollup, days))


def _known(connection: Connection, tenant_id: str, keys: Touched) -> Known:
    """Read the carried rows that are touched; what is counted by its name is what was when it was recorded."""
    known = CARRIED.read(connection, tenant_id, keys)
    known.models = read_models(connection, tenant_id) if keys.models else set()
    for day, endpoints in by_day(keys.endpoint_days).items():
        for (endpoint,) in _FIND_NAMED.find(connection, (tenant_id, day), endpoints):
            known.endpoint_days.setdefault((day, endpoint), EndpointDay(day, endpoint, 0, 0, 0, {}))
        known.endpoints[day] = ENDPOINTS
    return known


Sums = dict[tuple[str, str], int]
"""Carried counters by (metric, start)."""


def _sums(rollup: Rollup, days: Days) -> Sums:
    """Take what was added to each minute, and of a day what was not added to a minute of it because that is closed."""
    sums: defaultdict[tuple[str, str], int] = defaultdict(int)
    for (grain, metric, start), value in rollup.counters.items():
        # Those that are derived follow from the carried facts.
        if metric not in DERIVED and grain in ("day", "minute"):
            sums[metric, start] += value
            if grain == "minute":
                sums[metric, days.of(start)] -= value
    return sums


def carry_sums(connection: Connection, tenant_id: str, sums: Sums) -> None:
    """Add to the carried counters."""
    rows = [(tenant_id, metric, start, value) for (metric, start), value in sorted(sums.items()) if value]
    _ADD.write(connection, rows)


def start_of(metric: str, at: str, horizons: Horizons, days: Days) -> str:
    """Say where a counter carries what happened *at* a time: at its minute, or if that is closed at its local day."""
    return days.of(at) if horizons.closes(metric, at[:16]) else at[:16]
