"""Series: metrics over time, read from the rollups alone, so that they cost what their points cost, not their events.

A point is a minute or an hour of UTC, or a local day; days stay for ever, minutes and hours before a cutoff are None,
never 0. There are three kinds of metrics: an **amount** is what a point added; a **mean** is one within a point; a
**figure** of the summary is given as it stood at the end of a point. Of the amounts only active users do not add up,
and only their minutes are counted by events.
"""

from bisect import bisect_left
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import accumulate
from typing import Literal

from sqlalchemy import and_, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from storage.fairness.slicing import collect
from storage.model import clock
from storage.model.clock import Days
from storage.model.cutoffs import Cutoffs
from storage.model.metrics import (
    ACTIVE_USERS_TODAY,
    FIGURES,
    LABELLED,
    MONEY,
    NAMES,
    Value,
    label_bounds,
    mean_seconds,
    tokens_per_second,
)
from storage.model.money import write_dollars
from storage.read.active_users import read_by_hour, read_by_minute
from storage.read.snapshots import read_cutoffs
from storage.tables import schema

Interval = Literal["minute", "hour", "day"]
Column = Sequence[Value]
"""One value a point; None where there is none, or where it has expired: rows of that time were removed."""
Amounts = list[int | None]

_STEP = {"minute": timedelta(minutes=1), "hour": timedelta(hours=1), "day": timedelta(days=1)}
_WIDTH = {"minute": 16, "hour": 13}
_REST = {"minute": ":00.000Z", "hour": ":00:00.000Z"}
"""What makes a timestamp of the key of a point."""

_TIMELESS = "deleted_conversations"
"""The one counter without a time: when a conversation was deleted is not kept."""

ACTIVE_USERS = "active_users"
"""The one amount that does not add up: a user counts once in each point."""
AMOUNTS = tuple(name for name in NAMES if name != _TIMELESS)
BY_MODEL = tuple(counter.name for counter in LABELLED)
MEANS = {
    "response_time": ("response_time_us", "responses"),
    "api_response_time": ("api_response_time_us", "api_calls"),
    "llm_response_time": ("llm_response_time_us", "llm_responses"),
    "time_to_first_token": ("time_to_first_token_us", "first_tokens"),
}
_RATE = "tokens_per_second"
_RATE_OF = ("timed_output_tokens", "timed_output_us")
STANDING = {figure.name: figure for figure in FIGURES if _TIMELESS not in figure.needs}
METRICS = (*AMOUNTS, *BY_MODEL, *MEANS, _RATE, *STANDING)
"""Every metric that has a series."""

_counters = schema.counters.c


@dataclass(frozen=True)
class Points:
    """Points without a gap: their ``keys`` in the counters, and the UTC timestamps at which they start."""

    interval: Interval
    keys: list[str]
    starts: list[str]


def measure(interval: Interval, start: str, end: str) -> int:
    """Say how many points lie between two timestamps, or up to two more, without making them."""
    return int((clock.moment(end) - clock.moment(start)) / _STEP[interval]) + 2


async def points(days: Days, interval: Interval, start: str, end: str) -> Points:
    """Make the points from the one that holds *start* to the one that holds the last moment before *end*."""
    keys = await collect(_keys(days, interval, start, end))
    starts = await collect(days.start(key) if interval == "day" else key + _REST[interval] for key in keys)
    return Points(interval, keys, starts)


def _keys(days: Days, interval: Interval, start: str, end: str) -> Iterator[str]:
    if interval == "day":
        day, last = days.of(start), days.last_before(end)
        while day <= last:
            yield day
            day = days.shift(day, 1)
        return
    at, until = clock.moment(start[: _WIDTH[interval]] + _REST[interval]), clock.moment(end)
    while at < until:
        yield clock.text(at)[: _WIDTH[interval]]
        at += _STEP[interval]


