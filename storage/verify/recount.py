"""The recount: what every rollup must be, by the archive of removed rows and by the raw rows.

It is SQL over the raw rows, written apart from ``rollups.py`` and ``merging.py``; only the zone's days, the cutoffs,
and the bounds of labels and endpoints are shared.
"""

from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from storage.model.clock import Days
from storage.model.cutoffs import Cutoffs
from storage.model.events import KIND_OF, KINDS
from storage.model.metrics import COUNTERS, LABELLED, LABELS, OTHERS, label_bounds
from storage.model.rollup import Rollup
from storage.model.rollups import CONVERSATIONS, ROLLUPS, USER_DAYS, USER_RETURNS, USERS
from storage.model.user_days import HOURLY_USERS
from storage.tables import schema
from storage.tables.heads import CUTOFF_COLUMNS, cutoffs_of
from storage.verify.histograms import count_durations
from storage.verify.labels import count_labels
from storage.verify.rows import Table, read_archive, read_rows


@dataclass(frozen=True)
class Recount:
    """Every rollup as it must be: the columns behind the key, by key.

    Nothing is here that has expired: counters, and users by day, before the tenant's ``cutoffs``.
    """

    cutoffs: dict[str, Cutoffs]
    counters: Table
    rows: dict[str, Table]
    """By the rollup's name."""

    def has_expired(self, counter: tuple[str, ...]) -> bool:
        """Say whether a counter has expired, by tenant, grain, metric and start."""
        tenant_id, grain, metric, start = counter
        return grain in ("minute", "hour") and self.of(tenant_id).has_expired(metric, start)

    def row_has_expired(self, rollup: Rollup, key: tuple[str, ...]) -> bool:
        """Say whether a row of a rollup has expired, by tenant and key."""
        return rollup.expires(key[1:], self.of(key[0]))

    def of(self, tenant_id: str) -> Cutoffs:
        """Give how far back a tenant's tables reach."""
        return self.cutoffs.get(tenant_id, Cutoffs())


async def recount(connection: AsyncConnection, days: Days) -> Recount:
    """Recount every tenant's rollups; the transaction that *connection* is in must be one of a single moment."""
    heads = await connection.execute(select(schema.heads.c.tenant_id, *CUTOFF_COLUMNS))
    rows = {name: await count(connection, days) for name, count in _RECOUNTS.items()}
    rows |= await count_durations(connection, days)
    rows |= await count_labels(connection, days)
    counted = Recount({tenant_id: cutoffs_of(cutoffs) for tenant_id, *cutoffs in heads}, {}, rows)
    for name, found in rows.items():
        rollup = _NAMED[name]
        rows[name] = {key: row for key, row in found.items() if not counted.row_has_expired(rollup, key)}
    rows[USER_RETURNS.name] = await _returns(connection, rows[USER_DAYS.name])
    found = await _counters(connection, days, counted)
    counted.counters.update({key: value for key, value in found.items() if value and not counted.has_expired(key)})
    return counted


async def _read_table(connection: AsyncConnection, query: str) -> Table:
    """Read rows whose first two columns are the key."""
    rows = await connection.execute(text(query))
    return {tuple(row[:2]): tuple(map(_plain, row[2:])) for row in rows}


def _plain(value: Any) -> Any:
    """Make integers of the sums of integers, which PostgreSQL gives as decimals."""
    return int(value) if isinstance(value, Decimal) else value


_USER_EVENTS = " UNION ALL ".join(
    f"SELECT tenant_id, user_id, {kind.time} AS at FROM {kind.table} WHERE user_id IS NOT NULL"  # noqa: S608
    for kind in KINDS
    if "user_id" in kind.event.__struct_fields__
)
"""Every event that has a user, with its time."""
_ADDED = {"message_metrics": "COUNT(*), COALESCE(SUM(token_count), 0)"}
"""What the rows of a table add to the sums of their user's day; those of others nothing."""
_USER_DAYS = """
    SELECT tenant_id, user_id, MIN({time}), {added} FROM {table} WHERE user_id IS NOT NULL
    GROUP BY tenant_id, user_id, SUBSTR({time}, 1, 16)
"""


class _User(NamedTuple):
    """A row of ``users`` behind its key."""

    named_at: str | None
    named_id: int | None
    username: str | None
    first_seen: str
    last_seen: str
    activity_count: int


