"""From which value on an hour is unusual, for how many false alarms a month. Pure.

Hours are few, so ranks among those of 14 days could not tell one in a thousand: ratios are kept for eight weeks.
"""

from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from math import exp

from storage.alerts.unusual.detector import DAYS, Base

RATIO_DAYS = 56
HISTORY_DAYS = DAYS + RATIO_DAYS + 1
"""So many days of hours before one say all that is compared with it."""
THRESHOLDS = ((1, 2.3), (2, 2.2), (3, 2.05), (5, 1.9), (8, 1.75), (15, 1.45), (30, 1.0))
"""Thresholds of the score by the false alarms a month that they allow, in buckets of an hour. Measured on 104 weeks of
made-up traffic without a fault, for five kinds of it: with 2.3 there are at most 1.0, with 2.2 1.6, with 2.05 3.0, with
1.9 5.0. They are reached only once enough days are known: 2.3 after 41 days, 1.9 after 11."""


@dataclass(frozen=True)
class Bounds:
    """An hour is unusual from ``up`` on upward and from ``down`` on downward; None: no value is.

    ``least`` and ``greatest`` are the bounds of the ``count`` hours like it.
    """

    up: int | None
    down: int | None
    least: int
    greatest: int
    count: int


def threshold(false_alarms: int) -> float:
    """Say from which score on an hour is an alarm."""
    return [score for budget, score in THRESHOLDS if budget <= false_alarms][-1]


def bounds(base: Base | None, least_score: float) -> Bounds | None:
    """Find the values whose score reaches a threshold; None while too little is known."""
    if base is None or not base.is_enough:
        return None
    up, down = _least_high(base, least_score), _greatest_low(base, least_score)
    return Bounds(up, down, int(base.like[0]), int(base.like[-1]), len(base.like))


def _beyond_all(base: Base) -> int:
    """Give a value that is beyond all that is known."""
    return int(max(base.like[-1], (base.middle + 1) * exp(base.ratios[-1]))) + 2


def _least_high(base: Base, least_score: float) -> int | None:
    top = _beyond_all(base)
    # The score grows with the value, so it is found in as many steps as the value has bits.
    found = bisect_left(range(top + 1), least_score, key=lambda value: base.scores(value)[0])
    return found if found <= top else None


def _greatest_low(base: Base, least_score: float) -> int | None:
    values = range(_beyond_all(base) + 1)
    found = bisect_right(values, -least_score, key=lambda value: -base.scores(value)[1])
    return found - 1 if found else None
