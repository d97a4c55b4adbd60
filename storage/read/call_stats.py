"""Sums of the API calls that a list selects: their number, the failed ones, and the mean of their response times.

Whole local days come from the rollups by day, whole hours at the edges of a range from that by hour, and what is left
from the calls themselves. Rollups keep what retention removed; the archive has the part of it, which is taken off, so
that the sums are those of the calls that are listed. Calls of one user or of some statuses are counted one by one.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Select, Table, cast, func, or_, select, union_all
from sqlalchemy.ext.asyncio import AsyncConnection

from storage.model import clock
from storage.model.clock import Days
from storage.model.events import EARLIEST
from storage.model.metrics import OTHERS, mean_seconds
from storage.model.rollups import ALL, API_CALLS, ENDPOINT_DAYS, RESPONSE_DAYS, RESPONSE_HOURS
from storage.read.reports import ALL_CALLS, Calls, Page, selected_calls
from storage.read.snapshots import read_cutoffs
from storage.tables import schema

_HOUR = timedelta(hours=1)
_SUMS = ("count", "error_count", "response_time_us")
Span = tuple[str, str]
"""A time from one timestamp up to, not including, another."""


@dataclass
class Parts:
    """What a range is made of: the whole local days from ``first`` up to, not including, ``end``; whole ``hours`` of
    UTC beside them; and ``spans`` of time that are neither.
    """

    first: str
    end: str
    hours: list[str] = field(default_factory=list)
    spans: list[Span] = field(default_factory=list)


def parts(days: Days, start: str, end: str, since: str = "") -> Parts:
    """Take a range between two timestamps apart; hours before the minute *since* are given as spans."""
    first, last = days.of(start), days.of(end)
    whole = first if days.start(first) == start else days.shift(first, 1)
    found = Parts(whole, max(whole, last))
    edges = [(start, end)]
    if whole < last:
        edges = [(start, days.start(whole)), (days.start(last), end)]
    for begin, past in edges:
        _add(found, begin, past, since)
    return found


def _add(found: Parts, begin: str, past: str, since: str) -> None:
    while begin < past:
        hour = begin[:13] + ":00:00.000Z"
        after = min(past, clock.text(clock.moment(hour) + _HOUR))
        if begin == hour and after[13:] == hour[13:] and after[:13] > hour[:13] and hour[:16] >= since:
            found.hours.append(hour[:13])
        else:
            found.spans.append((begin, after))
        begin = after


async def read_call_stats(
    connection: AsyncConnection, tenant_id: str, days: Days, page: Page, chosen: Calls = ALL_CALLS
) -> dict[str, int | float | None]:
    """Sum up all calls that ``api_calls`` selects, whatever the page."""
    parts_of = None
    if page.newest_id is None and chosen.user_id is None and chosen.statuses is None:
        parts_of = await _summed(connection, tenant_id, days, page, chosen.endpoint)
    queries = [_raw(tenant_id, page, chosen)] if parts_of is None else parts_of
    both = union_all(*queries).subquery()
    sums: list[ColumnElement[Any]] = [cast(func.coalesce(func.sum(both.c[name]), 0), BigInteger) for name in _SUMS]
    count, errors, total_us = (await connection.execute(select(*sums))).one()
    return {"count": count, "error_count": errors, "avg_response_time": mean_seconds(int(total_us), count)}


async def _summed(
    connection: AsyncConnection, tenant_id: str, days: Days, page: Page, endpoint: str | None
) -> list[Select[Any]] | None:
    """Give the queries whose sums make up the range; None if some of an endpoint's calls have no row of their own."""
    # No event lies before 1970, or more than five minutes ahead.
    start = max(page.start or "", EARLIEST)
    end = min(page.end or "~", days.start(days.shift(days.today(), 2)))
    if start >= end:
        return [_raw(tenant_id, page, Calls(endpoint))]
    cutoffs = await read_cutoffs(connection, tenant_id)
    found = parts(days, start, end, cutoffs.tables[schema.api_usage.name])
    if endpoint is not None and await _shares_a_row(connection, tenant_id, found):
        return None
    spans = [_raw(tenant_id, replace(page, start=begin, end=past), Calls(endpoint)) for begin, past in found.spans]
    return [*_of_days(tenant_id, found, endpoint), *_of_hours(tenant_id, found, endpoint), *spans]


def _raw(tenant_id: str, page: Page, chosen: Calls) -> Select[Any]:
    table = schema.api_usage.c
    return select(
        func.count().label("count"),
        func.count().filter(table.status_code >= 500).label("error_count"),
        func.coalesce(func.sum(table.response_time_us), 0).label("response_time_us"),
    ).where(*selected_calls(tenant_id, page, chosen))


def _of_days(tenant_id: str, found: Parts, endpoint: str | None) -> Iterator[Select[Any]]:
    if found.first >= found.end:
        return
    rollup = RESPONSE_DAYS if endpoint is None else ENDPOINT_DAYS
    for table, sign in _kept(rollup.name):
        within = [table.c.tenant_id == tenant_id, table.c.day >= found.first, table.c.day < found.end]
        label = (
            [table.c.scope == API_CALLS, table.c.label == ALL] if endpoint is None else [table.c.endpoint == endpoint]
        )
        yield _sum(table, sign, [*within, *label])


def _of_hours(tenant_id: str, found: Parts, endpoint: str | None) -> Iterator[Select[Any]]:
    if not found.hours:
        return
    scope, label = (API_CALLS, ALL) if endpoint is None else ("endpoint", endpoint)
    for table, sign in _kept(RESPONSE_HOURS.name):
        within = [table.c.tenant_id == tenant_id, table.c.hour.in_(found.hours)]
        yield _sum(table, sign, [*within, table.c.scope == scope, table.c.label == label])


def _kept(rollup: str) -> tuple[tuple[Table, int], tuple[Table, int]]:
    """Give the rows of all events, and those of the removed ones, which are taken off."""
    return (schema.ROLLUPS[rollup], 1), (schema.ARCHIVE[rollup], -1)


def _sum(table: Table, sign: int, where: Iterable[ColumnElement[bool]]) -> Select[Any]:
    sums: list[ColumnElement[Any]] = [
        func.coalesce(cast(func.sum(table.c[name]), BigInteger) * sign, 0).label(name) for name in _SUMS
    ]
    return select(*sums).where(*where)


async def _shares_a_row(connection: AsyncConnection, tenant_id: str, found: Parts) -> bool:
    """Say whether some endpoint has no row of its own in one of the days or hours."""
    by_day, by_hour = schema.endpoint_days.c, schema.response_hours.c
    of_days = select(by_day.day).where(
        by_day.tenant_id == tenant_id, by_day.day >= found.first, by_day.day < found.end, by_day.endpoint == OTHERS
    )
    of_hours = select(by_hour.hour).where(
        by_hour.tenant_id == tenant_id,
        by_hour.hour.in_(found.hours),
        by_hour.scope == "endpoint",
        by_hour.label == OTHERS,
    )
    return bool(await connection.scalar(select(or_(of_days.exists(), of_hours.exists()))))
