"""API usage by endpoint, over whole local days: sums, and a quantile from histograms that are added up."""

import sys
from dataclasses import replace
from typing import Any

import msgspec
from sqlalchemy import BigInteger, cast, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from storage.model.clock import Days
from storage.model.histogram import Histogram, quantile, total
from storage.model.metrics import OTHERS, mean_seconds
from storage.read.reports import MICROSECONDS, Item, Listing, Order, Page, mean_us, read_page, slice_page
from storage.tables import schema

SHARE = 0.95
_table = schema.endpoint_days.c
ENDPOINT_ORDERS = ("count", "endpoint", "error_count", "error_rate", "avg_response_time", "p95_response_time")
"""What endpoints can be sorted by: ``endpoint`` ascending, the others descending; ties by endpoint."""
_MILLION = 1_000_000
_HISTOGRAM = msgspec.json.Decoder(Histogram)


async def endpoints(
    connection: AsyncConnection, tenant_id: str, days: Days, page: Page, sort: str = "count"
) -> Listing:
    """List endpoints in one of the ``ENDPOINT_ORDERS``; ``endpoint`` None stands for all beyond a day's bound.

    Every order adds up the selected days of all endpoints; ``p95_response_time`` also their histograms.
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
    query, by_name = select(sums), Order(sums.c.endpoint, "endpoint")
    if sort == "p95_response_time":
        found = await read_page(connection, query, replace(page, limit=sys.maxsize - 1, after=None), (by_name,), dict)
        return slice_page(await _items(connection, where, found.items), page, sort, "endpoint", descending=False)
    ranks = {
        "error_rate": sums.c.error_count * _MILLION // sums.c["count"],
        "avg_response_time": mean_us(sums.c.response_time_us, sums.c["count"]),
    }
    query = query.add_columns(*(rank.label(name) for name, rank in ranks.items()))
    order: tuple[Order, ...] = (by_name,)
    if sort != "endpoint":
        order = (Order(ranks[sort] if sort in ranks else sums.c[sort], sort, descending=True), by_name)
    listing = await read_page(connection, query, page, order, dict)
    return Listing(await _items(connection, where, listing.items), listing.next)


async def _items(connection: AsyncConnection, where: list[Any], sums: list[Item]) -> list[Item]:
    histograms = await _histograms(connection, where, [item["endpoint"] for item in sums])
    return [_item(item, histograms[item["endpoint"]]) for item in sums]


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
