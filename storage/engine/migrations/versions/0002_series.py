"""What charts read: counters by hour and by model, when a user was first active on a day, and endpoints by day.

The new rollups are filled from the raw tables, so that they hold for the past too.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

LABELS = 50
ENDPOINTS = 250
ROWS = 1000


def _ordered(length: int) -> sa.String:
    return sa.String(length).with_variant(sa.String(length, collation="C"), "postgresql")


KEY = _ordered(255)

SEEN = """
SELECT tenant_id, user_id, MIN(at) FROM (
  SELECT tenant_id, user_id, timestamp AS at FROM user_activity
  UNION ALL SELECT tenant_id, user_id, created_at FROM message_metrics
  UNION ALL SELECT tenant_id, user_id, timestamp FROM api_usage WHERE user_id IS NOT NULL
  UNION ALL SELECT tenant_id, user_id, timestamp FROM conversation_events
) AS events GROUP BY tenant_id, user_id, SUBSTR(at, 1, 16)
"""
MODELS = """
SELECT tenant_id, model_used, SUBSTR(created_at, 1, 16), MIN(id), COUNT(*), SUM(token_count)
FROM message_metrics WHERE model_used IS NOT NULL GROUP BY tenant_id, model_used, SUBSTR(created_at, 1, 16)
"""
CALLS = "SELECT tenant_id, endpoint, timestamp, status_code, response_time_us FROM api_usage ORDER BY tenant_id, id"

HOURS = """
INSERT INTO counters (tenant_id, grain, metric, start, value)
SELECT tenant_id, 'hour', metric, SUBSTR(start, 1, 13), SUM(value)
FROM counters WHERE grain = 'minute' GROUP BY tenant_id, metric, SUBSTR(start, 1, 13)
"""
DAILY_STATS = """
CREATE VIEW daily_stats AS
SELECT tenant_id, CAST(REPLACE(start, '-', '') AS INTEGER) AS id, start AS date,
  SUM(SUM(CASE WHEN metric = 'users' THEN value ELSE 0 END))
    OVER (PARTITION BY tenant_id ORDER BY start) AS total_users,
  SUM(CASE WHEN metric = 'active_users' THEN value ELSE 0 END) AS active_users,
  SUM(CASE WHEN metric = 'users' THEN value ELSE 0 END) AS new_users,
  SUM(CASE WHEN metric = 'conversations' THEN value ELSE 0 END) AS total_conversations,
  SUM(CASE WHEN metric = 'messages' THEN value ELSE 0 END) AS total_messages,
  SUM(CASE WHEN metric = 'api_calls' THEN value ELSE 0 END) AS total_api_calls,
  SUM(CASE WHEN metric = 'response_time_us' THEN value ELSE 0 END) / 1000000.0
    / NULLIF(SUM(CASE WHEN metric = 'responses' THEN value ELSE 0 END), 0) AS avg_response_time,
  SUM(CASE WHEN metric = 'api_errors' THEN value ELSE 0 END) AS error_count
