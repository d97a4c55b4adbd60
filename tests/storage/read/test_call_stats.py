"""Sums of API calls from rollups. After removals they are checked by tests/storage/retention/watched.py."""

import random
from datetime import timedelta
from typing import Any

import pytest

from storage.engine.database import Database
from storage.model import clock
from storage.model.clock import Days
from storage.model.metrics import mean_seconds
from storage.model.rollups import ENDPOINT_DAYS, RESPONSE_HOURS
from storage.read.call_stats import parts, read_call_stats
from storage.read.reports import Calls, Page
from tests.samples.history import BEGIN, Json, made_up
from tests.storage.databases import opened

pytestmark = pytest.mark.each_database

ZONES = ["UTC", "Asia/Kolkata", "America/New_York", "Australia/Lord_Howe"]


async def read(database: Database, page: Page, calls: Calls) -> Json:
    async with database.read() as connection:
        return await read_call_stats(connection, "default", database.days, page, calls)


def counted(events: list[Json], page: Page, calls: Calls) -> Json:
    chosen = [
        fields
        for fields in events
        if fields["type"] == "api_usage"
        and (page.start or "") <= fields["timestamp"] < (page.end or "~")
        and calls.endpoint in (None, fields["endpoint"])
        and (calls.statuses is None or calls.statuses[0] <= fields["status_code"] <= calls.statuses[1])
    ]
    took = sum(round(fields["response_time"] * 1e6) for fields in chosen)
    failed = sum(fields["status_code"] >= 500 for fields in chosen)
    return {"count": len(chosen), "error_count": failed, "avg_response_time": mean_seconds(took, len(chosen))}


@pytest.mark.parametrize("bound", [2, 100])
@pytest.mark.parametrize("zone", ZONES)
async def test_sums_are_those_of_the_calls(
    database_url: str, zone: str, bound: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Over any range, of all endpoints or one, also one without a row of its own, the sums are those of the calls."""
    for rollup in (ENDPOINT_DAYS, RESPONSE_HOURS):
        monkeypatch.setitem(vars(rollup), "bound", bound)
    draw, events = random.Random(zone), made_up(8, 500)
    database = await opened(database_url, zone, events)
    for _ in range(30):
        ends = sorted(clock.text(BEGIN + timedelta(seconds=draw.uniform(-7200, 4.1 * 86_400))) for _ in range(2))
        ends[0] = draw.choice([ends[0], ends[0][:13] + ":00:00.000Z", database.days.start(database.days.of(ends[0]))])
        page = Page(1, None, draw.choice([None, ends[0]]), draw.choice([None, ends[1]]))
        calls: Any
        for calls in (Calls(), Calls("/1"), Calls("/none"), Calls(statuses=(500, 599))):
            assert await read(database, page, calls) == counted(events, page, calls), (page, calls)
    await database.close()


@pytest.mark.no_database
@pytest.mark.parametrize("zone", ZONES)
def test_parts_are_the_whole_range(zone: str) -> None:
    """Days, hours and spans together are the range, without an overlap; only what is no whole hour is a span."""
    draw, days = random.Random(zone), Days(zone)
    for _ in range(200):
        start = clock.text(BEGIN + timedelta(seconds=draw.uniform(0, 5 * 86_400)))
        end = clock.text(clock.moment(start) + timedelta(seconds=draw.choice([1, 5_000, 90_000, 300_000])))
        found = parts(days, start, end)
        pieces = [*found.spans, *((f"{hour}:00:00.000Z", _after(hour)) for hour in found.hours)]
        if found.first < found.end:
            pieces.append((days.start(found.first), days.start(found.end)))
        pieces.sort()
        assert [begin for begin, _ in pieces] == [start, *(past for _, past in pieces[:-1])]
        assert pieces[-1][1] == end
        assert len(found.spans) <= 4


def _after(hour: str) -> str:
    return clock.text(clock.moment(f"{hour}:00:00.000Z") + timedelta(hours=1))
