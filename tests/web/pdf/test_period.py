"""The range of a report."""

import pytest
import time_machine

from storage.model.clock import Days
from web.http.problems import Problem
from web.pdf.period import before, finer, period, preset

NOON = "2026-11-04T12:00:00+00:00"
VIENNA = Days("Europe/Vienna")


@time_machine.travel(NOON, tick=False)
async def test_the_usual_range_is_the_seven_days_before_today() -> None:
    """Without a range a report is of seven whole local days that have ended, also over a change of the clock."""
    found = await period(Days("America/New_York"), None, None)
    assert (found.covered.keys[0], found.covered.keys[-1]) == ("2026-10-28", "2026-11-03")
    assert (found.start, found.end, found.has_ended) == ("2026-10-28T04:00:00.000Z", "2026-11-04T05:00:00.000Z", True)
    past = await before(Days("America/New_York"), found)
    assert (past.covered.keys[0], past.end, len(past.covered.keys)) == ("2026-10-21", found.start, 7)


@time_machine.travel(NOON, tick=False)
async def test_a_range_within_days_is_one_of_whole_hours() -> None:
    """From and to within a day are rounded outward to hours, and to days in a range of more than three days."""
    short = await period(VIENNA, "2026-11-03T10:30:00.000Z", "2026-11-03T12:10:00.000Z")
    assert (short.interval, short.start, short.end) == ("hour", "2026-11-03T10:00:00.000Z", "2026-11-03T13:00:00.000Z")
    past = await before(VIENNA, short)
    assert (past.start, past.end) == ("2026-11-03T07:00:00.000Z", "2026-11-03T10:00:00.000Z")
    long = await period(VIENNA, "2026-10-20T10:30:00.000Z", "2026-11-03T12:10:00.000Z")
    assert (long.interval, long.start, long.end) == ("day", "2026-10-19T22:00:00.000Z", "2026-11-03T23:00:00.000Z")
    today = await period(VIENNA, VIENNA.start("2026-11-04"), None)
    assert (today.covered.keys, today.has_ended) == (["2026-11-04"], False)


async def test_a_day_is_shown_by_its_hours() -> None:
    """A range of one or two days has a point an hour, also of 23 and 25; in a zone whose hours are not UTC's, a day."""
    for day, hours in (("2026-11-03", 24), ("2026-03-29", 23), ("2026-10-25", 25)):
        found = await period(VIENNA, VIENNA.start(day), VIENNA.start(VIENNA.shift(day, 1)))
        shown = await finer(VIENNA, found)
        assert (shown.start, shown.end, len(shown.covered.keys)) == (found.start, found.end, hours)
    kolkata = Days("Asia/Kolkata")
    found = await period(kolkata, kolkata.start("2026-11-03"), kolkata.start("2026-11-04"))
    assert await finer(kolkata, found) is found


async def test_a_range_that_makes_no_sense_is_refused() -> None:
    """A range backwards, or of more than a year, is refused with the end that is at fault."""
    for start, end, field in (("2026-11-03", "2026-11-02", "to"), ("2020-01-01", "2026-01-01", "from")):
        with pytest.raises(Problem) as refused:
            await period(VIENNA, VIENNA.start(start), VIENNA.start(end))
        assert (refused.value.status, refused.value.field) == (422, field)


@time_machine.travel("2026-10-25T12:34:56+00:00", tick=False)
def test_presets_are_those_of_the_dashboard() -> None:
    """Presets are days of the zone, today included, or hours with the one that goes on."""
    assert preset(VIENNA, "7d") == ("2026-10-18T22:00:00.000Z", "2026-10-25T23:00:00.000Z")
    assert preset(VIENNA, "today") == ("2026-10-24T22:00:00.000Z", "2026-10-25T23:00:00.000Z")
    assert preset(VIENNA, "yesterday") == ("2026-10-23T22:00:00.000Z", "2026-10-24T22:00:00.000Z")
    assert preset(VIENNA, "24h") == ("2026-10-24T13:00:00.000Z", "2026-10-25T13:00:00.000Z")
    assert preset(VIENNA, "fortnight") is None
