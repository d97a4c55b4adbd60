"""Distinct users of any range of time, and of each hour or minute of one.

Whole local days are counted by returns, so that they cost what their days cost, not their users. What a range has
beside them, at its edges, is counted by the hours of users' days, and what lies within an hour by the events of it.

A count is None if it cannot be known: rows of that time were removed, or a user was erased who was active in the hours
at the edges. Of an erased user the sums are left, which do not say whether hours and days were the same user's.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from sqlalchemy import Select, Subquery, func, select, union
from sqlalchemy.ext.asyncio import AsyncConnection

from storage.model import clock
from storage.model.clock import Days
from storage.model.cutoffs import Cutoffs
from storage.model.events import EARLIEST
from storage.model.rollups import USER_DAYS
from storage.model.user_days import HOURLY_USERS, hour_bit, hours
from storage.read.snapshots import read_cutoffs
from storage.tables import schema
from storage.tables.rows import TIMES

_counters = schema.counters.c
_removed = schema.ARCHIVE[USER_DAYS.name].c
_archived = schema.archived_counters.c
_days = schema.user_days.c
_returns = schema.user_returns.c
_HOUR = timedelta(hours=1)
_MINUTE = len("2026-11-22T05:30")
_LAST = "9999-12-31"
_REST_OF_HOUR = ":00:00.000Z"
_REST_OF_LAST_MINUTE = ":60"
"""Sorts behind all times of a minute."""


@dataclass
class Parts:
    """What a range is made of: the whole local days from ``first`` up to, not including, ``end``, and what is beside.

    ``hours`` has bits of hours by local day, as ``user_days`` has them; ``spans`` are times within an hour. ``touched``
    are the hours of UTC of both.
    """

    first: str
    end: str
    hours: dict[str, int] = field(default_factory=dict)
    spans: list[tuple[str, str]] = field(default_factory=list)
    touched: set[str] = field(default_factory=set)

    @property
    def has_days(self) -> bool:
        """Whether there is a whole day."""
        return self.first < self.end

    @property
    def has_edges(self) -> bool:
        """Whether there is anything but whole days."""
        return bool(self.touched)


def parts(days: Days, start: str, end: str) -> Parts:
    """Take a range between two timestamps apart."""
    first, last = days.of(start), days.of(end)
    whole = first if days.start(first) == start else days.shift(first, 1)
    found = Parts(whole, max(whole, last))
    for day in dict.fromkeys((first, last)):
        if not found.first <= day < found.end:
            _add_hours(found, days, day, start, end)
    return found


def _add_hours(found: Parts, days: Days, day: str, start: str, end: str) -> None:
    """Add what a range has of a local day of which it does not have all."""
    begin, past = max(start, days.start(day)), min(end, days.start(days.shift(day, 1)))
    if begin >= past:
        return
    at = begin[:13]
    while (hour := at + _REST_OF_HOUR) < past:
        after = clock.text(clock.moment(hour) + _HOUR)
        since, until = max(hour, days.start(day)), min(after, days.start(days.shift(day, 1)))
        if begin <= since and until <= past:
            found.hours[day] = found.hours.get(day, 0) | 1 << hour_bit(at, day)
        else:
            found.spans.append((max(begin, since), min(past, until)))
        found.touched.add(at)
        at = after[:13]


async def count_active_users(
    connection: AsyncConnection, tenant_id: str, days: Days, start: str, end: str
) -> int | None:
    """Count the distinct users with an event from one timestamp up to, not including, another; None: not known."""
    # No event lies before 1970, or more than five minutes ahead; a calendar ends some thousand years from now.
    start, end = max(start, EARLIEST), min(end, days.start(days.shift(days.today(), 2)))
    if start >= end:
        return 0
    found, cutoffs = parts(days, start, end), await read_cutoffs(connection, tenant_id)
    if not _is_known(found, cutoffs, days):
        return None
    if found.touched & await _erased_hours(connection, tenant_id, start, end):
        return None
    for since, until in found.spans:
        if await _hours_without_events(connection, tenant_id, days, since, until):
            return None
    users = 0
    if found.has_days:
        users += await _count(connection, _within_days(tenant_id, found))
    if found.has_edges:
        users += await _count(connection, _beside_days(tenant_id, found))
    return users


async def _count(connection: AsyncConnection, query: Select[Any]) -> int:
    return int(await connection.scalar(query) or 0)


def _is_known(found: Parts, cutoffs: Cutoffs, days: Days) -> bool:
    """Say whether no row was removed that a range needs."""
    if found.has_days and found.first < cutoffs.user_returns:
        return False
    # Who was active at the edges is looked for among the whole days, too.
    if found.has_days and found.has_edges and found.first < cutoffs.user_days:
        return False
    at_edges = [*found.hours, *(days.of(since) for since, _ in found.spans)]
    return min(at_edges, default=_LAST) >= max(cutoffs.user_days, cutoffs.user_hours) and all(
        since[:_MINUTE] >= cutoffs.latest for since, _ in found.spans
    )


def _within_days(tenant_id: str, found: Parts) -> Select[Any]:
    """Count each user on the first day within the whole ones."""
    return select(func.coalesce(func.sum(_returns.users), 0)).where(
        _returns.tenant_id == tenant_id,
        _returns.day >= found.first,
        _returns.day < found.end,
        _returns.previous < found.first,
    )


def _beside_days(tenant_id: str, found: Parts) -> Select[Any]:
    """Count the users who were active at the edges, but on none of the whole days."""
    at_edges = [
        select(_days.user_id).where(_days.tenant_id == tenant_id, _days.day == day, _days.hours.bitwise_and(bits) != 0)
        for day, bits in found.hours.items()
    ]
    for since, until in found.spans:
        at_edges += [select(events.c.user_id) for events in _events(tenant_id, since, until)]
    users = union(*at_edges).subquery()
    query = select(func.count()).select_from(users)
    if found.has_days:
        within = select(_days.day).where(
            _days.tenant_id == tenant_id,
            _days.user_id == users.c.user_id,
            _days.day >= found.first,
            _days.day < found.end,
        )
        # Left to itself SQLite goes through all users of these days, for each user.
        query = query.where(~within.with_hint(schema.user_days, "INDEXED BY user_days_user", "sqlite").exists())
    return query


def _events(tenant_id: str, since: str, until: str) -> list[Subquery]:
    """Select user and minute of the events between two times, of each kind that has users."""
    return [
        select(table.c.user_id, func.substr(table.c[time], 1, _MINUTE).label("minute"))
        .where(
            table.c.tenant_id == tenant_id,
            table.c[time] >= since,
            table.c[time] < until,
            table.c.user_id.is_not(None),
        )
        .subquery()
        for table, time in TIMES.items()
        if "user_id" in table.c
    ]


async def read_by_hour(
    connection: AsyncConnection, tenant_id: str, days: Days, keys: Sequence[str]
) -> list[int | None]:
    """Count the distinct users of hours of UTC, which are given without a gap."""
    cutoffs = await read_cutoffs(connection, tenant_id)
    since = _known_since(cutoffs.of(HOURLY_USERS), cutoffs, days)
    rows = await connection.execute(
        select(_counters.start, _counters.value).where(
            _counters.tenant_id == tenant_id,
            _counters.grain == "hour",
            _counters.metric == HOURLY_USERS,
            _counters.start.between(keys[0], keys[-1]),
        )
    )
    found = dict(map(tuple, rows))
    return [found.get(key, 0) if f"{key}:00" >= since else None for key in keys]


async def read_by_minute(
    connection: AsyncConnection, tenant_id: str, days: Days, keys: Sequence[str]
) -> list[int | None]:
    """Count the distinct users of minutes of UTC, which are given without a gap: by their events, which costs these."""
    cutoffs = await read_cutoffs(connection, tenant_id)
    since = max(_known_since(cutoffs.latest, cutoffs, days), keys[0])
    events = (
        select(events.c.minute, events.c.user_id)
        for events in _events(tenant_id, since, keys[-1] + _REST_OF_LAST_MINUTE)
    )
    users = union(*events).subquery()
    rows = await connection.execute(select(users.c.minute, func.count()).group_by(users.c.minute))
    found = dict(map(tuple, rows))
    gone = await _erased_hours(connection, tenant_id, keys[0], keys[-1])
    gone |= await _hours_without_events(connection, tenant_id, days, since, keys[-1] + _REST_OF_LAST_MINUTE)
    return [found.get(key, 0) if key >= since and key[:13] not in gone else None for key in keys]


def _known_since(cutoff: str, cutoffs: Cutoffs, days: Days) -> str:
    """Give the minute from which on it is known in which hours users were active."""
    return max(cutoff, days.start(cutoffs.user_hours)[:_MINUTE] if cutoffs.user_hours else "")


async def _erased_hours(connection: AsyncConnection, tenant_id: str, first: str, last: str) -> set[str]:
    """Name the hours of UTC, from one to another, in which a user was active who was erased."""
    query = select(_archived.start).where(
        _archived.tenant_id == tenant_id,
        _archived.metric == HOURLY_USERS,
        _archived.start.between(first[:13], last[:13]),
        _archived.value > 0,
    )
    return set(await connection.scalars(query))


async def _hours_without_events(
    connection: AsyncConnection, tenant_id: str, days: Days, since: str, until: str
) -> set[str]:
    """Name the hours of UTC between two times of which events of users were removed, while a user is being erased."""
    rows = await connection.execute(
        select(_removed.day, _removed.hours)
        .where(_removed.tenant_id == tenant_id, _removed.day.between(days.of(since), days.of(until)))
        .distinct()
    )
    return {
        hour for day, bits in rows for hour in hours(day, bits) if since[:13] <= hour and hour + _REST_OF_HOUR < until
    }
