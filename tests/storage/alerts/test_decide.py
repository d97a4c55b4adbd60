"""Rules that are decided in the commit, and by the clock, on real databases."""

import random
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
from sqlalchemy import event as events
from sqlalchemy import func, select, update

from storage.alerts import rules
from storage.alerts.rules import read_rules
from storage.alerts.silence import Matcher, Silence, add_silence, read_silences
from storage.alerts.watch import Watch
from storage.engine.database import Database
from storage.engine.urls import database_at
from storage.errors import TooManyRules
from storage.model import clock
from storage.retention.erasure import forget
from storage.retention.steps import Steps
from storage.tables import schema
from storage.write.row_cache import KeptRows
from storage.write.writer import Writer
from tests.samples.events import event
from tests.storage.alerts.rules import crossings, rule, set_rules, tick
from tests.storage.writers import Bench, Silent

pytestmark = pytest.mark.each_database

NOON = datetime(2026, 3, 10, 12, 0, tzinfo=UTC)
CALL = {"type": "llm_call", "provider": "openai", "model": "gpt", "operation": "chat"}


class Clock:
    """A clock that tests set; it goes on by a millisecond each time that it is looked at."""

    def __init__(self) -> None:
        self.now = NOON

    def look(self) -> float:
        self.move(milliseconds=1)
        return self.now.timestamp()

    def move(self, **by: float) -> None:
        self.now += timedelta(**by)


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> Clock:
    found = Clock()
    monkeypatch.setattr(clock, "unix", found.look)
    return found


@pytest.fixture
async def bench(database_url: str, now: Clock) -> AsyncIterator[Bench]:
    found = Bench(database_url)
    await found.database.open()
    yield found
    await found.writer.stop()
    await found.database.close()


@pytest.fixture
async def other(bench: Bench, database_url: str) -> AsyncIterator[Bench]:
    """The same database, as another process has it."""
    found = Bench(database_url)
    await found.database.open_alongside()
    yield found
    await found.writer.stop()
    await found.database.close()


async def spend(bench: Bench, dollars: str, tenant: str = "default", **fields: Any) -> None:
    await bench.writer.write(tenant, [event(**{**CALL, "user_id": "u", "cost": dollars, **fields})])


async def test_limits_are_exact(bench: Bench) -> None:
    """A limit is crossed by the commit that goes beyond it, not by the one that reaches it; it is resolved at clear."""
    await set_rules(bench.database, r=rule(figure="total_cost", window="today", above="1"))
    await spend(bench, "0.999999999")
    await spend(bench, "0.000000001")
    assert await crossings(bench.database) == []
    await spend(bench, "0.000000001")
    assert await crossings(bench.database) == [("r", "", "firing")]
    await spend(bench, "5")
    assert await crossings(bench.database) == [("r", "", "firing")]


async def test_hysteresis_needs_the_second_limit(bench: Bench, now: Clock) -> None:
    """As minutes leave the window the figure falls: what fires is resolved at clear, not at the limit."""
    await set_rules(bench.database, r=rule(figure="messages", window="10m", above="4", clear="1"))
    for minute in range(5):
        await bench.post(f"m{minute}")
        now.move(minutes=1)
    assert await crossings(bench.database) == [("r", "", "firing")]
    now.move(minutes=7)
    await tick(bench.database)
    assert await crossings(bench.database) == [("r", "", "firing")]
    now.move(minutes=1)
    await tick(bench.database)
    assert [status for _, _, status in await crossings(bench.database)] == ["firing", "resolved"]


async def test_silence_is_noticed_and_ends(bench: Bench, now: Clock) -> None:
    """When no message came for five minutes the clock decides that; the next message ends it in its commit."""
    await bench.post("a")
    await set_rules(bench.database, r=rule("silence", event="message", minutes=5))
    now.move(minutes=5)
    await tick(bench.database)
    assert await crossings(bench.database) == []
    now.move(minutes=1)
    await tick(bench.database)
    await tick(bench.database)
    assert await crossings(bench.database) == [("r", "", "firing")]
    await bench.post("b")
    assert [status for _, _, status in await crossings(bench.database)] == ["firing", "resolved"]


