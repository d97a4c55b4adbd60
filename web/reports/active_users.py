"""The endpoint of distinct users: how many there were in a range of time, which points of a series do not add up to."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from storage.model import clock
from storage.read.active_users import count_active_users
from storage.read.reports import Page
from web.http.operations import Operation, Parameter, moment
from web.http.problems import invalid
from web.reports import shapes
from web.reports.endpoints import Reports
from web.reports.lists import Ask, Values

_PARAMETERS = (
    Parameter(
        "from",
        "Inclusive: a date (of the tenant's zone) or an ISO 8601 time. Required.",
        {"type": "string"},
        moment,
    ),
    Parameter("to", "Exclusive, in the same way. Default: now.", {"type": "string"}, moment),
)


def operation(reports: Reports) -> Operation:
    """Make the endpoint."""
    title = "Distinct users of a range of time"
    return reports.report(
        "active-users",
        "getActiveUsers",
        title,
        _read,
        shapes.ACTIVE_USERS,
        _PARAMETERS,
        moving=True,
        is_heavy=_reads_events,
    )


def _reads_events(page: Page, _values: Mapping[str, Any]) -> bool:
    """Say whether a range may begin or end within an hour: only then events are read."""
    return any(end is None or not end.endswith(":00:00.000Z") for end in (page.start, page.end))


async def _read(ask: Ask) -> Values:
    start = ask.page.start
    if start is None:
        raise invalid("from", "is required: a date, or an ISO 8601 time with its zone")
    end = ask.page.end or clock.text(clock.moment(clock.now()) + timedelta(milliseconds=1))
    if start >= end:
        raise invalid("to", "must lie after from")
    users = await count_active_users(ask.connection, ask.tenant_id, ask.days, start, end)
    return {"from": start, "to": end, "timezone": ask.days.zone.key, "active_users": users}
