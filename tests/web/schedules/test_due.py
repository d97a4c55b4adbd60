"""When reports are due, and which days they have."""

from dataclasses import replace
from typing import Any

import pytest

from storage.model.clock import Days
from tests.web.schedules.samples import DAILY
from web.schedules.due import covered, next_time


def times(zone: str, after: str, count: int, **changes: Any) -> list[str]:
    days, schedule, found = Days(zone), replace(DAILY, **changes), []
    for _ in range(count):
        after = next_time(days, schedule, after)
        found.append(after)
    return found


def test_a_time_of_day_is_one_of_the_zone() -> None:
    """A daily report is due at its local time on both sides of a change of the clock."""
    assert times("Europe/Vienna", "2026-10-23T12:00:00.000Z", 3) == [
        "2026-10-24T06:00:00.000Z",
        "2026-10-25T07:00:00.000Z",
        "2026-10-26T07:00:00.000Z",
    ]


@pytest.mark.parametrize(
    ("zone", "after", "at_time", "expected"),
    [
        # Skipped: half past two does not exist on March 29.
        ("Europe/Vienna", "2026-03-28T12:00:00.000Z", "02:30", ("03-29T01:30", "03-30T00:30")),
        # Twice on October 25: the first one counts.
        ("Europe/Vienna", "2026-10-24T12:00:00.000Z", "02:30", ("10-25T00:30", "10-26T01:30")),
        # Clocks that jump at midnight, and by half an hour.
        ("Africa/Cairo", "2026-04-23T12:00:00.000Z", "00:00", ("04-23T22:00", "04-24T21:00")),
        ("Australia/Lord_Howe", "2026-10-03T04:00:00.000Z", "02:15", ("10-03T15:45", "10-04T15:15")),
    ],
)
def test_each_day_has_one_time(zone: str, after: str, at_time: str, expected: tuple[str, ...]) -> None:
    """A local time that is skipped, or comes twice, is due once on its day."""
    assert times(zone, after, 2, at_time=at_time) == [f"2026-{time}:00.000Z" for time in expected]


def test_weeks_and_months() -> None:
    """A weekly report is due on its weekday, a monthly one on its day, in shorter months on the last one."""
    mondays = times("UTC", "2026-03-04T00:00:00.000Z", 2, every="weekly", on_day=1)
    assert mondays == ["2026-03-09T08:00:00.000Z", "2026-03-16T08:00:00.000Z"]
    months = times("UTC", "2026-01-30T00:00:00.000Z", 3, every="monthly", on_day=31)
    assert months == ["2026-01-31T08:00:00.000Z", "2026-02-28T08:00:00.000Z", "2026-03-31T08:00:00.000Z"]


def test_the_next_time_is_never_now() -> None:
    """Asked at the moment itself, the following one is given: no time comes twice."""
    assert times("UTC", "2026-03-04T08:00:00.000Z", 1) == ["2026-03-05T08:00:00.000Z"]
    assert times("UTC", "2026-03-04T07:59:59.999Z", 1) == ["2026-03-04T08:00:00.000Z"]


def test_a_report_is_of_whole_days_that_have_ended() -> None:
    """Daily is the day before, weekly the seven days before, monthly the calendar month before."""
    days, due = Days("Europe/Vienna"), "2026-11-02T07:00:00.000Z"
    daily, weekly, monthly = (replace(DAILY, every=every) for every in ("daily", "weekly", "monthly"))
    assert covered(days, daily, due) == ("2026-10-31T23:00:00.000Z", "2026-11-01T23:00:00.000Z")
    assert covered(days, weekly, due) == ("2026-10-25T23:00:00.000Z", "2026-11-01T23:00:00.000Z")
    assert covered(days, monthly, due) == ("2026-09-30T22:00:00.000Z", "2026-10-31T23:00:00.000Z")
