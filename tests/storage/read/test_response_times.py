"""Response times: every figure is what a count of the raw events gives, within the error of a bucket."""

import math
import random
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from storage.engine.database import Database
from storage.model import clock
from storage.model.clock import Days
from storage.model.histogram import RELATIVE_ERROR
from storage.model.metrics import mean_seconds
from storage.model.rollups import RESPONSE_LABELS
from storage.read.response_times import PERCENTS, Of, Wanted, read_response_times
from storage.read.series import Interval, points
from storage.verify.comparison import verify
from tests.samples.history import Json, made_up
from tests.storage.databases import opened

pytestmark = pytest.mark.each_database

ZONES = ["UTC", "Asia/Kolkata", "America/New_York", "Australia/Lord_Howe"]
FIELDS: dict[Of, tuple[str, str]] = {"messages": ("message", "model_used"), "api_calls": ("api_usage", "endpoint")}
# The first one holds New York's day of 23 hours.
RANGES = [
    ("2026-03-07T03:20:00.000Z", "2026-03-09T17:10:00.000Z"),
    ("2026-03-07T18:30:00.000Z", "2026-03-08T18:30:00.000Z"),
]


async def read(database: Database, interval: Interval, start: str, end: str, wanted: Wanted) -> tuple[list[str], Json]:
    covered = await points(database.days, interval, start, end)
    async with database.read() as connection:
        return covered.starts, await read_response_times(connection, "default", covered, wanted)


def own(events: list[Json], of: Of, label: str | None = None) -> list[Json]:
    """The events that carry a response time, of all or of one model or endpoint."""
    kind, field = FIELDS[of]
    found = [fields for fields in events if fields["type"] == kind and fields.get("response_time") is not None]
    return found if label is None else [fields for fields in found if fields.get(field) == label]


def check(found: Json, events: list[Json]) -> None:
    """Hold figures against the events: all exact, but for percentiles, which are of a bucket."""
    took = sorted(round(fields["response_time"] * 1e6) for fields in events)
    assert found["count"] == len(took)
    assert found["error_count"] == sum(fields.get("status_code", 0) >= 500 for fields in events)
    assert found["avg_response_time"] == mean_seconds(sum(took), len(took))
    for percent in PERCENTS:
        value = found[f"p{percent}_response_time"]
        if not took:
            assert value is None
            continue
        exact = took[math.ceil(percent * len(took) / 100) - 1]
        assert abs(value * 1e6 - exact) <= exact * RELATIVE_ERROR + 0.5


def check_points(found: Json, starts: list[str], end: str, events: list[Json]) -> None:
    bounds = [*starts, end]
    check(found["total"], [fields for fields in events if starts[0] <= fields["timestamp"] < end])
    for place in range(len(starts)):
        within = [fields for fields in events if bounds[place] <= fields["timestamp"] < bounds[place + 1]]
        check({name: column[place] for name, column in found["points"].items()}, within)


def end_of(starts: list[str], interval: Interval, days: Days) -> str:
    if interval == "day":
        return days.start(days.shift(days.of(starts[-1]), 1))
    return clock.text(clock.moment(starts[-1]) + timedelta(hours=1))


@pytest.mark.parametrize("zone", ZONES)
async def test_every_figure_is_that_of_the_events(database_url: str, zone: str) -> None:
    """Counts, errors and means of all, of each model and of each endpoint are exact at every point and over the range,
    also of days of 23 hours, and percentiles are within the stated error."""
    events = made_up(seed=21, count=600)
    database = await opened(database_url, zone, events)
    for interval in ("hour", "day"):
        for start, end in RANGES:
            for of in FIELDS:
                starts, found = await read(database, interval, start, end, Wanted(of, labels=50))
                last = end_of(starts, interval, database.days)
                check_points(found, starts, last, own(events, of))
                labels = {fields[FIELDS[of][1]] for fields in own(events, of) if fields.get(FIELDS[of][1])}
                assert {item["label"] for item in found["items"]} <= labels
                for item in found["items"]:
                    check_points(item, starts, last, own(events, of, item["label"]))
                    _, alone = await read(database, interval, start, end, Wanted(of, item["label"]))
                    assert {name: item[name] for name in ("total", "points")} == {
                        name: alone[name] for name in ("total", "points")
                    }
                counts = [item["total"]["count"] for item in found["items"]]
                assert counts == sorted(counts, reverse=True)
                assert sum(counts) + found["others"]["without_label"] == found["total"]["count"]
                assert found["others"]["beyond_limit"] == found["others"]["beyond_bound"] == found["unknown"] == 0
    await database.close()


