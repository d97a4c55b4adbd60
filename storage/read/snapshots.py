"""What a live feed reads: heads, snapshots, and the change log. Every function reads in the caller's transaction."""

from collections.abc import AsyncIterator, Iterable

from sqlalchemy import Select, bindparam, select, union, union_all
from sqlalchemy.ext.asyncio import AsyncConnection

from storage.alerts.rules import count_alerts
from storage.fairness.slicing import Slicer
from storage.model.changes import (
    MINUTES,
    NO_TAG,
    RECENT,
    TOP,
    Change,
    Minutes,
    Position,
    RecentActivity,
    Snapshot,
    TopUser,
)
from storage.model.clock import Days
from storage.model.cutoffs import Cutoffs
from storage.model.metrics import NAMES
from storage.tables import heads, schema

PAGE = 500
"""Entries of the change log that are read at a time."""

_heads = schema.heads.c
_log = schema.changes.c
_counters = schema.counters.c
_activity = schema.user_activity.c
_users = schema.users.c
# Made once: SQLAlchemy would look at each of a thousand names again.
_HEADS = select(_heads.tenant_id, _heads.sequence, _heads.tag).where(
    _heads.tenant_id.in_(bindparam("tenants", expanding=True))
)


async def read_heads(connection: AsyncConnection, epoch: str, tenant_ids: Iterable[str]) -> dict[str, Position]:
    """Read where each tenant stands; a tenant that never sent an event stands at sequence 0."""
    wanted = list(tenant_ids)
    rows = await connection.execute(_HEADS, {"tenants": wanted})
    found = {tenant_id: Position(epoch, sequence, tag) for tenant_id, sequence, tag in rows}
    return {tenant_id: found.get(tenant_id, Position(epoch, 0, NO_TAG)) for tenant_id in wanted}


async def read_head(connection: AsyncConnection, epoch: str, tenant_id: str) -> Position:
    """Read where one tenant stands."""
    return (await read_heads(connection, epoch, [tenant_id]))[tenant_id]


async def read_committed_at(connection: AsyncConnection, tenant_id: str, position: Position) -> str | None:
    """Say when the change that led to a *position* was committed; None if the change log has no such change."""
    body = await connection.scalar(
        select(_log.body).where(
            _log.tenant_id == tenant_id, _log.sequence == position.sequence, _log.tag == position.tag
        )
    )
    return None if body is None else Change.decode(body).committed_at


async def read_cutoffs(connection: AsyncConnection, tenant_id: str) -> Cutoffs:
    """Read how far back the tables of one tenant reach."""
    row = (await connection.execute(select(*heads.CUTOFF_COLUMNS).where(_heads.tenant_id == tenant_id))).one_or_none()
    return Cutoffs() if row is None else heads.cutoffs_of(row)


async def read_totals(connection: AsyncConnection, tenant_id: str, today: str) -> tuple[dict[str, int], dict[str, int]]:
    """Read the counters in total, and the active users by day: of *today* and of the day before."""
    in_tenant = _counters.tenant_id == tenant_id
    columns = (_counters.grain, _counters.metric, _counters.start, _counters.value)
    totals = select(*columns).where(in_tenant, _counters.grain == "total", _counters.start == "")
    # Yesterday's count too: a client that keeps the snapshot may see its clock set back over midnight.
    active = select(*columns).where(
        in_tenant,
        _counters.grain == "day",
        _counters.metric == "active_users",
        _counters.start >= Days.shift(today, -1),
    )
    # Not joined by OR: that would read every counter of the tenant (30 ms at 1,000,000 events).
    rows = [tuple(row) for row in await connection.execute(union_all(totals, active))]
    return (
        {metric: value for grain, metric, _, value in rows if grain == "total"},
        {start: value for grain, _, start, value in rows if grain == "day"},
    )