FROM counters WHERE grain = 'day' GROUP BY tenant_id, start
"""


def upgrade() -> None:
    connection = op.get_bind()
    zone = connection.scalar(sa.text("SELECT value FROM about WHERE name = 'timezone'"))
    op.execute("DROP VIEW daily_stats")
    op.rename_table("counters", "old_counters")
    counters = _table(
        "counters",
        ("tenant_id", "grain", "metric", "start"),
        sa.Column("tenant_id", KEY, nullable=False),
        sa.Column("grain", _ordered(6), nullable=False),
        sa.Column("metric", _ordered(300), nullable=False),
        sa.Column("start", _ordered(16), nullable=False),
        sa.Column("value", sa.BigInteger(), nullable=False),
    )
    op.execute("INSERT INTO counters SELECT tenant_id, grain, metric, start, value FROM old_counters")
    op.drop_table("old_counters")
    op.drop_table("user_days")
    user_days = _table(
        "user_days",
        ("tenant_id", "day", "user_id"),
        sa.Column("tenant_id", KEY, nullable=False),
        sa.Column("day", _ordered(10), nullable=False),
        sa.Column("user_id", KEY, nullable=False),
        sa.Column("first_at", _ordered(24), nullable=False),
    )
    endpoint_days = _table(
        "endpoint_days",
        ("tenant_id", "day", "endpoint"),
        sa.Column("tenant_id", KEY, nullable=False),
        sa.Column("day", _ordered(10), nullable=False),
        sa.Column("endpoint", _ordered(512), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.Column("error_count", sa.BigInteger(), nullable=False),
        sa.Column("response_time_us", sa.BigInteger(), nullable=False),
        sa.Column("buckets", sa.Text(), nullable=False),
    )
    if zone is not None:
        day_of = _days(str(zone))
        _fill(connection, user_days, _user_days(connection, day_of))
        _fill(connection, counters, _active_users(connection))
        _fill(connection, counters, _models(connection, day_of))
        _fill(connection, endpoint_days, _endpoint_days(connection, day_of))
    op.drop_index("message_metrics_time", "message_metrics")
    op.create_index("message_metrics_time", "message_metrics", ["tenant_id", "created_at", "id"], unique=False)
    op.create_index(
        "conversation_metrics_status",
        "conversation_metrics",
        ["tenant_id", "status", "created_at", "id"],
        unique=False,
    )
    # Last, so that every counter has its hours.
    op.execute(HOURS)
    op.execute(DAILY_STATS)


def _table(name: str, key: tuple[str, ...], *columns: sa.Column[Any]) -> sa.Table:
    # Named apart from the key of the table that it replaces: PostgreSQL keeps that name when a table is renamed.
    return op.create_table(name, *columns, sa.PrimaryKeyConstraint(*key, name=f"{name}_key"), sqlite_with_rowid=False)


def _fill(connection: sa.Connection, table: sa.Table, rows: Iterator[tuple[Any, ...]]) -> None:
    names = [column.name for column in table.c]
    found = [dict(zip(names, row, strict=True)) for row in rows]
    for begin in range(0, len(found), ROWS):
        connection.execute(table.insert(), found[begin : begin + ROWS])


def _days(zone: str) -> Callable[[str], str]:
    """Make what names the local day of a time in UTC."""
    local = ZoneInfo(zone)

    @lru_cache(maxsize=4096)
    def of_minute(minute: str) -> str:
        return datetime.fromisoformat(minute).replace(tzinfo=UTC).astimezone(local).date().isoformat()

    return lambda at: of_minute(at[:16])


def _bucket(us: int) -> int:
    """Number the bucket of a duration in microseconds: below 64 each has one, above it every power of two has 32."""
    shift = max(0, us.bit_length() - 6)
    return shift * 32 + (us >> shift)


def _user_days(connection: sa.Connection, day_of: Callable[[str], str]) -> Iterator[tuple[Any, ...]]:
    first: dict[tuple[str, str, str], str] = {}
    for tenant_id, user_id, at in connection.execute(sa.text(SEEN)):
        key = (tenant_id, day_of(at), user_id)
        first[key] = min(at, first.get(key, at))
    return ((*key, at) for key, at in first.items())


def _active_users(connection: sa.Connection) -> Iterator[tuple[Any, ...]]:
    query = "SELECT tenant_id, SUBSTR(first_at, 1, 16), COUNT(*) FROM user_days GROUP BY 1, 2"
    for tenant_id, minute, value in connection.execute(sa.text(query)).all():
        yield tenant_id, "minute", "active_users", minute, value


def _models(connection: sa.Connection, day_of: Callable[[str], str]) -> Iterator[tuple[Any, ...]]:
    """Count messages and tokens by model; the first models of a tenant by the ids of their rows, the rest together."""
    rows = connection.execute(sa.text(MODELS)).all()
    first: defaultdict[str, dict[str, int]] = defaultdict(dict)
    for tenant_id, model, _, row_id, _, _ in rows:
        first[tenant_id][model] = min(row_id, first[tenant_id].get(model, row_id))
    named = {tenant_id: set(sorted(ids, key=ids.__getitem__)[:LABELS]) for tenant_id, ids in first.items()}
    sums = Counter[tuple[str, str, str, str]]()
    for tenant_id, model, minute, _, messages, tokens in rows:
        label = model if model in named[tenant_id] else ""
        for name, value in (("model_messages", messages), ("model_tokens", tokens)):
            for grain, start in (("minute", minute), ("day", day_of(minute)), ("total", "")):
                sums[tenant_id, grain, f"{name}:{label}", start] += int(value)
    return ((*key, value) for key, value in sums.items() if value)


def _endpoint_days(connection: sa.Connection, day_of: Callable[[str], str]) -> Iterator[tuple[Any, ...]]:
    """Count calls by endpoint; the first endpoints of a day by the ids of their rows, the rest together."""
    named: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
    sums: dict[tuple[str, str, str], tuple[list[int], Counter[int]]] = {}
    for tenant_id, endpoint, at, status, us in connection.execute(sa.text(CALLS)):
        day = day_of(at)
        known = named[tenant_id, day]
        if endpoint not in known and len(known) < ENDPOINTS:
            known.add(endpoint)
        row, buckets = sums.setdefault((tenant_id, day, endpoint if endpoint in known else ""), ([0, 0, 0], Counter()))
        for place, value in enumerate((1, status >= 500, us)):
            row[place] += value
        buckets[_bucket(us)] += 1
    for key, (row, buckets) in sums.items():
        yield *key, *row, json.dumps(buckets, separators=(",", ":"), sort_keys=True)


def downgrade() -> None:
    raise RuntimeError("the rollups by hour and model are not taken back: restore a backup instead")