async def read_series(
    connection: AsyncConnection, tenant_id: str, days: Days, metrics: Collection[str], covered: Points
) -> dict[str, Column]:
    """Read *metrics*, each of :data:`METRICS`, at the points that are *covered*, of which there must be one.

    A metric of :data:`BY_MODEL` becomes one column for each model that has any in the range, ``name:model``.
    """
    rollups = _Rollups(connection, tenant_id, days, covered, await read_cutoffs(connection, tenant_id))
    columns: dict[str, Column] = {}
    for metric in metrics:
        if metric == ACTIVE_USERS:
            columns[metric] = await rollups.active_users()
        elif metric in MONEY:
            columns[metric] = await collect(map(_dollars, await rollups.amounts(metric)))
        elif metric in AMOUNTS:
            columns[metric] = await rollups.amounts(metric)
        elif metric in BY_MODEL:
            columns.update(await rollups.by_model(metric))
        elif metric in MEANS:
            total, count = [await rollups.amounts(name) for name in MEANS[metric]]
            columns[metric] = await collect(map(_mean, total, count))
        elif metric == _RATE:
            tokens, us = [await rollups.amounts(name) for name in _RATE_OF]
            columns[metric] = await collect(map(_rate, tokens, us))
        elif metric == ACTIVE_USERS_TODAY:
            columns[metric] = await rollups.active_so_far()
        else:
            needs = STANDING[metric].needs
            standing = zip(*[await rollups.standing(name) for name in needs], strict=True)
            columns[metric] = await collect(_figure(metric, dict(zip(needs, row, strict=True))) for row in standing)
    return columns


def _mean(us: int | None, among: int | None) -> float | None:
    return None if us is None or among is None else mean_seconds(us, among)


def _rate(tokens: int | None, us: int | None) -> float | None:
    return None if us is None or tokens is None else tokens_per_second(tokens, us)


def _dollars(nano: int | None) -> str | None:
    return None if nano is None else write_dollars(nano)


def _figure(metric: str, totals: dict[str, int | None]) -> Value:
    known = {name: value for name, value in totals.items() if value is not None}
    return STANDING[metric].value(known) if len(known) == len(totals) else None


