"""Distinct users of any range: the hours of each user's days, and on which day the users of a day were active before.

Both are filled from the raw tables and from ``user_days``. What cannot be known any more, because its rows or users
were removed, lies before two days that the head of each tenant names.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"

ROWS = 1000


def _ordered(length: int) -> sa.String:
    return sa.String(length).with_variant(sa.String(length, collation="C"), "postgresql")


KEY, DAY = _ordered(255), _ordered(10)

SEEN = """
SELECT tenant_id, user_id, SUBSTR(at, 1, 16) FROM (
  SELECT tenant_id, user_id, timestamp AS at FROM user_activity
  UNION ALL SELECT tenant_id, user_id, created_at FROM message_metrics
  UNION ALL SELECT tenant_id, user_id, timestamp FROM api_usage WHERE user_id IS NOT NULL
  UNION ALL SELECT tenant_id, user_id, timestamp FROM conversation_events
  UNION ALL SELECT tenant_id, user_id, timestamp FROM llm_calls WHERE user_id IS NOT NULL
) AS events GROUP BY tenant_id, user_id, SUBSTR(at, 1, 16)
"""
DAYS = """
SELECT user_days.tenant_id, user_days.user_id, user_days.day, user_days.hours,
  heads.user_activity_from, heads.message_metrics_from, heads.api_usage_from, heads.conversation_events_from,
  heads.llm_calls_from
FROM user_days JOIN heads ON heads.tenant_id = user_days.tenant_id
WHERE user_days.day >= heads.user_days_from ORDER BY user_days.tenant_id, user_days.user_id, user_days.day
"""
COUNTED = """
SELECT users.tenant_id, users.user_id, users.first_seen, users.last_seen, heads.user_days_from
FROM users JOIN heads ON heads.tenant_id = users.tenant_id WHERE heads.user_days_from <> ''
"""

DayOf = Callable[[str], str]


def upgrade() -> None:
    connection = op.get_bind()
    for table in ("user_days", "carried_user_days"):
        op.add_column(table, sa.Column("hours", sa.BigInteger(), nullable=False, server_default="0"))
    for name in ("user_hours_from", "user_returns_from"):
        op.add_column("heads", sa.Column(name, DAY, nullable=False, server_default=""))
    returns = _returns_table("user_returns")
    _returns_table("carried_user_returns")
    last_days = op.create_table(
        "carried_last_days",
        sa.Column("tenant_id", KEY, nullable=False),
        sa.Column("user_id", KEY, nullable=False),
        sa.Column("day", DAY, nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "user_id"),
        sqlite_with_rowid=False,
    )
    op.create_index("user_days_user", "user_days", ["tenant_id", "user_id", "day"], unique=False)
    zone = connection.scalar(sa.text("SELECT value FROM about WHERE name = 'timezone'"))
    if zone is not None:
        day_of = _days(str(zone))
        _fill_hours(connection, day_of)
        counted = dict(_last_counted(connection, day_of))
        _insert(connection, last_days, ((*key, day) for key, day in counted.items()))
        found, hours = _count(connection, counted)
        _insert(connection, returns, ((*key, users) for key, users in found.items()))
        counters = sa.table("counters", *map(sa.column, ("tenant_id", "grain", "metric", "start", "value")))
        rows = ((tenant_id, "hour", "hourly_users", hour, users) for (tenant_id, hour), users in hours.items())
        _insert(connection, counters, rows)
        _note_unknown(connection, day_of)


def _returns_table(name: str) -> sa.Table:
    return op.create_table(
        name,
        sa.Column("tenant_id", KEY, nullable=False),
        sa.Column("day", DAY, nullable=False),
        sa.Column("previous", DAY, nullable=False),
        sa.Column("users", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "day", "previous"),
        sqlite_with_rowid=False,
    )


def _insert(connection: sa.Connection, table: Any, rows: Iterator[tuple[Any, ...]]) -> None:
    names = [column.name for column in table.c]
    found = [dict(zip(names, row, strict=True)) for row in rows]
    for begin in range(0, len(found), ROWS):
        connection.execute(table.insert(), found[begin : begin + ROWS])


def _days(zone: str) -> DayOf:
    """Make what names the local day of a time in UTC."""
    local = ZoneInfo(zone)

    @lru_cache(maxsize=4096)
    def of_minute(minute: str) -> str:
        return datetime.fromisoformat(minute).replace(tzinfo=UTC).astimezone(local).date().isoformat()

    return lambda at: of_minute(at[:16])


def _hour_number(at: str, day: str) -> int:
    """Count the hours of UTC since the first one that a day has in any zone."""
    return (datetime.fromisoformat(at[:13]) - datetime.fromisoformat(day) + timedelta(hours=14)) // timedelta(hours=1)


@lru_cache(maxsize=4096)
def _hours(day: str, bits: int) -> tuple[str, ...]:
    first = datetime.fromisoformat(day) - timedelta(hours=14)
    return tuple((first + timedelta(hours=bit)).isoformat()[:13] for bit in range(bits.bit_length()) if bits >> bit & 1)


@lru_cache(maxsize=4096)
def _next(day: str) -> str:
    return (date.fromisoformat(day) + timedelta(days=1)).isoformat()


def _fill_hours(connection: sa.Connection, day_of: DayOf) -> None:
    """Set the hours of users' days by the raw rows; those of removed rows are not known."""
    found: defaultdict[tuple[str, str, str], int] = defaultdict(int)
    for tenant_id, user_id, minute in connection.execute(sa.text(SEEN)):
        day = day_of(minute)
        found[tenant_id, day, user_id] |= 1 << _hour_number(minute, day)
    update = sa.text("UPDATE user_days SET hours = :hours WHERE tenant_id = :tenant AND day = :day AND user_id = :user")
    rows = [
        {"hours": bits, "tenant": tenant_id, "day": day, "user": user_id}
        for (tenant_id, day, user_id), bits in found.items()
    ]
    for begin in range(0, len(rows), ROWS):
        connection.execute(update, rows[begin : begin + ROWS])


