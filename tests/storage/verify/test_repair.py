"""Rollups that were damaged, and are rebuilt from the raw rows."""

import asyncio
import random
from pathlib import Path

import pytest
from sqlalchemy import delete, text

import storage.verify.recount
from storage.engine.database import Database
from storage.engine.urls import database_at
from storage.errors import WrongDatabase
from storage.model import merging, metrics
from storage.model.cutoffs import TABLES as EVENT_TABLES
from storage.model.cutoffs import Cutoffs, cutoff
from storage.model.events import Message
from storage.model.metrics import Counter
from storage.read.snapshots import read_changes, read_head
from storage.retention.erasure import forget
from storage.retention.prune import prune
from storage.retention.steps import Steps
from storage.verify.repair import TABLES, rebuild, rebuild_in_zone
from tests.samples.events import ACTIVITY, event
from tests.storage.verify.histories import (
    TENANTS,
    damage,
    history,
    opened,
    opened_in,
    quiet,
    recount,
    repair,
    tables,
    write,
)

each_database = pytest.mark.each_database

DAYS = ["2026-03-07", "2026-03-08", "2026-03-09"]
"""In the middle of the history."""
ROUNDS = 10
"""How often rollups are damaged at random."""


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
    for table in TABLES:
        await database.write(lambda connection, table=table: connection.execute(delete(table)) and None)  # type: ignore[misc]
    assert await repair(database) == sorted(TENANTS)
    assert await tables(database) == whole


async def shrink(database: Database, draw: random.Random) -> None:
    """Remove some days of each table, stop in the middle of removing more, and forget some users."""
    steps = Steps(database, 1000, rest=0)
    for tenant in TENANTS:
        for _ in range(2):
            cuts = {table: draw.choice(["", *DAYS]) for table in EVENT_TABLES}
            wanted = Cutoffs({table: cutoff(database.days, day) for table, day in cuts.items() if day})
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
            # What has expired and is not deleted yet is not rebuilt; all else is.
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
        await prune(steps, tenant, Cutoffs.at(cutoff(database.days, "2026-03-08")))
        await forget(steps, tenant, "u1")
    whole = await tables(database)
    for tenant in TENANTS:
        await rebuild(database, tenant, quiet)
    assert await tables(database) == whole


@each_database
async def test_days_of_removed_rows_are_not_rebuilt(database_url: str) -> None:
    """Of removed rows only sums by day are left: another zone is refused, and nothing is changed."""
    database = await opened(database_url)
    await prune(Steps(database, 1000, rest=0), "acme", Cutoffs.at(cutoff(database.days, "2026-03-08")))
    await database.close()
    database = database_at(database_url)
    await database.open()
    with pytest.raises(WrongDatabase, match="it keeps that zone"):
        await rebuild_in_zone(database, "Asia/Kolkata", quiet)
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
async def test_the_change_log_starts_again(database: Database, statement: str) -> None:
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
        "SUM(CASE WHEN token_count > 50 THEN 1 ELSE 0 END)",
    )
    monkeypatch.setattr(storage.verify.recount, "COUNTERS", (*metrics.COUNTERS, counter))
    amounts = (*merging._AMOUNTS[Message], (counter.name, counter.amount))
    monkeypatch.setitem(merging._AMOUNTS, Message, amounts)
    differences = (await recount(database)).differences
    assert differences
    assert all(counter.name in difference.what for difference in differences)
    await repair(database)
    assert (await recount(database)).differences == []
    rows = (await tables(database))["counters"]
    assert rows["acme", "total", counter.name, ""][-1] > 10


@each_database
async def test_days_are_rebuilt_in_another_zone(database_url: str, tmp_path: Path) -> None:
    """With another zone every rollup is the one of a database that had it from the beginning; it is opened with the new
    zone alone."""
    twin = await opened(f"sqlite+aiosqlite:///{tmp_path}/twin.db", "Asia/Kolkata")
    await (await opened(database_url)).close()
    database = database_at(database_url)
    await database.open()
    events = await rebuild_in_zone(database, "Asia/Kolkata", quiet)
    assert set(events) == set(TENANTS)
    assert await tables(database) == await tables(twin)
    assert (await recount(database)).differences == []
    await twin.close()
    await database.close()
    await opened_in(database_url, "Asia/Kolkata")
