"""Rebuilding rollups from the archive and the raw rows, by the code of commits; ``comparison.py`` proves the result.

A tenant is rebuilt in one transaction that locks its head: no other commit of the tenant runs meanwhile, and readers
see the old rollups until the new ones are complete. It ends with a reset change, after which feeds load their state
again and subscribers get a snapshot.
"""

import heapq
import secrets
from collections.abc import Callable, Iterator
from itertools import islice

from sqlalchemy import Connection, Table, bindparam, delete, func, or_, select, update

from storage.engine.database import Database
from storage.errors import WrongDatabase
from storage.model.changes import Change
from storage.model.clock import Days, now
from storage.model.merging import Known, gather, roll, roll_archive
from storage.model.rollup import Entry
from storage.tables import schema
from storage.tables.heads import CUTOFF_COLUMNS, Head, append, lock
from storage.tables.known import read_known, read_returns
from storage.tables.rollup_rows import ARCHIVE
from storage.tables.rows import TIMES, columns, entry
from storage.write.commit import write_rollups

PAGE_EVENTS = 2000
"""Events that are rolled up at a time, as in a commit."""

TABLES = (*schema.ROLLUPS.values(), schema.counters)
ARCHIVE_TABLES = (*schema.ARCHIVE.values(), schema.last_counted_days, schema.archived_counters)

Progress = Callable[[int, int], None]
"""Called with the id that was reached, and the last one."""


async def rebuild(database: Database, tenant_id: str, progress: Progress) -> int:
    """Rebuild a tenant's rollups; gives the number of its events. Raises what :meth:`Database.write` raises."""
    return await database.write(
        lambda connection: _rebuild(connection, database.epoch, database.days, tenant_id, progress)
    )


async def rebuild_in_zone(database: Database, zone: str, progress: Progress) -> dict[str, int]:
    """Rebuild every tenant with the days of another *zone*, all in one transaction; gives their numbers of events.

    Raises :exc:`DatabaseInUse` if another process has the database open: it would continue with the days of the old
    zone. Raises :exc:`WrongDatabase` if rows were removed: of these only sums by day are left.
    """
    days = Days(zone)

    def work(connection: Connection) -> dict[str, int]:
        database.lock_exclusively(connection)
        if _has_archive(connection):
            raise WrongDatabase(
                f"events were removed from this database, and what is left of them are sums by days of "
                f"{database.days.zone.key}: it keeps that zone"
            )
        connection.execute(update(schema.about).where(schema.about.c.name == "timezone").values(value=zone))
        tenants = connection.scalars(select(_heads.tenant_id).order_by(_heads.tenant_id)).all()
        return {tenant: _rebuild(connection, database.epoch, days, tenant, progress) for tenant in tenants}

    done = await database.write(work)
    database.days = days
    return done


_heads = schema.heads.c
_log = schema.changes.c


def _has_archive(connection: Connection) -> bool:
    moved = select(_heads.tenant_id).where(or_(*(column != "" for column in CUTOFF_COLUMNS))).limit(1)
    left = (select(table.c.tenant_id).limit(1) for table in ARCHIVE_TABLES)
    return any(connection.scalar(query) is not None for query in (moved, *left))


def _rebuild(connection: Connection, epoch: str, days: Days, tenant_id: str, progress: Progress) -> int:
    head = lock(connection, tenant_id)
    for table in TABLES:
        connection.execute(delete(table).where(table.c.tenant_id == tenant_id))
    for known in ARCHIVE.pages(connection, tenant_id):
        returns = read_returns(connection, tenant_id, known, days, head.cutoffs)
        write_rollups(connection, tenant_id, roll_archive(known, [], days.of, head.cutoffs, returns))
    archived = schema.archived_counters.c
    sums = connection.execute(
        select(archived.metric, archived.start, archived.value).where(archived.tenant_id == tenant_id)
    )
    write_rollups(connection, tenant_id, roll_archive(Known(), map(tuple, sums), days.of, head.cutoffs))
    count, last_id = 0, head.last_id
    for entries in _pages(connection, tenant_id, days):
        batch = gather(entries)
        known = read_known(connection, tenant_id, batch, days, head.cutoffs)
        rolled = roll(batch, known, days.of, head.cutoffs)
        write_rollups(connection, tenant_id, rolled)
        count += len(entries)
        last_id = max(last_id, entries[-1].id)
        progress(entries[-1].id, last_id)
    _reset(connection, epoch, head, last_id)
    return count


def _reset(connection: Connection, epoch: str, head: Head, last_id: int) -> None:
    """Start the change log again, beyond every sequence that was given, also if the head lags behind its log."""
    logged = connection.scalar(select(func.max(_log.sequence)).where(_log.tenant_id == head.tenant_id)) or 0
    sequence = max(head.sequence, logged) + 1
    change = Change.unmoved(head.tenant_id, epoch, sequence, secrets.token_hex(4), now(), reset=True)
    append(connection, change, last_id, keep=1)


def _pages(connection: Connection, tenant_id: str, days: Days) -> Iterator[list[Entry]]:
    """Read a tenant's events in the order of their ids, which is the one in which they were committed."""
    tables = (_events(connection, table, tenant_id, days) for table in TIMES)
    merged = heapq.merge(*tables, key=lambda found: found.id)
    while page := list(islice(merged, PAGE_EVENTS)):
        yield page


def _events(connection: Connection, table: Table, tenant_id: str, days: Days) -> Iterator[Entry]:
    query = (
        select(*columns(table))
        .where(table.c.tenant_id == tenant_id, table.c.id > bindparam("after"))
        .order_by(table.c.id)
        .limit(PAGE_EVENTS)
    )
    after = -1
    while rows := connection.execute(query, {"after": after}).all():
        for row in rows:
            yield entry(table, row, days)
        after = rows[-1].id
