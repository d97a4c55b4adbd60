"""Windows, at the edges of days and where clocks are changed."""

import pytest

from storage.alerts.window import Moment, Window, same_time, span
from storage.model.clock import Days

VIENNA = Days("Europe/Vienna")


def seen(window: Window, at: str, days: Days = VIENNA) -> tuple[str, str, str]:
    return tuple(span(window, Moment.of(at, days), days))  # type: ignore[return-value]


@pytest.mark.parametrize(
    ("at", "day", "month"),
    [
        ("2026-03-31T21:59:59.999Z", "2026-03-31", "2026-03"),
        ("2026-03-31T22:00:00.000Z", "2026-04-01", "2026-04"),
        ("2026-10-31T22:59:59.999Z", "2026-10-31", "2026-10"),
        ("2026-10-31T23:00:00.000Z", "2026-11-01", "2026-11"),
    ],
)
def test_days_and_months_are_local(at: str, day: str, month: str) -> None:
    """A window of today or of this month begins at the local midnight, summer and winter."""
    assert seen(Window("today"), at) == (day, day, day)
    assert seen(Window("month"), at) == (f"{month}-01", f"{month}-31", month)


def test_the_last_whole_window_lies_before() -> None:
    """What is too little is asked of the last whole hour, day or month."""
    at = "2026-03-01T00:30:00.000Z"
    assert seen(Window("hour", closed=True), at, Days("UTC"))[2] == "2026-02-28T23"
    assert seen(Window("today", closed=True), at, Days("UTC"))[2] == "2026-02-28"
    assert seen(Window("month", closed=True), at, Days("UTC"))[2] == "2026-02"


def test_minutes_end_with_the_one_that_goes_on() -> None:
    """The last ten minutes are the one that goes on and nine before it, across midnight too."""
    assert seen(Window("", 10), "2026-03-02T00:03:59.999Z") == ("2026-03-01T23:54", "~", "")


@pytest.mark.parametrize(
    ("at", "first", "last"),
    [
        # A day without a change: the same minutes of UTC.
        ("2026-03-20T12:30:00.000Z", "2026-03-18T23:00", "2026-03-19T12:30"),
        # Clocks were set forward on the 29th: 14:30 local was 13:30 of UTC the day before.
        ("2026-03-29T12:30:00.000Z", "2026-03-27T23:00", "2026-03-28T13:30"),
        # They were set back on the 25th of October.
        ("2026-10-25T13:30:00.000Z", "2026-10-23T22:00", "2026-10-24T12:30"),
    ],
)
def test_the_same_time_of_another_day_is_local(at: str, first: str, last: str) -> None:
    """Today until now is compared with the same local times of yesterday, also where clocks were changed between."""
    assert same_time(Window("today"), Moment.of(at, VIENNA), VIENNA, 1) == (first, last)


def test_an_hour_that_there_was_not_is_some_hour() -> None:
    """The local time that clocks leapt over still gives a span that is not reversed."""
    at = Moment.of("2026-03-30T00:30:00.000Z", VIENNA)
    first, last = same_time(Window("", 60), at, VIENNA, 1)
    assert first < last