async def test_labels_beyond_a_bound_are_counted(database_url: str) -> None:
    """Models beyond the limit of the list and beyond the bound of an hour are not listed, but counted, and the recount
    agrees; a figure of all has them."""
    base = {"type": "message", "conversation_id": "c", "user_id": "u", "role": "assistant", "response_time": 0.5}
    at = {"timestamp": "2026-03-07T12:00:00.000Z"}
    events = [
        {**base, **at, "message_id": f"m{number}", "model_used": f"model-{number % (RESPONSE_LABELS + 3):03}"}
        for number in range(2 * RESPONSE_LABELS)
    ]
    database = await opened(database_url, "UTC", [*events, {**base, **at, "message_id": "none"}])
    for interval in ("hour", "day"):
        _, found = await read(database, interval, "2026-03-07T12:00:00.000Z", "2026-03-07T13:00:00.000Z", _LISTED)
        assert found["total"]["count"] == 2 * RESPONSE_LABELS + 1
        assert [item["label"] for item in found["items"]] == ["model-000", "model-001"]
        assert found["others"] == {
            "beyond_limit": 2 * RESPONSE_LABELS - 4 - 3,
            "beyond_bound": 3,
            "without_label": 1,
        }
    async with database.read() as connection:
        assert (await verify(connection, database.days)).differences == []
    await database.close()


_LISTED = Wanted("messages", labels=2)


async def test_late_events_and_duplicates(database_url: str) -> None:
    """An event that arrives late counts in the hour and day of its own timestamp, and a duplicate counts once."""
    draw = random.Random(5)
    events = [
        {
            "type": "api_usage",
            "event_id": f"e{number % 30}",
            "endpoint": "/chat",
            "method": "GET",
            "status_code": 200,
            "response_time": number % 30 / 7,
            "timestamp": f"2026-03-07T{number % 30 % 24:02}:30:00.000Z",
        }
        for number in draw.sample(range(60), 60)
    ]
    database = await opened(database_url, "America/New_York", events)
    once: dict[Any, Json] = {fields["event_id"]: fields for fields in events}
    wanted = Wanted("api_calls", "/chat")
    starts, found = await read(database, "hour", "2026-03-07T00:00:00.000Z", "2026-03-08T00:00:00.000Z", wanted)
    check_points(found, starts, "2026-03-08T00:00:00.000Z", list(once.values()))
    assert found["total"]["count"] == 30
    await database.close()


async def test_what_was_removed_without_a_histogram_is_said(database_url: str) -> None:
    """Response times that counters have and histograms lack are counted as unknown, and no percentile is made up."""
    events = made_up(seed=23, count=200)
    database = await opened(database_url, "UTC", events)
    lost = "DELETE FROM response_days WHERE scope = 'messages' AND day = '2026-03-08'"
    await database.write(lambda connection: connection.execute(text(lost)))
    starts, found = await read(
        database, "day", "2026-03-06T00:00:00.000Z", "2026-03-11T00:00:00.000Z", Wanted("messages")
    )
    expected = own(events, "messages")
    gone = [fields for fields in expected if fields["timestamp"][:10] == "2026-03-08"]
    assert len(gone) > 2
    assert found["unknown"] == len(gone)
    assert found["total"]["count"] == len([fields for fields in expected if fields not in gone])
    assert found["points"]["p50_response_time"][starts.index("2026-03-08T00:00:00.000Z")] is None
    await database.close()
