"""The endpoint of response times: percentiles over time, read from the rollups."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, get_args

from storage.model import clock
from storage.model.histogram import RELATIVE_ERROR
from storage.model.rollups import ENDPOINT, MODEL
from storage.read.reports import Page
from storage.read.response_times import LABEL_OF, Of, Wanted, read_response_times
from storage.read.series import Interval, measure, points
from web.http.operations import Operation, Parameter, choice, moment, text, whole
from web.http.problems import invalid
from web.reports import shapes
from web.reports.endpoints import Reports
from web.reports.lists import Ask, Values

MAX_HISTOGRAMS = 11_000
"""Points times models or endpoints: a year of hours of all, or 30 days of hours of 14."""
LIGHT_HISTOGRAMS = 200
"""Up to so many cost little: a week of hours takes some milliseconds."""
DEFAULT_LABELS, MAX_LABELS = 10, 50
INTERVALS: dict[str, tuple[Interval, timedelta]] = {
    "hour": ("hour", timedelta(hours=23)),
    "day": ("day", timedelta(days=29)),
}
"""The intervals, and how long before its end a range begins by default."""

_PARAMETERS = (
    Parameter(
        "of",
        "Whose response times: those of the messages that carry one, or those of the API calls.",
        {"type": "string", "enum": list(get_args(Of)), "default": "messages"},
        choice(*get_args(Of)),
        default="messages",
    ),
    Parameter(
        "by",
        "List the models (of messages) or the endpoints (of API calls) too, most response times first.",
        {"type": "string", "enum": list(LABEL_OF.values())},
        choice(*LABEL_OF.values()),
    ),
    Parameter(
        "limit",
        "How many of them are listed.",
        {"type": "integer", "minimum": 1, "maximum": MAX_LABELS, "default": DEFAULT_LABELS},
        whole(1, MAX_LABELS),
        default=DEFAULT_LABELS,
    ),
    Parameter("model", "Only of this model.", {"type": "string", "minLength": 1, "maxLength": 255}, text(255)),
    Parameter("endpoint", "Only of this endpoint.", {"type": "string", "minLength": 1, "maxLength": 512}, text(512)),
    Parameter(
        "interval",
        "What a point is: an hour of UTC, or a day of the tenant's zone.",
        {"type": "string", "enum": list(INTERVALS), "default": "hour"},
        choice(*INTERVALS),
        default="hour",
    ),
    Parameter(
        "from",
        "The first point holds this moment: a date (of the tenant's zone) or an ISO 8601 time. "
        "Default: 24 hours or 30 days.",
        {"type": "string"},
        moment,
    ),
    Parameter("to", "The last point holds the last moment before this one. Default: now.", {"type": "string"}, moment),
)


def operation(reports: Reports) -> Operation:
    """Make the endpoint."""
    title = "Response times over time: percentiles of points and of the range, also by model or endpoint"
    return reports.report(
        "response-times",
        "getResponseTimes",
        title,
        _read,
        shapes.RESPONSE_TIMES,
        _PARAMETERS,
        moving=True,
        is_heavy=lambda page, values: _histograms(page, values) > LIGHT_HISTOGRAMS,
    )


def _range(page: Page, values: Mapping[str, Any]) -> tuple[str, str]:
    end = page.end or clock.text(clock.moment(clock.now()) + timedelta(milliseconds=1))
    return page.start or clock.text(clock.moment(end) - INTERVALS[values["interval"]][1]), end


def _histograms(page: Page, values: Mapping[str, Any]) -> int:
    """Say how many histograms may have to be added up."""
    interval, _ = INTERVALS[values["interval"]]
    return measure(interval, *_range(page, values)) * (1 + _labels(values))


def _labels(values: Mapping[str, Any]) -> int:
    return 0 if values["by"] is None else values["limit"]


def _wanted(values: Mapping[str, Any]) -> Wanted:
    """Read what is asked for; raises a 422 :exc:`Problem` for a parameter that does not fit ``of``."""
    of, own = values["of"], LABEL_OF[values["of"]]
    for other in (MODEL, ENDPOINT):
        if other != own and values[other] is not None:
            raise invalid(other, f"does not select among of={of}")
    if values["by"] not in (None, own):
        raise invalid("by", f"must be {own} with of={of}")
    if values["by"] is not None and values[own] is not None:
        raise invalid("by", f"lists all: leave {own} out")
    return Wanted(of, values[own], _labels(values))


async def _read(ask: Ask) -> Values:
    wanted, (interval, _) = _wanted(ask.values), INTERVALS[ask.values["interval"]]
    start, end = _range(ask.page, ask.values)
    if start >= end:
        raise invalid("to", "must lie after from")
    if _histograms(ask.page, ask.values) > MAX_HISTOGRAMS:
        raise invalid("interval", f"makes more than {MAX_HISTOGRAMS:,} points: take a longer one, or a lower limit")
    covered = await points(ask.days, interval, start, end)
    times = await read_response_times(ask.connection, ask.tenant_id, covered, wanted)
    return {
        "of": wanted.of,
        "interval": interval,
        "timezone": ask.days.zone.key,
        "relative_error": RELATIVE_ERROR,
        "start": covered.starts,
        **times,
    }
