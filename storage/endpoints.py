"""API usage by endpoint, over whole local days: sums, and a quantile from histograms that are added up."""

from typing import Any

import msgspec
from sqlalchemy import and_, func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from storage import schema
from storage.clock import Days
from storage.histogram import Histogram, quantile, total
from storage.metrics import mean_seconds
from storage.reports import MICROSECONDS, Item, Listing, Page
from storage.rollups import OTHER_ENDPOINTS

SHARE = 0.95
_table = schema.endpoint_days.c
_HISTOGRAM = msgspec.json.Decoder(Histogram)


async def endpoints(connection: AsyncConnection, tenant_id: str, days: Days, page: Page) -> Listing:
    """List endpoints by their number of calls, most first; ``endpoint`` None stands for all beyond a day's bound.

    The range is one of whole days: from the one that holds its start to the one that holds its last moment.
    """
    where = [_table.tenant_id == tenant_id]
    if page.start is not None:
        where.append(_table.day >= days.of(page.start))
    if page.end is not None:
        where.append(_table.day <= days.last_before(page.end))
    sums = (
        select(
            _table.endpoint,
            func.sum(_table.count).label("count"),
            func.sum(_table.error_count).label("error_count"),
            func.sum(_table.response_time_us).label("total_us"),
        )
        .where(*where)
        .group_by(_table.endpoint)
        .subquery()
    )
    query = select(sums).order_by(sums.c["count"].desc(), sums.c.endpoint).limit(page.limit + 1)
    if page.after is not None:
        most, endpoint = page.after
        count = sums.c["count"]
        query = query.where(or_(count < most, and_(count == most, sums.c.endpoint > endpoint)))
    rows = (await connection.execute(query)).all()
    shown = rows[: page.limit]
    histograms = await _histograms(connection, where, [row.endpoint for row in shown])
    items = [_item(row, histograms[row.endpoint]) for row in shown]
    following = (int(shown[-1][1]), shown[-1].endpoint) if len(rows) > page.limit else None
    return Listing(items, following)


async def _histograms(connection: AsyncConnection, where: list[Any], endpoints: list[str]) -> dict[str, Histogram]:
    rows = await connection.execute(
        select(_table.endpoint, _table.buckets).where(*where, _table.endpoint.in_(endpoints))
    )
    found: dict[str, list[Histogram]] = {endpoint: [] for endpoint in endpoints}
    for endpoint, buckets in rows:
        found[endpoint].append(_HISTOGRAM.decode(buckets))
    return {endpoint: total(histograms) for endpoint, histograms in found.items()}


def _item(row: Any, histogram: Histogram) -> Item:
    endpoint, count, errors, total_us = row
    us = quantile(histogram, SHARE)
    return {
        "endpoint": None if endpoint == OTHER_ENDPOINTS else endpoint,
        "count": int(count),
        "error_count": int(errors),
        "avg_response_time": mean_seconds(int(total_us), int(count)),
        "p95_response_time": None if us is None else us / MICROSECONDS,
    }
