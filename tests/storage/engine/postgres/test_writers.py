"""Several processes write one database: commits wait for each other by tenant, and for no other."""

import asyncio
import random
import time
from typing import Any

import pytest
from sqlalchemy import Connection

from storage.engine import postgres as postgres_database
from storage.engine import retries
from storage.engine.database import probe_write
from storage.engine.urls import database_at
from storage.errors import Locked, StorageUnavailable
from storage.tables.heads import lock
from storage.write.commit import commit
from tests.samples.events import event as make
from tests.servers.postgres import Postgres
from tests.storage.engine.postgres.databases import TENANTS, held_head, is_clean, sequences
from tests.storage.writers import MESSAGE, Bench


async def test_writers_of_a_tenant_wait_for_each_other(benches: list[Bench]) -> None:
    """Two processes that post to the same tenants at once: no error, no gap in a sequence, every rollup exact."""
    draw = random.Random(5)

    async def post(number: int) -> tuple[str, Any]:
        # Two in five messages are posted by both.
        tenant, name = TENANTS[number % 3], f"m{number if draw.random() < 0.6 else number // 2}"
        fields = {"user_id": f"u{draw.randrange(6)}", "conversation_id": f"c{draw.randrange(6)}"}
        await asyncio.sleep(draw.random() / 2)
        return tenant, await draw.choice(benches).post(name, tenant=tenant, **fields)

    answers = await asyncio.gather(*(post(number) for number in range(600)))
    database = benches[0].database
    for tenant in TENANTS:
        changes = sorted(
            (change for bench in benches for change in bench.changes if change.tenant_id == tenant),
            key=lambda change: change.sequence,
        )
        assert [change.sequence for change in changes] == list(range(1, len(changes) + 1))
        assert await sequences(database, tenant) == list(range(1, len(changes) + 1))
        positions = {change.position for change in changes}
        assert {receipt.position for name, receipt in answers if name == tenant} <= positions
    assert sum(receipt.recorded for _, receipt in answers) == await benches[0].count()
    assert all(bench.changes for bench in benches)
    assert await is_clean(database)


async def test_a_duplicate_waits_for_its_original(benches: list[Bench], url: str, postgres: Postgres) -> None:
    """A duplicate in one process is answered only when the original, in another process, is committed."""
    first, second = benches
    await first.post("before")
    with held_head(postgres, url, "default") as held:
        original = asyncio.create_task(first.post("m"))
        await asyncio.sleep(0.05)
        duplicate = asyncio.create_task(second.post("m"))
        await asyncio.sleep(0.1)
        assert not original.done()
        assert not duplicate.done()
        held.rollback()
    receipts = [await original, await duplicate]
    assert sorted(receipt.recorded for receipt in receipts) == [0, 1]
    assert receipts[0].position == receipts[1].position


async def test_tenants_do_not_wait_for_each_other(bench: Bench, url: str, postgres: Postgres) -> None:
    """While one tenant's commit waits, in whatever process, another tenant's is made."""
    await bench.post("m")
    with held_head(postgres, url, "default") as held:
        stuck = asyncio.create_task(bench.post("stuck"))
        receipts = await asyncio.gather(*(bench.post("m", tenant=tenant) for tenant in ("acme", "globex")))
        assert [receipt.recorded for receipt in receipts] == [1, 1]
        assert not stuck.done()
        held.rollback()
    assert (await stuck).recorded == 1


async def test_those_who_wait_for_a_lock_leave_room(bench: Bench, url: str, postgres: Postgres) -> None:
    """More tenants than there are connections wait for another process: everybody else is served, and so is `touch`."""
    blocked = [f"blocked{number}" for number in range(2 * bench.database.writers)]
    await asyncio.gather(*(bench.post("m", tenant=tenant) for tenant in blocked))
    with held_head(postgres, url, "%") as held:
        stuck = [asyncio.create_task(bench.post("n", tenant=tenant)) for tenant in blocked]
        # Longer than each of them may wait the first time, after which they are known.
        await asyncio.sleep(3 * postgres_database.LOCK_MS / 1000)
        async with asyncio.timeout(retries.LOCK_SECONDS / 2):
            for number in range(20):
                assert (await bench.post(f"m{number}", tenant="free")).recorded == 1
                await bench.database.attempt(probe_write)
        assert not any(task.done() for task in stuck)
        held.rollback()
    assert [receipt.recorded for receipt in await asyncio.gather(*stuck)] == [1] * len(blocked)
    assert bench.writer._blocked == set()


