"""The recount: what every rollup must be, by what the carried tables tell of removed rows and by the raw rows.

It is SQL over the raw rows, written apart from ``rollups.py``; only the zone's days, the horizons, and the bounds of
labels and endpoints are shared.
"""

import math
from collections import defaultdict
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, TypeAlias

import msgspec
from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from storage.model.clock import Days
from storage.model.cutoffs import Horizons
from storage.model.metrics import COUNTERS, LABELLED, LABELS, OTHERS, label_bounds
from storage.model.rollups import ENDPOINTS, OTHER_ENDPOINTS
from storage.tables import schema
from storage.tables.heads import HORIZON_COLUMNS

Table: TypeAlias = dict[tuple[str, ...], Any]
"""Values by key; a key begins with the tenant."""


@dataclass(frozen=True)
class Recount:
    """Every rollup as it must be: the columns behind the key, by key.

    Nothing is told of what is closed: of counters, and of users by day, before the tenant's ``horizons``.
    """

    horizons: dict[str, Horizons]
    counters: Table
    users: Table
    user_days: Table
    conversations: Table
    endpoint_days: Table

    def closes(self, counter: tuple[str, ...]) -> bool:
        """Say whether nobody can know a counter any more, by tenant, grain, metric and start."""
        tenant_id, grain, metric, start = counter
        return grain in ("minute", "hour") and self.of(tenant_id).closes(metric, start)

    def forgets(self, user_day: tuple[str, ...]) -> bool:
        """Say whether nobody can know any more if a user was active, by tenant, day and user."""
        return user_day[1] < self.of(user_day[0]).user_days

    def of(self, tenant_id: str) -> Horizons:
        """Give how far back a tenant's tables reach."""
        return self.horizons.get(tenant_id, Horizons())


async def recount(connection: AsyncConnection, days: Days) -> Recount:
    """Recount every tenant's rollups; the transaction that *connection* is in must be one of a single moment."""
    heads = await connection.execute(select(schema.heads.c.tenant_id, *HORIZON_COLUMNS))
    counted = Recount(
        horizons={tenant_id: Horizons(*horizons) for tenant_id, *horizons in heads},
        counters={},
        users=await _users(connection),
        user_days=await _user_days(connection, days),
        conversations=await _conversations(connection),
        endpoint_days=await _endpoints(connection, days),
    )
    for key in [key for key in counted.user_days if counted.forgets(key)]:
        del counted.user_days[key]
    counted.counters.update(await _counters(connection, days, counted))
    for key in [key for key, value in counted.counters.items() if not value or counted.closes(key)]:
        del counted.counters[key]
    return counted


async def read_rows(connection: AsyncConnection, query: str) -> list[Any]:
    """Read all rows of a query."""
    return list(await connection.execute(text(query)))


async def read_table(connection: AsyncConnection, query: str, key: int = 2) -> Table:
    """Read rows whose first columns, *key* of them, are the key."""
    rows = await connection.execute(text(query))
    return {tuple(row[:key]): tuple(map(_plain, row[key:])) for row in rows}


def _plain(value: Any) -> Any:
    """Make integers of the sums of integers, which PostgreSQL gives as decimals."""
    return int(value) if isinstance(value, Decimal) else value


# Every event that has a user, with its time.
_SEEN = """
    SELECT tenant_id, user_id, timestamp AS at FROM user_activity
    UNION ALL SELECT tenant_id, user_id, created_at FROM message_metrics
    UNION ALL SELECT tenant_id, user_id, timestamp FROM api_usage WHERE user_id IS NOT NULL
    UNION ALL SELECT tenant_id, user_id, timestamp FROM conversation_events
"""

