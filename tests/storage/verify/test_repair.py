"""Rollups that were damaged, and are rebuilt from the raw rows."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, Integer, Table, delete, insert, select, text, update

import storage.verify.recount
from realtime.protocol import TOPICS
from storage.engine.database import Database
from storage.engine.urls import database_at
from storage.errors import WrongDatabase
from storage.model import metrics, rollups
from storage.model.clock import now
from storage.model.cutoffs import Horizons, horizon
from storage.model.events import AnyEvent, Message
from storage.model.metrics import Counter
from storage.read.snapshots import read_changes, read_head
from storage.retention.erasure import forget
from storage.retention.prune import prune
from storage.retention.steps import Steps
from storage.verify import comparison
from storage.verify.comparison import Verdict
from storage.verify.repair import ROLLUPS, cut_anew, rebuild
from storage.write.commit import commit
from tests.samples.events import ACTIVITY, MESSAGE, event
from tests.samples.history import made_up
from tests.servers.process import Process
from tests.servers.service import Running, start

each_database = pytest.mark.each_database

TENANTS = ("default", "acme")
DAYS = ["2026-03-07", "2026-03-08", "2026-03-09"]
"""In the middle of the history."""
ROUNDS = 10
"""How often rollups are damaged at random."""

Row = tuple[Any, ...]
Tables = dict[str, dict[Row, Row]]


def quiet(_done: int, _total: int) -> None:
    pass


def history(seed: int) -> list[AnyEvent]:
    """Four days of events; more models and endpoints than have rows of their own."""
    at = {"timestamp": "2026-03-07T12:00:00Z", "user_id": "u1"}
    talk = {"conversation_id": "c1", "role": "user", "token_count": 1}
    call = {"type": "api_usage", "method": "GET", "status_code": 200, "response_time": 0.1}
    many = [
        *({"type": "message", "message_id": f"l{name}", "model_used": f"l{name}", **talk, **at} for name in range(60)),
        *({"endpoint": f"/many/{name}", **call, **at} for name in range(260)),
    ]
    return [event(**fields) for fields in [*made_up(seed, 200), *many, *made_up(seed + 100, 100)]]


async def opened(url: str, zone: str = "UTC") -> Database:
    """A database with a history of each tenant."""
    database = database_at(url, zone)
    await database.open()
    for seed, tenant in enumerate(TENANTS):
        events = history(seed)
        for begin in range(0, len(events), 90):
            await write(database, tenant, events[begin : begin + 90])
    return database


async def opened_in(url: str, zone: str) -> None:
    """Open a database in a zone, and close it; raises if its days were cut in another."""
    database = database_at(url, zone)
    try:
        await database.open()
    finally:
        await database.close()


async def write(database: Database, tenant: str, events: list[AnyEvent]) -> None:
    arrived = [(each, now()) for each in events]
    await database.write(lambda connection: commit(connection, database.epoch, database.days, tenant, arrived, 1000))


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    found = await opened(database_url)
    yield found
    await found.close()


async def tables(database: Database) -> Tables:
    """Every row of every rollup by its key; counters that are 0 are as good as none."""
    found: Tables = {}
    async with database.read() as connection:
        for table in ROLLUPS:
            rows = map(tuple, await connection.execute(select(table)))
            found[table.name] = {row[: _key(table)]: row for row in rows if table.name != "counters" or row[-1]}
    return found


def _key(table: Table) -> int:
    return len(table.primary_key.c)


async def recount(database: Database) -> Verdict:
    async with database.read() as connection:
        return await comparison.verify(connection, database.days)


async def repair(database: Database) -> list[str]:
    """Rebuild what differs, as the command does; gives the tenants."""
    tenants = sorted({difference.tenant_id for difference in (await recount(database)).differences})
    for tenant in tenants:
        await rebuild(database, tenant, quiet)
    return tenants


def damage(draw: random.Random) -> Callable[[Connection], None]:
    """Change, remove or add a row of a rollup, or several."""

    def work(connection: Connection) -> None:
        for _ in range(draw.randint(1, 4)):
            table = draw.choice(ROLLUPS)
            rows = connection.execute(select(table).order_by(*table.primary_key.c)).mappings().all()
            row = dict(draw.choice(rows))
            here = [column == row[column.name] for column in table.primary_key.c]
            columns = [column for column in table.c if column.name not in ("buckets", "tenant_id")]
            match draw.choice(["change", "remove", "add"]):
                case "change":
                    column = draw.choice([column for column in columns if not column.primary_key])
                    connection.execute(update(table).where(*here).values({column.name: other(row, column, draw)}))
                case "remove":
                    connection.execute(delete(table).where(*here))
                case _:
                    column = draw.choice([column for column in columns if column.primary_key])
                    connection.execute(insert(table).values({**row, column.name: other(row, column, draw)}))

    return work


def other(row: dict[str, Any], column: Any, draw: random.Random) -> Any:
    """Another value for a column."""
    if isinstance(column.type, Integer):
        return (row[column.name] or 0) + draw.choice([-1, 1, 1000])
    return f"{draw.randrange(1000):03}"


@each_database
async def test_whatever_was_damaged_is_as_before(database: Database) -> None:
    """Values changed, rows missing, rows too many, at random in every rollup: after the repair each row is the one that
    commits had written, nothing differs, and only the tenants that differed were rebuilt."""
    draw, whole = random.Random(5), await tables(database)
    rebuilt = set()
    for _ in range(ROUNDS):
        await database.write(damage(draw))
        rebuilt.update(await repair(database))
        assert await tables(database) == whole
        assert (await recount(database)).differences == []
    assert rebuilt == set(TENANTS)


@each_database
async def test_all_rollups_can_be_lost(database: Database) -> None:
    """With no row left in any rollup, all of them come back."""
    whole = await tables(database)
    for table in ROLLUPS:
        await database.write(lambda connection, table=table: connection.execute(delete(table)) and None)  # type: ignore[misc]
    assert await repair(database) == sorted(TENANTS)
    assert await tables(database) == whole


async def shrink(database: Database, draw: random.Random) -> None:
    """Remove some days of each table, stop in the middle of removing more, and forget some users."""
    steps = Steps(database, 1000, rest=0)
    for tenant in TENANTS:
        for _ in range(2):
            cuts = [draw.choice(["", *DAYS]) for _ in range(4)]
            wanted = Horizons(*(horizon(database.days, day) if day else "" for day in cuts))
            removing = asyncio.create_task(prune(steps, tenant, wanted))
            if draw.random() < 0.5:
                await asyncio.sleep(draw.uniform(0, 0.05))
                removing.cancel()
            await asyncio.gather(removing, return_exceptions=True)
        for user in draw.sample(["u0", "u1", "u2", "u3"], 2):
            await forget(steps, tenant, user)
        await write(database, tenant, history(draw.randrange(1000, 2000))[200:500])


@each_database
async def test_what_was_removed_stays_counted(database: Database) -> None:
    """Where rows were pruned and users forgotten, rebuilding starts from what they left behind: the same rows again."""
    draw = random.Random(8)
    for _ in range(4):
        await shrink(database, draw)
        for tenant in TENANTS:
            # What is closed and not swept yet is not told again; all else is.
            await rebuild(database, tenant, quiet)
        assert (await recount(database)).differences == []
        whole = await tables(database)
        await database.write(damage(draw))
        await repair(database)
        assert await tables(database) == whole


@each_database
async def test_a_rebuild_changes_nothing_that_is_right(database: Database) -> None:
    """After pruning to the end and forgetting, every row of every rollup is the one that a rebuild writes."""
    steps = Steps(database, 1000, rest=0)
    for tenant in TENANTS:
        await prune(steps, tenant, Horizons(*[horizon(database.days, "2026-03-08")] * 4))
        await forget(steps, tenant, "u1")
    whole = await tables(database)
    for tenant in TENANTS:
        await rebuild(database, tenant, quiet)
    assert await tables(database) == whole


@each_database
async def test_days_of_removed_rows_are_not_cut_anew(database_url: str) -> None:
    """Of removed rows only sums by day are left: another zone is refused, and nothing is changed."""
    database = await opened(database_url)
    await prune(Steps(database, 1000, rest=0), "acme", Horizons(*[horizon(database.days, "2026-03-08")] * 4))
    await database.close()
    database = database_at(database_url)
    await database.open()
    with pytest.raises(WrongDatabase, match="it keeps that zone"):
        await cut_anew(database, "Asia/Kolkata", quiet)
    assert (await recount(database)).differences == []
    await database.close()
    await opened_in(database_url, "UTC")


LOST = [
    "UPDATE heads SET sequence = 3",
    "DELETE FROM changes",
    "DELETE FROM changes WHERE sequence = 2",
    "DELETE FROM heads",
]


@each_database
@pytest.mark.parametrize("statement", LOST)
async def test_the_change_log_begins_anew(database: Database, statement: str) -> None:
    """A head or a log that is wrong is put right, beyond every sequence that was given; commits go on from there."""
    async with database.read() as connection:
        before = {tenant: await read_head(connection, database.epoch, tenant) for tenant in TENANTS}
        last_ids = dict(map(tuple, await connection.execute(text("SELECT tenant_id, last_id FROM heads"))))
    await database.write(lambda connection: connection.execute(text(statement)) and None)
    # Without a head and without a log nothing shows: some other damage makes it be rebuilt.
    await database.write(
        lambda connection: connection.execute(text("UPDATE counters SET value = 1 WHERE metric = 'users'")) and None
    )
    assert await repair(database) == sorted(TENANTS)
    await write(database, "default", [event(type="activity", **ACTIVITY)])
    assert (await recount(database)).differences == []
    async with database.read() as connection:
        head = await read_head(connection, database.epoch, "default")
        log = await read_changes(connection, "default", 0, 1000)
        last_id = await connection.scalar(text("SELECT last_id FROM heads WHERE tenant_id = 'default'"))
    assert [change.sequence for change in log] == [head.sequence - 1, head.sequence]
    assert head.tag != before["default"].tag
    assert last_id == last_ids["default"] + 1


@each_database
async def test_commits_go_on_from_what_was_rebuilt(database: Database, database_url: str) -> None:
    """Events after a repair count as they would have without it."""
    await database.write(damage(random.Random(1)))
    for tenant in TENANTS:
        await rebuild(database, tenant, quiet)
    for tenant in TENANTS:
        await write(database, tenant, history(seed=40)[:250])
    assert (await recount(database)).differences == []


@each_database
async def test_a_new_counter_is_filled_in(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """A counter that the catalogue has got since the events were committed is back-filled for all of the past."""
    counter = Counter(
        "long_messages",
        "messages",
        "Messages of more than 50 tokens",
        Message,
        lambda message: message.token_count > 50,
        "message_metrics",
        "SUM(CASE WHEN token_count > 50 THEN 1 ELSE 0 END)",
    )
    monkeypatch.setattr(storage.verify.recount, "COUNTERS", (*metrics.COUNTERS, counter))
    amounts = (*rollups._AMOUNTS[Message], (counter.name, counter.amount))
    monkeypatch.setitem(rollups._AMOUNTS, Message, amounts)
    differences = (await recount(database)).differences
    assert differences
    assert all(counter.name in difference.what for difference in differences)
    await repair(database)
    assert (await recount(database)).differences == []
    rows = (await tables(database))["counters"]
    assert rows["acme", "total", counter.name, ""][-1] > 10


@each_database
async def test_days_are_cut_anew(database_url: str, tmp_path: Path) -> None:
    """With another zone every rollup is the one of a database that had it from the beginning; it is opened with the new
    zone alone."""
    twin = await opened(f"sqlite+aiosqlite:///{tmp_path}/twin.db", "Asia/Kolkata")
    await (await opened(database_url)).close()
    database = database_at(database_url)
    await database.open()
    events = await cut_anew(database, "Asia/Kolkata", quiet)
    assert set(events) == set(TENANTS)
    assert await tables(database) == await tables(twin)
    assert (await recount(database)).differences == []
    await twin.close()
    await database.close()
    await opened_in(database_url, "Asia/Kolkata")


async def test_on_sqlite_the_service_must_be_stopped(running: Running, tmp_path: Path) -> None:
    """Beside a service on a file a repair is refused with exit code 2 and a line that says what to do."""
    done = await asyncio.to_thread(Process(tmp_path).command, "verify", "--repair")
    assert (done.returncode, done.stdout) == (2, "")
    assert "another process is writing" in done.stderr
    assert "stop it" in done.stderr


async def test_the_command_repairs(tmp_path: Path) -> None:
    """verify --repair names what differs, rebuilds it, and says how the recount went then: exit code 0."""
    running = await start(tmp_path)
    await running.post("message-public", MESSAGE)
    await running.service.database.write(
        lambda connection: connection.execute(text("UPDATE counters SET value = 9 WHERE metric = 'tokens'")) and None
    )
    await running.stop()
    done = Process(tmp_path).command("verify", "--repair")
    lines = done.stdout.splitlines()
    assert done.returncode == 0, done.stdout + done.stderr
    assert lines[0].startswith("tenant default: counter ")
    assert lines[-3].endswith(" 4 differ")
    assert lines[-2:] == ["tenant default: rebuilt from 1 events", lines[-3].replace(" 4 differ", " 0 differ")]


@each_database
async def test_the_command_cuts_days_anew(database_url: str, tmp_path: Path) -> None:
    """A database is not opened in another zone; with --rezone its days are cut in it, and the service starts with it.
    No other process may have the database open."""
    running = await start(tmp_path, DATABASE_URL=database_url)
    await running.post("message-public", {**MESSAGE, "timestamp": "2026-03-01T20:00:00Z"})
    process = Process(tmp_path, DATABASE_URL=database_url, TIMEZONE="Asia/Kolkata")
    done = await asyncio.to_thread(process.command, "verify", "--repair", "--rezone")
    assert (done.returncode, done.stdout) == (2, "")
    assert "stop" in done.stderr
    await running.stop()
    with pytest.raises(WrongDatabase, match="verify --repair --rezone"):
        await opened_in(database_url, "Asia/Kolkata")
    done = process.command("verify", "--repair", "--rezone")
    assert done.returncode == 0, done.stderr
    assert "rebuilt from 1 events" in done.stdout
    running = await start(tmp_path, DATABASE_URL=database_url, TIMEZONE="Asia/Kolkata")
    (day,) = (await running.get("daily-stats", **{"from": "2026-03-02", "to": "2026-03-03"}))["items"]
    assert day["total_messages"] == 1
    await running.stop()


@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
async def test_a_live_panel_is_put_right(running: Running, tmp_path: Path, database_url: str) -> None:
    """On PostgreSQL the service goes on: a panel that shows damaged figures shows the right ones when they are rebuilt,
    by a snapshot, and follows what is posted then."""
    panel = await running.panel()
    await running.post("activity-public", ACTIVITY)
    await running.service.database.write(
        lambda connection: (
            connection.execute(text("UPDATE counters SET value = 70 WHERE metric = 'activities'")) and None
        )
    )
    receipt = await running.post("activity-public", ACTIVITY)
    await panel.until_position(receipt["position"])
    assert panel.panel.summary["total_activities"] == 71
    panel.frames.clear()
    done = await asyncio.to_thread(Process(tmp_path, DATABASE_URL=database_url).command, "verify", "--repair")
    assert done.returncode == 0, done.stdout + done.stderr
    await panel.until(lambda: panel.panel.summary["total_activities"] == 2)
    assert "snapshot" in {frame["type"] for frame in panel.frames}
    receipt = await running.post("activity-public", ACTIVITY)
    await panel.until_position(receipt["position"])
    snapshot = await running.get("snapshot")
    assert panel.panel.shown() == {name: snapshot[name] for name in TOPICS}
    assert (await running.verdict()).differences == []
