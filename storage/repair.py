"""Rebuilding rollups from the raw tables, by the code that commits use; ``verify.py`` recounts what comes out.

A tenant is rebuilt in one transaction that holds its head: nobody commits for it meanwhile, and whoever reads sees the
old rollups until the new ones are whole. It ends with a reset change, by which feeds load their state anew and panels
take a snapshot.
"""

import heapq
import secrets
from collections.abc import Callable, Iterator
from itertools import islice

from sqlalchemy import Connection, bindparam, delete, func, select, update

from storage import schema
from storage.changes import Change
from storage.clock import Days, now
from storage.commit import TABLES, _append, _known, _lock_head, _write_rollup
from storage.database import Database
from storage.events import AnyEvent
from storage.rollups import Entry, roll

PAGE_EVENTS = 2000
"""Events that are rolled up at a time, as in a commit."""

ROLLUPS = (schema.users, schema.user_days, schema.conversation_metrics, schema.endpoint_days, schema.counters)

Progress = Callable[[int, int], None]
"""Told which id was reached, and which is the last one."""


async def rebuild(database: Database, tenant_id: str, progress: Progress) -> int:
    """Rebuild a tenant's rollups; gives the number of its events. Raises what :meth:`Database.write` raises."""
    return await database.write(
        lambda connection: _rebuild(connection, database.epoch, database.days, tenant_id, progress)
    )


async def cut_anew(database: Database, zone: str, progress: Progress) -> dict[str, int]:
    """Rebuild every tenant with the days of another *zone*, all in one transaction; gives their numbers of events.

    Raises :exc:`DatabaseInUse` if another process has the database open: it would go on with the days that it knows.
    """
    days = Days(zone)

    def work(connection: Connection) -> dict[str, int]:
        database.hold_alone(connection)
        connection.execute(update(_about).where(_about.c.name == "timezone").values(value=zone))
        tenants = connection.scalars(select(schema.heads.c.tenant_id).order_by(schema.heads.c.tenant_id)).all()
        return {tenant: _rebuild(connection, database.epoch, days, tenant, progress) for tenant in tenants}

    done = await database.write(work)
    database.days = days
    return done


_about = schema.about


def _rebuild(connection: Connection, epoch: str, days: Days, tenant_id: str, progress: Progress) -> int:
    sequence, _tag, last_id = _lock_head(connection, tenant_id)
    for table in ROLLUPS:
        connection.execute(delete(table).where(table.c.tenant_id == tenant_id))
    count, newest = 0, last_id
    for entries in _pages(connection, tenant_id, days):
        _write_rollup(connection, tenant_id, roll(entries, _known(connection, tenant_id, entries), days.of))
        count += len(entries)
        newest = max(newest, entries[-1].id)
        progress(entries[-1].id, newest)
    log = schema.changes.c
    logged = connection.scalar(select(func.max(log.sequence)).where(log.tenant_id == tenant_id)) or 0
    sequence = max(sequence, logged) + 1
    change = Change(tenant_id, epoch, sequence, secrets.token_hex(4), now(), {}, {}, [], [], None)
    connection.execute(delete(schema.changes).where(log.tenant_id == tenant_id))
    _append(connection, change, newest, 1)
    return count


def _pages(connection: Connection, tenant_id: str, days: Days) -> Iterator[list[Entry]]:
    """Read a tenant's events in the order of their ids, which is the one in which they were committed."""
    tables = (_events(connection, kind, tenant_id, days) for kind in TABLES)
    merged = heapq.merge(*tables, key=lambda entry: entry.id)
    while page := list(islice(merged, PAGE_EVENTS)):
        yield page


_FIELDS = {"response_time_us": "response_time", "created_at": "timestamp"}
"""Columns that are another name for an event's field."""


def _events(connection: Connection, kind: type[AnyEvent], tenant_id: str, days: Days) -> Iterator[Entry]:
    table = TABLES[kind]
    fields = [_FIELDS.get(column.name, column.name) for column in list(table.c)[2:]]
    query = (
        select(table.c.id, *list(table.c)[2:])
        .where(table.c.tenant_id == tenant_id, table.c.id > bindparam("after"))
        .order_by(table.c.id)
        .limit(PAGE_EVENTS)
    )
    after = -1
    while rows := connection.execute(query, {"after": after}).all():
        for row_id, *values in rows:
            event = kind(**dict(zip(fields, values, strict=True)))
            at = str(event.timestamp)
            yield Entry(event, row_id, at, days.of(at))
        after = rows[-1].id
