"""Clocks that jump, midnights, daylight saving: figures stay right, days turn by themselves, tokens end in time.

The service runs in the test's own process, whose wall clock is set at will; its monotonic clock goes on as ever, as
it does on a machine whose time is corrected.
"""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
import time_machine
from time_machine import Traveller

from realtime.connection import CHECK_SECONDS
from realtime.protocol import TOPICS
from tests.faults.figures import Figures
from tests.paths import API, TRACK
from tests.samples.events import ACTIVITY, MESSAGE
from tests.servers.service import Running, start
from tests.subscribers.live import LivePanel

NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)
LONG = 10**9
"""Seconds for which a token outlives every jump."""
AHEAD = timedelta(minutes=5)
"""How far ahead of the clock an event may be."""


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[Traveller]:
    """The wall clock, at noon of some day; feeds look at it and prove themselves all the time."""
    monkeypatch.setattr("realtime.node.FOLLOW_SECONDS", 0.05)
    monkeypatch.setattr("realtime.feed.VERIFY_SECONDS", 0.0)
    monkeypatch.setattr("realtime.follower.VERIFY_SHARE", 1.0)
    monkeypatch.setattr("realtime.connection.CHECK_SECONDS", CHECK_SECONDS / 20)
    with time_machine.travel(NOON) as traveller:
        yield traveller


@pytest.fixture
async def service(clock: Traveller, tmp_path: Path) -> AsyncIterator[Running]:
    found = await start(tmp_path)
    yield found
    await found.drop()


async def equal(running: Running, panel: LivePanel) -> None:
    """Wait until a panel shows the snapshot."""
    snapshot = await running.get("snapshot")
    wanted = {name: snapshot[name] for name in TOPICS}
    await panel.until(lambda: panel.state.position == snapshot["position"] and panel.state.shown() == wanted, 60)


async def all_equal(running: Running, panel: LivePanel) -> None:
    """Wait until a panel that stays, one that comes back and one that comes anew show the snapshot."""
    await equal(running, panel)
    await panel.close()
    await panel.resume()
    await equal(running, panel)
    fresh = await running.panel()
    await equal(running, fresh)
    await fresh.close()


JUMPS = [-3600, 86_400, -2 * 86_400, 299, -1, 30 * 86_400, -400 * 86_400, 800 * 86_400]
"""Seconds by which the clock is set."""


async def test_a_clock_that_jumps_confuses_nobody(service: Running, clock: Traveller, figures: Figures) -> None:
    """Set back and forward under panels: no change is missed, no figure wrong, nothing told stale or younger."""
    panel = await service.panel(token=service.token(seconds=LONG))
    ages: list[str] = []
    for number, seconds in enumerate(JUMPS):
        clock.shift(seconds)
        await asyncio.sleep(0.1)
        ages += [frame["at"] for frame in panel.frames]
        for kind, event in (("activity-public", ACTIVITY), ("message-public", {**MESSAGE, "message_id": f"m{number}"})):
            receipt = await service.post(kind, {**event, "user_id": f"u{number}"})
        assert int(receipt["position"].split(".")[1]) == 2 * number + 2
        await panel.until_position(receipt["position"], 60)
        assert not any(frame.get("stale_since") for frame in panel.frames)
        panel.frames.clear()
        await all_equal(service, panel)
    assert ages == sorted(ages)
    assert (await service.verdict()).differences == []
    figures("clock set back and forward", jumps=len(JUMPS), panels_wrong=panel.disagreements)


@pytest.mark.parametrize("seconds", [0, -3600, 86_400])
async def test_too_far_ahead_follows_the_clock(service: Running, clock: Traveller, seconds: int) -> None:
    """An event may be five minutes ahead of the clock as it is now, whatever it was before."""
    clock.shift(seconds)
    now = datetime.now(UTC)
    for ahead, status in ((AHEAD - timedelta(seconds=5), 201), (AHEAD + timedelta(seconds=30), 422)):
        event = {**ACTIVITY, "timestamp": (now + ahead).isoformat()}
        assert (await service.http.post(f"{TRACK}/activity-public", json=event)).status_code == status


async def status(running: Running, token: str) -> int:
    response = await running.http.get(f"{API}/summary", headers={"Authorization": f"Bearer {token}"})
    return response.status_code


