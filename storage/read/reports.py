"""The admin's lists: every one a page of rows with a cursor, read in the caller's transaction.

A cursor holds the sort key of the last row that was given out, so that pages neither overlap nor leave a row out
while new rows arrive.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from sqlalchemy import BigInteger, ColumnElement, FromClause, Row, Select, String, and_, exists, func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from storage.fairness.slicing import collect
from storage.model.clock import Days
from storage.model.metrics import mean_seconds
from storage.model.money import write_dollars
from storage.model.rollup import Rollup
from storage.model.rollups import CONVERSATIONS, USERS
from storage.tables import schema

Item = dict[str, Any]
Key = Sequence[Any]
"""A cursor's content: the sort key of the last row of a page."""

MICROSECONDS = 1_000_000
_DAY_COUNTERS = (
    "users",
    "active_users",
    "conversations",
    "messages",
    "tokens",
    "api_calls",
    "api_errors",
    "response_time_us",
    "responses",
)


@dataclass(frozen=True)
class Page:
    """What of a list is wanted: at most ``limit`` rows behind ``after`` (None: from the beginning).

    ``start`` (inclusive) and ``end`` (exclusive) are timestamps; None: no bound. Of a table of events, rows with an id
    above ``newest_id`` are left out (None: none is): ids grow with every commit, so it holds a list at one moment.
    ``characters`` bounds the text of all rows together (None: it is not), but there is one row at the least.
    ``counts``: the listing is to say how many rows there are in all.
    """

    limit: int
    after: Key | None = None
    start: str | None = None
    end: str | None = None
    newest_id: int | None = None
    characters: int | None = None
    counts: bool = False


@dataclass(frozen=True)
class Listing:
    """One page: its ``items``, and the key behind which the ``next`` one begins (None: this is the last).

    ``count``: how many rows there are from here on, this page's included; None unless the page asked for it.
    """

    items: list[Item]
    next: Key | None
    count: int | None = None


@dataclass(frozen=True)
class Order:
    """One column that a list is sorted by: what SQL compares, and under which name a row has it."""

    column: Any
    name: str
    descending: bool = False


@dataclass(frozen=True)
class Calls:
    """Which API calls: to one endpoint, of one user, with a status from one code to another; None: of any."""

    endpoint: str | None = None
    user_id: str | None = None
    statuses: tuple[int, int] | None = None


ALL_CALLS = Calls()