async def read_snapshot(connection: AsyncConnection, epoch: str, tenant_id: str, today: str) -> Snapshot:
    """Read all that a subscriber shows. Its cost does not depend on the number of events behind it."""
    head = await connection.execute(
        select(_heads.sequence, _heads.tag, *heads.CUTOFF_COLUMNS).where(_heads.tenant_id == tenant_id)
    )
    row = head.one_or_none()
    if row is None:
        # The first commit of a tenant makes its head row first: without one there is nothing else.
        return Snapshot(Position(epoch, 0, NO_TAG), today, {}, {}, [], [], {})
    sequence, tag, *cutoffs = row
    totals, active_users = await read_totals(connection, tenant_id, today)
    activities = await connection.execute(
        select(_activity.id, _activity.user_id, _activity.username, _activity.activity_type, _activity.timestamp)
        .where(_activity.tenant_id == tenant_id)
        .order_by(_activity.timestamp.desc(), _activity.id.desc())
        .limit(RECENT)
    )
    top_users = await connection.execute(
        select(_users.user_id, _users.username, _users.activity_count)
        .where(_users.tenant_id == tenant_id, _users.activity_count > 0)
        .order_by(_users.activity_count.desc(), _users.user_id)
        .limit(TOP)
    )
    return Snapshot(
        position=Position(epoch, sequence, tag),
        day=today,
        totals=totals,
        active_users=active_users,
        activities=[RecentActivity(*row) for row in activities],
        top_users=[TopUser(*row) for row in top_users],
        minutes=await read_minutes(connection, tenant_id, {*totals, "active_users"}, heads.cutoffs_of(cutoffs).latest),
        alerts=await count_alerts(connection, tenant_id),
    )


def _newest_starts(metric: str) -> Select[str]:
    of_metric = (_counters.tenant_id == bindparam("tenant"), _counters.grain == "minute", _counters.metric == metric)
    newest = (
        select(_counters.start)
        .where(*of_metric, _counters.start >= bindparam("since"))
        .order_by(_counters.start.desc())
        .limit(MINUTES)
    )
    return select(newest.subquery().c.start)


# A minute that has a labelled counter has a plain one too, so these find every minute.
NEWEST_STARTS = union(*(_newest_starts(name) for name in NAMES))


async def read_minutes(connection: AsyncConnection, tenant_id: str, metrics: Iterable[str], since: str) -> Minutes:
    """Read the counters named *metrics* of the newest :data:`MINUTES` minutes that have any, none before *since*."""
    starts = sorted(await connection.scalars(NEWEST_STARTS, {"tenant": tenant_id, "since": since}))[-MINUTES:]
    minutes: Minutes = {start: {} for start in starts}
    if starts:
        rows = await connection.execute(
            select(_counters.start, _counters.metric, _counters.value).where(
                _counters.tenant_id == tenant_id,
                _counters.grain == "minute",
                # By name, so that the key leads to each one's newest rows.
                _counters.metric.in_(sorted(metrics)),
                _counters.start >= starts[0],
            )
        )
        for start, metric, value in rows:
            minutes[start][metric] = value
    return minutes


async def read_changes(connection: AsyncConnection, tenant_id: str, after: int, limit: int) -> list[Change]:
    """Read up to *limit* entries of the change log behind the sequence *after*, oldest first."""
    rows = await connection.execute(
        select(_log.body).where(_log.tenant_id == tenant_id, _log.sequence > after).order_by(_log.sequence).limit(limit)
    )
    return [Change.decode(body) for (body,) in rows]


async def read_log(connection: AsyncConnection, tenant_id: str, after: int) -> AsyncIterator[Change]:
    """Read the change log behind the sequence *after* to its end, oldest first; others have their turn meanwhile."""
    slicer, more = Slicer(), True
    while more:
        page = await read_changes(connection, tenant_id, after, PAGE)
        for change in page:
            yield change
            after = change.sequence
            await slicer.yield_if_due()
        # Within one transaction nothing is added to it.
        more = len(page) == PAGE
