"""Rules about what is unusual, decided by the clock of alerts on real databases, on weeks of made-up traffic."""

import asyncio
import random
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from sqlalchemy import select

from storage.alerts.rule import Rule
from storage.model import clock
from storage.retention.steps import Steps
from storage.tables import schema
from tests.samples.events import event
from tests.storage.alerts.rules import crossings, rule, set_rules
from tests.storage.writers import MESSAGE, Bench
from web.alerts.clock import AlertClock
from web.alerts.texts import text

pytestmark = pytest.mark.each_database

TODAY = datetime(2026, 3, 20, 0, 0, tzinfo=UTC)
DAYS = 15
BATCH = 500
UNUSUAL: Rule = rule("unusual", figure="messages", false_alarms_a_month=5)
FIRED, RESOLVED = ("r", "", "firing"), ("r", "", "resolved")


class Clock:
    """A clock that tests set; it goes on by a millisecond each time that it is looked at."""

    def __init__(self) -> None:
        self.now = TODAY

    def look(self) -> float:
        self.now += timedelta(milliseconds=1)
        return self.now.timestamp()


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> Clock:
    found = Clock()
    monkeypatch.setattr(clock, "unix", found.look)
    return found


class Scene:
    """A database with its writer and the clock of alerts, as one process has them."""

    def __init__(self, url: str, now: Clock) -> None:
        self.bench = Bench(url)
        self.now = now
        self.count = 0
        self.alerts = AlertClock(
            self.bench.database, Steps(self.bench.database, 1000, lambda _: None, rest=0), lambda: None
        )

    async def post(self, at: datetime, count: int, tenant: str = "default") -> None:
        await self._write([self._event(at, number) for number in range(count)], tenant)

    def _event(self, at: datetime, second: int) -> Any:
        self.count += 1
        at = at + timedelta(seconds=second)
        # What lies ahead is refused.
        self.now.now = max(self.now.now, at)
        return event(**{**MESSAGE, "message_id": f"{id(self)}-{self.count}", "timestamp": clock.text(at)})

    async def _write(self, events: list[Any], tenant: str) -> None:
        for first in range(0, len(events), BATCH):
            await self.bench.writer.write(tenant, events[first : first + BATCH])

    async def past(self, days: int = DAYS, tenant: str = "default") -> None:
        """Make days of usual traffic before today, in which each hour has 3 to 5 messages, and today until ten."""
        draw = random.Random(11)
        hours = [TODAY + timedelta(hours=hour) for hour in range(-days * 24, 10)]
        events = [self._event(hour, second) for hour in hours for second in range(draw.randrange(3, 6))]
        await self._write(events, tenant)

    async def at(self, hour: int, minute: int = 0) -> list[tuple[str, str, str]]:
        """Let it be a time of today, let the clock decide, and give all transitions."""
        self.now.now = TODAY + timedelta(hours=hour, minutes=minute)
        await self.alerts.tick()
        return await crossings(self.bench.database)

    async def messages(self) -> list[Any]:
        columns = schema.alert_transitions.c
        async with self.bench.database.read() as connection:
            bodies = await connection.scalars(select(columns.body).order_by(columns.at))
            return [msgspec.json.decode(body)["data"] for body in bodies]


@pytest.fixture
async def scene(database_url: str, now: Clock) -> AsyncIterator[Scene]:
    found = Scene(database_url, now)
    await found.bench.database.open()
    yield found
    await found.bench.writer.stop()
    await found.bench.database.close()


@pytest.fixture
async def other(scene: Scene, database_url: str, now: Clock) -> AsyncIterator[Scene]:
    """The same database, as another process has it."""
    found = Scene(database_url, now)
    await found.bench.database.open_alongside()
    yield found
    await found.bench.writer.stop()
    await found.bench.database.close()


def hour(number: int) -> datetime:
    return TODAY + timedelta(hours=number)


async def test_a_spike_fires_once_says_why_and_is_resolved(scene: Scene) -> None:
    """An hour with too much fires while it goes on, once, with what the hours like it had; the next usual hour resolves
    it; for a day nothing else fires."""
    await scene.past()
    await set_rules(scene.bench.database, r=UNUSUAL)
    assert await scene.at(10, 5) == []
    await scene.post(hour(10), 40)
    assert await scene.at(10, 20) == [FIRED]
    (message,) = await scene.messages()
    assert message["usual"] == {"least": "3", "greatest": "5", "hours": 42}
    assert message["reason"] == ("messages: 40 in the hour from 2026-03-20 10:00 UTC; the 42 hours like it had 3 to 5")
    assert (message["value"], message["window"], message["window_start"]) == ("40", "hour", "2026-03-20T10")
    written = text(msgspec.json.encode({"type": "alert.firing", "timestamp": "", "data": message}).decode())
    assert "Reason: messages: 40 in the hour" in written
    assert await scene.at(10, 21) == [FIRED]
    await scene.post(hour(11), 4)
    assert await scene.at(11, 1) == [FIRED]
    assert await scene.at(12, 1) == [FIRED, RESOLVED]
    assert (await scene.messages())[1]["value"] == "4"
    await scene.post(hour(13), 50)
    assert await scene.at(13, 30) == [FIRED, RESOLVED]
    assert await scene.at(14, 1) == [FIRED, RESOLVED]
    await scene.post(hour(10 + 25), 50)
    assert await scene.at(10 + 25, 30) == [FIRED, RESOLVED, FIRED]