async def test_a_change_is_against_the_same_time(bench: Bench, now: Clock) -> None:
    """A change compares today until now with yesterday until the same time, not with all of yesterday."""
    yesterday = clock.text(NOON - timedelta(days=1, hours=1))
    late = clock.text(NOON - timedelta(days=1) + timedelta(hours=3))
    await bench.post("y1", "y2", timestamp=yesterday)
    await bench.post(*(f"l{number}" for number in range(50)), timestamp=late)
    fields = {"figure": "messages", "window": "today", "against": "yesterday", "at_least": "2"}
    await set_rules(bench.database, r=rule("change", percent=50, **fields))
    await bench.post("a", "b", "c")
    assert await crossings(bench.database) == []
    await bench.post("d")
    assert await crossings(bench.database) == [("r", "", "firing")]
    now.move(hours=4)
    await tick(bench.database)
    assert [status for _, _, status in await crossings(bench.database)] == ["firing", "resolved"]


async def test_budgets_are_of_one_month_and_one_user(bench: Bench, now: Clock) -> None:
    """A budget counts the days of this month, late events too, and no other user, model, tenant or month."""
    await spend(bench, "50", timestamp=clock.text(NOON - timedelta(days=20)))
    rules = {
        "user": rule("budget", window="month", limit="10", user_id="u", levels=[100]),
        "model": rule("budget", window="month", limit="30", provider="openai", model="gpt", levels=[100]),
        "all": rule("budget", window="month", limit="100", levels=[50]),
    }
    await set_rules(bench.database, **rules)
    await spend(bench, "4.99")
    await spend(bench, "3", model="small")
    await spend(bench, "2", model="other")
    await spend(bench, "24", user_id="v")
    await spend(bench, "500", tenant="other")
    assert await crossings(bench.database) == []
    await spend(bench, "0.01", timestamp=clock.text(NOON - timedelta(days=9)))
    assert await crossings(bench.database) == [("user", "100", "firing")]
    await spend(bench, "1", user_id="w", model="gpt")
    await spend(bench, "20", user_id="w", model="other")
    assert await crossings(bench.database) == [
        ("user", "100", "firing"),
        ("model", "100", "firing"),
        ("all", "50", "firing"),
    ]
    assert await crossings(bench.database, "other") == []
    now.now = datetime(2026, 4, 1, 0, 0, tzinfo=UTC)
    await tick(bench.database)
    assert [status for _, _, status in await crossings(bench.database)].count("resolved") == 3
    now.move(days=-1)
    await spend(bench, "1000")
    now.move(days=1)
    await tick(bench.database)
    assert len(await crossings(bench.database)) == 6


async def test_a_window_of_too_little_is_decided_when_it_closes(bench: Bench, now: Clock) -> None:
    """Less than ten messages a day are noticed at midnight, not in the morning; the next whole day resolves it."""
    await bench.post(*(f"y{number}" for number in range(10)), timestamp=clock.text(NOON - timedelta(days=1)))
    await set_rules(bench.database, r=rule(figure="messages", window="today", below="10"))
    await bench.post("a")
    now.move(hours=11, minutes=59)
    await tick(bench.database)
    assert await crossings(bench.database) == []
    now.move(minutes=1)
    await tick(bench.database)
    assert await crossings(bench.database) == [("r", "", "firing")]
    now.move(days=1)
    await bench.post(*(f"b{number}" for number in range(10)), timestamp=clock.text(now.now - timedelta(hours=2)))
    await tick(bench.database)
    assert (await crossings(bench.database))[-1] == ("r", "", "resolved")


async def test_pending_rules_wait_for_their_time(bench: Bench, now: Clock) -> None:
    """A rule that has to hold for two minutes fires after two minutes, and not if it did not hold."""
    await set_rules(bench.database, r=rule(figure="messages", window="5m", above="1", for_minutes=2))
    await bench.post("a", "b")
    now.move(minutes=1, seconds=59)
    await tick(bench.database)
    assert await crossings(bench.database) == []
    now.move(seconds=1)
    await tick(bench.database)
    assert await crossings(bench.database) == [("r", "", "firing")]


