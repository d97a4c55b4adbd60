"""API usage by endpoint, over whole local days: sums, and a quantile from histograms that are added up."""

from typing import Any

import msgspec
from sqlalchemy import BigInteger, cast, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from storage.model.clock import Days
from storage.model.histogram import Histogram, quantile, total
from storage.model.metrics import OTHERS, mean_seconds
from storage.read.reports import MICROSECONDS, Item, Listing, Order, Page, read_page
from storage.tables import schema

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
            # Whole numbers on every database: PostgreSQL adds up to decimals.
            *(
                cast(func.sum(column), BigInteger).label(column.name)
                for column in (_table["count"], _table.error_count, _table.response_time_us)
            ),
        )
        .where(*where)
        .group_by(_table.endpoint)
        .subquery()
    )
    order = (Order(sums.c["count"], "count", descending=True), Order(sums.c.endpoint, "endpoint"))
    listing = await read_page(connection, select(sums), page, order, dict)
    histograms = await _histograms(connection, where, [item["endpoint"] for item in listing.items])
    return Listing([_item(item, histograms[item["endpoint"]]) for item in listing.items], listing.next)


async def _histograms(connection: AsyncConnection, where: list[Any], endpoints: list[str]) -> dict[str, Histogram]:
    rows = await connection.execute(
        select(_table.endpoint, _table.buckets).where(*where, _table.endpoint.in_(endpoints))
    )
    found: dict[str, list[Histogram]] = {endpoint: [] for endpoint in endpoints}
    for endpoint, buckets in rows:
        found[endpoint].append(_HISTOGRAM.decode(buckets))
    return {endpoint: total(histograms) for endpoint, histograms in found.items()}


def _item(sums: Item, histogram: Histogram) -> Item:
    us = quantile(histogram, SHARE)
    return {
        "endpoint": None if sums["endpoint"] == OTHERS else sums["endpoint"],
        "count": sums["count"],
        "error_count": sums["error_count"],
        "avg_response_time": mean_seconds(sums["response_time_us"], sums["count"]),
        "p95_response_time": None if us is None else us / MICROSECONDS,
    }