def mean_us(total_us: Any, count: Any) -> Any:
    """Say in SQL what a mean is sorted by: whole microseconds; -1 where nothing was counted."""
    return func.coalesce(total_us // func.nullif(count, 0, type_=BigInteger), -1)


def _newest(table: FromClause, time: str) -> tuple[Order, ...]:
    return Order(table.c[time], time, descending=True), Order(table.c.id, "id", descending=True)


_by_user_id = Order(schema.users.c.user_id, "user_id")
USER_ORDERS: dict[str, tuple[Order, ...]] = {
    "user_id": (_by_user_id,),
    "activity_count": (Order(schema.users.c.activity_count, "activity_count", descending=True), _by_user_id),
    "username": (Order(func.coalesce(schema.users.c.username, ""), "username"), _by_user_id),
    "first_seen": (Order(schema.users.c.first_seen, "first_seen", descending=True), _by_user_id),
    "last_seen": (Order(schema.users.c.last_seen, "last_seen", descending=True), _by_user_id),
}
"""What users can be sorted by; a user without a name is sorted as one whose name is empty."""
_talks = schema.conversation_metrics
_by_id = Order(_talks.c.id, "id", descending=True)
_MEAN = "mean_us"
CONVERSATION_ORDERS: dict[str, tuple[Order, ...]] = {
    "created_at": _newest(_talks, "created_at"),
    "updated_at": _newest(_talks, "updated_at"),
    "message_count": (Order(_talks.c.message_count, "message_count", descending=True), _by_id),
    "total_tokens": (Order(_talks.c.total_tokens, "total_tokens", descending=True), _by_id),
    "avg_response_time": (
        Order(mean_us(_talks.c.response_time_us, _talks.c.response_count), _MEAN, descending=True),
        _by_id,
    ),
}
"""What conversations can be sorted by. Only ``created_at`` has an index; the others sort the tenant's conversations."""
CALL_ORDERS: dict[str, tuple[Order, ...]] = {
    "timestamp": _newest(schema.api_usage, "timestamp"),
    "response_time": (
        Order(schema.api_usage.c.response_time_us, "response_time", descending=True),
        Order(schema.api_usage.c.id, "id", descending=True),
    ),
    "status_code": (
        Order(schema.api_usage.c.status_code, "status_code", descending=True),
        Order(schema.api_usage.c.id, "id", descending=True),
    ),
}
"""What API calls can be sorted by. Only ``timestamp`` has an index; the others read all calls that are selected."""
MESSAGE_ORDERS: dict[str, tuple[Order, ...]] = {
    "newest": _newest(schema.message_metrics, "created_at"),
    "oldest": (
        Order(schema.message_metrics.c.created_at, "created_at"),
        Order(schema.message_metrics.c.id, "id"),
    ),
}
"""What messages can be sorted by: both orders have an index, of all messages and of those of a conversation."""
DAY_ORDERS = (
    "date",
    "active_users",
    "new_users",
    "total_users",
    "total_conversations",
    "total_messages",
    "total_tokens",
    "total_api_calls",
    "avg_response_time",
    "error_count",
)
"""What days can be sorted by, all descending; but for ``date``, each page reads all days that are selected."""
INDEXED_USER_ORDERS = ("user_id", "activity_count")
"""Those with an index. The others sort the tenant's users: their cost grows with these, not with events."""


async def last_id(connection: AsyncConnection, tenant_id: str) -> int:
    """Give the id of the tenant's newest event; 0 for none."""
    head = schema.heads.c
    return int(await connection.scalar(select(head.last_id).where(head.tenant_id == tenant_id)) or 0)


async def first_day(connection: AsyncConnection, tenant_id: str) -> str | None:
    """Name the first local day that has an event; None for none."""
    counter = schema.counters.c
    in_days = and_(counter.tenant_id == tenant_id, counter.grain == "day", counter.metric.in_(_DAY_COUNTERS))
    found = await connection.scalar(select(func.min(counter.start)).where(in_days))
    return None if found is None else str(found)


async def activities(
    connection: AsyncConnection,
    tenant_id: str,
    page: Page,
    user_id: str | None = None,
    activity_type: str | None = None,
    type_contains: str | None = None,
) -> Listing:
    """List activities, newest first, of all users or of one, of all types or of one.

    *type_contains* is a part of the type, in small or capital letters (ASCII). No index knows of types: the activities
    are read from the newest on until the page is full.
    """
    table = schema.user_activity
    where = _events(table, tenant_id, page, "timestamp", user_id=user_id, activity_type=activity_type)
    if type_contains is not None:
        where.append(contains(table.c.activity_type, type_contains))
    query = select(*_shown(table)).where(*where)
    return await read_page(connection, query, page, _newest(table, "timestamp"), _activity)


async def messages(
    connection: AsyncConnection,
    tenant_id: str,
    page: Page,
    conversation_id: str | None = None,
    user_id: str | None = None,
    model_used: str | None = None,
    sort: str = "newest",
) -> Listing:
    """List messages in one of the ``MESSAGE_ORDERS``, of all conversations, users and models or of one.

    No index knows of models, and that of users not of times: messages of a user are sorted, those of a model are read
    from the first one on until the page is full.
    """
    table = schema.message_metrics
    where = _events(
        table,
        tenant_id,
        page,
        "created_at",
        conversation_id=conversation_id,
        user_id=user_id,
        model_used=model_used,
    )
    query = select(*_shown(table)).where(*where)
    return await read_page(connection, query, page, MESSAGE_ORDERS[sort], _timed)


async def llm_calls(
    connection: AsyncConnection,
    tenant_id: str,
    page: Page,
    conversation_id: str | None = None,
    user_id: str | None = None,
    model: str | None = None,
) -> Listing:
    """List LLM calls, newest first; of one conversation, of one user, of one model."""
    table = schema.llm_calls
    where = _events(table, tenant_id, page, "timestamp", conversation_id=conversation_id, user_id=user_id, model=model)
    query = select(*_shown(table)).where(*where)
    return await read_page(connection, query, page, _newest(table, "timestamp"), _llm_call)


async def top_users(connection: AsyncConnection, tenant_id: str, page: Page) -> Listing:
    """List users by their number of activities, most first; those without an activity are left out.

    With a range, the activities in it are counted: the cost grows with their number. Without one it does not.
    """
    table = schema.users.c
    if page.start is None and page.end is None:
        query = select(table.user_id, table.username, table.activity_count).where(
            table.tenant_id == tenant_id, table.activity_count > 0
        )
        return await read_page(connection, query, page, USER_ORDERS["activity_count"], dict)
    activity = schema.user_activity.c
    counted = (
        select(activity.user_id, func.count().label("activity_count"))
        .where(activity.tenant_id == tenant_id, *_range(activity.timestamp, page))
        .group_by(activity.user_id)
        .subquery()
    )
    query = select(table.user_id, table.username, counted.c.activity_count).join_from(
        counted, schema.users, and_(table.tenant_id == tenant_id, table.user_id == counted.c.user_id)
    )
    order = (Order(counted.c.activity_count, "activity_count", descending=True), _by_user_id)
    return await read_page(connection, query, page, order, dict)


async def users(
    connection: AsyncConnection,
    tenant_id: str,
    page: Page,
    active_on: str | None = None,
    sort: str = "user_id",
    search: str | None = None,
) -> Listing:
    """List users in one of the ``USER_ORDERS``: all, those with an event on the local day *active_on*, or those found.

    *search* is a part of the user id or the name, in small or capital letters (ASCII).
    """
    table, days = schema.users.c, schema.user_days.c
    query = select(*_listed(USERS)).where(table.tenant_id == tenant_id, *_range(table.last_seen, page))
    if active_on is not None:
        active = and_(days.tenant_id == table.tenant_id, days.user_id == table.user_id, days.day == active_on)
        query = query.join(schema.user_days, active)
    if search is not None:
        query = query.where(or_(contains(table.user_id, search), contains(table.username, search)))
    return await read_page(connection, query, page, USER_ORDERS[sort], dict)


async def conversations(
    connection: AsyncConnection,
    tenant_id: str,
    page: Page,
    user_id: str | None = None,
    status: str | None = None,
    model_used: str | None = None,
    sort: str = "created_at",
) -> Listing:
    """List conversations in one of the ``CONVERSATION_ORDERS``, of all owners or of one, of any status or of one.

    *model_used*: only those with a message of this model; the messages of each conversation are looked at for it.
    """
    table, message = schema.conversation_metrics.c, schema.message_metrics.c
    where = [
        table.tenant_id == tenant_id,
        *_range(table.created_at, page),
        *_equal(table, user_id=user_id, status=status),
    ]
    if model_used is not None:
        ours = and_(message.tenant_id == table.tenant_id, message.conversation_id == table.conversation_id)
        where.append(exists().where(ours, message.model_used == model_used))
    mean = mean_us(table.response_time_us, table.response_count).label(_MEAN)
    query = select(*_listed(CONVERSATIONS), mean).where(*where)
    return await read_page(connection, query, page, CONVERSATION_ORDERS[sort], conversation_item)


async def api_calls(
    connection: AsyncConnection, tenant_id: str, page: Page, chosen: Calls = ALL_CALLS, sort: str = "timestamp"
) -> Listing:
    """List the API calls that are *chosen* in one of the ``CALL_ORDERS``."""
    query = select(*_shown(schema.api_usage)).where(*selected_calls(tenant_id, page, chosen))
    return await read_page(connection, query, page, CALL_ORDERS[sort], _timed)


def selected_calls(tenant_id: str, page: Page, chosen: Calls) -> list[ColumnElement[bool]]:
    """Say in SQL which API calls are in the range of the page and are *chosen*."""
    table = schema.api_usage
    where = _events(table, tenant_id, page, "timestamp", endpoint=chosen.endpoint, user_id=chosen.user_id)
    return where if chosen.statuses is None else [*where, table.c.status_code.between(*chosen.statuses)]


async def daily_stats(
    connection: AsyncConnection,
    tenant_id: str,
    days: Days,
    first: str,
    last: str,
    page: Page,
    sort: str = "date",
) -> Listing:
    """List the local days from *first* to *last* in one of the ``DAY_ORDERS``; a day without events has zeros.

    ``total_users`` is cumulative: the running sum of the users first seen up to the day's end.
    """
    if sort != "date":
        return slice_page(await _days(connection, tenant_id, days, first, last), page, sort, "date", descending=True)
    if page.after is not None:
        last = min(last, days.shift(str(page.after[0]), -1))
    begin = max(first, days.shift(last, -page.limit))
    items = await _days(connection, tenant_id, days, begin, last)
    items.reverse()
    more = len(items) > page.limit
    items = items[: page.limit]
    return Listing(items, (items[-1]["date"],) if more else None)


async def _days(connection: AsyncConnection, tenant_id: str, days: Days, first: str, last: str) -> list[Item]:
    """Read the days from *first* to *last*, oldest first."""
    counter = schema.counters.c
    in_days = and_(counter.tenant_id == tenant_id, counter.grain == "day", counter.metric.in_(_DAY_COUNTERS))
    rows = await connection.execute(
        select(counter.start, counter.metric, counter.value).where(in_days, counter.start.between(first, last))
    )
    by_day: dict[str, dict[str, int]] = {}
    for day, metric, value in rows:
        by_day.setdefault(day, {})[metric] = value
    earlier = select(func.coalesce(func.sum(counter.value), 0)).where(
        in_days, counter.metric == "users", counter.start < first
    )
    users_so_far = int(await connection.scalar(earlier) or 0)
    items, day = [], first
    while day <= last:
        sums = by_day.get(day, {})
        users_so_far += sums.get("users", 0)
        items.append(_day(day, sums, users_so_far))
        day = days.shift(day, 1)
    return items


def slice_page(items: list[Item], page: Page, sort: str, tie: str, *, descending: bool) -> Listing:
    """Sort *items* by a number, the largest first and those without one last, then by *tie*; give one page of them."""
    items.sort(key=lambda item: str(item[tie] or ""), reverse=descending)
    items.sort(key=lambda item: -_rank(item[sort]))
    keys = [(_rank(item[sort]), str(item[tie] or "")) for item in items]
    begin = 0
    if page.after is not None:
        value, text = page.after
        begin = sum(
            rank > value or (rank == value and (name >= text if descending else name <= text)) for rank, name in keys
        )
    end = begin + min(page.limit, len(items))
    return Listing(items[begin:end], keys[end - 1] if end < len(items) else None)


def _rank(value: float | None) -> int:
    """Make a whole number of what is sorted by: of seconds their microseconds, -1 of None."""
    if value is None:
        return -1
    return round(value * MICROSECONDS) if isinstance(value, float) else value


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
        "total_tokens": sums.get("tokens", 0),
    }