USER_COLUMNS = "tenant_id, user_id, username, named_at, named_id, first_seen, last_seen, activity_count"
_USERS = f"""
    SELECT seen.tenant_id, seen.user_id, named.username, named.timestamp, named.id, seen.first_seen, seen.last_seen,
        COALESCE(named.count, 0)
    FROM (
        SELECT tenant_id, user_id, MIN(at) AS first_seen, MAX(at) AS last_seen
        FROM ({_SEEN}) AS events GROUP BY tenant_id, user_id
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


async def _users(connection: AsyncConnection) -> Table:
    users = await read_table(connection, f"SELECT {USER_COLUMNS} FROM carried_users")  # noqa: S608
    for key, found in (await read_table(connection, _USERS)).items():
        users[key] = _one_user(users[key], found) if key in users else found
    return users


def _one_user(one: tuple[Any, ...], other: tuple[Any, ...]) -> tuple[Any, ...]:
    """Put together what is known of a user; the latest activity names it."""
    name = max(one[:3], other[:3], key=lambda named: (named[1] or "", named[2] or 0))
    return (*name, min(one[3], other[3]), max(one[4], other[4]), one[5] + other[5])


async def _user_days(connection: AsyncConnection, days: Days) -> Table:
    """Find since when each user was active on each day."""
    carried = await read_rows(connection, "SELECT tenant_id, day, user_id, first_at FROM carried_user_days")
    found: Table = {tuple(row[:3]): row[3] for row in carried}
    seen = f"SELECT tenant_id, user_id, MIN(at) FROM ({_SEEN}) AS events GROUP BY 1, 2, SUBSTR(at, 1, 16)"  # noqa: S608
    async for tenant_id, user_id, at in await connection.stream(text(seen)):
        key = (tenant_id, days.of(at), user_id)
        found[key] = min(at, found.get(key, at))
    return found


# Every event of a conversation; the rank says how well it can found one (0 created, 1 message, 2 deleted).
_HEARD = """
    SELECT tenant_id, conversation_id, user_id, created_at AS at, id, 1 AS founding_rank FROM message_metrics
    UNION ALL
    SELECT tenant_id, conversation_id, user_id, timestamp, id, CASE WHEN action = 'created' THEN 0 ELSE 2 END
    FROM conversation_events
"""

CONVERSATION_COLUMNS = """tenant_id, conversation_id, id, user_id, message_count, total_tokens, response_count,
    response_time_us, status, created_at, updated_at, founding_rank, founding_id"""
_CONVERSATIONS = f"""
    SELECT founded.tenant_id, founded.conversation_id, founded.first_id, founded.user_id,
        COALESCE(spoken.message_count, 0), COALESCE(spoken.total_tokens, 0), COALESCE(spoken.response_count, 0),
        COALESCE(spoken.response_time_us, 0), founded.status, founded.at, founded.updated_at, founded.founding_rank,
        founded.id
    FROM (
        SELECT tenant_id, conversation_id, user_id, at, id, founding_rank,
            ROW_NUMBER() OVER (PARTITION BY tenant_id, conversation_id ORDER BY founding_rank, at, id) AS place,
            MIN(id) OVER (PARTITION BY tenant_id, conversation_id) AS first_id,
            MAX(at) OVER (PARTITION BY tenant_id, conversation_id) AS updated_at,
            CASE WHEN MAX(founding_rank) OVER (PARTITION BY tenant_id, conversation_id) = 2
                THEN 'deleted' ELSE 'active' END AS status
        FROM ({_HEARD}) AS events
    ) AS founded
    LEFT JOIN (
        SELECT tenant_id, conversation_id, COUNT(*) AS message_count, SUM(token_count) AS total_tokens,
            COUNT(response_time_us) AS response_count, COALESCE(SUM(response_time_us), 0) AS response_time_us
        FROM message_metrics GROUP BY tenant_id, conversation_id
    ) AS spoken ON spoken.tenant_id = founded.tenant_id AND spoken.conversation_id = founded.conversation_id
    WHERE founded.place = 1
