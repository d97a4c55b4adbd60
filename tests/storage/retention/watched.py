"""Databases whose every change is compared with a recount and with what was posted, and events to remove from them."""

import random
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import select

from realtime.feed import Feed
from realtime.state import State
from storage.engine.database import Database
from storage.engine.urls import database_at
from storage.model import clock
from storage.model.changes import Change
from storage.model.metrics import mean_seconds
from storage.read.active_users import count_active_users
from storage.read.call_stats import read_call_stats
from storage.read.reports import Calls, Page, api_calls, daily_stats
from storage.read.snapshots import read_cutoffs, read_snapshot
from storage.retention.steps import Done, Step, Steps
from storage.tables import schema
from storage.verify.comparison import verify
from storage.write.writer import Writer
from tests.samples.events import event
from tests.storage.writers import Silent

Json = dict[str, Any]
TENANT = "default"
NOW = datetime(2026, 3, 12, 9, 30, tzinfo=UTC)


def made_up(draw: random.Random, count: int, serial: Iterator[int]) -> list[Json]:
    """Events of the last ten days, in no order of time; of some days nothing but a few."""
    events: list[Json] = []
    for number in (next(serial) for _ in range(count)):
        back = draw.choice([draw.uniform(0, 10 * 86_400), draw.uniform(0, 600), 5 * 86_400])
        at = {"timestamp": clock.text(NOW - timedelta(seconds=back))}
        user = f"u{draw.randrange(6)}"
        fields: Json
        match draw.randrange(5):
            case 0:
                fields = {"type": "activity", "user_id": user, "username": f"{user}-{number}", "activity_type": "login"}
            case 1:
                fields = {"type": "api_usage", "endpoint": f"/{draw.randrange(4)}", "method": "GET"}
                fields |= {"status_code": draw.choice([200, 503]), "response_time": draw.random()}
                fields |= {"user_id": draw.choice([None, user])}
            case 2:
                fields = {"type": "conversation", "conversation_id": f"c{draw.randrange(12)}", "user_id": user}
                fields |= {"action": draw.choice(["created", "created", "deleted"])}
            case 3:
                fields = {"type": "llm_call", "provider": "openai", "operation": "chat", "output_tokens": 5}
                fields |= {"model": draw.choice(["gpt-5-mini", "gpt-4o", "a", "b"])}
                fields |= {"cost": draw.choice([None, None, "0.5"])}
                fields |= {"user_id": draw.choice([None, user])}
                fields |= {"conversation_id": draw.choice([None, f"c{draw.randrange(15)}"])}
                fields |= {"input_tokens": draw.choice([None, draw.randrange(100)])}
            case _:
                fields = {"type": "message", "message_id": f"m{number}", "conversation_id": f"c{draw.randrange(12)}"}
                fields |= {"user_id": user, "role": "user", "token_count": draw.choice([None, draw.randrange(100)])}
                fields |= {"response_time": draw.choice([None, draw.random()])}
                fields |= {"model_used": draw.choice([None, "a", "b", "c", "d"])}
        events.append({**fields, **at})
    return events