_USERS = f"""
    SELECT seen.tenant_id, seen.user_id, named.timestamp, named.id, named.username, seen.first_seen, seen.last_seen,
        COALESCE(named.count, 0)
    FROM (
        SELECT tenant_id, user_id, MIN(at) AS first_seen, MAX(at) AS last_seen
        FROM ({_USER_EVENTS}) AS events GROUP BY tenant_id, user_id
    ) AS seen
    LEFT JOIN (
        SELECT tenant_id, user_id, username, timestamp, id, count FROM (
            SELECT tenant_id, user_id, username, timestamp, id,
                COUNT(*) OVER (PARTITION BY tenant_id, user_id) AS count,
                ROW_NUMBER() OVER (PARTITION BY tenant_id, user_id ORDER BY timestamp DESC, id DESC) AS place
            FROM user_activity
        ) AS ranked WHERE place = 1
    ) AS named ON named.tenant_id = seen.tenant_id AND named.user_id = seen.user_id
"""  # noqa: S608 - our own text


async def _users(connection: AsyncConnection, _days: Days) -> Table:
    users = await read_archive(connection, USERS)
    for key, found in (await _read_table(connection, _USERS)).items():
        users[key] = _one_user(_User(*users[key]), _User(*found)) if key in users else found
    return users


def _one_user(one: _User, other: _User) -> _User:
    """Put together what is known of a user; the latest activity names it."""
    named = max(one, other, key=lambda user: (user.named_at or "", user.named_id or 0))
    return named._replace(
        first_seen=min(one.first_seen, other.first_seen),
        last_seen=max(one.last_seen, other.last_seen),
        activity_count=one.activity_count + other.activity_count,
    )


async def _user_days(connection: AsyncConnection, days: Days) -> Table:
    """Find since when each user was active on each day, and what that user did."""
    found = await read_archive(connection, USER_DAYS)
    for kind in KINDS:
        if "user_id" not in kind.event.__struct_fields__:
            continue
        added = _ADDED.get(kind.table, "0, 0")
        seen = text(_USER_DAYS.format(table=kind.table, time=kind.time, added=added))
        async for tenant_id, user_id, at, *sums in await connection.stream(seen):
            day = days.of(at)
            since, bits, *before = found.get((tenant_id, day, user_id), (at, 0, *(0 for _ in sums)))
            together = (int(value) + int(more) for value, more in zip(before, sums, strict=True))
            found[tenant_id, day, user_id] = (min(at, since), bits | 1 << _hour_number(at, day), *together)
    return found


def _hour_number(at: str, day: str) -> int:
    """Count the hours of UTC since the first one that a day has in any zone."""
    return (datetime.fromisoformat(at[:13]) - datetime.fromisoformat(day) + timedelta(hours=14)) // timedelta(hours=1)


def _hours(day: str, bits: int) -> list[str]:
    first = datetime.fromisoformat(day) - timedelta(hours=14)
    return [(first + timedelta(hours=bit)).isoformat()[:13] for bit in range(bits.bit_length()) if bits >> bit & 1]


def _count_hours(user_days: Table) -> Counter[tuple[str, str]]:
    """Count the users of each tenant by hour; an hour that two days of a user share counts for the first of them."""
    found = Counter[tuple[str, str]]()
    hours_of: dict[tuple[str, int], list[str]] = {}
    for (tenant_id, day, user_id), (_, bits, *_sums) in user_days.items():
        if (day, bits) not in hours_of:
            hours_of[day, bits] = _hours(day, bits)
        before = user_days.get((tenant_id, Days.shift(day, -1), user_id))
        counted = () if before is None else _hours(Days.shift(day, -1), before[1])[-1:]
        found.update((tenant_id, hour) for hour in hours_of[day, bits] if hour not in counted)
    return found


async def _returns(connection: AsyncConnection, user_days: Table) -> Table:
    """Count each user's days by the one before, which may be one that was counted for good."""
    found = Counter[tuple[str, ...]]()
    for key, (users,) in (await read_archive(connection, USER_RETURNS)).items():
        found[key] += users
    counted = await read_rows(connection, "SELECT tenant_id, user_id, day FROM carried_last_days")
    before = {(tenant_id, user_id): day for tenant_id, user_id, day in counted}
    for tenant_id, day, user_id in sorted(user_days):
        found[tenant_id, day, before.get((tenant_id, user_id), "")] += 1
        before[tenant_id, user_id] = day
    return {key: (users,) for key, users in found.items()}