def _listed(rollup: Rollup) -> list[Any]:
    return [schema.ROLLUPS[rollup.name].c[name] for name in rollup.listed]


def _shown(table: FromClause) -> list[Any]:
    return [
        column.label(column.name.removesuffix("_us")) if column.name.endswith("_us") else column
        for column in table.c
        if column.name not in ("tenant_id", "event_id")
    ]


def _range(column: Any, page: Page) -> list[ColumnElement[bool]]:
    bounds = []
    if page.start is not None:
        bounds.append(column >= page.start)
    if page.end is not None:
        bounds.append(column < page.end)
    return bounds


def contains(column: Any, part: str) -> ColumnElement[bool]:
    """Select text that has this *part*, in small or capital letters (ASCII)."""
    # Both databases make small letters of ASCII's capitals alone, in columns whose order is that of code points.
    lowered: ColumnElement[str] = func.lower(column, type_=String)
    return lowered.contains(part.encode().lower().decode(), autoescape=True)


def _equal(columns: Any, **wanted: str | None) -> list[ColumnElement[bool]]:
    return [columns[name] == value for name, value in wanted.items() if value is not None]


def _events(
    table: FromClause, tenant_id: str, page: Page, time: str, **wanted: str | None
) -> list[ColumnElement[bool]]:
    """Select from a table of events what lies in the range and has the values that are *wanted*."""
    where = [table.c.tenant_id == tenant_id, *_range(table.c[time], page), *_equal(table.c, **wanted)]
    if page.newest_id is not None:
        # The sum keeps SQLite from searching by id, which it would for the first page, to then sort all of the events.
        where.append(table.c.id + 0 <= page.newest_id)
    return where


