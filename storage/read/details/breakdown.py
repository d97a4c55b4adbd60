"""Breakdowns of the raw rows of one thing: its points over time, and which labels have most of its rows.

What has no rollup, such as the events of one user, is counted here from the raw rows that an index leads to.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, FromClause, case, cast, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from storage.fairness.slicing import Slicer
from storage.model import clock
from storage.model.clock import Days
from storage.model.cutoffs import Cutoffs
from storage.model.metrics import mean_seconds
from storage.read.reports import Item
from storage.read.series import REST, STEP, WIDTH, Interval, Points
from storage.tables import schema

TOP = 50
"""How many labels a breakdown names: those with most rows."""

Where = tuple[ColumnElement[bool], ...]
Sums = Mapping[str, ColumnElement[Any]]
"""Aggregates in SQL by name, the first one a count."""

_messages, _calls = schema.message_metrics.c, schema.api_usage.c
COUNT: Sums = {"count": func.count()}
MESSAGE_SUMS: Sums = {
    "message_count": func.count(),
    "total_tokens": func.sum(_messages.token_count),
    "responses": func.count(_messages.response_time_us),
    "response_time_us": func.sum(_messages.response_time_us),
}
CALL_SUMS: Sums = {
    "count": func.count(),
    "error_count": func.sum(case((_calls.status_code >= 500, 1), else_=0)),
    "response_time_us": func.sum(_calls.response_time_us),
}


@dataclass(frozen=True)
class Rows:
    """The rows of a *table* for which all of *where* holds; ``time`` is the name of the table's time column."""

    table: FromClause
    time: str
    where: Where


class Breakdown:
    """Counts raw rows of one tenant from the start of the first point that is *covered* to the end of the last one."""

    def __init__(self, connection: AsyncConnection, tenant_id: str, days: Days, covered: Points) -> None:
        self._connection = connection
        self._tenant_id = tenant_id
        self._days = days
        self._covered = covered
        self._end = end_of(days, covered)
        self._places = {key: place for place, key in enumerate(covered.keys)}

    async def by_point(self, rows: Rows, sums: Sums) -> dict[str, list[int]]:
        """Give the *sums* of each point."""
        grain = self._grain()
        key = func.substr(rows.table.c[rows.time], 1, WIDTH[grain])
        query = select(key, *_whole(sums)).where(*self._within(rows)).group_by(key)
        columns: dict[str, list[int]] = {name: [0] * len(self._places) for name in sums}
        slicer = Slicer()
        for start, *values in await self._connection.execute(query):
            place = self._places[self._days.of(start + REST[grain]) if self._covered.interval == "day" else start]
            for column, value in zip(columns.values(), values, strict=True):
                column[place] += value
            await slicer.yield_if_due()
        return columns

    async def by_label(self, rows: Rows, label: str, sums: Sums) -> list[Item]:
        """Give the *sums* of each value of the column *label*, as :func:`rank` does."""
        return await rank(self._connection, rows.table, self._within(rows), label, sums)

    def _within(self, rows: Rows) -> Where:
        time = rows.table.c[rows.time]
        return rows.table.c.tenant_id == self._tenant_id, time >= self._covered.starts[0], time < self._end, *rows.where

    def _grain(self) -> Interval:
        """Say by what rows are grouped: for days by the hour, if all of them begin with one."""
        if self._covered.interval != "day":
            return self._covered.interval
        return "hour" if all(start[14:16] == "00" for start in (*self._covered.starts, self._end)) else "minute"


async def rank(connection: AsyncConnection, table: FromClause, where: Where, label: str, sums: Sums) -> list[Item]:
    """Give the *sums* of each value of the column *label*, those with most rows first, at most :data:`TOP`."""
    column, counted = table.c[label], _whole(sums)
    query = select(column, *counted).where(*where).group_by(column).order_by(counted[0].desc(), column).limit(TOP)
    names = (label, *sums)
    return [dict(zip(names, row, strict=True)) for row in await connection.execute(query)]


def _whole(sums: Sums) -> list[ColumnElement[int]]:
    # Whole numbers on every database: PostgreSQL adds up to decimals.
    return [cast(func.coalesce(column, 0), BigInteger).label(name) for name, column in sums.items()]


def end_of(days: Days, covered: Points) -> str:
    """Write the moment at which the last point ends."""
    if covered.interval == "day":
        return days.start(days.shift(covered.keys[-1], 1))
    return clock.text(clock.moment(covered.starts[-1]) + STEP[covered.interval])


def kept_from(cutoffs: Cutoffs, covered: Points, *tables: FromClause) -> str | None:
    """Say from when on all rows of the *tables* are kept; None if they are from the first point on."""
    latest = max(cutoffs.tables[str(table.description)] for table in tables)
    return f"{latest}:00.000Z" if latest > covered.starts[0][:16] else None


def with_mean(item: Item, name: str = "avg_response_time", count: str = "responses") -> Item:
    """Give an item that has a mean, called *name*, in the place of its ``response_time_us`` (and ``responses``)."""
    mean = mean_seconds(item["response_time_us"], item[count])
    shown = {key: value for key, value in item.items() if key not in ("response_time_us", "responses")}
    return {**shown, name: mean}


async def named(connection: AsyncConnection, tenant_id: str, items: Iterable[Item]) -> list[Item]:
    """Give *items* that have a ``user_id`` their ``username``, too; a user without an activity has None."""
    found, table = list(items), schema.users.c
    ids = [item["user_id"] for item in found]
    query = select(table.user_id, table.username).where(table.tenant_id == tenant_id, table.user_id.in_(ids))
    names = dict(map(tuple, await connection.execute(query)))
    return [{**item, "username": names.get(item["user_id"])} for item in found]
