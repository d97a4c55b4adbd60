"""The proof: recount every rollup from the raw tables and compare.

The recount is SQL over the raw rows, written apart from ``rollups.py``; only the zone's days and the bounds of labels
and endpoints are shared. All of it is read in one transaction, so that it holds on a live database too.
"""

import math
from collections import defaultdict
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from storage.changes import NO_TAG
from storage.clock import Days
from storage.metrics import COUNTERS, LABELLED, LABELS, OTHERS
from storage.rollups import ENDPOINTS, OTHER_ENDPOINTS


@dataclass(frozen=True)
class Difference:
    """One value that is not what a recount gives; None: the row is missing on that side."""

    tenant_id: str
    what: str
    rollup: Any
    recount: Any

    def __str__(self) -> str:
        """Write the difference as one line."""
        return f"tenant {self.tenant_id}: {self.what}: rollup {self.rollup}, recount {self.recount}"


@dataclass
class Verdict:
    """What was compared, and what did not fit."""

    compared: int
    differences: list[Difference]


Table = dict[tuple[str, ...], Any]
"""Values by key; a key begins with the tenant."""


async def verify(connection: AsyncConnection, days: Days) -> Verdict:
    """Recount every tenant's rollups; the transaction that *connection* is in must be one of a single moment."""
    verdict = Verdict(0, [])
    counters, user_days = await _recount_counters(connection, days)
    stored = await _rows(connection, "SELECT tenant_id, grain, metric, start, value FROM counters")
    kept = {tuple(row[:4]): row[4] for row in stored}
    _compare(verdict, "counter", _without_zeros(kept), _without_zeros(counters))
    days_kept = await _rows(connection, "SELECT tenant_id, day, user_id, first_at FROM user_days")
    _compare(verdict, "user day", {tuple(row[:3]): row[3] for row in days_kept}, user_days)
    _compare(verdict, "endpoint day", await _endpoint_days(connection), await _recount_endpoints(connection, days))
    _compare(verdict, "user", await _table(connection, _USERS), await _table(connection, _USERS_RECOUNT))
    _compare(verdict, "conversation", await _table(connection, _TALKS), await _table(connection, _TALKS_RECOUNT))
    await _check_log(connection, verdict)
    return verdict


async def _rows(connection: AsyncConnection, query: str) -> list[Any]:
    return list(await connection.execute(text(query)))


async def _table(connection: AsyncConnection, query: str) -> Table:
    """Read rows whose first two columns are the key."""
    return {(row[0], row[1]): tuple(map(_plain, row[2:])) for row in await connection.execute(text(query))}


def _plain(value: Any) -> Any:
    """Make integers of the sums of integers, which PostgreSQL gives as decimals."""
    return int(value) if isinstance(value, Decimal) else value


def _compare(verdict: Verdict, kind: str, kept: Table, recounted: Table) -> None:
    for key in kept.keys() | recounted.keys():
        verdict.compared += 1
        if kept.get(key) != recounted.get(key):
            what = " ".join((kind, *filter(None, key[1:])))
            verdict.differences.append(Difference(key[0], what, kept.get(key), recounted.get(key)))


def _without_zeros(values: Table) -> Table:
    return {key: value for key, value in values.items() if value}


# Every event that has a user, with its time.
_SEEN = """
    SELECT tenant_id, user_id, timestamp AS at FROM user_activity
    UNION ALL SELECT tenant_id, user_id, created_at FROM message_metrics
    UNION ALL SELECT tenant_id, user_id, timestamp FROM api_usage WHERE user_id IS NOT NULL
    UNION ALL SELECT tenant_id, user_id, timestamp FROM conversation_events
"""

_USERS = "SELECT tenant_id, user_id, username, first_seen, last_seen, activity_count FROM users"
_USERS_RECOUNT = f"""
    SELECT seen.tenant_id, seen.user_id, named.username, seen.first_seen, seen.last_seen, COALESCE(named.count, 0)
    FROM (
        SELECT tenant_id, user_id, MIN(at) AS first_seen, MAX(at) AS last_seen
        FROM ({_SEEN}) AS events GROUP BY tenant_id, user_id
    ) AS seen
    LEFT JOIN (
        SELECT tenant_id, user_id, username, count FROM (
            SELECT tenant_id, user_id, username,
                COUNT(*) OVER (PARTITION BY tenant_id, user_id) AS count,
                ROW_NUMBER() OVER (PARTITION BY tenant_id, user_id ORDER BY timestamp DESC, id DESC) AS place
            FROM user_activity
        ) AS ranked WHERE place = 1
    ) AS named ON named.tenant_id = seen.tenant_id AND named.user_id = seen.user_id
"""  # noqa: S608 - our own text

# Every event of a conversation; the rank says how well it can found one (0 created, 1 message, 2 deleted).
_HEARD = """
    SELECT tenant_id, conversation_id, user_id, created_at AS at, id, 1 AS founding_rank FROM message_metrics
    UNION ALL
    SELECT tenant_id, conversation_id, user_id, timestamp, id, CASE WHEN action = 'created' THEN 0 ELSE 2 END
    FROM conversation_events
"""

