"""What is usual for the hours of now, of all rules of a tenant: worked out once an hour, and kept in memory.

It is work of tens of milliseconds a figure, done in slices outside of transactions. What the hours then have is read
when they are decided.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from storage.alerts.condition import Condition
from storage.alerts.rule import FALSE_ALARMS
from storage.alerts.unusual.bounds import HISTORY_DAYS, RATIO_DAYS, Bounds, bounds, threshold
from storage.alerts.unusual.detector import Detector
from storage.alerts.unusual.hours import HOURS_OF_DAY, Values, number_of, places, read_first, read_hours, shifted
from storage.alerts.window import HOUR
from storage.engine.database import Database
from storage.fairness.slicing import collect
from storage.model.clock import Days

Wanted = tuple[str, int]
"""A counter, and how many false alarms a month are allowed."""
Both = tuple[Bounds | None, Bounds | None]
"""What is unusual for the last whole hour, and for the one that goes on."""
NOTHING_KNOWN: Both = (None, None)


@dataclass(frozen=True)
class Baseline:
    """What is unusual for two hours of UTC: ``closed`` is the last whole one when ``opened`` goes on."""

    closed: str = ""
    opened: str = ""
    of: dict[Wanted, Both] = field(default_factory=dict)


NOT_KNOWN = Baseline()


def wanted_by(condition: Condition) -> Wanted:
    """Name what has to be known to decide a rule."""
    return condition.subject.sources[0].metric, condition.rule.false_alarms_a_month or FALSE_ALARMS


class Baselines:
    """Keeps what is usual, by tenant."""

    def __init__(self) -> None:
        self._kept: dict[str, Baseline] = {}

    def keep_only(self, tenants: Collection[str]) -> None:
        """Forget all other tenants."""
        self._kept = {name: kept for name, kept in self._kept.items() if name in tenants}

    async def find(self, database: Database, tenant_id: str, wanted: Collection[Wanted], at: str) -> Baseline:
        """Say what is usual at a time."""
        if not wanted:
            return NOT_KNOWN
        opened = at[:HOUR]
        kept = self._kept.get(tenant_id)
        if kept is None or kept.opened != opened:
            kept = self._kept[tenant_id] = Baseline(shifted(opened, -1), opened)
        missing: dict[str, list[int]] = {}
        for metric, false_alarms in sorted(set(wanted) - kept.of.keys()):
            missing.setdefault(metric, []).append(false_alarms)
        for metric, asked in missing.items():
            first, values = await _read(database, tenant_id, metric, kept.closed)
            found = await _work_out(first, values, kept, database.days, asked)
            kept.of.update({(metric, budget): both for budget, both in found.items()})
        return kept


async def _read(database: Database, tenant_id: str, metric: str, last: str) -> tuple[str | None, Values]:
    earliest = shifted(last, -HISTORY_DAYS * HOURS_OF_DAY)
    async with database.read() as connection:
        first = await connection.run_sync(read_first, tenant_id, metric)
        if first is None:
            return None, {}
        first = max(first, earliest)
        found = await connection.run_sync(read_hours, tenant_id, [metric], first, last)
    return first, found.get(metric, {})


async def _work_out(
    first: str | None, values: Values, baseline: Baseline, days: Days, asked: Iterable[int]
) -> Mapping[int, Both]:
    if first is None or first > baseline.closed:
        return dict.fromkeys(asked, NOTHING_KNOWN)
    found: dict[int, Both] = {}
    await collect(_replay(first, values, baseline, days, asked, found))
    return found


def _replay(
    first: str, values: Values, baseline: Baseline, days: Days, asked: Iterable[int], found: dict[int, Both]
) -> Iterator[None]:
    """Read all hours up to now, one at each step; the last one fills *found*."""
    detector = Detector(1, RATIO_DAYS)
    before_closed, before_opened = (number_of(hour, days) for hour in (baseline.closed, baseline.opened))
    closed: dict[int, Bounds | None] = {}
    for place in places(values, first, baseline.opened, days):
        if place.number >= before_closed and not closed:
            closed = {budget: bounds(detector.base(), threshold(budget)) for budget in asked}
        if place.number < before_opened:
            detector.learn(place.value)
        yield
    base = detector.base()
    opened = {budget: bounds(base, threshold(budget)) for budget in asked}
    found.update({budget: (closed.get(budget, opened[budget]), opened[budget]) for budget in asked})