async def test_a_rule_of_another_process_counts_from_the_next_commit(bench: Bench, other: Bench) -> None:
    """A rule that another process sets, changes or deletes counts from the next commit on; what fired is resolved."""
    await bench.post("a")
    await set_rules(other.database, r=rule(figure="messages", window="today", above="1"))
    await bench.post("b")
    assert await crossings(bench.database) == [("r", "", "firing")]
    await set_rules(other.database, r=rule(figure="messages", window="today", above="2"))
    assert [status for _, _, status in await crossings(bench.database)] == ["firing", "resolved"]
    await bench.post("c")
    assert [status for _, _, status in await crossings(bench.database)] == ["firing", "resolved", "firing"]
    await set_rules(other.database)
    assert (await crossings(bench.database))[-1] == ("r", "", "resolved")
    await bench.post("d")
    assert len(await crossings(bench.database)) == 4


async def test_two_processes_that_take_turns_see_one_crossing(bench: Bench, other: Bench) -> None:
    """Of two processes that commit for one tenant, in any order, one finds each crossing, and no other does."""
    draw = random.Random(4)
    await set_rules(
        bench.database, **{f"r{limit}": rule(figure="messages", window="60m", above=str(limit)) for limit in range(40)}
    )
    for number in range(60):
        await draw.choice([bench, other]).post(f"m{number}")
    found = await crossings(bench.database)
    assert sorted(found) == sorted((f"r{limit}", "", "firing") for limit in range(40))
    async with bench.database.read() as connection:
        assert await connection.scalar(select(func.count()).select_from(schema.alert_states)) == 40


async def test_kept_sums_are_those_of_the_database(bench: Bench, other: Bench, now: Clock) -> None:
    """Sums that are kept between commits stay what the rollups say: over minutes, hours, days and late events, a rule
    is decided as one that reads everything."""
    draw = random.Random(9)
    windows = ("3m", "30m", "hour", "today", "month")
    rules = {
        f"{window}-{limit}": rule(figure="tokens", window=window, above=str(limit))
        for window in windows
        for limit in (10, 40, 90)
    }
    await set_rules(bench.database, **rules)
    for number in range(120):
        late = draw.choice([0, 0, 0, 2, 45, 300, 3000])
        at = clock.text(now.now - timedelta(minutes=late))
        await draw.choice([bench, bench, bench, other]).post(f"m{number}", timestamp=at, token_count=draw.randrange(9))
        before = await crossings(bench.database)
        # A look that reads everything finds nothing that the commit did not.
        await tick(bench.database)
        assert await crossings(bench.database) == before
        now.move(minutes=draw.choice([0, 0.5, 1, 7, 55]))
        await tick(bench.database)


async def test_a_forgotten_user_is_in_no_rule(bench: Bench) -> None:
    """Erasing a user deletes rules and silences about that user, states and messages, and tells nobody; others stay."""
    await set_rules(
        bench.database,
        u=rule("budget", window="month", limit="1", user_id="u", targets=["t"]),
        v=rule("budget", window="month", limit="1", user_id="v"),
    )
    await spend(bench, "2")
    await spend(bench, "2", user_id="v")
    for user_id in ("u", "v"):
        silence = Silence(Matcher(user_id=user_id), "2026-04-01T00:00:00.000Z", "ada")
        await bench.database.write(partial(add_silence, tenant_id="default", silence=silence))
    await forget(Steps(bench.database, 100, rest=0), "default", "u")
    assert {rule_id for rule_id, _, _ in await crossings(bench.database)} == {"v"}
    async with bench.database.read() as connection:
        for table in (schema.alert_rules, schema.alert_states, schema.alert_transitions):
            rows = (await connection.execute(select(table))).all()
            assert rows
            assert "u" not in {value for row in rows for value in row}
        assert [found.matcher.user_id for found in await read_silences(connection, "default")] == ["v"]
    await spend(bench, "2")
    assert {rule_id for rule_id, _, _ in await crossings(bench.database)} == {"v"}


async def test_a_tenant_without_rules_runs_no_statement_more(database_url: str) -> None:
    """Where there are no rules, commits read and write nothing of alerts."""
    database: Database = database_at(database_url)
    await database.open()
    found: list[str] = []
    assert database._writing is not None
    events.listen(database._writing, "before_cursor_execute", lambda *args: found.append(args[2]))
    writer = Writer(database, lambda change: None, queue_events=100, change_log=100, observer=Silent())
    await writer.write("default", [event(**CALL)])
    await writer.stop()
    await database.close()
    assert found
    assert not [text for text in found if "alert_" in text]


