"""A breakdown as a list: its rows by value, largest first, with their points, and what describes the whole of it."""

from bisect import bisect_left
from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from storage.fairness.slicing import collect
from storage.model.clock import Days
from storage.model.cutoffs import Cutoffs
from storage.model.money import write_dollars
from storage.read.breakdowns.catalogue import ACTIVE_USERS, COST, Metric
from storage.read.breakdowns.durations import read_by_point, read_durations, read_whole, seconds
from storage.read.breakdowns.rows import Breakdown, Labels, total
from storage.read.details.breakdown import end_of
from storage.read.reports import MICROSECONDS, Item, Key, Listing, Order, Page, read_page
from storage.read.series import Points
from storage.tables import schema

_counters = schema.counters.c
_users = schema.users.c


def known(asked: Breakdown, cutoffs: Cutoffs) -> Breakdown:
    """Leave out the points whose rows have expired; there may be none left."""
    rollup, keys = asked.source.rollup, asked.covered.keys
    scope = asked.source.scope or ""
    expired = bisect_left(keys, True, key=lambda start: not rollup.expires((start, scope), cutoffs))
    if not expired:
        return asked
    starts = asked.covered.starts
    return asked.without(expired, starts[expired] if expired < len(starts) else "")


async def read_breakdown(connection: AsyncConnection, asked: Breakdown, page: Page) -> Listing:
    """List the rows of a breakdown, those with the largest value first; ties by their labels."""
    if not asked.covered.keys:
        return Listing([], None)
    if asked.metric.has_histogram:
        items, following = await _rows_of_durations(connection, asked, page)
    else:
        items, following = await _rows_of_sums(connection, asked, page)
    rows = [item["key"] for item in items]
    points = await _points(connection, asked, rows) if asked.has_points and rows else {}
    names = await _usernames(connection, asked, rows)
    return Listing([_item(asked, item, names, points) for item in items], following)


async def read_beside(connection: AsyncConnection, days: Days, asked: Breakdown, covered: Points) -> Item:
    """Say what was asked, which of the *covered* points were counted, and what :func:`describe` says."""
    end, starts = end_of(days, covered), asked.covered.starts
    return {
        "metric": asked.metric.name,
        "by": list(asked.by),
        "unit": asked.metric.unit,
        "interval": covered.interval if asked.has_points else None,
        "timezone": days.zone.key,
        "from": starts[0] if starts else end,
        "to": end,
        "kept_from": None if asked.kept_from is None else asked.kept_from or end,
        "start": starts if asked.has_points else None,
        **await describe(connection, asked),
    }


async def describe(connection: AsyncConnection, asked: Breakdown) -> Item:
    """Say what all rows together come to, and what no row has.

    ``others`` are in the unit of the metric, of response times in their number: ``beyond_bound`` of labels beyond the
    bound of an hour or day, ``without_label`` of events that name none, or of which it is not known any more.
    """
    if not asked.covered.keys:
        return {"total": None, "count": 0, "unpriced_calls": None, "rows": 0, "others": None}
    if asked.metric.has_histogram:
        return await _describe_durations(connection, asked)
    if asked.metric is ACTIVE_USERS:
        return await _describe_users(connection, asked)
    grouped = asked.grouped()
    number, named = (await connection.execute(select(func.count(), total(grouped.c.value, "value")))).one()
    beyond = await _beyond(connection, asked)
    counter, events = asked.metric.counter or "", asked.metric.events
    counted = await _counted(connection, asked, counter, events, *(["unpriced_calls"] if asked.metric is COST else []))
    whole, write = counted[counter], _writer(asked.metric)
    return {
        "total": write(whole),
        "count": counted[events],
        "unpriced_calls": counted.get("unpriced_calls") if asked.metric is COST else None,
        "rows": number,
        "others": {"beyond_bound": write(beyond), "without_label": write(whole - named - beyond)},
    }


async def _describe_durations(connection: AsyncConnection, asked: Breakdown) -> Item:
    whole = await read_whole(connection, asked)
    events = asked.metric.events
    counted = (await _counted(connection, asked, events))[events]
    number, named = (await connection.execute(select(func.count(), total(_groups(asked).c.count, "named")))).one()
    beyond = await _beyond(connection, asked)
    return {
        "total": seconds(asked.metric, whole),
        "count": counted,
        "unpriced_calls": None,
        "rows": number,
        "others": {"beyond_bound": beyond, "without_label": counted - named - beyond},
    }


def _groups(asked: Breakdown) -> Any:
    dimensions = asked.dimensions
    count = total(asked.columns[asked.source.counts[asked.metric.name]], "count")
    return select(count).where(*asked.named).group_by(*dimensions).subquery()