async def read_page(
    connection: AsyncConnection,
    query: Select[Any],
    page: Page,
    order: Sequence[Order],
    item: Callable[[Mapping[str, Any]], Item],
) -> Listing:
    """Read one page of *query*, and one row more to know whether there is a next one."""
    if page.after is not None:
        query = query.where(_beyond(order, page.after))
    count = await _count(connection, query) if page.counts else None
    query = query.order_by(*(by.column.desc() if by.descending else by.column for by in order))
    result = await connection.execute(query.limit(page.limit + 1))
    # Made of names and values: SQLAlchemy's own mapping of a row takes 5 us, six times as long.
    names, rows = tuple(result.keys()), result.all()
    shown = _fitting(rows[: page.limit], page.characters)
    items = await collect(item(dict(zip(names, row, strict=True))) for row in shown)
    if len(rows) == len(shown):
        return Listing(items, None, count)
    last = dict(zip(names, shown[-1], strict=True))
    return Listing(items, tuple(_value(last, by) for by in order), count)


async def _count(connection: AsyncConnection, query: Select[Any]) -> int:
    return int(await connection.scalar(query.with_only_columns(func.count(), maintain_column_froms=True)) or 0)


def _fitting(rows: Sequence[Row[Any]], characters: int | None) -> Sequence[Row[Any]]:
    """Give the first rows, one at the least, whose text is no longer than so many *characters*."""
    if characters is None:
        return rows
    for number, row in enumerate(rows):
        characters -= sum(len(value) for value in row if isinstance(value, str))
        if characters < 0:
            return rows[: max(number, 1)]
    return rows


