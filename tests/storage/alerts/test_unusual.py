"""What is unusual, on labelled series and on made-up traffic in which nothing is."""

import csv
import json
import math
import os
import random
from bisect import bisect_left, bisect_right
from datetime import datetime
from itertools import pairwise
from pathlib import Path

import pytest

from storage.alerts.unusual.detector import DAYS, Alarms, Detector, threshold

SERIES = Path(os.environ.get("NAB_SERIES", "not-set"))
"""The folder of series of the Numenta Anomaly Benchmark (CSV) and their windows.json, which are no part of this
repository: NAB_SERIES=/path/to/nab pytest tests/storage/alerts/test_unusual.py"""
BUDGET = 5
"""False alarms a month, as shipped."""
LEAST_SCORE = 70
PROBATION_SHARE, PROBATION = 0.15, 750
FALSE_ALARM, PERFECT = 0.11, 0.98661
"""The weight of a false alarm, and the value at a window's left edge (standard profile)."""


def value_at(place: float) -> float:
    return 2 / (1 + math.exp(5 * place)) - 1


def scored(times: list[datetime], alarms: list[int], windows: list[tuple[datetime, datetime]]) -> float:
    """Score the alarms of one series, as the benchmark does: 1 for each window whose left edge was found."""
    spans = [(bisect_left(times, first), bisect_right(times, last) - 1) for first, last in windows]
    found: dict[int, float] = {}
    total = 0.0
    for at in alarms:
        inside = [number for number, (first, last) in enumerate(spans) if first <= at <= last]
        before = [span for span in spans if span[1] < at]
        if inside:
            first, last = spans[inside[0]]
            found.setdefault(inside[0], value_at((at - last) / max(1, last - first)) / PERFECT)
        elif before:
            first, last = before[-1]
            distance = (at - last) / max(1, last - first)
            total += FALSE_ALARM * (value_at(distance) if distance <= 3 else -1)
        else:
            total -= FALSE_ALARM
    return total + sum(found.get(number, -1) for number in range(len(spans)))


def read(file: Path) -> tuple[list[datetime], list[float]]:
    with file.open() as lines:
        rows = list(csv.reader(lines))[1:]
    return [datetime.fromisoformat(at) for at, _ in rows], [float(value) for _, value in rows]


def alarms_of(values: list[float], per_hour: int, probation: int = 0) -> list[int]:
    detector, alarms = Detector(per_hour), Alarms(per_hour, BUDGET)
    places = [place for place, value in enumerate(values) if alarms.is_alarm(detector.add(value))]
    return [place for place in places if place >= probation]


@pytest.mark.skipif(not SERIES.exists(), reason="NAB_SERIES names no folder")
def test_labelled_series_are_scored() -> None:
    """With the shipped settings the score on the benchmark's series that are here is at least 70."""
    labels = {Path(name).name: spans for name, spans in json.loads((SERIES / "windows.json").read_text()).items()}
    total, count = 0.0, 0
    for file in sorted(SERIES.glob("*.csv")):
        times, values = read(file)
        windows = [(datetime.fromisoformat(first), datetime.fromisoformat(last)) for first, last in labels[file.name]]
        per_hour = round(3600 / min((after - before).total_seconds() for before, after in pairwise(times[:50])))
        probation = min(int(PROBATION_SHARE * len(times)), PROBATION)
        total += scored(times, alarms_of(values, per_hour, probation), windows)
        count += len(windows)
    assert 100 * (total + count) / (2 * count) >= LEAST_SCORE


def test_nothing_is_unusual_before_there_is_a_past() -> None:
    """In the first days, and in traffic that is always the same, there is no alarm, whatever comes."""
    assert alarms_of([5.0] * 300, 12) == []
    assert alarms_of([0.0] * 12 * 24 * (DAYS + 2), 12) == []


def quiet_traffic(weeks: int, seed: int, per_hour: int = 2) -> list[float]:
    """Made-up calls: busy by day, quiet by night and at weekends, otherwise drawn."""
    draw = random.Random(seed)
    found = []
    for bucket in range(weeks * 7 * 24 * per_hour):
        hour, day = bucket / per_hour % 24, bucket // (24 * per_hour) % 7
        mean = 120 * (0.3 + 0.7 * max(0.0, math.sin((hour - 6) / 12 * math.pi))) * (1.0 if day < 5 else 0.8)
        found.append(float(max(0, round(draw.gauss(mean, math.sqrt(mean))))))
    return found


def test_false_alarms_stay_within_their_budget() -> None:
    """In 26 weeks in which nothing happens there are at most one and a half times the false alarms that are allowed."""
    weeks = 26
    alarms = alarms_of(quiet_traffic(weeks, 5), 2)
    assert len(alarms) <= 1.5 * BUDGET * weeks * 7 / 30.4


def test_a_surge_is_noticed_with_a_reason() -> None:
    """A surge is too much, and is told by what the buckets like it had."""
    detector, values = Detector(12), quiet_traffic(3, 6, 12)
    for value in values:
        detector.add(value)
    readings = [detector.add(value * 4 + 200) for value in quiet_traffic(1, 7, 12)[:4]]
    reading = readings[-1]
    assert reading is not None
    assert reading.is_up
    assert reading.score >= threshold(BUDGET)
    assert reading.reason.startswith(f"{reading.value:g}; the ")
    assert reading.greatest < reading.value


def test_fewer_false_alarms_need_a_higher_score() -> None:
    """The threshold falls as more false alarms are allowed."""
    scores = [threshold(budget) for budget in (0.5, 1, 2, 4, 8, 30)]
    assert scores == sorted(scores, reverse=True)
