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
from collections.abc import Sequence
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


@dataclass(frozen=True)
class Base:
    """What the next bucket is compared with, until it is added.

    ``like`` has the values of the buckets like it, and ``ratios`` the log ratios of the hours before, both sorted;
    ``middle`` is the median of the same hour on other days, ``before`` what the trailing hour has without the bucket.
    """

    like: Sequence[float]
    ratios: Sequence[float]
    middle: float
    before: float
    least_ratios: int

    @property
    def is_enough(self) -> bool:
        """Whether enough is known to compare."""
        return len(self.ratios) >= self.least_ratios

    @property
    def highest(self) -> float:
        """The score of a value that is beyond all that is known."""
        return (_rank(0, len(self.like)) + _rank(0, len(self.ratios))) / 2 if self.is_enough else 0.0

    def ratio(self, value: float) -> float:
        """Give the log ratio of the trailing hour."""
        return math.log((self.before + value + 1) / (self.middle + 1))

    def scores(self, value: float) -> tuple[float, float]:
        """Say how unusual a value would be upward, which never falls as it grows, and downward, which never rises."""
        like, ratios, ratio = self.like, self.ratios, self.ratio(value)
        up = _rank(len(like) - bisect_left(like, value), len(like)) + _rank(
            len(ratios) - bisect_left(ratios, ratio), len(ratios)
        )
        down = _rank(bisect_right(like, value), len(like)) + _rank(bisect_right(ratios, ratio), len(ratios))
        return up / 2, down / 2

    def read(self, value: float) -> Reading:
        """Say what a value says."""
        up, down = self.scores(value)
        return Reading(value, max(up, down), up >= down, self.like[0], self.like[-1], len(self.like))


class Detector:
    """Reads the buckets of one figure, in their order and without a gap; it keeps 15 days of them."""

    def __init__(self, per_hour: int, ratio_days: int = DAYS) -> None:
        """Take how many buckets an hour has, and of how many days ratios are kept."""
        self._per_hour = per_hour
        self._per_day = 24 * per_hour
        self._around = max(1, per_hour // 2)
        size = DAYS * self._per_day + self._around + 1
        self._size = size
        self._values: deque[float] = deque(maxlen=size)
        self._hours: deque[float] = deque(maxlen=size)
        self._most_ratios = ratio_days * self._per_day
        self._ratios: deque[float] = deque()
        self._sorted: list[float] = []

    def add(self, value: float) -> Reading | None:
        """Take the next bucket; None until enough days are known."""
        base, before = self.base(), self._before()
        self._values.append(value)
        self._hours.append(before + value)
        if base is None:
            return None
        reading = base.read(value) if base.is_enough else None
        self._keep(base.ratio(value))
        return reading

    def learn(self, value: float) -> None:
        """Take the next bucket as :meth:`add` does, without a reading: a fifth of the work."""
        days, before = self._days(), self._before()
        base = None if len(days) < LEAST_DAYS else Base((), self._sorted, self._middle(days), before, self._per_day)
        self._values.append(value)
        self._hours.append(before + value)
        if base is not None:
            self._keep(base.ratio(value))

    def base(self) -> Base | None:
        """Give what the next bucket is compared with; None until two days are known."""
        days = self._days()
        if len(days) < LEAST_DAYS:
            return None
        known, around = list(self._values), self._around
        like = [found for place in days for found in known[max(self._oldest, place - around) : place + around + 1]]
        return Base(sorted(like), self._sorted, self._middle(days), self._before(), self._per_day)

    @property
    def _oldest(self) -> int:
        """The place of the oldest bucket once the next one is there, which pushes one out if all places are taken."""
        return int(len(self._values) == self._size)

    def _days(self) -> list[int]:
        """Give the places of the same bucket on the days before."""
        now, oldest = len(self._values), self._oldest
        return [place for day in range(1, DAYS + 1) if (place := now - day * self._per_day) >= oldest]

    def _middle(self, days: list[int]) -> float:
        return median(self._hours[place] for place in days)

    def _before(self) -> float:
        """Add up the trailing hour, but its last bucket."""
        values = self._values
        return sum(values[-place] for place in range(1, min(self._per_hour - 1, len(values)) + 1))

    def _keep(self, ratio: float) -> None:
        self._ratios.append(ratio)
        insort(self._sorted, ratio)
        if len(self._ratios) > self._most_ratios:
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
