"""The endpoint of charts: metrics over time, read from the rollups."""

from collections.abc import Collection, Mapping
from datetime import timedelta
from typing import Any

from storage.model import clock
from storage.model.clock import Days
from storage.read.reports import Page
from storage.read.series import ACTIVE_USERS, METRICS, Interval, measure, points, read_series
from web.http.operations import Operation, Parameter, choice, moment
from web.http.problems import invalid
from web.reports import shapes
from web.reports.endpoints import Reports
from web.reports.lists import Ask, Values

MAX_POINTS = 11_000
"""A week of minutes, a year of hours or thirty years of days."""
MAX_COUNTED_MINUTES = 2880
"""Two days: the distinct users of minutes are counted by their events."""
LIGHT_VALUES = 2000
"""Up to so many, points times metrics, a series costs little: a chart has some 60 to 720 of them."""
INTERVALS: dict[str, tuple[Interval, timedelta]] = {
    "minute": ("minute", timedelta(minutes=59)),
    "hour": ("hour", timedelta(hours=23)),
    "day": ("day", timedelta(days=29)),
}
"""The intervals, and how long before its end a range begins by default."""


def _metrics(value: str, _days: Days) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(value.split(",")))
    for name in names:
        if name not in METRICS:
            raise ValueError(f"must be some of {', '.join(METRICS)}, separated by commas")
    return names


_PARAMETERS = (
    Parameter(
        "metrics",
        f"Names separated by commas: {', '.join(METRICS)}. What each means: docs/reference.md.",
        {"type": "string"},
        _metrics,
    ),
    Parameter(
        "interval",
        "What a point is: a minute or an hour of UTC, or a day of the tenant's zone.",
        {"type": "string", "enum": list(INTERVALS), "default": "hour"},
        choice(*INTERVALS),
        default="hour",
    ),
    Parameter(
        "from",
        "The first point holds this moment: a date (of the tenant's zone) or an ISO 8601 time. "
        "Default: 60 minutes, 24 hours or 30 days.",
        {"type": "string"},
        moment,
    ),
    Parameter("to", "The last point holds the last moment before this one. Default: now.", {"type": "string"}, moment),
)


def operation(reports: Reports) -> Operation:
    """Make the endpoint."""
    title = "Metrics over time, from a minute to a day a point"
    return reports.report(
        "series", "getSeries", title, _read, shapes.SERIES, _PARAMETERS, moving=True, is_heavy=_is_heavy
    )


def _range(page: Page, values: Mapping[str, Any]) -> tuple[str, str]:
    end = page.end or clock.text(clock.moment(clock.now()) + timedelta(milliseconds=1))
    return page.start or clock.text(clock.moment(end) - INTERVALS[values["interval"]][1]), end


def _is_heavy(page: Page, values: Mapping[str, Any]) -> bool:
    interval, _ = INTERVALS[values["interval"]]
    metrics = values["metrics"] or ()
    return _reads_events(interval, metrics) or measure(interval, *_range(page, values)) * len(metrics) > LIGHT_VALUES


def _reads_events(interval: Interval, metrics: Collection[str]) -> bool:
    return interval == "minute" and ACTIVE_USERS in metrics


async def _read(ask: Ask) -> Values:
    metrics, (interval, _) = ask.values["metrics"], INTERVALS[ask.values["interval"]]
    if metrics is None:
        raise invalid("metrics", f"is required: some of {', '.join(METRICS)}, separated by commas")
    start, end = _range(ask.page, ask.values)
    if start >= end:
        raise invalid("to", "must lie after from")
    if measure(interval, start, end) > MAX_POINTS:
        raise invalid("interval", f"makes more than {MAX_POINTS:,} points of this range: take a longer one")
    if _reads_events(interval, metrics) and measure(interval, start, end) > MAX_COUNTED_MINUTES:
        raise invalid(
            "interval",
            f"makes more than {MAX_COUNTED_MINUTES:,} minutes, too many for {ACTIVE_USERS}: take hours or days",
        )
    covered = await points(ask.days, interval, start, end)
    columns = await read_series(ask.connection, ask.tenant_id, ask.days, metrics, covered)
    return {"interval": interval, "timezone": ask.days.zone.key, "start": covered.starts, "metrics": columns}
