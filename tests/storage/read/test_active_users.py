"""Distinct users of ranges: every count is the number of different users among the raw events."""

import random
from datetime import timedelta

import pytest

from storage.engine.database import Database
from storage.model import clock
from storage.model.clock import Days
from storage.read.active_users import count_active_users, parts
from storage.read.series import points, read_series
from tests.samples.history import BEGIN, Json, made_up
from tests.storage.databases import opened

pytestmark = pytest.mark.each_database

# Days that begin within an hour of UTC, that have 23 hours, and that begin far from those of UTC.
ZONES = ["UTC", "Asia/Kolkata", "America/New_York", "Australia/Lord_Howe", "Pacific/Chatham", "Pacific/Kiritimati"]


def at(hours: float) -> str:
    return clock.text(BEGIN + timedelta(hours=hours))


def distinct(events: list[Json], start: str, end: str) -> int:
    found = {fields.get("user_id") for fields in events if start <= fields["timestamp"] < end}
    return len(found - {None})


async def count(database: Database, start: str, end: str) -> int | None:
    async with database.read() as connection:
        return await count_active_users(connection, "default", database.days, start, end)


def drawn(draw: random.Random, days: Days) -> tuple[str, str]:
    """A range that begins and ends at any millisecond, at an hour or at midnight."""
    ends = []
    for _ in range(2):
        moment = at(draw.uniform(-24, 130))
        ends.append(draw.choice([moment, moment[:13] + ":00:00.000Z", days.start(days.of(moment))]))
    start, end = sorted(ends)
    return (
        (start, end) if start < end else (start, clock.text(clock.moment(end) + timedelta(hours=draw.randrange(1, 30))))
    )


@pytest.mark.parametrize("zone", ZONES)
async def test_a_range_counts_each_user_once(database_url: str, zone: str) -> None:
    """Of any range, the count is that of the different users of its events, whatever the order in which they came."""
    events = made_up(seed=31, count=220)
    database = await opened(database_url, zone, events)
    draw = random.Random(zone)
    for _ in range(40):
        start, end = drawn(draw, database.days)
        assert await count(database, start, end) == distinct(events, start, end), (start, end)
    await database.close()


@pytest.mark.parametrize("zone", ["UTC", "Asia/Kolkata"])
async def test_a_point_is_the_range_that_it_covers(database_url: str, zone: str) -> None:
    """The distinct users of a point are those of its range, for minutes, hours and days; and no curve jumps at midnight
    for users who were active before it.
    """
    steady = [
        {"type": "activity", "user_id": f"u{user}", "username": "u", "activity_type": "x", "timestamp": at(hour)}
        for hour in range(72)
        for user in range(5)
    ]
    database = await opened(database_url, zone, steady)
    for interval, end in (("hour", at(72)), ("minute", at(0.4)), ("day", at(72))):
        covered = await points(database.days, interval, at(0), end)  # type: ignore[arg-type]
        async with database.read() as connection:
            columns = await read_series(connection, "default", database.days, ["active_users"], covered)
        past = database.days.start(database.days.shift(covered.keys[-1], 1)) if interval == "day" else end
        ends = [*covered.starts[1:], past]
        counted = [await count(database, *span) for span in zip(covered.starts, ends, strict=True)]
        assert columns["active_users"] == counted
        if interval == "hour":
            assert counted == [5] * 72
    await database.close()


@pytest.mark.no_database
def test_whole_days_need_no_hours() -> None:
    """A range of whole local days is counted by days alone, others by hours and the events of two."""
    kolkata = Days("Asia/Kolkata")
    whole = parts(kolkata, kolkata.start("2026-03-05"), kolkata.start("2026-03-12"))
    assert (whole.first, whole.end, whole.has_edges) == ("2026-03-05", "2026-03-12", False)
    hours = parts(kolkata, "2026-03-05T18:00:00.000Z", "2026-03-06T18:00:00.000Z")
    assert not hours.has_days
    assert not hours.spans
    assert {day: bits.bit_count() for day, bits in hours.hours.items()} == {"2026-03-05": 1, "2026-03-06": 24}
    within = parts(kolkata, "2026-03-05T18:10:00.000Z", "2026-03-08T03:20:00.000Z")
    assert (within.first, within.end) == ("2026-03-06", "2026-03-08")
    assert within.spans == [
        ("2026-03-05T18:10:00.000Z", "2026-03-05T18:30:00.000Z"),
        ("2026-03-08T03:00:00.000Z", "2026-03-08T03:20:00.000Z"),
    ]