async def _describe_users(connection: AsyncConnection, asked: Breakdown) -> Item:
    """A user may have several labels, so rows do not add up."""
    users = await connection.scalar(select(asked.sums[0]).where(*asked.named))
    grouped = asked.grouped()
    number, calls = (await connection.execute(select(func.count(), total(grouped.c["count"], "calls")))).one()
    return {"total": users or 0, "count": calls, "unpriced_calls": None, "rows": number, "others": None}


async def _beyond(connection: AsyncConnection, asked: Breakdown) -> int:
    if (where := asked.beyond) is None:
        return 0
    column = asked.source.counts if asked.metric.has_histogram else asked.source.columns
    value = asked.columns[column[asked.metric.name]]
    return int(await connection.scalar(select(total(value, "value")).where(*where)) or 0)


async def _counted(connection: AsyncConnection, asked: Breakdown, *counters: str) -> dict[str, int]:
    """Read what counters have over the range, 0 for none."""
    keys = asked.covered.keys
    query = select(_counters.metric, total(_counters.value, "value")).where(
        _counters.tenant_id == asked.tenant_id,
        _counters.grain == asked.source.grain,
        _counters.metric.in_(counters),
        _counters.start.between(keys[0], keys[-1]),
    )
    found = dict(map(tuple, await connection.execute(query.group_by(_counters.metric))))
    return {counter: found.get(counter, 0) for counter in counters}


async def _rows_of_sums(connection: AsyncConnection, asked: Breakdown, page: Page) -> tuple[list[Item], Key | None]:
    grouped, names = asked.grouped(), asked.names
    order = (
        Order(grouped.c.value, "value", descending=True),
        *(Order(grouped.c[name], name) for name in names),
    )
    after = None if page.after is None else page.after[: len(order)]
    wanted = Page(page.limit, after)
    listing = await read_page(connection, select(grouped), wanted, order, dict)
    items = [{**item, "key": tuple(item[name] for name in names)} for item in listing.items]
    return items, None if listing.next is None else _padded(listing.next)


async def _rows_of_durations(
    connection: AsyncConnection, asked: Breakdown, page: Page
) -> tuple[list[Item], Key | None]:
    found = await read_durations(connection, asked)
    values = await collect((labels, seconds(asked.metric, durations)) for labels, durations in found.items())
    ranked = sorted((-round((value or 0) * MICROSECONDS), labels, value) for labels, value in values)
    if page.after is not None:
        value, *labels = page.after
        behind = (-value, tuple(labels[: len(asked.by)]))
        ranked = [row for row in ranked if row[:2] > behind]
    shown = ranked[: page.limit]
    items = [{"key": labels, "value": value, "count": found[labels].count} for _, labels, value in shown]
    more = len(ranked) > len(shown)
    return items, _padded((-shown[-1][0], *shown[-1][1])) if more else None


def _padded(key: Key) -> Key:
    """Give a cursor's key the same shape for one and for two dimensions."""
    return (*key, *[""] * (3 - len(key)))


async def _points(
    connection: AsyncConnection, asked: Breakdown, rows: Sequence[Labels]
) -> dict[Labels, dict[str, Any]]:
    """Read the values of some rows by the key of their points."""
    found: dict[Labels, dict[str, Any]] = {labels: {} for labels in rows}
    if asked.metric.has_histogram:
        for (*labels, start), durations in (await read_by_point(connection, asked, rows)).items():
            found[tuple(labels)][start] = seconds(asked.metric, durations)
        return found
    write = _writer(asked.metric)
    for *labels, start, value in await collect(map(tuple, await connection.execute(asked.by_point(rows)))):
        found[tuple(labels)][start] = write(value)
    return found


async def _usernames(connection: AsyncConnection, asked: Breakdown, rows: Sequence[Labels]) -> dict[str, str | None]:
    if "user" not in asked.by:
        return {}
    place = asked.by.index("user")
    ids = [labels[place] for labels in rows]
    query = select(_users.user_id, _users.username).where(_users.tenant_id == asked.tenant_id, _users.user_id.in_(ids))
    return dict(map(tuple, await connection.execute(query)))


def _writer(metric: Metric) -> Any:
    return write_dollars if metric is COST else int


def _item(asked: Breakdown, row: Item, names: dict[str, str | None], points: dict[Labels, dict[str, Any]]) -> Item:
    labels: Labels = row["key"]
    metric = asked.metric
    user = labels[asked.by.index("user")] if "user" in asked.by else ""
    item = {
        "label": labels[0],
        "second": labels[1] if len(labels) > 1 else None,
        "username": names.get(user),
        "value": row["value"] if metric.has_histogram else _writer(metric)(row["value"]),
        "count": row["count"],
        "unpriced_calls": row.get("unpriced_calls"),
        "points": None,
    }
    if asked.has_points:
        nothing = None if metric.has_histogram else _writer(metric)(0)
        by_start = points[labels]
        values = [by_start.get(start, nothing) for start in asked.covered.keys]
        # Made JSON once: as CSV a cell has the same text.
        item["points"] = msgspec.Raw(msgspec.json.encode(values))
    return item
