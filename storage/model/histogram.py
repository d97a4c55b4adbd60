"""Histograms of durations that can be added up: log-linear buckets, as in HdrHistogram (Gil Tene). Pure.

Durations below 64 microseconds have a bucket each; above, every power of two is cut into 32 equal buckets. So a bucket
is at most 1/32 of its value wide, and its middle at most 1/64 (1.6 %) off. 1,033 buckets reach a day.
"""

import math
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate

Histogram = dict[int, int]
"""Bucket to the number of durations in it; empty ones are absent."""

RELATIVE_ERROR = 1 / 64
"""How far the middle of a bucket is from what it holds, at most, as a share of that."""

_EXACT_BITS = 6
_HALF = 32


def bucket(us: int) -> int:
    """Number the bucket of a duration in microseconds."""
    shift = max(0, us.bit_length() - _EXACT_BITS)
    return shift * _HALF + (us >> shift)


def middle(number: int) -> int:
    """Give the duration in microseconds that stands for the bucket *number*."""
    shift = max(0, number // _HALF - 1)
    low = (number - shift * _HALF) << shift
    return low + ((1 << shift) - 1) // 2


def add(into: Histogram, counts: Mapping[int, int]) -> None:
    """Add the *counts* to a histogram."""
    for number, count in counts.items():
        into[number] = into.get(number, 0) + count


def total(histograms: Iterable[Mapping[int, int]]) -> Histogram:
    """Add up histograms."""
    summed: Histogram = {}
    for histogram in histograms:
        add(summed, histogram)
    return summed


def percentiles(histogram: Mapping[int, int], percents: Sequence[int]) -> list[int | None]:
    """Give for each of the *percents* the duration in microseconds, as :func:`quantile` does for a share."""
    numbers = sorted(histogram)
    passed = list(accumulate(map(histogram.__getitem__, numbers)))
    if not passed:
        return [None] * len(percents)
    # Ranks in whole numbers: a share such as 0.55 is a little more than it says.
    return [middle(numbers[bisect_left(passed, -(-percent * passed[-1] // 100))]) for percent in percents]


def quantile(histogram: Mapping[int, int], share: float) -> int | None:
    """Give the duration in microseconds below or at which the *share* of all lies (nearest rank); None for none."""
    rank = math.ceil(share * sum(histogram.values()))
    for number in sorted(histogram):
        rank -= histogram[number]
        if rank <= 0:
            return middle(number)
    return None
