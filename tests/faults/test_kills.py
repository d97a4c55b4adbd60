"""Acknowledged means durable: the service is killed under load, over and over."""

import asyncio
import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.conftest import Running, start
from tests.faults.figures import Figures
from tests.live import PATH, LivePanel
from tests.load import Load, stored_messages
from tests.postgres import Postgres
from tests.process import Process
from tests.web.test_tracking import ACTIVITY

KILLS = 20
KILLS_OF_SEVERAL = 5


async def test_a_killed_service_loses_nothing(tmp_path: Path, database_url: str, figures: Figures) -> None:
    """After 20 kills at random moments, every acknowledged event is there exactly once, and verify is clean."""
    drawn = random.Random(7)
    process = Process(tmp_path, DATABASE_URL=database_url)
    await process.start()
    load = Load(process.url)
    workers = [asyncio.create_task(load.post(number)) for number in range(6)]
    for _ in range(KILLS):
        before = len(load.acknowledged)
        while len(load.acknowledged) < before + 50:  # noqa: ASYNC110 - the workers make progress
            await asyncio.sleep(0.005)
        await asyncio.sleep(drawn.uniform(0, 0.1))
        process.kill()
        await process.start()
    load.running = False
    await asyncio.gather(*workers)
    verdict = process.command("verify")
    assert verdict.returncode == 0, verdict.stdout
    assert process.terminate() == 0
    stored = await stored_messages(database_url)
    assert len(load.acknowledged) > KILLS * 50
    assert len(stored) == len(set(stored))
    assert load.acknowledged <= set(stored)
    figures("SIGKILL, SQLite", kills=KILLS, acknowledged=len(load.acknowledged), lost=0, counted_twice=0)


async def test_several_killed_services_lose_nothing(tmp_path: Path, postgres: Postgres) -> None:
    """Three processes on one PostgreSQL, killed at random moments: the same, and no sequence has a gap."""
    name = postgres.create()
    drawn = random.Random(11)
    processes = []
    for number in range(3):
        (tmp_path / str(number)).mkdir()
        processes.append(Process(tmp_path / str(number), DATABASE_URL=postgres.url(name)))
    await asyncio.gather(*(process.start() for process in processes))
    # Two workers of one kind post the same ids through different processes: each is to count once.
    loads = [Load(process.url) for process in processes]
    workers = [asyncio.create_task(load.post(number)) for load in loads for number in range(3)]
    for _ in range(KILLS_OF_SEVERAL):
        before = sum(len(load.acknowledged) for load in loads)
        while sum(len(load.acknowledged) for load in loads) < before + 50:  # noqa: ASYNC110 - the workers make progress
            await asyncio.sleep(0.005)
        await asyncio.sleep(drawn.uniform(0, 0.1))
        victim = drawn.choice(processes)
        victim.kill()
        await victim.start()
    for load in loads:
        load.running = False
    await asyncio.gather(*workers)
    verdict = processes[0].command("verify")
    assert verdict.returncode == 0, verdict.stdout
    assert [process.terminate() for process in processes] == [0, 0, 0]
    stored = await stored_messages(postgres.url(name))
    assert len(stored) == len(set(stored))
    assert set.union(*(load.acknowledged for load in loads)) <= set(stored)
    postgres.drop(name)


@pytest.mark.each_database
async def test_a_stop_finishes_the_batch_in_hand(tmp_path: Path, database_url: str) -> None:
    """SIGTERM under load: each request in hand is answered or refused whole, and the exit code is 0."""
    process = Process(tmp_path, DATABASE_URL=database_url)
    await process.start()
    load = Load(process.url)
    workers = [asyncio.create_task(load.post(number)) for number in range(6)]
    while len(load.acknowledged) < 200:  # noqa: ASYNC110 - the workers make progress
        await asyncio.sleep(0.005)
    code = await asyncio.to_thread(process.terminate)
    load.running = False
    await asyncio.gather(*workers)
    assert code == 0, process.log()
    assert '"event": "stopped"' in process.log()
    assert load.acknowledged <= set(await stored_messages(database_url))
    assert process.command("verify").returncode == 0


async def test_a_commit_that_was_never_published_is_seen(running: Running) -> None:
    """If the service fails between a commit and its publication, panels are right within 2 seconds."""
    panel = await running.panel()
    running.service.writer._publish = lambda change: None
    receipt = await running.post("activity-public", ACTIVITY)
    await panel.until_position(receipt["position"], seconds=2)
    assert panel.panel.summary["total_activities"] == 1


@pytest.fixture
async def old_copy(tmp_path: Path) -> AsyncIterator[tuple[Path, LivePanel]]:
    """A database as it was three events ago, and a panel that knows those three."""
    found = await start(tmp_path)
    await found.post("activity-public", ACTIVITY)
    await found.stop()
    copy = (tmp_path / "analytics.db").read_bytes()
    found = await start(tmp_path)
    panel = LivePanel(found.url, found.token())
    await panel.open()
    for number in range(3):
        receipt = await found.post("activity-public", {**ACTIVITY, "user_id": f"lost{number}"})
    await panel.until_position(receipt["position"])
    await panel.close()
    await found.stop()
    for suffix in ("-wal", "-shm"):
        (tmp_path / f"analytics.db{suffix}").unlink(missing_ok=True)
    (tmp_path / "analytics.db").write_bytes(copy)
    yield tmp_path, panel
    await panel.close()


@pytest.mark.parametrize("events", [0, 1, 3, 5])
async def test_an_old_copy_is_not_taken_for_its_future(old_copy: tuple[Path, LivePanel], events: int) -> None:
    """With an old database file copied back, a panel gets a snapshot, however far the copy has gone on since."""
    folder, panel = old_copy
    found = await start(folder)
    try:
        for number in range(events):
            await found.post("activity-public", {**ACTIVITY, "user_id": f"new{number}"})
        panel.url = found.url.replace("http", "ws") + PATH
        panel.frames.clear()
        await panel.resume()
        assert panel.frames[0]["type"] == "snapshot"
        assert panel.panel.summary["total_activities"] == 1 + events
        assert not any("lost" in item["user_id"] for item in panel.panel.activities)
    finally:
        await panel.close()
        await found.stop()