"""  # noqa: S608 - our own text


async def _conversations(connection: AsyncConnection) -> Table:
    carried = f"SELECT {CONVERSATION_COLUMNS} FROM carried_conversation_metrics"  # noqa: S608
    found = await read_table(connection, carried)
    for key, raw in (await read_table(connection, _CONVERSATIONS)).items():
        found[key] = _one_conversation(found[key], raw) if key in found else raw
    return found


def _one_conversation(one: tuple[Any, ...], other: tuple[Any, ...]) -> tuple[Any, ...]:
    """Put together what is known of a conversation; the better founding event gives owner and creation."""
    founding = min(one, other, key=lambda talk: (talk[9], talk[7], talk[10]))
    sums = (mine + more for mine, more in zip(one[2:6], other[2:6], strict=True))
    status = "deleted" if "deleted" in (one[6], other[6]) else "active"
    first_id, updated_at = min(one[0], other[0]), max(one[8], other[8])
    return (first_id, founding[1], *sums, status, founding[7], updated_at, founding[9], founding[10])


class _Counters:
    """Counters by (tenant, grain, metric, start), gathered from minutes; what was carried by day has no minute."""

    def __init__(self, days: Days) -> None:
        self.values: defaultdict[tuple[str, ...], int] = defaultdict(int)
        self._days = days

    def add(self, tenant_id: str, metric: str, start: str, value: int, *, total: bool = True) -> None:
        if len(start) > len("2026-11-22"):
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
    carried = await read_rows(connection, "SELECT tenant_id, metric, start, value FROM carried_counters")
    for tenant_id, metric, start, value in carried:
        counters.add(tenant_id, metric, start, value, total=metric != "active_users")
    for tenant_id, metric, minute, value in await _by_minute(connection):
        counters.add(tenant_id, metric, minute, value)
    for tenant_id, metric, minute, value in await _by_model(connection, carried):
        counters.add(tenant_id, metric, minute, value)
    for (tenant_id, _), (*_name, first_seen, _last, _count) in counted.users.items():
        counters.add(tenant_id, "users", first_seen[:16], 1)
    for (tenant_id, _), talk in counted.conversations.items():
        counters.add(tenant_id, "conversations", talk[7][:16], 1)
        counters.values[tenant_id, "total", "deleted_conversations", ""] += talk[6] == "deleted"
    for (tenant_id, *_key), at in counted.user_days.items():
        counters.add(tenant_id, "active_users", at[:16], 1, total=False)
    return dict(counters.values)


async def _by_minute(connection: AsyncConnection) -> list[tuple[str, str, str, int]]:
    found = []
    for counter in COUNTERS:
        time = "created_at" if counter.table == "message_metrics" else "timestamp"
        query = (
            f"SELECT tenant_id, SUBSTR({time}, 1, 16) AS minute, {counter.recount} "  # noqa: S608
            f"FROM {counter.table} GROUP BY tenant_id, SUBSTR({time}, 1, 16)"
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


async def _by_model(connection: AsyncConnection, carried: list[Any]) -> list[tuple[str, str, str, int]]:
    """Count by model. The first models of a tenant are named, the rest are counted together.

    Those that are carried by their names were named. Of a named one that is not carried every row is left, so that it
    comes, by the ids of the rows, before all that were not.
    """
    named: defaultdict[str, set[str]] = defaultdict(set)
    first, past = label_bounds(LABELLED[0].name)
    for tenant_id, metric, *_ in carried:
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


ENDPOINT_COLUMNS = "tenant_id, day, endpoint, count, error_count, response_time_us, buckets"


async def read_endpoint_days(connection: AsyncConnection, name: str) -> Table:
    """Read a table of calls by endpoint and day."""
    rows = await read_rows(connection, f"SELECT {ENDPOINT_COLUMNS} FROM {name}")  # noqa: S608
    return {tuple(row[:3]): (*row[3:6], msgspec.json.decode(row[6], type=dict[int, int])) for row in rows}


async def _endpoints(connection: AsyncConnection, days: Days) -> Table:
    """Count the calls of each endpoint by day; beyond the bound, in the order of the rows, they count together."""
    found = await read_endpoint_days(connection, "carried_endpoint_days")
    named: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
    for tenant_id, day, endpoint in found:
        if endpoint != OTHER_ENDPOINTS:
            named[tenant_id, day].add(endpoint)
    calls = "SELECT tenant_id, endpoint, timestamp, status_code, response_time_us FROM api_usage ORDER BY tenant_id, id"
    async for tenant_id, endpoint, at, status, us in await connection.stream(text(calls)):
        day = days.of(at)
        known = named[tenant_id, day]
        if len(known) < ENDPOINTS:
            known.add(endpoint)
        key = (tenant_id, day, endpoint if endpoint in known else OTHER_ENDPOINTS)
        count, errors, total_us, buckets = found.get(key, (0, 0, 0, {}))
        number = _bucket(us)
        buckets[number] = buckets.get(number, 0) + 1
        found[key] = (count + 1, errors + (status >= 500), total_us + us, buckets)
    return found


def _bucket(us: int) -> int:
    """Number a bucket by floating point, apart from ``histogram.py``: below 2^53 the steps are exact."""
    if us < 64:
        return us
    power = math.frexp(us)[1] - 1
    return 32 * (power - 4) + int((us / 2**power - 1) * 32)