async def test_a_token_ends_when_the_clock_says_so(service: Running, clock: Traveller) -> None:
    """The clock jumps past a token's end: REST refuses it at once, and its panel is closed within five seconds."""
    assert CHECK_SECONDS < 5
    token = service.token(seconds=3600)
    panel = await service.panel(token=token)
    clock.shift(3500)
    assert (await status(service, token), panel.closed) == (200, None)
    clock.shift(200)
    assert await status(service, token) == 401
    await panel.until(lambda: panel.closed is not None, 30)
    assert panel.closed == (4401, "the token has expired")


async def test_a_token_lives_on_when_the_clock_is_set_back(service: Running, clock: Traveller) -> None:
    """The clock is set back before a token's end: it lives until the clock comes there again."""
    token = service.token(seconds=60)
    panel = await service.panel(token=token)
    clock.shift(-3600)
    await asyncio.sleep(CHECK_SECONDS / 4)
    assert (await status(service, token), panel.closed) == (200, None)
    clock.shift(3600 + 60)
    await panel.until(lambda: panel.closed is not None, 30)
    assert panel.closed == (4401, "the token has expired")


TURNS = {
    # Plain days of 24 hours.
    "UTC": ["2026-03-11T00:00:00Z"],
    # A day of 23 hours and one of 25; both of their midnights.
    "Europe/Vienna": ["2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z", "2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z"],
    # A midnight that does not exist: the day begins at one.
    "America/Sao_Paulo": ["2018-11-04T03:00:00Z", "2018-11-05T02:00:00Z"],
    "Africa/Cairo": ["2024-04-25T22:00:00Z", "2024-04-26T21:00:00Z"],
    # Half an hour of daylight saving.
    "Australia/Lord_Howe": ["2026-04-04T13:00:00Z", "2026-04-05T13:30:00Z", "2026-10-03T13:30:00Z"],
    # One minute into the day the clock goes back to the day before: it begins twice.
    "America/St_Johns": ["2010-11-07T02:30:00Z", "2010-11-07T02:31:00Z", "2010-11-07T03:30:00Z"],
    # A day that never was.
    "Pacific/Apia": ["2011-12-30T10:00:00Z", "2011-12-31T10:00:00Z"],
}
"""Moments at which the local day changes."""


@pytest.mark.parametrize("zone", TURNS)
async def test_days_turn_by_themselves(clock: Traveller, tmp_path: Path, zone: str, figures: Figures) -> None:
    """At local midnight, wherever that falls, active users begin anew without an event; each day has its own events."""
    active: dict[str, set[str]] = defaultdict(set)
    clock.move_to(datetime.fromisoformat(TURNS[zone][0]) - timedelta(hours=30))
    running = await start(tmp_path, TIMEZONE=zone)
    panel = await running.panel(token=running.token(seconds=LONG))

    def today() -> str:
        return datetime.now(ZoneInfo(zone)).date().isoformat()

    async def post(name: str) -> None:
        for user in ("ada", name):
            active[today()].add(user)
            receipt = await running.post("activity-public", {**ACTIVITY, "user_id": user})
        await panel.until_position(receipt["position"], 60)
        await all_equal(running, panel)
        assert panel.state.summary["active_users_today"] == len(active[today()])

    try:
        for number, turn in enumerate(TURNS[zone]):
            for hours in (-25, -1.25):
                if (moment := datetime.fromisoformat(turn) + timedelta(hours=hours)) > datetime.now(UTC):
                    clock.move_to(moment)
                    await post(f"before-{number}{hours}")
            assert today() != today_at(turn, zone)
            clock.move_to(datetime.fromisoformat(turn) - timedelta(seconds=0.3))
            while today() != today_at(turn, zone):  # noqa: ASYNC110 - it is the clock that goes on
                await asyncio.sleep(0.01)
            await equal(running, panel)
            assert panel.state.summary["active_users_today"] == len(active[today()])
            await post(f"after-{number}")
        for day, users in active.items():
            found = await running.get("daily-stats", **{"from": day, "to": next_day(day)})
            assert [(item["date"], item["active_users"]) for item in found["items"]] == [(day, len(users))]
        assert (await running.verdict()).differences == []
        figures("days that turn", zone=zone, turns=len(TURNS[zone]), panels_wrong=panel.disagreements)
    finally:
        await running.drop()


def today_at(moment: str, zone: str) -> str:
    return datetime.fromisoformat(moment).astimezone(ZoneInfo(zone)).date().isoformat()


def next_day(day: str) -> str:
    return (datetime.fromisoformat(day) + timedelta(days=1)).date().isoformat()
