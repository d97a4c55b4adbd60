"""The admin's lists: every one a page of rows with a cursor, read in the caller's transaction.

A cursor holds the sort key of the last row that was given out, so that pages neither overlap nor leave a row out
while new rows arrive.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Select, and_, func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from storage import schema
from storage.clock import Days
from storage.metrics import mean_seconds

Item = dict[str, Any]
Key = Sequence[Any]
"""A cursor's content: the sort key of the last row of a page."""

MICROSECONDS = 1_000_000


@dataclass(frozen=True)
class Page:
    """What of a list is wanted: at most ``limit`` rows behind ``after`` (None: from the beginning).

    ``start`` (inclusive) and ``end`` (exclusive) are timestamps; None: no bound.
    """

    limit: int
    after: Key | None = None
    start: str | None = None
    end: str | None = None


@dataclass(frozen=True)
class Listing:
    """One page: its ``items``, and the key behind which the ``next`` one begins (None: this is the last)."""

    items: list[Item]
    next: Key | None


async def activities(connection: AsyncConnection, tenant_id: str, page: Page, user_id: str | None = None) -> Listing:
    """List activities, newest first, of all users or of one."""
    table = schema.user_activity.c
    where = [table.tenant_id == tenant_id, *_range(table.timestamp, page)]
    if user_id is not None:
        where.append(table.user_id == user_id)
    query = select(*_shown(schema.user_activity)).where(*where)
    return await _page(connection, query, page, (table.timestamp, table.id), newest_first=True, item=_activity)


async def top_users(connection: AsyncConnection, tenant_id: str, page: Page) -> Listing:
    """List users by their number of activities, most first; those without an activity are left out.

    With a range, the activities in it are counted: the cost grows with their number. Without one it does not.
    """
    table = schema.users.c
    if page.start is None and page.end is None:
        query = select(table.user_id, table.username, table.activity_count).where(
            table.tenant_id == tenant_id, table.activity_count > 0
        )
        count: Any = table.activity_count
    else:
        activity = schema.user_activity.c
        counted = (
            select(activity.user_id, func.count().label("activity_count"))
            .where(activity.tenant_id == tenant_id, *_range(activity.timestamp, page))
            .group_by(activity.user_id)
            .subquery()
        )
        count = counted.c.activity_count
        query = select(table.user_id, table.username, count).join_from(
            counted, schema.users, and_(table.tenant_id == tenant_id, table.user_id == counted.c.user_id)
        )
    if page.after is not None:
        most, user_id = page.after
        query = query.where(or_(count < most, and_(count == most, table.user_id > user_id)))
    rows = (await connection.execute(query.order_by(count.desc(), table.user_id).limit(page.limit + 1))).all()
    return _cut(rows, page, ("activity_count", "user_id"), dict)


async def users(connection: AsyncConnection, tenant_id: str, page: Page, active_on: str | None = None) -> Listing:
    """List users by user id: all of them, or those with an event on the local day *active_on*."""
    table, days = schema.users.c, schema.user_days.c
    query = select(table.user_id, table.username, table.first_seen, table.last_seen, table.activity_count).where(
        table.tenant_id == tenant_id, *_range(table.last_seen, page)
    )
    if active_on is not None:
        active = and_(days.tenant_id == table.tenant_id, days.user_id == table.user_id, days.day == active_on)
        query = query.join(schema.user_days, active)
    return await _page(connection, query, page, (table.user_id,), newest_first=False, item=dict)


async def conversations(connection: AsyncConnection, tenant_id: str, page: Page, user_id: str | None = None) -> Listing:
    """List conversations, latest created first, of all owners or of one."""
    table = schema.conversation_metrics.c
    where = [table.tenant_id == tenant_id, *_range(table.created_at, page)]
    if user_id is not None:
        where.append(table.user_id == user_id)
    query = select(
        table.id,
        table.conversation_id,
        table.user_id,
        table.message_count,
        table.total_tokens,
        table.response_count,
        table.response_time_us,
        table.status,
        table.created_at,
        table.updated_at,
    ).where(*where)
    return await _page(connection, query, page, (table.created_at, table.id), newest_first=True, item=_conversation)


async def api_calls(connection: AsyncConnection, tenant_id: str, page: Page, endpoint: str | None = None) -> Listing:
    """List API calls, newest first, to all endpoints or to one."""
    table = schema.api_usage.c
    query = select(*_shown(schema.api_usage)).where(*_api_selection(tenant_id, page, endpoint))
    return await _page(connection, query, page, (table.timestamp, table.id), newest_first=True, item=_api_call)


async def api_stats(
    connection: AsyncConnection, tenant_id: str, page: Page, endpoint: str | None = None
) -> dict[str, int | float | None]:
    """Sum up all calls that :func:`api_calls` selects, whatever the page. Its cost grows with their number."""
    table = schema.api_usage.c
    query = select(
        func.count(), func.count().filter(table.status_code >= 500), func.coalesce(func.sum(table.response_time_us), 0)
    ).where(*_api_selection(tenant_id, page, endpoint))
    count, errors, total_us = (await connection.execute(query)).one()
    return {"count": count, "error_count": errors, "avg_response_time": mean_seconds(total_us, count)}