# Every event of a conversation; the rank says how well it can found one: 0 created, 1 message, 2 LLM call with a user,
# 3 deleted, 4 LLM call without one.
_CONVERSATION_EVENTS = """
    SELECT tenant_id, conversation_id, user_id, created_at AS at, id, 1 AS founding_rank FROM message_metrics
    UNION ALL
    SELECT tenant_id, conversation_id, user_id, timestamp, id, CASE WHEN action = 'created' THEN 0 ELSE 3 END
    FROM conversation_events
    UNION ALL
    SELECT tenant_id, conversation_id, COALESCE(user_id, ''), timestamp, id, CASE WHEN user_id IS NULL THEN 4 ELSE 2 END
    FROM llm_calls WHERE conversation_id IS NOT NULL
"""


class _Conversation(NamedTuple):
    """A row of ``conversation_metrics`` behind its key."""

    id: int
    message_count: int
    total_tokens: int
    response_count: int
    response_time_us: int
    status: str
    updated_at: str
    founding_rank: int
    created_at: str
    founding_id: int
    user_id: str


_CONVERSATIONS = f"""
    SELECT founded.tenant_id, founded.conversation_id, founded.first_id,
        COALESCE(spoken.message_count, 0), COALESCE(spoken.total_tokens, 0), COALESCE(spoken.response_count, 0),
        COALESCE(spoken.response_time_us, 0), founded.status, founded.updated_at, founded.founding_rank, founded.at,
        founded.id, founded.user_id
    FROM (
        SELECT tenant_id, conversation_id, user_id, at, id, founding_rank,
            ROW_NUMBER() OVER (PARTITION BY tenant_id, conversation_id ORDER BY founding_rank, at, id) AS place,
            MIN(id) OVER (PARTITION BY tenant_id, conversation_id) AS first_id,
            MAX(at) OVER (PARTITION BY tenant_id, conversation_id) AS updated_at,
            CASE WHEN MAX(CASE founding_rank WHEN 3 THEN 1 ELSE 0 END)
                OVER (PARTITION BY tenant_id, conversation_id) = 1 THEN 'deleted' ELSE 'active' END AS status
        FROM ({_CONVERSATION_EVENTS}) AS events
    ) AS founded
    LEFT JOIN (
        SELECT tenant_id, conversation_id, COUNT(*) AS message_count, SUM(token_count) AS total_tokens,
            COUNT(response_time_us) AS response_count, COALESCE(SUM(response_time_us), 0) AS response_time_us
        FROM message_metrics GROUP BY tenant_id, conversation_id
    ) AS spoken ON spoken.tenant_id = founded.tenant_id AND spoken.conversation_id = founded.conversation_id
    WHERE founded.place = 1
"""  # noqa: S608 - our own text


async def _conversations(connection: AsyncConnection, _days: Days) -> Table:
    found = await read_archive(connection, CONVERSATIONS)
    for key, raw in (await _read_table(connection, _CONVERSATIONS)).items():
        found[key] = _one_conversation(_Conversation(*found[key]), _Conversation(*raw)) if key in found else raw
    return found


def _one_conversation(one: _Conversation, other: _Conversation) -> _Conversation:
    """Put together what is known of a conversation; the better founding event gives owner and creation."""
    founding = min(one, other, key=lambda row: (row.founding_rank, row.created_at, row.founding_id))
    return founding._replace(
        id=min(one.id, other.id),
        message_count=one.message_count + other.message_count,
        total_tokens=one.total_tokens + other.total_tokens,
        response_count=one.response_count + other.response_count,
        response_time_us=one.response_time_us + other.response_time_us,
        status="deleted" if "deleted" in (one.status, other.status) else "active",
        updated_at=max(one.updated_at, other.updated_at),
    )


class _Counters:
    """Counters by (tenant, grain, metric, start), gathered from minutes; what was archived by day has no minute."""

    def __init__(self, days: Days) -> None:
        self.values: defaultdict[tuple[str, ...], int] = defaultdict(int)
        self._days = days

    def add(self, tenant_id: str, metric: str, start: str, value: int, *, total: bool = True) -> None:
        if metric == HOURLY_USERS:
            self.values[tenant_id, "hour", metric, start] += value
        elif len(start) > len("2026-11-22"):
            self.values[tenant_id, "minute", metric, start] += value
            self.values[tenant_id, "hour", metric, start[:13]] += value
            self.values[tenant_id, "day", metric, self._days.of(start)] += value
        elif start:
            self.values[tenant_id, "day", metric, start] += value
        if total:
            self.values[tenant_id, "total", metric, ""] += value


