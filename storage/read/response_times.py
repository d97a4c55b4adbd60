"""Response times over time: counts, means and percentiles of points and of the whole range, from the rollups alone.

A percentile of several rows is that of their histograms added up, never a mean of percentiles.
"""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import msgspec
from sqlalchemy import BigInteger, ColumnElement, cast, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from storage.fairness.slicing import collect
from storage.model.cutoffs import Cutoffs
from storage.model.histogram import Histogram, add, percentiles
from storage.model.metrics import OTHERS, mean_seconds
from storage.model.rollups import ALL, API_CALLS, ENDPOINT, MESSAGES, MODEL
from storage.read.reports import MICROSECONDS, Item
from storage.read.series import Points
from storage.read.snapshots import read_cutoffs
from storage.tables import schema

Of = Literal["messages", "api_calls"]
LABEL_OF: dict[Of, str] = {"messages": MODEL, "api_calls": ENDPOINT}
"""What response times can be told apart by."""
PERCENTS = (50, 95, 99)
_COUNTERS: dict[Of, str] = {"messages": "responses", "api_calls": "api_calls"}
"""The counters of all response times: what they have more than the histograms is not known any more."""
_SCOPES: dict[Of, str] = {"messages": MESSAGES, "api_calls": API_CALLS}
_HISTOGRAM = msgspec.json.Decoder(Histogram)


@dataclass
class Durations:
    """Some response times: their number, how many belong to errors, their sum in microseconds, and a histogram."""

    count: int = 0
    error_count: int = 0
    us: int = 0
    histogram: Histogram = field(default_factory=dict)

    def add(self, other: "Durations") -> None:
        """Add others."""
        self.count += other.count
        self.error_count += other.error_count
        self.us += other.us
        add(self.histogram, other.histogram)

    def figures(self) -> Item:
        """Say what they come to; durations in seconds, None where there is none."""
        found = zip(PERCENTS, percentiles(self.histogram, PERCENTS), strict=True)
        return {
            "count": self.count,
            "error_count": self.error_count,
            "avg_response_time": mean_seconds(self.us, self.count),
            **{f"p{percent}_response_time": None if us is None else us / MICROSECONDS for percent, us in found},
        }


FIGURES = tuple(Durations().figures())
"""The names of the figures of a point, and of the whole range."""
_EXPIRED: Item = dict.fromkeys(FIGURES)


@dataclass(frozen=True)
class Wanted:
    """What is asked of the response times ``of`` messages or API calls.

    ``label``: only of this model or endpoint (None: of all). ``labels``: how many models or endpoints are listed.
    """

    of: Of
    label: str | None = None
    labels: int = 0


async def read_response_times(connection: AsyncConnection, tenant_id: str, covered: Points, wanted: Wanted) -> Item:
    """Read response times at the points that are *covered*, of which there must be one: hours or days.

    ``total`` has the figures of the whole range, ``points`` a column of each figure. ``items`` has the same of each
    listed model or endpoint, most response times first. ``others`` counts those that no item has: ``beyond_limit`` of
    further ones, ``beyond_bound`` of those without a row of their own in that hour or day, ``without_label`` of
    messages that name no model. ``unknown`` counts those of rows that were removed before there were histograms.
    Hours that have expired are None.
    """
    times = _Times(connection, tenant_id, covered, wanted.of, await read_cutoffs(connection, tenant_id))
    counts = await times.count_by_label(None if wanted.labels else [OTHERS])
    named = sorted((label for label in counts if label != OTHERS), key=lambda label: (-counts[label], label))
    listed = named[: wanted.labels]
    all_times = await times.of_all() if wanted.label is None else (await times.of_labels([wanted.label]))[wanted.label]
    by_label = await times.of_labels(listed)
    count = await times.count()
    return {
        **await times.item(all_times),
        "items": [{"label": label, **await times.item(by_label[label])} for label in listed],
        "others": {
            "beyond_limit": sum(counts[label] for label in named[wanted.labels :]),
            "beyond_bound": counts.get(OTHERS, 0),
            "without_label": count - sum(counts.values()) if wanted.labels else 0,
        },
        "unknown": await times.count_ever() - count,
    }


ByPoint = dict[str, Durations]
"""Response times by the key of their point; one that has none is absent."""


