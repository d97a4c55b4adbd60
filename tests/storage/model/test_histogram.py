"""Histograms that can be added up."""

import math
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from storage.model.histogram import add, bucket, middle, percentiles, quantile, total

DAY_US = 86_400_000_000
DURATIONS = st.integers(0, 200) | st.integers(0, DAY_US)


@given(DURATIONS)
def test_a_bucket_is_close_to_what_it_holds(us: int) -> None:
    """The middle of a duration's bucket is at most 1/64 off, and exact below 64 microseconds."""
    stands_for = middle(bucket(us))
    assert abs(stands_for - us) <= us / 64
    assert us >= 64 or stands_for == us


@given(DURATIONS, DURATIONS)
def test_buckets_keep_the_order(one: int, other: int) -> None:
    """A longer duration is never in an earlier bucket, and the last one of a day has the number 1,032."""
    assert bucket(one) == bucket(other) or (bucket(one) < bucket(other)) == (one < other)
    assert bucket(DAY_US) == 1032


def test_buckets_have_no_gap() -> None:
    """Every bucket is reached: from one duration to the next the number grows by one or stays."""
    numbers = [bucket(us) for us in range(10_000)]
    assert all(after - before in (0, 1) for before, after in pairwise(numbers))


@given(st.lists(DURATIONS, min_size=1, max_size=60), st.integers(0, 60), st.sampled_from([0.5, 0.95, 1.0]))
def test_added_histograms_know_the_quantile(durations: list[int], cut: int, share: float) -> None:
    """The quantile of two histograms added up is, within a bucket, the one of all durations by nearest rank."""
    parts = []
    for some in (durations[:cut], durations[cut:]):
        histogram: dict[int, int] = {}
        for us in some:
            add(histogram, {bucket(us): 1})
        parts.append(histogram)
    exact = sorted(durations)[math.ceil(share * len(durations)) - 1]
    found = quantile(total(parts), share)
    assert found is not None
    assert abs(found - exact) <= exact / 64


def test_no_duration_has_no_quantile() -> None:
    """Where nothing was measured there is no quantile."""
    assert quantile({}, 0.95) is None
    assert percentiles({}, (50, 99)) == [None, None]


@given(st.lists(DURATIONS, min_size=1, max_size=200))
def test_percentiles_are_those_of_the_nearest_rank(durations: list[int]) -> None:
    """Each whole percentile is the middle of the bucket of the duration that has that rank."""
    histogram: dict[int, int] = {}
    for us in durations:
        add(histogram, {bucket(us): 1})
    percents = (1, 50, 55, 95, 99, 100)
    exact = [sorted(durations)[-(-percent * len(durations) // 100) - 1] for percent in percents]
    assert percentiles(histogram, percents) == [middle(bucket(us)) for us in exact]
