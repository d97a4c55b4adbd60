"""What a live breakdown reads: the first rows of today or of this hour, and the position of exactly these figures."""

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from sqlalchemy import func, literal, select
from sqlalchemy.ext.asyncio import AsyncConnection

from storage.errors import StorageError
from storage.model import clock
from storage.model.changes import Position
from storage.model.clock import Days
from storage.read.breakdowns.catalogue import COST, METRICS, Grain, Metric, NoBreakdown, Source, choose
from storage.read.breakdowns.listing import known, read_beside, read_breakdown
from storage.read.breakdowns.rows import Breakdown
from storage.read.reports import Item, Page
from storage.read.series import REST, WIDTH, Points
from storage.read.snapshots import read_cutoffs, read_head

Range = Literal["today", "hour"]
"""The tenant's local day, or the hour of UTC, in which the clock is."""
MAX_LIMIT = 50
"""How many rows at most: a subscriber that does not read holds so many."""
MAX_ROWS = 20_000
"""How many rows of its rollup a live breakdown may add up. They are added up again at each change, which takes 60 ms
of processor time for so many users; other rollups have a bound of their own."""


class TooWide(StorageError):
    """A live breakdown would have to add up too many rows."""


@dataclass(frozen=True)
class Question:
    """What a live breakdown is of: names, so that two who ask the same have equal questions."""

    metric: str
    by: tuple[str, ...]
    range: Range
    limit: int

    @classmethod
    def of(cls, metric: str, by: str, range_: Range, limit: int) -> "Question":
        """Make one of what a client sent; raises :exc:`NoBreakdown`, which names ``metric``, ``by`` or ``range``."""
        question = cls(metric, tuple(by.split(",")), range_, limit)
        try:
            choose(metric, question.by, question.grain)
        except NoBreakdown as error:
            if error.field != "interval":
                raise
            raise NoBreakdown("range", "must be today for this metric and these dimensions") from None
        return question

    @property
    def grain(self) -> Grain:
        """Whether the rows of days or of hours are read."""
        return "day" if self.range == "today" else "hour"

    @cached_property
    def source(self) -> Source:
        """The rollup that answers."""
        return choose(self.metric, self.by, self.grain)

    @cached_property
    def counters(self) -> frozenset[str]:
        """The counters of which one moves with each event that changes the rows, or a name in them."""
        metric: Metric = METRICS[self.metric]
        named = ["activities"] if "user" in self.by else []
        beside = ["unpriced_calls"] if metric is COST else []
        return frozenset(filter(None, (metric.events, metric.counter, *beside, *named)))

    def key(self, today: str) -> str:
        """Name the day or the hour that it is of now, in the rollup; *today* is the tenant's local day."""
        return today if self.range == "today" else clock.now()[: WIDTH["hour"]]


@dataclass(frozen=True)
class Top:
    """The first rows at a position; ``beside`` has what describes all rows, as ``GET breakdown`` has it."""

    position: Position
    items: list[Item]
    beside: Item


async def read_top(
    connection: AsyncConnection, epoch: str, days: Days, tenant_id: str, question: Question, key: str
) -> Top:
    """Read the first rows of the day or the hour *key*; raises :exc:`TooWide`."""
    position = await read_head(connection, epoch, tenant_id)
    source, grain = question.source, question.grain
    covered = Points(grain, [key], [days.start(key) if grain == "day" else key + REST[grain]])
    asked = known(
        Breakdown(tenant_id, METRICS[question.metric], question.by, source, covered),
        await read_cutoffs(connection, tenant_id),
    )
    await _check_width(connection, asked)
    listing = await read_breakdown(connection, asked, Page(question.limit, None))
    return Top(position, listing.items, await read_beside(connection, days, asked, covered))


async def _check_width(connection: AsyncConnection, asked: Breakdown) -> None:
    if asked.source.rollup.bound is not None or not asked.covered.keys:
        return
    some = select(literal(1)).where(*asked.within).limit(MAX_ROWS + 1).subquery()
    if (await connection.scalar(select(func.count()).select_from(some)) or 0) > MAX_ROWS:
        raise TooWide(
            f"there are more than {MAX_ROWS:,} rows today: read GET breakdown, or follow a dimension that has fewer"
        )
