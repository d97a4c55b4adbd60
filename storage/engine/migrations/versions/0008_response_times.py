"""Histograms of response times, by hour and by local day, of messages and API calls.

They are filled from the raw rows. Of rows that were removed before, the archive has the API calls of each day by
endpoint, of which those of all endpoints are made; the messages of these days, and what was removed of an hour, are
counted, but their response times are not known any more.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"

LABELS = 100
ROWS = 1000

Key = tuple[str, ...]
Sums = tuple[list[int], Counter[int]]


@dataclass(frozen=True)
class Kind:
    """Where the response times of one kind of event are, and under which scopes they are kept: of all, by label."""

    table: str
    time: str
    label: str
    is_error: str
    scopes: tuple[str, str]


KINDS = (
    Kind("message_metrics", "created_at", "model_used", "0", ("messages", "model")),
    Kind("api_usage", "timestamp", "endpoint", "status_code", ("api_calls", "endpoint")),
)


def _ordered(length: int) -> sa.String:
    return sa.String(length).with_variant(sa.String(length, collation="C"), "postgresql")


def upgrade() -> None:
    connection = op.get_bind()
    zone = connection.scalar(sa.text("SELECT value FROM about WHERE name = 'timezone'"))
    hours, days, archived_days = (
        _table("response_hours", "hour", 13),
        _table("response_days", "day", 10),
        _table("carried_response_days", "day", 10),
    )
    _table("carried_response_hours", "hour", 13)
    if zone is None:
        return
    _fill(connection, archived_days, _archived(connection))
    local = ZoneInfo(str(zone))
    for tenant_id in connection.scalars(sa.text("SELECT tenant_id FROM heads ORDER BY tenant_id")).all():
        for kind in KINDS:
            for rows in _by_start(connection, tenant_id, kind, ZoneInfo("UTC"), lambda at: at[:13], scopes=2):
                _fill(connection, hours, rows)
            # Endpoints by day have a table of their own.
            scopes = 1 if kind.table == "api_usage" else 2
            for rows in _by_start(connection, tenant_id, kind, local, _days(local), scopes):
                _fill(connection, days, rows)
    _add_archive(connection, days, archived_days)


def _table(name: str, start: str, length: int) -> sa.Table:
    return op.create_table(
        name,
        sa.Column("tenant_id", _ordered(255), nullable=False),
        sa.Column(start, _ordered(length), nullable=False),
        sa.Column("scope", _ordered(16), nullable=False),
        sa.Column("label", _ordered(512), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.Column("error_count", sa.BigInteger(), nullable=False),
        sa.Column("response_time_us", sa.BigInteger(), nullable=False),
        sa.Column("buckets", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", start, "scope", "label"),
        sqlite_with_rowid=False,
    )


def _fill(connection: sa.Connection, table: sa.Table, rows: dict[Key, Sums]) -> None:
    names = [column.name for column in table.c]
    found = [
        dict(zip(names, (*key, *sums, json.dumps(buckets, separators=(",", ":"))), strict=True))
        for key, (sums, buckets) in rows.items()
    ]
    for begin in range(0, len(found), ROWS):
        connection.execute(table.insert(), found[begin : begin + ROWS])


def _days(zone: ZoneInfo) -> Callable[[str], str]:
    """Make what names the local day of a time in UTC."""

    @lru_cache(maxsize=4096)
    def of_minute(minute: str) -> str:
        return datetime.fromisoformat(minute).replace(tzinfo=UTC).astimezone(zone).date().isoformat()

    return lambda at: of_minute(at[:16])


def _windows(connection: sa.Connection, tenant_id: str, kind: Kind, zone: ZoneInfo) -> Iterator[tuple[str, str]]:
    """Give begin and end of each day of a *zone* that has rows: to hold all of them would take gigabytes."""
    first = sa.text(f"SELECT MIN({kind.time}) FROM {kind.table} WHERE tenant_id = :tenant AND {kind.time} >= :since")  # noqa: S608 - our own names
    day_of, since = _days(zone), ""
    while (at := connection.scalar(first, {"tenant": tenant_id, "since": since})) is not None:
        day = date.fromisoformat(day_of(at))
        begin, since = (_midnight(day + timedelta(days=more), zone) for more in (0, 1))
        yield begin, since


def _midnight(day: date, zone: ZoneInfo) -> str:
    local = datetime(day.year, day.month, day.day, tzinfo=zone)
    return local.astimezone(UTC).isoformat(timespec="milliseconds")[:23] + "Z"


def _by_start(
    connection: sa.Connection, tenant_id: str, kind: Kind, zone: ZoneInfo, start_of: Callable[[str], str], scopes: int
) -> Iterator[dict[Key, Sums]]:
    """Count response times by hour or day and scope; the first labels by the ids of their rows, the rest together."""
    query = sa.text(
        f"SELECT {kind.label}, {kind.time}, {kind.is_error}, response_time_us FROM {kind.table} "  # noqa: S608 - our own names
        f"WHERE tenant_id = :tenant AND {kind.time} >= :begin AND {kind.time} < :end AND response_time_us IS NOT NULL "
        "ORDER BY id"
    )
    of_all, of_label = kind.scopes
    for begin, end in _windows(connection, tenant_id, kind, zone):
        rows: dict[Key, Sums] = defaultdict(lambda: ([0, 0, 0], Counter()))
        named: defaultdict[str, set[str]] = defaultdict(set)
        for label, at, status, us in connection.execute(query, {"tenant": tenant_id, "begin": begin, "end": end}):
            start = start_of(at)
            keys = [(tenant_id, start, of_all, "")]
            if label is not None and scopes > 1:
                known = named[start]
                if label not in known and len(known) < LABELS:
                    known.add(label)
                keys.append((tenant_id, start, of_label, label if label in known else ""))
            for key in keys:
                sums, buckets = rows[key]
                sums[0] += 1
                sums[1] += status >= 500
                sums[2] += us
                buckets[_bucket(us)] += 1
        yield rows


def _bucket(us: int) -> int:
    """Number the bucket of a duration in microseconds: below 64 each has one, above it every power of two has 32."""
    shift = max(0, us.bit_length() - 6)
    return shift * 32 + (us >> shift)


def _archived(connection: sa.Connection) -> dict[Key, Sums]:
    """Add up the archived API calls of all endpoints, by day."""
    rows: dict[Key, Sums] = defaultdict(lambda: ([0, 0, 0], Counter()))
    query = "SELECT tenant_id, day, count, error_count, response_time_us, buckets FROM carried_endpoint_days"
    for tenant_id, day, *added, written in connection.execute(sa.text(query)):
        _add(rows[tenant_id, day, "api_calls", ""], added, written)
    return rows


def _add(row: Sums, added: list[int], written: str) -> None:
    sums, buckets = row
    for place, value in enumerate(added):
        sums[place] += value
    for number, count in json.loads(written).items():
        buckets[int(number)] += count


def _add_archive(connection: sa.Connection, days: sa.Table, archived: sa.Table) -> None:
    """Add what was archived to the days that were filled from the rows that are left."""
    for row in connection.execute(sa.select(archived)).all():
        key = (row.tenant_id, row.day, row.scope, row.label)
        here = sa.and_(*(column == value for column, value in zip(days.primary_key, key, strict=True)))
        total: Sums = ([0, 0, 0], Counter())
        _add(total, [row[4], row.error_count, row.response_time_us], row.buckets)
        for stored in connection.execute(sa.select(days).where(here)).all():
            _add(total, [stored[4], stored.error_count, stored.response_time_us], stored.buckets)
        connection.execute(days.delete().where(here))
        _fill(connection, days, {key: total})


def downgrade() -> None:
    raise RuntimeError("an older version does not know the histograms by hour: restore a backup instead")
