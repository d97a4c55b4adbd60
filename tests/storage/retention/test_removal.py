"""Rows that are removed, by age or with a user: at every step every figure stays, and stays proved."""

import asyncio
import random
from datetime import timedelta

import pytest
from sqlalchemy import func, select, text

from realtime.feed import Feed
from storage.engine.database import Database
from storage.model import clock
from storage.model.changes import Change
from storage.model.clock import Days
from storage.model.cutoffs import TABLES, Cutoffs, cutoff
from storage.model.rollups import ROLLUPS
from storage.read.reports import Item
from storage.read.response_times import Wanted, read_response_times
from storage.read.series import METRICS, Column, Interval, points, read_series
from storage.read.snapshots import read_changes
from storage.retention.erasure import forget
from storage.retention.prune import count_due, prune
from storage.retention.steps import Steps
from storage.tables import schema
from tests.storage.retention.watched import NOW, TENANT, end, made_up, serials, watch

pytestmark = pytest.mark.each_database

# Days that begin within an hour, that have 23 or 25 hours, and that end late.
ZONES = ["UTC", "Asia/Kolkata", "America/New_York", "Australia/Lord_Howe", "Africa/Cairo", "Pacific/Apia"]
INTERVALS: tuple[Interval, ...] = ("minute", "hour", "day")


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few rows a step, few names that are told apart, and a clock that stands."""
    monkeypatch.setattr(clock, "unix", NOW.timestamp)
    for name, value in {
        "storage.retention.prune.ROWS": 7,
        "storage.retention.prune.EXPIRED_ROWS": 40,
        "storage.retention.erasure.ROWS": 4,
        "storage.model.merging.LABELS": 2,
        "storage.verify.recount.LABELS": 2,
        "storage.verify.histograms.ENDPOINTS": 2,
        "storage.verify.histograms.RESPONSE_LABELS": 2,
        "storage.verify.labels.EVENT_LABELS": 2,
        "storage.verify.labels.LLM_MODELS": 2,
        "storage.verify.labels.LLM_HOUR_MODELS": 2,
        "storage.verify.labels.LLM_OUTCOMES": 2,
        "realtime.feed.VERIFY_SECONDS": 0.0,
    }.items():
        monkeypatch.setattr(name, value)
    for rollup in ROLLUPS:
        if rollup.bound is not None:
            monkeypatch.setitem(vars(rollup), "bound", 2)


def drawn(draw: random.Random, days: Days) -> Cutoffs:
    """Draw for each table how many days are kept; of some tables all."""
    back = [draw.choice([None, draw.randrange(1, 10)]) for _ in TABLES]
    if draw.random() < 0.5:
        back = [draw.randrange(1, 10)] * len(TABLES)
    starts = ["" if kept is None else cutoff(days, days.shift(days.today(), -kept)) for kept in back]
    return Cutoffs(dict(zip(TABLES, starts, strict=True)))


@pytest.mark.histories(2, 6)
async def test_figures_stay_and_stay_proved(database_url: str, seed: int) -> None:
    """Whatever is removed in whatever order, with late events between: at every step verify is clean, no figure and no
    day moved, and a live feed holds exactly the snapshot.
    """
    draw, serial = random.Random(seed), serials()
    watched = await watch(database_url, ZONES[seed])
    await watched.post(made_up(draw, 120, serial))
    for _ in range(7):
        match draw.randrange(3):
            case 0:
                await watched.post(made_up(draw, draw.randrange(1, 30), serial))
            case 1:
                await prune(watched.steps, TENANT, drawn(draw, watched.database.days))
            case _:
                user = f"u{draw.randrange(6)}"
                await forget(watched.steps, TENANT, user)
                watched.forgotten(user)
    await end(watched)


async def test_what_has_expired_has_no_value(database_url: str) -> None:
    """After pruning, series by minute and hour are None before the cutoff and right behind it; days stay for ever."""
    draw = random.Random(1)
    watched = await watch(database_url, "Asia/Kolkata")
    await watched.post(made_up(draw, 150, serials()))
    database, days = watched.database, watched.database.days
    ends = days.start(days.shift(days.today(), -9)), days.start(days.shift(days.today(), 1))
    before = {interval: await series(database, interval, *ends) for interval in INTERVALS}
    day = days.shift(days.today(), -4)
    await prune(watched.steps, TENANT, Cutoffs.at(cutoff(days, day)))
    first = days.start(day)
    for interval, (starts, whole) in before.items():
        _, left = await series(database, interval, *ends)
        # In this zone a day begins at half past: the whole hour in which it does has expired.
        opened = 0 if interval == "day" else next(place for place, start in enumerate(starts) if start >= first)
        for name, column in whole.items():
            # A model that was used only before the cutoff has no column any more.
            assert name in left or not any(column[opened:]), name
            assert left.get(name, [*[None] * opened, *column[opened:]]) == [*[None] * opened, *column[opened:]], name
    assert any(any(column[:100]) for column in before["hour"][1].values())
    await end(watched)


async def test_response_times_expire_as_series_do(database_url: str) -> None:
    """After pruning, percentiles by hour are None before the cutoff and right behind it; those by day stay for ever."""
    watched = await watch(database_url, "Asia/Kolkata")
    await watched.post(made_up(random.Random(3), 200, serials()))
    database, days = watched.database, watched.database.days
    ends = days.start(days.shift(days.today(), -9)), days.start(days.shift(days.today(), 1))
    wanted = Wanted("messages"), Wanted("api_calls", labels=2)
    before = [await response_times(database, interval, *ends, of) for interval in ("hour", "day") for of in wanted]
    day = days.shift(days.today(), -4)
    await forget(watched.steps, TENANT, "u2")
    await prune(watched.steps, TENANT, Cutoffs.at(cutoff(days, day)))
    after = [await response_times(database, interval, *ends, of) for interval in ("hour", "day") for of in wanted]
    assert after[2:] == before[2:]
    for (starts, whole), (_, left) in zip(before[:2], after[:2], strict=True):
        opened = next(place for place, start in enumerate(starts) if start >= days.start(day))
        assert whole["total"]["count"] > left["total"]["count"] > 5
        assert left["unknown"] == 0
        for name, column in whole["points"].items():
            assert left["points"][name] == [*[None] * opened, *column[opened:]], name
    await end(watched)


async def response_times(
    database: Database, interval: Interval, start: str, end: str, wanted: Wanted
) -> tuple[list[str], Item]:
    covered = await points(database.days, interval, start, end)
    async with database.read() as connection:
        return covered.starts, await read_response_times(connection, TENANT, covered, wanted)


async def series(database: Database, interval: Interval, start: str, end: str) -> tuple[list[str], dict[str, Column]]:
    covered = await points(database.days, interval, start, end)
    async with database.read() as connection:
        found = await read_series(connection, TENANT, database.days, METRICS, covered)
    return covered.starts, {name: list(column) for name, column in found.items()}


async def test_nothing_is_left_but_days(database_url: str) -> None:
    """Pruned away, a tenant keeps what is by day, its users and its conversations: no row, no minute or hour, no user's
    day."""
    watched = await watch(database_url, "America/New_York")
    await watched.post(made_up(random.Random(2), 80, serials()))
    before = await watched.figures()
    days = watched.database.days
    wanted = Cutoffs.at(cutoff(days, days.shift(days.today(), 1)))
    removed = await prune(watched.steps, TENANT, wanted)
    assert sum(removed[name] for name in TABLES) == 80
    async with watched.database.read() as connection:
        for name in (
            *TABLES,
            *(
                prefix + name
                for name in ("user_days", "response_hours", "llm_model_hours")
                for prefix in ("", "carried_")
            ),
        ):
            assert await connection.scalar(text(f"SELECT COUNT(*) FROM {name}")) == 0, name
        grains = await connection.execute(text("SELECT DISTINCT grain FROM counters"))
        assert {grain for (grain,) in grains} == {"day", "total"}
        assert await connection.scalar(text("SELECT COUNT(*) FROM changes")) == 1
    assert await watched.figures() == before
    assert await prune(watched.steps, TENANT, wanted) == {}
    await end(watched)


async def test_lists_move_the_position_but_panels_need_no_snapshot(database_url: str) -> None:
    """Rows that no panel shows are removed by ordinary changes; only the last one of a pass is a reset."""
    watched = await watch(database_url, "UTC")
    # Enough of today that nothing older is shown.
    today = [{"type": "activity", "user_id": "u", "username": "u", "activity_type": "x"}] * 12
    minutes = [{**today[0], "timestamp": clock.text(NOW - timedelta(minutes=number))} for number in range(66)]
    old = [{**today[0], "timestamp": clock.text(NOW - timedelta(days=5, minutes=number))} for number in range(30)]
    await watched.post([*old, *minutes, *today])
    reloads = watched.feed.reloads
    days = watched.database.days
    await prune(watched.steps, TENANT, Cutoffs({"user_activity": cutoff(days, days.shift(days.today(), -3))}))
    assert watched.resets == 1
    assert watched.feed.reloads == reloads + 1
    await end(watched)


async def test_a_forgotten_user_is_nowhere(database_url: str) -> None:
    """After forget no table names the user: ids, names, conversations and the change log; who comes back is new."""
    watched = await watch(database_url, "UTC")
    name, conversation = "erase-me-please", "talk-of-erased"
    mine = {"user_id": name, "timestamp": clock.text(NOW - timedelta(days=2))}
    await watched.post(
        [
            {"type": "activity", "username": f"{name}!", "activity_type": "login", **mine},
            {"type": "conversation", "conversation_id": conversation, "action": "created", **mine},
            {"type": "conversation", "conversation_id": "shared", "action": "created", **mine},
            {"type": "message", "message_id": "m1", "conversation_id": conversation, "role": "user", "token_count": 3,
             **mine},
            {"type": "message", "message_id": "m2", "conversation_id": "shared", "role": "user", "token_count": 4,
             "user_id": "other"},
            {"type": "api_usage", "endpoint": "/x", "method": "GET", "status_code": 200, "response_time": 1, **mine},
        ]
    )  # fmt: skip
    removed = await forget(watched.steps, TENANT, name)
    watched.forgotten(name)
    assert removed == {
        "user_activity": 1,
        "message_metrics": 1,
        "api_usage": 1,
        "conversation_events": 2,
        "conversation_metrics": 2,
        "users": 1,
    }
    async with watched.database.read() as connection:
        for table in schema.metadata.tables.values():
            for row in await connection.execute(select(table)):
                assert name not in str(tuple(row)), table.name
                assert conversation not in str(tuple(row)), table.name
        conversations = schema.conversation_metrics.c
        assert list(await connection.execute(select(conversations.conversation_id, conversations.user_id))) == [
            ("shared", "")
        ]
        users = schema.counters.c
        total = select(users.value).where(users.grain == "total", users.metric == "users")
        assert await connection.scalar(total) == 2
    assert await forget(watched.steps, TENANT, name) == {}
    await watched.post([{"type": "activity", "username": name, "activity_type": "login", **mine}])
    async with watched.database.read() as connection:
        assert await connection.scalar(total) == 3
        assert await connection.scalar(select(func.count()).select_from(schema.users)) == 2
    await end(watched)


async def test_the_log_does_not_lead_over_a_reset(database_url: str) -> None:
    """A position from before a reset leads to a snapshot, one from behind it to a difference."""
    watched = await watch(database_url, "UTC")
    serial = serials()
    await watched.post(made_up(random.Random(3), 60, serial))
    state = watched.feed.state
    assert state is not None
    before = state.position
    assert await forget(watched.steps, TENANT, "u1")
    watched.forgotten("u1")
    state = watched.feed.state
    assert state is not None
    behind = state.position
    await watched.post(made_up(random.Random(4), 60, serial))
    fresh = Feed(TENANT, watched.database, 1000, lambda: None)
    await fresh.load()
    for feed in (watched.feed, fresh):
        assert feed.state is not None
        assert feed.state.resume(before) is None
        marker = feed.state.resume(behind)
        assert marker is not None
        assert feed.state.delta(marker)["summary"]["total_messages"] == feed.state.summary["total_messages"]
    async with watched.database.read() as connection:
        log = await read_changes(connection, TENANT, 0, 100)
    assert log[0].reset
    assert Change.decode(log[0].encode().replace(b',"reset":true', b"")).minutes is None
    await end(watched)


async def test_a_day_that_was_counted_counts_no_user_twice(database_url: str) -> None:
    """A late event of a day whose users were counted for good adds to its sums, and no user to its users."""
    watched = await watch(database_url, "UTC")
    days = watched.database.days
    late = {
        "type": "activity",
        "user_id": "u",
        "username": "u",
        "activity_type": "x",
        "timestamp": clock.text(NOW - timedelta(days=6)),
    }
    await watched.post([late])
    await prune(watched.steps, TENANT, Cutoffs.at(cutoff(days, days.shift(days.today(), -3))))
    await watched.post([late, {**late, "user_id": "v"}])
    async with watched.database.read() as connection:
        day = days.shift(days.today(), -6)
        counters = schema.counters.c
        query = select(counters.metric, counters.value).where(counters.grain == "day", counters.start == day)
        found = dict(map(tuple, await connection.execute(query)))
    assert (found["activities"], found["users"], found["active_users"]) == (3, 2, 1)
    await end(watched)


async def test_two_may_prune_at_once(database_url: str) -> None:
    """Two processes that prune the same tenant at once remove each row once, and leave what verifies."""
    watched = await watch(database_url, "UTC")
    await watched.post(made_up(random.Random(6), 100, serials()))
    before, days = await watched.figures(), watched.database.days
    wanted = Cutoffs.at(cutoff(days, days.shift(days.today(), -2)))
    async with watched.database.read() as connection:
        due = await count_due(connection, TENANT, wanted)
    both = [Steps(watched.database, 1000, watched.feed.receive, rest=0) for _ in range(2)]
    removed = await asyncio.gather(*(prune(steps, TENANT, wanted) for steps in both))
    for table in TABLES:
        assert removed[0][table] + removed[1][table] == due[table]
    assert due.total() > 0
    await watched.check()
    assert await watched.figures() == before
    await end(watched)