async def test_a_lock_is_waited_for_in_order(bench: Bench, url: str, postgres: Postgres) -> None:
    """What waits for a lock keeps its place: it is committed before what came later, and as one group with it."""
    await bench.post("before")
    with held_head(postgres, url, "default") as held:
        first = asyncio.create_task(bench.post("first"))
        await asyncio.sleep(0.3)
        later = [asyncio.create_task(bench.post(f"later{number}")) for number in range(5)]
        await asyncio.sleep(0.1)
        held.rollback()
    receipts = [await first, *await asyncio.gather(*later)]
    assert {receipt.position.sequence for receipt in receipts} == {2}


async def test_lock_waits_end(bench: Bench, url: str, postgres: Postgres, monkeypatch: pytest.MonkeyPatch) -> None:
    """When a lock was waited for long enough, all of that tenant's posts are refused, and nothing of them is kept."""
    monkeypatch.setattr(retries, "LOCK_SECONDS", 0.5)
    await bench.post("m")
    with held_head(postgres, url, "default") as held:
        answers = await asyncio.gather(*(bench.post(f"n{number}") for number in range(3)), return_exceptions=True)
        assert all(isinstance(answer, Locked) for answer in answers)
        with pytest.raises(Locked):
            await bench.database.write(lambda connection: lock(connection, "default"))
        held.rollback()
    assert bench.writer.waiting == 0
    assert await bench.count() == 1
    assert (await bench.post("n0")).recorded == 1


async def test_a_write_is_tried_again_when_the_lock_is_free(bench: Bench, url: str, postgres: Postgres) -> None:
    """Whoever writes beside the writer waits for a lock as commits do, and takes no connection meanwhile."""
    await bench.post("m")
    with held_head(postgres, url, "default") as held:
        steps = [
            asyncio.create_task(bench.database.write(lambda connection: lock(connection, "default").sequence))
            for _ in range(2 * bench.database.writers)
        ]
        await asyncio.sleep(3 * postgres_database.LOCK_MS / 1000)
        assert (await bench.post("m", tenant="free")).recorded == 1
        held.rollback()
    assert await asyncio.gather(*steps) == [1] * len(steps)


async def test_a_stop_waits_for_what_is_locked(url: str, postgres: Postgres) -> None:
    """A stop while a tenant is locked elsewhere: what was accepted is committed when the lock is free."""
    found = Bench(url)
    await found.database.open()
    await found.post("m")
    with held_head(postgres, url, "default") as held:
        stuck = asyncio.create_task(found.post("n"))
        await asyncio.sleep(0.3)
        stopping = asyncio.create_task(found.writer.stop())
        await asyncio.sleep(0.1)
        assert not stopping.done()
        held.rollback()
    await stopping
    assert (await stuck).recorded == 1
    await found.database.close()


async def test_the_first_commits_of_a_tenant_race(benches: list[Bench]) -> None:
    """A tenant whose first events come to two processes at once has one head, and both commits."""
    for number in range(20):
        tenant = f"new{number}"
        await asyncio.gather(*(bench.post(f"m{place}", tenant=tenant) for place, bench in enumerate(benches)))
        assert await sequences(benches[0].database, tenant) == [1, 2]


async def test_a_stopped_process_keeps_no_tenant_locked(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that stands still in the middle of a commit loses it after a while, and others go on."""
    monkeypatch.setattr(postgres_database, "IDLE_SECONDS", 1)
    stopped, other = database_at(url), Bench(url)
    await stopped.open()
    await other.database.open()
    await other.post("m")

    def stand_still(connection: Connection) -> None:
        arrived = [(make(**MESSAGE, message_id="lost"), "2026-03-01T00:00:00.000Z")]
        commit(connection, stopped.epoch, stopped.days, "default", arrived, 10)
        time.sleep(2)

    lost = asyncio.create_task(stopped.write(stand_still))
    await asyncio.sleep(0.2)
    assert (await other.post("n")).recorded == 1
    with pytest.raises(StorageUnavailable):
        await lost
    assert await other.count() == 2
    await other.writer.stop()
    await other.database.close()
    await stopped.close()