class _Times:
    """The rows of one tenant over a range."""

    def __init__(self, connection: AsyncConnection, tenant_id: str, covered: Points, of: Of, cutoffs: Cutoffs) -> None:
        self._connection = connection
        self._tenant_id = tenant_id
        self._covered = covered
        self._of: Of = of
        keys, counter = covered.keys, _COUNTERS[of]
        is_day = covered.interval == "day"
        expired = 0 if is_day else bisect_left(keys, True, key=lambda key: not cutoffs.has_expired(counter, key))
        self._expired = expired
        self._keys = keys[expired:]
        table = schema.response_days if is_day else schema.response_hours
        self._all = _Rows(table.c.day if is_day else table.c.hour, table.c.label, (table.c.scope == _SCOPES[of],))
        self._labelled = _Rows(self._all.start, self._all.label, (table.c.scope == LABEL_OF[of],))
        if is_day and of == "api_calls":
            by_endpoint = schema.endpoint_days.c
            self._labelled = _Rows(by_endpoint.day, by_endpoint.endpoint)

    async def count(self) -> int:
        """Count the response times of all."""
        query = select(func.coalesce(func.sum(self._all.table["count"]), 0))
        return int(await self._connection.scalar(query.where(*self._within(self._all), self._all.label == ALL)) or 0)

    async def count_by_label(self, labels: Sequence[str] | None) -> dict[str, int]:
        """Count the response times of some labels; None: of all of them."""
        rows = self._labelled
        query = select(rows.label, cast(func.sum(rows.table["count"]), BigInteger)).where(*self._within(rows))
        if labels is not None:
            query = query.where(rows.label.in_(labels))
        return {row[0]: row[1] for row in await self._connection.execute(query.group_by(rows.label))}

    async def of_all(self) -> ByPoint:
        """Read those of all."""
        return (await self._read(self._all, [ALL]))[ALL]

    async def of_labels(self, labels: Sequence[str]) -> dict[str, ByPoint]:
        """Read those of some labels."""
        return await self._read(self._labelled, labels) if labels else {}

    async def count_ever(self) -> int:
        """Count the response times of all by their counter, which has those of removed rows too."""
        counters = schema.counters.c
        query = select(func.coalesce(func.sum(counters.value), 0)).where(
            counters.tenant_id == self._tenant_id,
            counters.grain == self._covered.interval,
            counters.metric == _COUNTERS[self._of],
            counters.start.in_(self._keys),
        )
        return int(await self._connection.scalar(query) or 0)

    async def _read(self, rows: "_Rows", labels: Sequence[str]) -> dict[str, ByPoint]:
        columns = (rows.table[name] for name in ("count", "error_count", "response_time_us", "buckets"))
        query = select(rows.label, rows.start, *columns).where(*self._within(rows), rows.label.in_(labels))
        found: dict[str, ByPoint] = {label: {} for label in labels}
        for label, start, durations in await collect(map(_durations, await self._connection.execute(query))):
            found[label][start] = durations
        return found

    def _within(self, rows: "_Rows") -> tuple[ColumnElement[bool], ...]:
        """Select the rows of the range. By each start: rows of other scopes and labels lie between them."""
        return (rows.table["tenant_id"] == self._tenant_id, rows.start.in_(self._keys), *rows.where)

    async def item(self, by_point: ByPoint) -> Item:
        """Give the figures of the whole range and of each point."""
        total = Durations()
        points = [_EXPIRED] * self._expired + await collect(self._figures(by_point, total))
        return {"total": total.figures(), "points": {name: [point[name] for point in points] for name in FIGURES}}

    def _figures(self, by_point: ByPoint, total: Durations) -> Iterator[Item]:
        nothing = Durations()
        for key in self._keys:
            durations = by_point.get(key, nothing)
            total.add(durations)
            yield durations.figures()


@dataclass(frozen=True)
class _Rows:
    """Where rows of response times are: the columns of their start and their label, and what selects a scope."""

    start: Any
    label: Any
    where: tuple[ColumnElement[bool], ...] = ()

    @property
    def table(self) -> Any:
        """The columns of their table."""
        return self.start.table.c


def _durations(row: Any) -> tuple[str, str, Durations]:
    label, start, count, error_count, us, buckets = row
    return label, start, Durations(count, error_count, us, _HISTOGRAM.decode(buckets))