class _Rollups:
    """The counters of one tenant over a range."""

    def __init__(
        self, connection: AsyncConnection, tenant_id: str, days: Days, covered: Points, cutoffs: Cutoffs
    ) -> None:
        self._connection = connection
        self._tenant_id = tenant_id
        self._days = days
        self._covered = covered
        self._cutoffs = cutoffs
        self._known: dict[str, Amounts] = {}

    async def amounts(self, metric: str) -> Amounts:
        """Give what each point added."""
        if metric not in self._known:
            keys, expired = self._covered.keys, self._expired_points(metric)
            found = await self._read(self._covered.interval, metric, keys[0], keys[-1])
            self._known[metric] = [None] * expired + [found.get(key, 0) for key in keys[expired:]]
        return self._known[metric]

    def _expired_points(self, metric: str) -> int:
        """Say how many of the first points have expired."""
        keys, has_expired = self._covered.keys, self._cutoffs.has_expired
        if self._covered.interval == "day" or not has_expired(metric, keys[0]):
            return 0
        return bisect_left(keys, True, key=lambda key: not has_expired(metric, key))

    async def by_model(self, name: str) -> dict[str, Column]:
        """Give what each point added for each model that was used in the range."""
        first, past = label_bounds(name)
        totals = select(_counters.metric).where(
            _counters.tenant_id == self._tenant_id,
            _counters.grain == "total",
            _counters.metric >= first,
            _counters.metric < past,
        )
        columns: dict[str, Column] = {}
        for metric in sorted(await self._connection.scalars(totals)):
            amounts = await self.amounts(metric)
            if any(amounts):
                columns[metric] = amounts
        return columns

    async def standing(self, metric: str) -> Amounts:
        """Give the sum of all that was added up to the end of each point."""
        expired, added = self._expired_points(metric), await self.amounts(metric)
        if expired == len(added):
            return added
        before = await self._before(metric, self._covered.starts[expired])
        return added[:expired] + list(accumulate((value or 0 for value in added[expired:]), initial=before))[1:]

    async def _before(self, metric: str, first: str) -> int:
        """Add up what lies before a point: whole days, then the minutes of the day in which it begins."""
        day = self._days.of(first)
        earlier_days = and_(_counters.grain == "day", _counters.start < day)
        same_day = and_(
            _counters.grain == "minute",
            _counters.start >= self._days.start(day)[: _WIDTH["minute"]],
            _counters.start < first[: _WIDTH["minute"]],
        )
        total = 0
        for part in (earlier_days, same_day):
            query = select(func.coalesce(func.sum(_counters.value), 0)).where(
                _counters.tenant_id == self._tenant_id, _counters.metric == metric, part
            )
            total += int(await self._connection.scalar(query) or 0)
        return total

    async def active_users(self) -> Column:
        """Give the distinct users of each point."""
        keys = self._covered.keys
        if self._covered.interval == "day":
            return await self.amounts(ACTIVE_USERS)
        read = read_by_hour if self._covered.interval == "hour" else read_by_minute
        return await read(self._connection, self._tenant_id, self._days, keys)

    async def active_so_far(self) -> Column:
        """Give the distinct users of the local day up to the end of each point; within a day they add up."""
        covered, days = self._covered, self._days
        if covered.interval == "day":
            return await self.amounts(ACTIVE_USERS)
        grain = await self._grain_within_days()
        morning = days.start(days.of(covered.starts[0]))[: _WIDTH[grain]]
        last = covered.keys[-1] + (":59" if grain != covered.interval else "")
        found = await self._read(grain, ACTIVE_USERS, morning, last)
        running = await collect(_running(days, grain, found, covered.interval))
        column = await collect(self._so_far({key: (day, count) for key, day, count in running}))
        expired = self._expired_points(ACTIVE_USERS)
        return [None] * expired + column[expired:]

    def _so_far(self, counts: dict[str, tuple[str, int]]) -> Iterator[int]:
        """Give the count at the end of each point, 0 if the last one is of an earlier day."""
        covered, days = self._covered, self._days
        standing = next((counts[key] for key in reversed(counts) if key < covered.keys[0]), ("", 0))
        for key, end in zip(covered.keys, [*covered.starts[1:], self._end], strict=True):
            standing = counts.get(key, standing)
            yield standing[1] if standing[0] == days.last_before(end) else 0

    @property
    def _end(self) -> str:
        return clock.text(clock.moment(self._covered.starts[-1]) + _STEP[self._covered.interval])

    async def _grain_within_days(self) -> Interval:
        """Say which rows belong to one day each: hours do, unless some day of the range begins within one."""
        covered = self._covered
        if covered.interval == "minute":
            return "minute"
        mornings = await points(self._days, "day", covered.starts[0], self._end)
        return "hour" if all(start[14:16] == "00" for start in mornings.starts) else "minute"

    async def _read(self, grain: Interval, metric: str, first: str, last: str) -> dict[str, int]:
        """Read the rows of a counter from one key to another, in their order; where nothing was added there is none."""
        rows = await self._connection.execute(
            select(_counters.start, _counters.value)
            .where(
                _counters.tenant_id == self._tenant_id,
                _counters.grain == grain,
                _counters.metric == metric,
                _counters.start.between(first, last),
            )
            .order_by(_counters.start)
        )
        return dict(map(tuple, rows))


def _running(
    days: Days, grain: Interval, found: Mapping[str, int], interval: Interval
) -> Iterator[tuple[str, str, int]]:
    """Add up rows within each local day; gives the point of each row, its day, and the sum so far."""
    day, so_far = "", 0
    for key, value in found.items():
        today = days.of(key + _REST[grain])
        day, so_far = (today, value) if today != day else (day, so_far + value)
        yield key[: _WIDTH[interval]], day, so_far