def _value(row: Mapping[str, Any], by: Order) -> Any:
    return "" if row[by.name] is None else row[by.name]


def _beyond(order: Sequence[Order], after: Key) -> ColumnElement[bool]:
    """Say "behind the cursor" so that an index on the key is used: bound the first column, then break its ties."""
    column, value = order[0].column, after[0]
    strictly: ColumnElement[bool] = column < value if order[0].descending else column > value
    if len(order) == 1:
        return strictly
    bound = column <= value if order[0].descending else column >= value
    return and_(bound, or_(strictly, _beyond(order[1:], after[1:])))


def _seconds(us: int | None) -> float | None:
    return None if us is None else us / MICROSECONDS


def _activity(row: Mapping[str, Any]) -> Item:
    item = dict(row)
    item["extra_data"] = None if row["extra_data"] is None else msgspec.Raw(row["extra_data"].encode())
    return item


def _timed(row: Mapping[str, Any]) -> Item:
    return {**row, **{name: _seconds(row[name]) for name in _TIMES if name in row}}


_TIMES = ("response_time", "time_to_first_token")


def _llm_call(row: Mapping[str, Any]) -> Item:
    item = _timed(row)
    cost = item.pop("cost_nanodollars")
    return {**item, "cost": None if cost is None else write_dollars(cost)}


def conversation_item(row: Mapping[str, Any]) -> Item:
    """Make an item of the columns that a list of conversations reads."""
    return {
        "id": row["id"],
        "conversation_id": row["conversation_id"],
        "user_id": row["user_id"],
        "message_count": row["message_count"],
        "total_tokens": row["total_tokens"],
        "avg_response_time": mean_seconds(row["response_time_us"], row["response_count"]),
        "status": row["status"],
        "created_at": row["created_at"],
        "updated_at": row["updated_at"],
    }
