"""The list of breakdowns: one metric by one or two dimensions, read from the rollups, also over time."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, cast

from storage.model import clock
from storage.model.clock import Days
from storage.read.breakdowns.catalogue import (
    DIMENSIONS,
    METRICS,
    Grain,
    NoBreakdown,
    Source,
    choose,
    dimensions_of,
    find,
)
from storage.read.breakdowns.listing import known, read_beside, read_breakdown
from storage.read.breakdowns.rows import Breakdown
from storage.read.reports import Listing, Page
from storage.read.series import Points, measure, points
from storage.read.snapshots import read_cutoffs
from web.http.operations import Operation, Parameter, choice
from web.http.problems import invalid
from web.reports import shapes
from web.reports.endpoints import Reports
from web.reports.lists import Ask, List, Values, is_long

MAX_POINTS = 11_000
"""A year of hours or thirty years of days."""
MAX_HISTOGRAM_POINTS = 800
"""A month of hours or two years of days: each point may have 250 histograms."""
MAX_VALUES = 100_000
"""Points times rows of a page: a megabyte."""
LIGHT_POINTS = 100
"""Up to so many days or hours of rollups with a bound cost some milliseconds."""
DEFAULTS: dict[Grain, timedelta] = {"hour": timedelta(hours=23), "day": timedelta(days=29)}
"""How long before its end a range begins by default."""
AT_MOST = 2
"""How many dimensions a breakdown has."""


def _dimensions(value: str, _days: Days) -> tuple[str, ...]:
    names = tuple(value.split(","))
    if not set(names) <= set(DIMENSIONS) or len(set(names)) != len(names) or len(names) > AT_MOST:
        raise ValueError(f"must be one of {', '.join(DIMENSIONS)}, or two of them with a comma between them")
    return names


_METRIC = Parameter(
    "metric",
    "What is broken down. Required. What each means: docs/reference.md.",
    {"type": "string", "enum": list(METRICS)},
    choice(*METRICS),
)
_BY = Parameter(
    "by",
    f"What by: one of {', '.join(DIMENSIONS)}, or two of them with a comma between them. Required. Which there are for "
    "a metric: docs/reference.md.",
    {"type": "string"},
    _dimensions,
)
_INTERVAL = Parameter(
    "interval",
    "Also give each row a value for each hour of UTC, or for each day of the tenant's zone.",
    {"type": "string", "enum": ["hour", "day"]},
    choice("hour", "day"),
)


def operation(reports: Reports) -> Operation:
    """Make the endpoint."""
    return reports.list_of(BREAKDOWN)


def _grain(values: Mapping[str, Any]) -> Grain:
    return cast("Grain", values["interval"] or "day")


def _source(values: Mapping[str, Any]) -> Source:
    """Find what answers; raises a 422 :exc:`Problem` that says what there is."""
    metric, by, grain = values["metric"], values["by"], _grain(values)
    if metric is None:
        raise invalid("metric", f"is required: one of {', '.join(METRICS)}")
    if by is None:
        there_is = ", ".join(dimensions_of(metric, grain)) or "nothing"
        raise invalid("by", f"is required: for this metric there is {there_is}")
    try:
        return choose(metric, by, grain)
    except NoBreakdown as error:
        raise invalid(error.field, str(error)) from None


def _range(page: Page, values: Mapping[str, Any]) -> tuple[str, str]:
    end = page.end or clock.text(clock.moment(clock.now()) + timedelta(milliseconds=1))
    return page.start or clock.text(clock.moment(end) - DEFAULTS[_grain(values)]), end


def _is_heavy(page: Page, values: Mapping[str, Any]) -> bool:
    metric, by, grain = values["metric"], values["by"], _grain(values)
    source = None if metric is None or by is None else find(metric, by, grain)
    if source is None:
        return False
    many = measure(grain, *_range(page, values)) > LIGHT_POINTS
    return many or is_long(page, values) or source.rollup.bound is None or METRICS[metric].has_histogram


async def _cover(ask: Ask, source: Source) -> Points:
    """Make the points of the range, a whole number of days or hours; raises a 422 :exc:`Problem`."""
    start, end = _range(ask.page, ask.values)
    if start >= end:
        raise invalid("to", "must lie after from")
    number, unit = measure(source.grain, start, end), f"{source.grain}s"
    most = MAX_HISTOGRAM_POINTS if METRICS[ask.values["metric"]].has_histogram else MAX_POINTS
    if number > most:
        raise invalid("from", f"makes more than {most:,} {unit}: take a later one")
    if ask.values["interval"] is not None and number * ask.page.limit > MAX_VALUES:
        raise invalid("limit", f"makes more than {MAX_VALUES:,} values with these {unit}: take a lower one")
    return await points(ask.days, source.grain, start, end)


async def _asked(ask: Ask) -> tuple[Breakdown, Points]:
    """Read what is asked for, of the points that are known, and all points."""
    source = _source(ask.values)
    covered = await _cover(ask, source)
    asked = Breakdown(
        ask.tenant_id,
        METRICS[ask.values["metric"]],
        ask.values["by"],
        source,
        covered,
        has_points=ask.values["interval"] is not None,
    )
    return known(asked, await read_cutoffs(ask.connection, ask.tenant_id)), covered


async def _read(ask: Ask) -> Listing:
    asked, _ = await _asked(ask)
    return await read_breakdown(ask.connection, asked, ask.page)


async def _beside(ask: Ask) -> Values:
    asked, covered = await _asked(ask)
    return await read_beside(ask.connection, ask.days, asked, covered)


BREAKDOWN = List(
    "breakdown",
    "breakdown",
    "getBreakdown",
    "A metric by model, user, conversation or what else it is kept by, largest first; a range is one of whole days, or "
    "of whole hours",
    shapes.BREAKDOWN_ROW,
    _read,
    {"": "iss"},
    (_METRIC, _BY, _INTERVAL),
    beside=_beside,
    beside_shape=shapes.BREAKDOWN,
    is_heavy=_is_heavy,
    moving=True,
)