def _last_counted(connection: sa.Connection, day_of: DayOf) -> Iterator[tuple[tuple[str, str], str]]:
    """Give the last day known of each user before the end of those that were counted for good."""
    for tenant_id, user_id, first_seen, last_seen, end in connection.execute(sa.text(COUNTED)):
        before = [day for day in (day_of(last_seen), day_of(first_seen)) if day < end]
        if before:
            yield (tenant_id, user_id), before[0]


def _count(
    connection: sa.Connection, counted: dict[tuple[str, str], str]
) -> tuple[Counter[tuple[str, str, str]], Counter[tuple[str, str]]]:
    """Count the users of each day by their day before, and those of each hour, which two days may share."""
    found, hours = Counter[tuple[str, str, str]](), Counter[tuple[str, str]]()
    user, previous = ("", ""), ""
    active: tuple[str, ...] = ()
    for tenant_id, user_id, day, bits, *cutoffs in connection.execute(sa.text(DAYS)):
        if (tenant_id, user_id) != user:
            user, active = (tenant_id, user_id), ()
            previous = counted.get(user, "")
        found[tenant_id, day, previous] += 1
        shared = active[-1:] if previous and _next(previous) == day else ()
        active = _hours(day, bits)
        cutoff = min(cutoffs)
        hours.update((tenant_id, hour) for hour in active if hour not in shared and f"{hour}:00" >= cutoff)
        previous = day
    return found, hours


def _note_unknown(connection: sa.Connection, day_of: DayOf) -> None:
    """Note since when returns are known, behind all days with users who were removed, and since when hours are."""
    returns_from: defaultdict[str, str] = defaultdict(str)
    query = "SELECT tenant_id, start FROM carried_counters WHERE metric = 'active_users'"
    for tenant_id, start in connection.execute(sa.text(query)):
        day = start if len(start) == len("2026-11-22") else day_of(start)
        returns_from[tenant_id] = max(returns_from[tenant_id], _next(day))
    hours_from = defaultdict(str, returns_from)
    for tenant_id, day in connection.execute(sa.text("SELECT tenant_id, MAX(day) FROM carried_user_days GROUP BY 1")):
        hours_from[tenant_id] = max(hours_from[tenant_id], _next(day))
    update = sa.text(
        "UPDATE heads SET user_hours_from = :hours, user_returns_from = :returns WHERE tenant_id = :tenant"
    )
    for tenant_id, day in hours_from.items():
        connection.execute(update, {"hours": day, "returns": returns_from[tenant_id], "tenant": tenant_id})


def downgrade() -> None:
    raise RuntimeError("an older version does not keep the hours and returns of users: restore a backup")
