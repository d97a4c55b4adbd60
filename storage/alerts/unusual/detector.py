"""Unusual values of a figure that is counted in buckets of time. Pure; no model, and nothing to train.

A bucket is compared in two ways, each of which gives a **conformal rank**: the share of the values like it that
are as extreme, itself included, so that it is (1 + those) / (1 + all), whatever their distribution (Vovk et al.,
"Algorithmic Learning in a Random World", 2005).

- Its value among those of the same hour, half an hour around it, on each of the last 14 days.
- The log ratio of the trailing hour to the median of the same hour on these days, among such ratios of the last 14
  days.

The **score** is the mean of -log10 of both ranks, upward or downward, whichever is more extreme: 2 means "one in a
hundred" in both ways at once.
"""

import math
from bisect import bisect_left, bisect_right, insort
from collections import deque
from dataclasses import dataclass
from statistics import median

DAYS = 14
LEAST_DAYS = 2
"""Days that have to be known before anything is unusual."""
QUIET_HOURS = 24
"""After an alarm there is none for so long: what is unusual mostly is so for hours."""
BUDGETS = ((1, 2.8), (2, 2.55), (3, 2.4), (5, 2.2), (8, 2.0), (15, 1.7), (30, 1.5))
"""Thresholds of the score by the false alarms a month that they allow, in buckets of five minutes. Measured on 52 weeks
of made-up traffic without a fault: with 2.2 there are 5.2 of independent counts, and 6.4 of counts whose level wanders
by 15 %."""


@dataclass(frozen=True)
class Reading:
    """What one bucket says: its ``score``, whether it is too much (``is_up``) or too little, and why.

    ``least`` and ``greatest`` are the bounds of the ``count`` values that it was compared with.
    """

    value: float
    score: float
    is_up: bool
    least: float
    greatest: float
    count: int

    @property
    def reason(self) -> str:
        """Say why, in a sentence."""
        return f"{self.value:g}; the {self.count} buckets like it had {self.least:g} to {self.greatest:g}"


class Detector:
    """Reads the buckets of one figure, in their order and without a gap; it keeps 15 days of them."""

    def __init__(self, per_hour: int) -> None:
        """Take how many buckets an hour has."""
        self._per_hour = per_hour
        self._per_day = 24 * per_hour
        self._around = max(1, per_hour // 2)
        size = DAYS * self._per_day + self._around + 1
        self._values: deque[float] = deque(maxlen=size)
        self._hours: deque[float] = deque(maxlen=size)
        self._ratios: deque[float] = deque()
        self._sorted: list[float] = []

    def add(self, value: float) -> Reading | None:
        """Take the next bucket; None until enough days are known."""
        self._values.append(value)
        values = self._values
        trailing = sum(values[-place] for place in range(1, min(self._per_hour, len(values)) + 1))
        self._hours.append(trailing)
        now = len(values) - 1
        days = [place for day in range(1, DAYS + 1) if (place := now - day * self._per_day) >= 0]
        if len(days) < LEAST_DAYS:
            return None
        ratio = math.log((trailing + 1) / (median(self._hours[place] for place in days) + 1))
        reading = self._read(value, ratio, days, now) if len(self._sorted) >= self._per_day else None
        self._keep(ratio)
        return reading

    def _read(self, value: float, ratio: float, days: list[int], now: int) -> Reading:
        known = list(self._values)
        like = [
            found
            for place in days
            for found in known[max(0, place - self._around) : min(now, place + self._around + 1)]
        ]
        ratios = self._sorted
        up = _rank(sum(found >= value for found in like), len(like)) + _rank(
            len(ratios) - bisect_left(ratios, ratio), len(ratios)
        )
        down = _rank(sum(found <= value for found in like), len(like)) + _rank(bisect_right(ratios, ratio), len(ratios))
        return Reading(value, max(up, down) / 2, up >= down, min(like), max(like), len(like))

    def _keep(self, ratio: float) -> None:
        self._ratios.append(ratio)
        insort(self._sorted, ratio)
        if len(self._ratios) > DAYS * self._per_day:
            del self._sorted[bisect_left(self._sorted, self._ratios.popleft())]


def _rank(as_extreme: int, count: int) -> float:
    """Give -log10 of a conformal rank."""
    return -math.log10((1 + as_extreme) / (1 + count))


def threshold(false_alarms: float) -> float:
    """Say from which score on a bucket is an alarm, for at most so many false alarms a month."""
    allowed = [score for budget, score in BUDGETS if budget <= false_alarms]
    return allowed[-1] if allowed else BUDGETS[0][1]


class Alarms:
    """Which readings are alarms: those whose score reaches the threshold, but none soon after another one."""

    def __init__(self, per_hour: int, false_alarms: float) -> None:
        """Allow so many false alarms a month."""
        self._threshold = threshold(false_alarms)
        self._quiet = QUIET_HOURS * per_hour
        self._since = self._quiet + 1

    def is_alarm(self, reading: Reading | None) -> bool:
        """Say whether the next reading is an alarm."""
        self._since += 1
        if reading is None or reading.score < self._threshold or self._since <= self._quiet:
            return False
        self._since = 0
        return True