async def daily_stats(
    connection: AsyncConnection, tenant_id: str, days: Days, first: str, last: str, page: Page
) -> Listing:
    """List the local days from *first* to *last*, newest first; a day without events is there with zeros.

    ``total_users`` is cumulative: the running sum of the users first seen up to the day's end.
    """
    if page.after is not None:
        last = min(last, days.shift(str(page.after[0]), -1))
    begin = max(first, days.shift(last, -page.limit))
    counter = schema.counters.c
    in_days = and_(counter.tenant_id == tenant_id, counter.grain == "day")
    rows = await connection.execute(
        select(counter.start, counter.metric, counter.value).where(in_days, counter.start.between(begin, last))
    )
    by_day: dict[str, dict[str, int]] = {}
    for day, metric, value in rows:
        by_day.setdefault(day, {})[metric] = value
    earlier = select(func.coalesce(func.sum(counter.value), 0)).where(
        in_days, counter.metric == "users", counter.start < begin
    )
    users_so_far = int(await connection.scalar(earlier) or 0)
    items, day = [], begin
    while day <= last:
        sums = by_day.get(day, {})
        users_so_far += sums.get("users", 0)
        items.append(_day(day, sums, users_so_far))
        day = days.shift(day, 1)
    items.reverse()
    more = len(items) > page.limit
    items = items[: page.limit]
    return Listing(items, (items[-1]["date"],) if more else None)


def _day(day: str, sums: Mapping[str, int], total_users: int) -> Item:
    return {
        "id": int(day.replace("-", "")),
        "date": day,
        "total_users": total_users,
        "active_users": sums.get("active_users", 0),
        "new_users": sums.get("users", 0),
        "total_conversations": sums.get("conversations", 0),
        "total_messages": sums.get("messages", 0),
        "total_api_calls": sums.get("api_calls", 0),
        "avg_response_time": mean_seconds(sums.get("response_time_us", 0), sums.get("responses", 0)),
        "error_count": sums.get("api_errors", 0),
    }


def _shown(table: Any) -> list[Any]:
    return [column for column in table.c if column.name not in ("tenant_id", "event_id")]


def _range(column: Any, page: Page) -> list[ColumnElement[bool]]:
    bounds = []
    if page.start is not None:
        bounds.append(column >= page.start)
    if page.end is not None:
        bounds.append(column < page.end)
    return bounds


def _api_selection(tenant_id: str, page: Page, endpoint: str | None) -> list[ColumnElement[bool]]:
    table = schema.api_usage.c
    where = [table.tenant_id == tenant_id, *_range(table.timestamp, page)]
    if endpoint is not None:
        where.append(table.endpoint == endpoint)
    return where


async def _page(
    connection: AsyncConnection,
    query: Select[Any],
    page: Page,
    key: tuple[Any, ...],
    *,
    newest_first: bool,
    item: Any,
) -> Listing:
    """Read one page of *query* in the order of *key*, and one row more to know whether there is a next one."""
    if page.after is not None:
        query = query.where(_beyond(key, page.after, newest_first))
    query = query.order_by(*(column.desc() if newest_first else column for column in key)).limit(page.limit + 1)
    rows = (await connection.execute(query)).all()
    return _cut(rows, page, tuple(column.name for column in key), item)


def _beyond(key: tuple[Any, ...], after: Key, newest_first: bool) -> ColumnElement[bool]:
    """Say "behind the cursor" so that an index on the key is used: bound the first column, then break its ties."""
    first, value = key[0], after[0]
    if len(key) == 1:
        return first < value if newest_first else first > value  # type: ignore[no-any-return]
    tie = _beyond(key[1:], after[1:], newest_first)
    if newest_first:
        return and_(first <= value, or_(first < value, tie))
    return and_(first >= value, or_(first > value, tie))


def _cut(rows: Sequence[Any], page: Page, key: tuple[str, ...], item: Any) -> Listing:
    shown = rows[: page.limit]
    items = [item(row._mapping) for row in shown]
    more = len(rows) > page.limit
    return Listing(items, tuple(shown[-1]._mapping[name] for name in key) if more else None)


def _seconds(us: int | None) -> float | None:
    return None if us is None else us / MICROSECONDS


def _activity(row: Mapping[str, Any]) -> Item:
    item = dict(row)
    item["extra_data"] = None if row["extra_data"] is None else msgspec.Raw(row["extra_data"].encode())
    return item


def _api_call(row: Mapping[str, Any]) -> Item:
    item = dict(row)
    item["response_time"] = _seconds(item.pop("response_time_us"))
    return item


def _conversation(row: Mapping[str, Any]) -> Item:
    item = dict(row)
    item["avg_response_time"] = mean_seconds(item.pop("response_time_us"), item.pop("response_count"))
    return item
