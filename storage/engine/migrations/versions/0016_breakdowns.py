"""What breakdowns read: messages and activities by label, sums of users by day, LLM calls by hour, outcome and model.

Messages and activities of the past are filled in from the raw rows. LLM calls that were recorded before are
added by ``verify --repair``.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import lru_cache
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0014"

LABELS = 250
ROWS = 1000
DayOf = Callable[[str], str]
Key = tuple[str, ...]


def _ordered(length: int) -> sa.String:
    return sa.String(length).with_variant(sa.String(length, collation="C"), "postgresql")


KEY, DAY, HOUR, SCOPE, LABEL = _ordered(255), _ordered(10), _ordered(13), _ordered(16), _ordered(512)
LLM_SUMS = (
    "calls",
    "failed_calls",
    "input_tokens",
    "cached_input_tokens",
    "cache_write_tokens",
    "output_tokens",
    "reasoning_tokens",
    "cost_nanodollars",
    "unpriced_calls",
    "unpriced_tokens",
)
USER_SUMS = ("messages", "tokens")
OF_USERS = """
SELECT user_id, SUBSTR(created_at, 1, 16), COUNT(*), COALESCE(SUM(token_count), 0) FROM message_metrics
WHERE tenant_id = :tenant GROUP BY user_id, SUBSTR(created_at, 1, 16)
"""
# Label, minute, first id, count and tokens of each scope.
OF_LABELS = {
    "role": "SELECT role || '\t' || COALESCE(model_used, ''), SUBSTR(created_at, 1, 16), MIN(id), COUNT(*), "
    "COALESCE(SUM(token_count), 0) FROM message_metrics WHERE tenant_id = :tenant GROUP BY 1, 2 ORDER BY 3",
    "finish_reason": "SELECT REPLACE(finish_reason, '\t', ' ') || '\t' || COALESCE(model_used, ''), "
    "SUBSTR(created_at, 1, 16), MIN(id), COUNT(*), COALESCE(SUM(token_count), 0) FROM message_metrics "
    "WHERE tenant_id = :tenant AND finish_reason IS NOT NULL GROUP BY 1, 2 ORDER BY 3",
    "activity_type": "SELECT activity_type, SUBSTR(timestamp, 1, 16), MIN(id), COUNT(*), 0 FROM user_activity "
    "WHERE tenant_id = :tenant GROUP BY 1, 2 ORDER BY 3",
}


def upgrade() -> None:
    connection = op.get_bind()
    labelled = (("day", DAY), ("scope", SCOPE), ("label", LABEL))
    for prefix in ("", "carried_"):
        for name in USER_SUMS:
            op.add_column(f"{prefix}user_days", _sum(name, server_default="0"))
        for name in ("llm_model_days", "llm_conversation_days"):
            op.add_column(f"{prefix}{name}", _sum("cache_write_tokens", server_default="0"))
        op.drop_table(f"{prefix}llm_user_days")
        _table(f"{prefix}llm_user_days", (("day", DAY), ("user_id", KEY), ("model", LABEL)), LLM_SUMS)
        _table(f"{prefix}llm_model_hours", (("hour", HOUR), ("model", LABEL)), LLM_SUMS)
        _table(f"{prefix}llm_outcome_days", labelled, LLM_SUMS)
    _table("carried_event_days", labelled, ("count", "tokens"))
    events = _table("event_days", labelled, ("count", "tokens"))
    zone = connection.scalar(sa.text("SELECT value FROM about WHERE name = 'timezone'"))
    if zone is None:
        return
    day_of = _days(str(zone))
    for tenant_id in connection.scalars(sa.text("SELECT tenant_id FROM heads ORDER BY tenant_id")).all():
        _fill_users(connection, tenant_id, day_of)
        for scope, query in OF_LABELS.items():
            _fill_labels(connection, events, tenant_id, scope, query, day_of)


def _sum(name: str, server_default: str | None = None) -> "sa.Column[int]":
    return sa.Column(name, sa.BigInteger(), nullable=False, server_default=server_default)


def _table(name: str, key: tuple[tuple[str, sa.String], ...], sums: tuple[str, ...]) -> sa.Table:
    return op.create_table(
        name,
        sa.Column("tenant_id", KEY, nullable=False),
        *(sa.Column(column, kind, nullable=False) for column, kind in key),
        *map(_sum, sums),
        sa.PrimaryKeyConstraint("tenant_id", *(column for column, _ in key)),
        sqlite_with_rowid=False,
    )


def _days(zone: str) -> DayOf:
    """Make what names the local day of a minute in UTC."""
    local = ZoneInfo(zone)

    @lru_cache(maxsize=4096)
    def of_minute(minute: str) -> str:
        return datetime.fromisoformat(minute).replace(tzinfo=UTC).astimezone(local).date().isoformat()

    return of_minute


def _fill_users(connection: sa.Connection, tenant_id: str, day_of: DayOf) -> None:
    sums: defaultdict[Key, list[int]] = defaultdict(lambda: [0] * len(USER_SUMS))
    for user_id, minute, messages, tokens in connection.execute(sa.text(OF_USERS), {"tenant": tenant_id}):
        row = sums[day_of(minute), user_id]
        row[0] += int(messages)
        row[1] += int(tokens)
    names = ", ".join(f"{name} = :{name}" for name in USER_SUMS)
    change = sa.text(f"UPDATE user_days SET {names} WHERE tenant_id = :tenant AND day = :day AND user_id = :user")  # noqa: S608 - our own names
    rows = [
        {"tenant": tenant_id, "day": day, "user": user_id, **dict(zip(USER_SUMS, row, strict=True))}
        for (day, user_id), row in sums.items()
    ]
    for some in _pages(rows):
        connection.execute(change, some)


def _fill_labels(
    connection: sa.Connection, table: sa.Table, tenant_id: str, scope: str, query: str, day_of: DayOf
) -> None:
    """Add up minutes; the first labels of a day, by the ids of their rows, have rows of their own."""
    sums: defaultdict[Key, list[int]] = defaultdict(lambda: [0, 0])
    named: defaultdict[str, set[str]] = defaultdict(set)
    for label, minute, _, count, tokens in connection.execute(sa.text(query), {"tenant": tenant_id}):
        day = day_of(minute)
        if len(named[day]) < LABELS:
            named[day].add(label)
        row = sums[day, label if label in named[day] else ""]
        row[0] += int(count)
        row[1] += int(tokens)
    rows = [
        {"tenant_id": tenant_id, "day": day, "scope": scope, "label": label, "count": count, "tokens": tokens}
        for (day, label), (count, tokens) in sums.items()
    ]
    for some in _pages(rows):
        connection.execute(table.insert(), some)


def _pages(rows: list[dict[str, object]]) -> Iterator[list[dict[str, object]]]:
    return (rows[begin : begin + ROWS] for begin in range(0, len(rows), ROWS))


def downgrade() -> None:
    raise RuntimeError("an older version does not know the rollups of breakdowns: restore a backup")
