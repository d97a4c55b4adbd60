"""One endpoint: its calls over time, and their statuses, methods and users."""

from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from storage.model.clock import Days
from storage.model.metrics import OTHERS, mean_seconds
from storage.read.details.breakdown import CALL_SUMS, Breakdown, Rows, kept_from, named, with_mean
from storage.read.series import Points
from storage.read.snapshots import read_cutoffs
from storage.tables import schema

_calls = schema.api_usage
_days = schema.endpoint_days.c


async def endpoint(
    connection: AsyncConnection, tenant_id: str, days: Days, covered: Points, name: str
) -> dict[str, Any]:
    """Describe an endpoint at the points that are *covered*; one that was never called has zeros.

    Days are read from their rollup, so that they stay when the calls are removed. Minutes and hours are counted from
    the calls that are kept. So are breakdowns, and days if on one of them the endpoint may be beyond the rollup's
    bound.
    """
    breakdown = Breakdown(connection, tenant_id, days, covered)
    calls = Rows(_calls, "timestamp", (_calls.c.endpoint == name,))
    columns = await _by_day(connection, tenant_id, covered, name) if covered.interval == "day" else None
    if columns is None:
        columns = await breakdown.by_point(calls, CALL_SUMS)
    count = sum(columns["count"])
    users = Rows(_calls, "timestamp", (*calls.where, _calls.c.user_id.is_not(None)))
    statuses, methods, callers = [
        [with_mean(item, count="count") for item in await breakdown.by_label(rows, label, CALL_SUMS)]
        for rows, label in ((calls, "status_code"), (calls, "method"), (users, "user_id"))
    ]
    return {
        "endpoint": name,
        "figures": {
            "count": count,
            "error_count": sum(columns["error_count"]),
            "avg_response_time": mean_seconds(sum(columns["response_time_us"]), count),
        },
        "kept_from": kept_from(await read_cutoffs(connection, tenant_id), covered, _calls),
        "status_codes": statuses,
        "methods": methods,
        "users": await named(connection, tenant_id, callers),
        "metrics": {
            "api_calls": columns["count"],
            "api_errors": columns["error_count"],
            "api_response_time": [
                mean_seconds(us, among) for us, among in zip(columns["response_time_us"], columns["count"], strict=True)
            ],
        },
    }


async def _by_day(
    connection: AsyncConnection, tenant_id: str, covered: Points, name: str
) -> dict[str, list[int]] | None:
    """Read the days from their rollup; None if on one of them the endpoint may be among those beyond the bound."""
    rows = await connection.execute(
        select(_days.day, _days.endpoint, *(_days[column] for column in CALL_SUMS)).where(
            _days.tenant_id == tenant_id,
            _days.day.between(covered.keys[0], covered.keys[-1]),
            _days.endpoint.in_((name, OTHERS)),
        )
    )
    found: dict[str, list[int]] = {}
    shared: set[str] = set()
    for day, label, *values in rows:
        if label == OTHERS:
            shared.add(day)
        else:
            found[day] = values
    if shared - found.keys():
        return None
    columns = zip(*(found.get(day, [0] * len(CALL_SUMS)) for day in covered.keys), strict=True)
    return dict(zip(CALL_SUMS, map(list, columns), strict=True))