class Watched:
    """A database whose every change is looked at: by a recount, and by a live feed."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.feed = Feed(TENANT, database, 1000, lambda: None)
        self.writer = Writer(database, self.feed.receive, queue_events=10_000, change_log=1000, observer=Silent())
        self.steps = Watching(self)
        self.resets = 0
        self.active: list[tuple[str, str]] = []
        """User and time of each event that counts for its day; who comes back after an erasure is another user."""
        self.draw = random.Random(1)

    async def post(self, events: list[Json]) -> None:
        """Post events; those of days that were counted for good add no active user."""
        async with self.database.read() as connection:
            cutoffs = await read_cutoffs(connection, TENANT)
        await self.writer.write(TENANT, [event(**fields) for fields in events])
        for fields in events:
            at = fields.get("timestamp", clock.text(NOW))
            if fields.get("user_id") is not None and self.database.days.of(at) >= cutoffs.user_days:
                self.active.append((fields["user_id"], at))
        await self.check()

    def forgotten(self, user_id: str) -> None:
        """Note that a user was erased."""
        number = len(self.active)
        self.active = [(f"{user}, erased {number}" if user == user_id else user, at) for user, at in self.active]

    async def figures(self) -> Any:
        """All that must not move when rows are removed."""
        days = self.database.days
        async with self.database.read() as connection:
            counters = schema.counters.c
            kept = select(counters.grain, counters.metric, counters.start, counters.value).where(
                counters.grain.in_(("total", "day")), counters.value != 0
            )
            rows = await connection.execute(kept.order_by(counters.grain, counters.metric, counters.start))
            stats = await daily_stats(connection, TENANT, days, days.shift(days.today(), -15), days.today(), Page(50))
            return list(map(tuple, rows)), stats.items

    async def check_active_users(self) -> None:
        """Hold the distinct users of some ranges against the events that were posted."""
        days = self.database.days
        for _ in range(2):
            day = days.shift(days.today(), -self.draw.randrange(11))
            start, end = days.start(day), days.start(days.shift(day, self.draw.randrange(1, 9)))
            assert await self._count(start, end) == self._distinct(start, end), (start, end)
            hour = start[:13] + ":00:00.000Z"
            moment = clock.text(clock.moment(start) + timedelta(hours=self.draw.uniform(1, 72)))
            end = self.draw.choice([moment, moment[:13] + ":00:00.000Z"])
            assert await self._count(hour, end) in (None, self._distinct(hour, end)), (hour, end)

    async def check_call_stats(self) -> None:
        """Hold sums of API calls over a range against a count of the calls that are kept."""
        days, draw = self.database.days, self.draw
        start = clock.text(NOW - timedelta(seconds=draw.uniform(0, 11 * 86_400)))
        end = clock.text(NOW - timedelta(seconds=draw.uniform(-86_400, 11 * 86_400)))
        start = draw.choice([start, start[:13] + ":00:00.000Z", days.start(days.of(start))])
        page = Page(1, None, draw.choice([None, start]), draw.choice([None, end]))
        calls = draw.choice([Calls(), Calls("/1")])
        async with self.database.read() as connection:
            found = await read_call_stats(connection, TENANT, days, page, calls)
            kept = await api_calls(connection, TENANT, replace(page, limit=1000), calls)
        failed = sum(item["status_code"] >= 500 for item in kept.items)
        mean = mean_seconds(sum(round(item["response_time"] * 1e6) for item in kept.items), len(kept.items))
        assert found == {"count": len(kept.items), "error_count": failed, "avg_response_time": mean}, page

    async def _count(self, start: str, end: str) -> int | None:
        async with self.database.read() as connection:
            return await count_active_users(connection, TENANT, self.database.days, start, end)

    def _distinct(self, start: str, end: str) -> int:
        return len({user for user, at in self.active if start <= at < end})

    async def check(self) -> None:
        """Hold the rollups against a recount, and the live feed against the database."""
        database = self.database
        async with database.read() as connection:
            verdict = await verify(connection, database.days)
            fresh = await read_snapshot(connection, database.epoch, TENANT, database.days.today())
        assert verdict.differences == []
        await self.check_active_users()
        await self.check_call_stats()
        assert await self.feed.verify()
        await self.feed.compare_and_catch_up()
        assert self.feed.state is not None
        assert self.feed.state.position == fresh.position
        assert self.feed.state.snapshot() == State(fresh, (), database.days, 1000).snapshot()


class Watching(Steps):
    """Steps after each of which all is looked at."""

    def __init__(self, watched: Watched) -> None:
        super().__init__(watched.database, 1000, self._receive, rest=0)
        self._watched = watched

    def _receive(self, change: Change) -> None:
        self._watched.resets += change.reset
        self._watched.feed.receive(change)

    async def take(self, tenant_id: str, step: Step) -> Done:
        before = await self._watched.figures()
        position = self._watched.feed.state.position if self._watched.feed.state else None
        done = await super().take(tenant_id, step)
        await self._watched.check()
        assert await self._watched.figures() == before
        assert self._watched.feed.state is not None
        assert (self._watched.feed.state.position != position) == done.moved
        return done


async def watch(url: str, zone: str) -> Watched:
    database = database_at(url, zone)
    await database.open()
    return Watched(database)


async def end(watched: Watched) -> None:
    await watched.writer.stop()
    await watched.database.close()


def serials() -> Iterator[int]:
    number = 0
    while True:
        yield number
        number += 1