async def _counters(connection: AsyncConnection, days: Days, counted: Recount) -> Table:
    """Count every counter by minute in SQL, then gather minutes into hours, days of the zone and the total."""
    counters = _Counters(days)
    archived = await read_rows(connection, "SELECT tenant_id, metric, start, value FROM carried_counters")
    for tenant_id, metric, start, value in archived:
        counters.add(tenant_id, metric, start, value, total=metric not in ("active_users", HOURLY_USERS))
    for tenant_id, metric, minute, value in await _by_minute(connection):
        counters.add(tenant_id, metric, minute, value)
    for tenant_id, metric, minute, value in await _by_model(connection, archived):
        counters.add(tenant_id, metric, minute, value)
    for (tenant_id, _), user in counted.rows[USERS.name].items():
        counters.add(tenant_id, "users", _User(*user).first_seen[:16], 1)
    for (tenant_id, _), row in counted.rows[CONVERSATIONS.name].items():
        conversation = _Conversation(*row)
        counters.add(tenant_id, "conversations", conversation.created_at[:16], 1)
        counters.values[tenant_id, "total", "deleted_conversations", ""] += conversation.status == "deleted"
    for (tenant_id, *_key), (at, *_rest) in counted.rows[USER_DAYS.name].items():
        counters.add(tenant_id, "active_users", at[:16], 1, total=False)
    for (tenant_id, hour), users in _count_hours(counted.rows[USER_DAYS.name]).items():
        counters.add(tenant_id, HOURLY_USERS, hour, users, total=False)
    return dict(counters.values)


async def _by_minute(connection: AsyncConnection) -> list[tuple[str, str, str, int]]:
    found = []
    for counter in COUNTERS:
        kind = KIND_OF[counter.event]
        query = (
            f"SELECT tenant_id, SUBSTR({kind.time}, 1, 16) AS minute, {counter.recount} "  # noqa: S608
            f"FROM {kind.table} GROUP BY tenant_id, SUBSTR({kind.time}, 1, 16)"
        )
        rows = await read_rows(connection, query)
        found += [(tenant_id, counter.name, minute, int(value)) for tenant_id, minute, value in rows]
    return found


_MODELS = """
    SELECT tenant_id, model_used, MIN(id) FROM message_metrics WHERE model_used IS NOT NULL
    GROUP BY tenant_id, model_used ORDER BY MIN(id)
"""
_LABELLED = """
    SELECT tenant_id, model_used, SUBSTR(created_at, 1, 16), {recount}
    FROM message_metrics WHERE model_used IS NOT NULL GROUP BY tenant_id, model_used, SUBSTR(created_at, 1, 16)
"""


async def _by_model(connection: AsyncConnection, archived: list[Any]) -> list[tuple[str, str, str, int]]:
    """Count by model. The first models of a tenant are named, the rest are counted together.

    Those that are archived by their names were named. Of a named one that is not archived every row is left, so that it
    comes, by the ids of the rows, before all that were not.
    """
    named: defaultdict[str, set[str]] = defaultdict(set)
    first, past = label_bounds(LABELLED[0].name)
    for tenant_id, metric, *_ in archived:
        if first < metric < past:
            named[tenant_id].add(metric[len(first) :])
    for tenant_id, model, _ in await read_rows(connection, _MODELS):
        if len(named[tenant_id]) < LABELS:
            named[tenant_id].add(model)
    found = []
    for counter in LABELLED:
        for tenant_id, model, minute, value in await read_rows(connection, _LABELLED.format(recount=counter.recount)):
            label = model if model in named[tenant_id] else OTHERS
            found.append((tenant_id, f"{counter.name}:{label}", minute, int(value)))
    return found


_RECOUNTS: dict[str, Callable[[AsyncConnection, Days], Awaitable[Table]]] = {
    USERS.name: _users,
    USER_DAYS.name: _user_days,
    CONVERSATIONS.name: _conversations,
}
_NAMED = {rollup.name: rollup for rollup in ROLLUPS}
