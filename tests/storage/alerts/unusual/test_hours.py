"""Hours by the clock on the wall, and from which value on they are unusual."""

import math
import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from storage.alerts.unusual.bounds import RATIO_DAYS, THRESHOLDS, bounds, threshold
from storage.alerts.unusual.detector import Alarms, Detector
from storage.alerts.unusual.hours import number_of, places, shifted
from storage.model.clock import Days

BERLIN = Days("Europe/Berlin")


def traffic(weeks: int, seed: int) -> list[int]:
    """Made-up calls by hour: busy by day, quiet by night and at weekends, otherwise drawn."""
    draw, found = random.Random(seed), []
    for hour in range(weeks * 7 * 24):
        mean = 120 * (0.3 + 0.7 * max(0.0, math.sin((hour % 24 - 6) / 12 * math.pi)))
        mean *= 1.0 if hour // 24 % 7 < 5 else 0.8
        found.append(max(0, round(draw.gauss(mean, math.sqrt(mean)))))
    return found


def test_false_alarms_stay_within_each_budget() -> None:
    """In 26 weeks in which nothing happens there are at most one and a half times the false alarms that are allowed."""
    weeks = 26
    detector = Detector(1, RATIO_DAYS)
    readings = [detector.add(value) for value in traffic(weeks + 10, 3)][10 * 7 * 24 :]
    for budget, score in THRESHOLDS:
        alarms = Alarms(1, budget)
        alarms._threshold = score
        count = sum(alarms.is_alarm(reading) for reading in readings)
        assert count <= 1.5 * budget * weeks * 7 / 30.4, budget


def test_bounds_say_what_readings_say() -> None:
    """A value is beyond the bounds if, and only if, its score reaches the threshold, upward or downward."""
    detector = Detector(1, RATIO_DAYS)
    for value in traffic(6, 4):
        detector.learn(value)
    base = detector.base()
    assert base is not None
    for budget, score in THRESHOLDS:
        found = bounds(base, threshold(budget))
        assert found is not None
        for value in range(400):
            is_beyond = (found.up is not None and value >= found.up) or (found.down is not None and value <= found.down)
            assert is_beyond == (base.read(value).score >= score)


def test_learning_is_adding_without_a_reading() -> None:
    """What was learned compares as what was added."""
    added, learned = Detector(1, RATIO_DAYS), Detector(1, RATIO_DAYS)
    for value in traffic(11, 5):
        added.add(value)
        learned.learn(value)
    assert added.base() == learned.base()


def test_nothing_is_unusual_before_there_is_a_past() -> None:
    """With five false alarms a month no value is unusual in the first ten days, with one not in the first forty."""
    for budget, days in ((5, 10), (1, 40)):
        detector = Detector(1, RATIO_DAYS)
        for value in traffic(8, 6)[: days * 24]:
            detector.learn(value)
        found = bounds(detector.base(), threshold(budget))
        assert found is not None
        assert (found.up, found.down) == (None, None)


def test_a_skipped_hour_is_as_the_day_before() -> None:
    """Where clocks are set forward over an hour, it has what it had a day before; all hours are there once."""
    values = {"2026-03-28T01": 7}
    found = list(places(values, "2026-03-28T00", "2026-03-29T05", BERLIN))
    assert [place.number for place in found] == list(range(found[0].number, found[0].number + len(found)))
    assert [(place.value, place.hour) for place in found if place.hour is None] == [(7, None)]
    assert found[-1].number == number_of("2026-03-29T05", BERLIN)


def test_an_hour_that_comes_twice_counts_once() -> None:
    """Where clocks are set back, the first of two equal hours is taken."""
    values = {"2026-10-25T00": 3, "2026-10-25T01": 9, "2026-10-25T02": 4}
    found = list(places(values, "2026-10-25T00", "2026-10-25T02", BERLIN))
    assert [(place.hour, place.value) for place in found] == [("2026-10-25T00", 3), ("2026-10-25T02", 4)]


def of_wall(days: Days, first: str, count: int, mean: Callable[[int], int]) -> dict[str, int]:
    """Give hours of UTC, whose traffic follows the clock on the wall."""
    draw, found = random.Random(8), {}
    for step in range(count):
        hour = shifted(first, step)
        local = datetime.fromisoformat(f"{hour}:00").replace(tzinfo=UTC).astimezone(days.zone)
        found[hour] = mean(local.hour) + draw.randrange(5)
    return found


@pytest.mark.parametrize("first", ["2026-02-20T00", "2026-09-18T00"], ids=["forward", "back"])
def test_a_change_of_the_clock_is_nothing_unusual(first: str) -> None:
    """Traffic that follows the clock on the wall has no alarm in the fortnight after it was changed."""
    values = of_wall(BERLIN, first, 60 * 24, lambda hour: 400 if 8 <= hour < 20 else 20)
    detector, alarms = Detector(1, RATIO_DAYS), []
    for place in places(values, first, max(values), BERLIN):
        reading = detector.add(place.value)
        if reading is not None and place.hour is not None and reading.score >= threshold(1):
            alarms.append(place.hour)
    changed = datetime.fromisoformat(first).replace(tzinfo=UTC) + timedelta(days=37)
    assert [hour for hour in alarms if hour >= changed.isoformat()[:10]] == []