_TALKS = """
    SELECT tenant_id, conversation_id, user_id, message_count, total_tokens, response_count, response_time_us, status,
        created_at, updated_at
    FROM conversation_metrics
"""
_TALKS_RECOUNT = f"""
    SELECT founded.tenant_id, founded.conversation_id, founded.user_id, COALESCE(spoken.message_count, 0),
        COALESCE(spoken.total_tokens, 0), COALESCE(spoken.response_count, 0), COALESCE(spoken.response_time_us, 0),
        founded.status, founded.at, founded.updated_at
    FROM (
        SELECT tenant_id, conversation_id, user_id, at,
            ROW_NUMBER() OVER (PARTITION BY tenant_id, conversation_id ORDER BY founding_rank, at, id) AS place,
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


class _Counters:
    """Counters by (tenant, grain, metric, start), gathered from minutes."""

    def __init__(self, days: Days) -> None:
        self.values: defaultdict[tuple[str, ...], int] = defaultdict(int)
        self._days = days

    def add(self, tenant_id: str, metric: str, minute: str, value: int, *, total: bool = True) -> None:
        self.values[tenant_id, "minute", metric, minute] += value
        self.values[tenant_id, "hour", metric, minute[:13]] += value
        self.values[tenant_id, "day", metric, self._days.of(minute)] += value
        if total:
            self.values[tenant_id, "total", metric, ""] += value


async def _recount_counters(connection: AsyncConnection, days: Days) -> tuple[Table, Table]:
    """Count every counter by minute in SQL, then gather minutes into hours, days of the zone and the total.

    Gives the counters, and since when each user was active on each day.
    """
    counters = _Counters(days)
    for tenant_id, metric, minute, value in await _by_minute(connection):
        counters.add(tenant_id, metric, minute, value)
    for (tenant_id, _), (_, first_seen, *_rest) in (await _table(connection, _USERS_RECOUNT)).items():
        counters.add(tenant_id, "users", first_seen[:16], 1)
    for (tenant_id, _), (*_before, status, created_at, _updated) in (await _table(connection, _TALKS_RECOUNT)).items():
        counters.add(tenant_id, "conversations", created_at[:16], 1)
        counters.values[tenant_id, "total", "deleted_conversations", ""] += status == "deleted"
    user_days: Table = {}
    seen = f"SELECT tenant_id, user_id, MIN(at) FROM ({_SEEN}) AS events GROUP BY 1, 2, SUBSTR(at, 1, 16)"  # noqa: S608
    async for tenant_id, user_id, at in await connection.stream(text(seen)):
        key = (tenant_id, days.of(at), user_id)
        user_days[key] = min(at, user_days.get(key, at))
    for (tenant_id, *_key), at in user_days.items():
        counters.add(tenant_id, "active_users", at[:16], 1, total=False)
    return dict(counters.values), user_days


async def _by_minute(connection: AsyncConnection) -> list[tuple[str, str, str, int]]:
    found = []
    for counter in COUNTERS:
        time = "created_at" if counter.table == "message_metrics" else "timestamp"
        query = (
            f"SELECT tenant_id, SUBSTR({time}, 1, 16) AS minute, {counter.recount} "  # noqa: S608
            f"FROM {counter.table} GROUP BY tenant_id, SUBSTR({time}, 1, 16)"
        )
        rows = await _rows(connection, query)
        found += [(tenant_id, counter.name, minute, int(value)) for tenant_id, minute, value in rows]
    for counter in LABELLED:
        rows = await _rows(connection, _LABELLED_RECOUNT.format(recount=counter.recount))
        found += [(tenant, f"{counter.name}:{label}", minute, int(value)) for tenant, label, minute, value in rows]
    return found


# The first models of a tenant, by the ids of their rows, are named; the rest are counted together.
_LABELLED_RECOUNT = f"""
    SELECT message_metrics.tenant_id, CASE WHEN place <= {LABELS} THEN model_used ELSE '{OTHERS}' END AS label,
        SUBSTR(created_at, 1, 16), {{recount}}
    FROM message_metrics JOIN (
        SELECT tenant_id, model_used AS model, ROW_NUMBER() OVER (PARTITION BY tenant_id ORDER BY MIN(id)) AS place
        FROM message_metrics WHERE model_used IS NOT NULL GROUP BY tenant_id, model_used
    ) AS models ON models.tenant_id = message_metrics.tenant_id AND model = model_used
    GROUP BY 1, 2, 3
"""  # noqa: S608 - our own text


async def _endpoint_days(connection: AsyncConnection) -> Table:
    rows = await _rows(
        connection,
        "SELECT tenant_id, day, endpoint, count, error_count, response_time_us, buckets FROM endpoint_days",
    )
    return {tuple(row[:3]): (*row[3:6], msgspec.json.decode(row[6], type=dict[int, int])) for row in rows}


async def _recount_endpoints(connection: AsyncConnection, days: Days) -> Table:
    """Count the calls of each endpoint by day; beyond the bound, in the order of the rows, they count together."""
    named: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
    found: Table = {}
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


async def _check_log(connection: AsyncConnection, verdict: Verdict) -> None:
    """Hold the change log against the heads: contiguous, and ending where the head stands."""
    heads = await _rows(connection, "SELECT tenant_id, sequence, tag, last_id FROM heads")
    logs = await _rows(
        connection, "SELECT tenant_id, COUNT(*), MIN(sequence), MAX(sequence) FROM changes GROUP BY tenant_id"
    )
    ends = await _rows(
        connection,
        "SELECT changes.tenant_id, changes.tag FROM changes JOIN heads "
        "ON heads.tenant_id = changes.tenant_id AND heads.sequence = changes.sequence",
    )
    tags: dict[str, str] = dict(tuple(row) for row in ends)
    spans = {tenant_id: (count, first, last) for tenant_id, count, first, last in logs}
    for tenant_id, sequence, tag, _last_id in heads:
        count, first, last = spans.get(tenant_id, (0, 1, 0))
        verdict.compared += 1
        if last - first + 1 != count or last != sequence or tags.get(tenant_id, NO_TAG) != tag:
            verdict.differences.append(
                Difference(tenant_id, "change log", f"{count} entries {first} to {last}", f"head {sequence}")
            )