@pytest.mark.parametrize("body", ["{", '{"name":"n","kind":"of a later version"}', '{"name":"n","kind":"budget"}'])
async def test_a_rule_that_cannot_be_read_fails_no_commit(bench: Bench, body: str) -> None:
    """Events are recorded, and other rules decided, beside a kept rule that cannot be read; it can be set again."""
    kept_rules = {
        "a": rule("budget", window="month", limit="1", levels=[100]),
        "b": rule(figure="messages", window="today", above="9"),
    }
    await set_rules(bench.database, **kept_rules)
    columns = schema.alert_rules.c
    broken = update(schema.alert_rules).where(columns.id == "b")
    await bench.database.write(lambda connection: connection.execute(broken.values(body=body)))
    await spend(bench, "2")
    await tick(bench.database)
    assert await crossings(bench.database) == [("a", "100", "firing")]
    async with bench.database.read() as connection:
        kept = {found.id: found.rule for found in await read_rules(connection, "default")}
    assert (kept["a"], kept["b"].enabled) == (kept_rules["a"], False)
    await set_rules(bench.database, a=kept_rules["a"])
    async with bench.database.read() as connection:
        assert [found.id for found in await read_rules(connection, "default")] == ["a"]


async def test_what_fires_together_is_written_together(bench: Bench) -> None:
    """A commit in which many rules fire writes their transitions in as many statements as that of one rule."""
    counts = []
    for many in (1, 30):
        named = {f"r{number}": rule(figure="messages", window="today", above=str(many)) for number in range(many)}
        await set_rules(bench.database, **named)
        found: list[str] = []
        assert bench.database._writing is not None
        listened = bench.database._writing, "before_cursor_execute", lambda *args, found=found: found.append(args[2])
        events.listen(*listened)
        await bench.post(*(f"m{many}.{number}" for number in range(many + 1)))
        events.remove(*listened)
        counts.append(len([text for text in found if text.startswith("INSERT INTO alert_")]))
    assert len(await crossings(bench.database)) >= 31
    assert counts[0] == counts[1]


async def test_a_fault_in_deciding_fails_no_commit(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """If rules cannot be decided, the events are recorded all the same, and the next commit decides."""
    await set_rules(bench.database, r=rule("budget", window="month", limit="1", levels=[100]))

    def broken(*args: object, **given: object) -> None:
        raise ArithmeticError

    with monkeypatch.context() as patch:
        patch.setattr(Watch, "evaluate", broken)
        await spend(bench, "2")
    assert await crossings(bench.database) == []
    await spend(bench, "0")
    assert await crossings(bench.database) == [("r", "100", "firing")]


async def test_the_minutes_of_all_windows_are_bounded(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rules whose different windows have too many minutes together are refused; those of equal windows are one."""
    monkeypatch.setattr(rules, "MAX_TENANT_MINUTES", 100)
    equal = {f"r{number}": rule(figure="messages", window="60m", above=str(number)) for number in range(9)}
    await set_rules(bench.database, **equal)
    with pytest.raises(TooManyRules, match="100 minutes"):
        await set_rules(bench.database, **equal, other=rule(figure="messages", window="41m", above="1"))
    async with bench.database.read() as connection:
        assert len(await read_rules(connection, "default")) == len(equal)


async def test_rows_of_windows_count_in_the_cache(bench: Bench) -> None:
    """What is kept of the windows of rules has a part in the bound of the rows that are kept in memory."""
    await bench.post(*(f"m{number}" for number in range(80)), timestamp="2026-03-10T11:00:00.000Z")
    sizes = []
    for window in ("1m", "120m"):
        await set_rules(bench.database, r=rule(figure="messages", window=window, above="1000"))
        for minute in range(64):
            await bench.post(f"{window}{minute}", timestamp=f"2026-03-10T11:{minute % 60:02}:00.000Z")
        kept = bench.writer._rows._kept["default"]
        sizes.append(kept.count - KeptRows(0, "", kept.known).count)
    assert sizes[0] == 0
    assert sizes[1] > 6


async def test_what_all_rules_can_write_at_once_is_bounded(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rules whose levels and targets would make one commit write too much are refused."""
    monkeypatch.setattr(rules, "MAX_TENANT_ROWS", 12)
    budget = rule("budget", window="month", limit="1", targets=["a", "b"])
    await set_rules(bench.database, r=budget, s=rule(figure="messages", window="today", above="1", targets=["a"]))
    with pytest.raises(TooManyRules, match="12 transitions"):
        await set_rules(bench.database, r=budget, s=budget)
