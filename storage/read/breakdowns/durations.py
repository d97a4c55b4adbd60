"""Breakdowns of response times: means and percentiles of histograms that are added up."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import msgspec
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from storage.fairness.slicing import collect
from storage.model.histogram import Histogram, percentiles
from storage.model.metrics import mean_seconds
from storage.model.rollups import ALL
from storage.read.breakdowns.catalogue import Metric
from storage.read.breakdowns.rows import Breakdown, Labels
from storage.read.reports import MICROSECONDS
from storage.read.response_times import Durations
from storage.tables import schema

_HISTOGRAM = msgspec.json.Decoder(Histogram)
_MEASURED = ("count", "error_count", "response_time_us", "buckets")


def seconds(metric: Metric, durations: Durations) -> float | None:
    """Give the metric of some durations; None for none."""
    if metric.percent is None:
        return mean_seconds(durations.us, durations.count)
    (us,) = percentiles(durations.histogram, (metric.percent,))
    return None if us is None else us / MICROSECONDS


async def read_durations(
    connection: AsyncConnection, asked: Breakdown, rows: Sequence[Labels] | None = None
) -> dict[Labels, Durations]:
    """Add up the histograms of each row of a breakdown, or of some."""
    where = asked.named if rows is None else (*asked.named, asked.of(rows))
    query = select(*asked.dimensions, *_measured(asked)).where(*where)
    width = len(asked.by)
    return await _added(connection, query, lambda row: tuple(row[:width]))


async def read_by_point(
    connection: AsyncConnection, asked: Breakdown, rows: Sequence[Labels]
) -> dict[Labels, Durations]:
    """Add up the histograms of each point of some rows; the start stands behind the labels."""
    query = select(*asked.dimensions, asked.start, *_measured(asked)).where(*asked.named, asked.of(rows))
    width = len(asked.by) + 1
    return await _added(connection, query, lambda row: tuple(row[:width]))


async def read_whole(connection: AsyncConnection, asked: Breakdown) -> Durations:
    """Add up the histograms of all, whatever the labels."""
    table = schema.response_hours.c if asked.source.grain == "hour" else schema.response_days.c
    query = select(*(table[name] for name in _MEASURED)).where(
        table.tenant_id == asked.tenant_id,
        table[asked.source.start].in_(asked.covered.keys),
        table.scope == asked.source.whole,
        table.label == ALL,
    )
    found = await _added(connection, query, lambda _row: ())
    return found.get((), Durations())


def _measured(asked: Breakdown) -> Iterator[Any]:
    return (asked.columns[name] for name in _MEASURED)


async def _added(connection: AsyncConnection, query: Any, key: Callable[[Any], Labels]) -> dict[Labels, Durations]:
    found: defaultdict[Labels, Durations] = defaultdict(Durations)

    def add(row: Any) -> None:
        count, error_count, us, buckets = row[-len(_MEASURED) :]
        found[key(row)].add(Durations(count, error_count, us, _HISTOGRAM.decode(buckets)))

    # As they come: held together, a year of histograms would take hundreds of megabytes.
    async for some in (await connection.stream(query)).partitions(500):
        await collect(map(add, map(tuple, some)))
    return dict(found)