async def test_too_little_is_known_when_the_hour_is_over(scene: Scene) -> None:
    """An hour with nothing is no alarm as long as it goes on; when it is over it is one."""
    await scene.past()
    await set_rules(scene.bench.database, r=UNUSUAL)
    assert await scene.at(10, 59) == []
    assert await scene.at(11, 0) == [FIRED]
    (message,) = await scene.messages()
    assert (message["value"], message["window_start"]) == ("0", "2026-03-20T10")


async def test_late_events_count_in_the_last_hour(scene: Scene) -> None:
    """Events that come late for the last whole hour are decided with the next minute: they fire, and they resolve."""
    await scene.past()
    await set_rules(scene.bench.database, r=UNUSUAL)
    assert await scene.at(11, 0) == [FIRED]
    await scene.post(hour(10), 4)
    assert await scene.at(11, 1) == [FIRED, RESOLVED]
    await set_rules(scene.bench.database)
    await set_rules(scene.bench.database, s=UNUSUAL)
    assert len(await scene.at(11, 2)) == 2
    await scene.post(hour(10), 30)
    assert (await scene.at(11, 3))[2:] == [("s", "", "firing")]


async def test_nothing_fires_before_there_is_a_past(scene: Scene) -> None:
    """With nine days of traffic nothing is unusual, however much it is."""
    await scene.past(days=9)
    await set_rules(scene.bench.database, r=UNUSUAL)
    await scene.post(hour(10), 400)
    assert await scene.at(10, 30) == []
    assert await scene.at(11, 1) == []


async def test_usual_traffic_does_not_fire(scene: Scene, other: Scene) -> None:
    """A day of usual traffic has no alarm, also after a restart, and none of another tenant's."""
    await scene.past()
    await scene.past(tenant="acme")
    await set_rules(scene.bench.database, r=UNUSUAL)
    await scene.post(hour(10), 80, "acme")
    for number in range(10, 24):
        await scene.post(hour(number), 4)
        assert await scene.at(number, 30) == []
        assert await other.at(number + 1) == []
    assert await crossings(scene.bench.database, "acme") == []


async def test_two_processes_decide_once(scene: Scene, other: Scene) -> None:
    """Of two processes that decide in the same moment one finds the alarm, and one its end."""
    await scene.past()
    await set_rules(scene.bench.database, r=UNUSUAL)
    await scene.at(10, 5)
    await scene.post(hour(10), 40)
    scene.now.now = hour(10) + timedelta(minutes=20)
    await both_look(scene, other)
    assert await crossings(scene.bench.database) == [FIRED]
    await scene.post(hour(11), 4)
    scene.now.now = hour(12) + timedelta(minutes=1)
    await both_look(scene, other)
    assert await crossings(scene.bench.database) == [FIRED, RESOLVED]


async def both_look(*scenes: Scene) -> None:
    """Let both do at once what the holder of the lease does."""
    async with scenes[0].bench.database.read() as connection:
        version = int(await connection.scalar(select(schema.heads.c.alerts)) or 0)
    await asyncio.gather(*(scene.alerts._look("default", version) for scene in scenes))


async def test_a_clock_that_is_set_back_decides_nothing_again(scene: Scene) -> None:
    """An alarm stays as it is while the clock comes through earlier hours, and through its own once more."""
    await scene.past()
    await set_rules(scene.bench.database, r=UNUSUAL)
    await scene.post(hour(10), 40)
    await scene.post(hour(11), 4)
    assert await scene.at(10, 20) == [FIRED]
    assert await scene.at(9, 30) == [FIRED]
    assert await scene.at(10, 40) == [FIRED]
    assert await scene.at(12, 1) == [FIRED, RESOLVED]
    assert await scene.at(10, 50) == [FIRED, RESOLVED]


async def test_a_rule_of_another_kind_begins_anew(scene: Scene) -> None:
    """A rule that fires and becomes one of another kind, or is switched off, is resolved."""
    await scene.past()
    await scene.post(hour(10), 40)
    await set_rules(scene.bench.database, r=UNUSUAL)
    assert await scene.at(10, 20) == [FIRED]
    await set_rules(scene.bench.database, r=UNUSUAL, t=rule(figure="messages", window="today", above="1000"))
    assert await scene.at(10, 21) == [FIRED]
    await set_rules(scene.bench.database, r=rule(figure="messages", window="today", above="1000"))
    assert await scene.at(10, 22) == [FIRED, RESOLVED]
    await set_rules(scene.bench.database, r=UNUSUAL)
    assert await scene.at(10, 23) == [FIRED, RESOLVED, FIRED]
    await set_rules(scene.bench.database, r=msgspec.structs.replace(UNUSUAL, enabled=False))
    assert await scene.at(10, 24) == [FIRED, RESOLVED, FIRED, RESOLVED]
