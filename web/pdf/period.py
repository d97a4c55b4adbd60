"""The range of a report: whole local days, or hours of UTC, and the one before it that it is compared with."""

from dataclasses import dataclass, replace
from datetime import timedelta

from storage.model import clock
from storage.model.clock import Days
from storage.read.series import Interval, Points, measure, points
from web.http.problems import invalid

DEFAULT_DAYS = 7
"""So many whole days before today, if no range is given."""
MAX_DAYS = 366
SHORT_DAYS = 2
"""So few days are shown by hours: a chart of one bar says nothing."""
MAX_HOURS = 72
"""What is longer is shown by days."""
PRESET_DAYS = {"7d": 7, "30d": 30, "90d": 90, "12m": 365}
"""Ranges of the dashboard, with the day that goes on."""


@dataclass(frozen=True)
class Period:
    """``start`` is inclusive, ``end`` exclusive: both timestamps. ``covered`` are the points in it.

    ``has_ended``: it lies before today, so that no event of it is to come but late ones.
    """

    start: str
    end: str
    covered: Points
    has_ended: bool

    @property
    def interval(self) -> Interval:
        """What a point is."""
        return self.covered.interval


async def period(days: Days, start: str | None, end: str | None) -> Period:
    """Make the range of whole days, or of whole hours, that holds all from *start* to *end*; raises a 422 `Problem`.

    Without an end it ends with the day before today, or, if it begins later, with today; without a start it has
    :data:`DEFAULT_DAYS` days.
    """
    today = days.today()
    if end is None:
        begins_today = start is not None and start >= days.start(today)
        end = days.start(days.shift(today, 1) if begins_today else today)
    if start is None:
        start = days.start(days.shift(days.last_before(end), 1 - DEFAULT_DAYS))
    if start >= end:
        raise invalid("to", "must lie after from")
    interval: Interval = "day" if _is_by_days(days, start, end) else "hour"
    if measure(interval, start, end) > MAX_DAYS + 2:
        raise invalid("from", f"must lie at most {MAX_DAYS} days before to")
    covered = await points(days, interval, start, end)
    begin, until = covered.starts[0], _end(days, covered)
    return Period(begin, until, covered, until <= days.start(today))


async def finer(days: Days, now: Period) -> Period:
    """Give the same range by hours, if it has a day or two that hours of UTC make up; else the range itself."""
    is_short = now.interval == "day" and len(now.covered.keys) <= SHORT_DAYS
    if not is_short or not all(edge.endswith(":00:00.000Z") for edge in (now.start, now.end)):
        return now
    return replace(now, covered=await points(days, "hour", now.start, now.end))


async def before(days: Days, now: Period) -> Period:
    """Give the range of as many days or hours right before one."""
    count = len(now.covered.keys)
    if now.interval == "day":
        start = days.start(days.shift(now.covered.keys[0], -count))
    else:
        start = clock.text(clock.moment(now.start) - timedelta(hours=count))
    return await period(days, start, now.start)


def preset(days: Days, name: str) -> tuple[str, str] | None:
    """Give the range that a preset of the dashboard stands for now; None if there is no such one."""
    today = days.today()
    tomorrow = days.start(days.shift(today, 1))
    if name in PRESET_DAYS:
        return days.start(days.shift(today, 1 - PRESET_DAYS[name])), tomorrow
    if name == "today":
        return days.start(today), tomorrow
    if name == "yesterday":
        return days.start(days.shift(today, -1)), days.start(today)
    hours = {"1h": 1, "24h": 24}.get(name)
    if hours is None:
        return None
    last = clock.moment(clock.now()[:13] + ":00:00.000Z") + timedelta(hours=1)
    return clock.text(last - timedelta(hours=hours)), clock.text(last)


def _is_by_days(days: Days, start: str, end: str) -> bool:
    is_whole = all(days.start(days.of(edge)) == edge for edge in (start, end))
    return is_whole or measure("hour", start, end) > MAX_HOURS + 2


def _end(days: Days, covered: Points) -> str:
    if covered.interval == "day":
        return days.start(days.shift(covered.keys[-1], 1))
    return clock.text(clock.moment(covered.starts[-1]) + timedelta(hours=1))
