"""Hours of a counter, read from the rollups and put in the order of the tenant's clocks on the wall.

Traffic follows those clocks. So where they change, the hour that is skipped is taken to be as the day before, and of an
hour that comes twice the first one counts among the hours to compare with.
"""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from sqlalchemy import Connection, bindparam, func, select

from storage.alerts.rule import EVENTS
from storage.alerts.window import HOUR
from storage.model import clock
from storage.model.clock import Days
from storage.tables import heads, schema

HOURS_OF_DAY = 24
GRAIN = "hour"
_counters = schema.counters.c
_OF_TENANT = (_counters.tenant_id == bindparam("tenant"), _counters.grain == GRAIN)
_ROWS = select(_counters.metric, _counters.start, _counters.value).where(
    *_OF_TENANT,
    _counters.metric.in_(bindparam("metrics", expanding=True)),
    _counters.start.between(bindparam("first"), bindparam("last")),
)
_HEAD = schema.heads.c.tenant_id == bindparam("tenant")
_CUTOFFS = select(*heads.CUTOFF_COLUMNS).where(_HEAD)

Values = Mapping[str, int]
"""What hours of UTC (``2026-11-30T10``) added; one that is absent added 0."""


class Place(NamedTuple):
    """An hour of a clock on the wall: its ``number``, counted on without a gap, and what it added.

    ``hour`` is that of UTC; None: the clock skipped it.
    """

    number: int
    hour: str | None
    value: int


def shifted(hour: str, by: int) -> str:
    """Name the hour of UTC that is so many hours later, or, below zero, earlier."""
    return clock.text(_moment(hour) + timedelta(hours=by))[:HOUR]


def number_of(hour: str, days: Days) -> int:
    """Number an hour by the clock on the wall of the tenant's zone."""
    local = _moment(hour).astimezone(days.zone)
    return local.toordinal() * HOURS_OF_DAY + local.hour


def _moment(hour: str) -> datetime:
    return datetime.fromisoformat(f"{hour}:00").replace(tzinfo=UTC)


def places(values: Values, first: str, last: str, days: Days) -> Iterator[Place]:
    """Give the hours from one hour of UTC to another, both inclusive, by the clock on the wall."""
    recent: dict[int, int] = {}
    hour, following = first, number_of(first, days)
    while hour <= last:
        number = number_of(hour, days)
        for skipped in range(following, number):
            recent[skipped] = recent.get(skipped - HOURS_OF_DAY, 0)
            yield Place(skipped, None, recent[skipped])
        if number >= following:
            recent[number] = values.get(hour, 0)
            recent.pop(number - 2 * HOURS_OF_DAY, None)
            yield Place(number, hour, recent[number])
            following = number + 1
        hour = shifted(hour, 1)


def read_hours(
    connection: Connection, tenant_id: str, metrics: Collection[str], first: str, last: str
) -> dict[str, dict[str, int]]:
    """Read what the hours from one to another, both inclusive, added to counters."""
    wanted = {"tenant": tenant_id, "metrics": sorted(metrics), "first": first, "last": last}
    found: defaultdict[str, dict[str, int]] = defaultdict(dict)
    for metric, start, value in connection.execute(_ROWS, wanted):
        found[metric][start] = value
    return found


def read_first(connection: Connection, tenant_id: str, metric: str) -> str | None:
    """Name the first hour that is known of a tenant's counter; None: there is none.

    It is that of the tenant's first event of any kind, or the first one of which no rows were removed.
    """
    starts = [
        select(func.min(_counters.start)).where(*_OF_TENANT, _counters.metric == name).scalar_subquery()
        for name in (*EVENTS.values(), metric)
    ]
    row = connection.execute(select(*starts), {"tenant": tenant_id}).one()
    found: str | None = min((start for start in row if start is not None), default=None)
    cutoffs = connection.execute(_CUTOFFS, {"tenant": tenant_id}).one_or_none()
    cutoff = "" if cutoffs is None else heads.cutoffs_of(cutoffs).of(metric)
    if found is None or not cutoff:
        return found
    # Of an hour within which rows were removed a part is left.
    whole = cutoff[:HOUR] if cutoff.endswith(":00") else shifted(cutoff[:HOUR], 1)
    return max(found, whole)
