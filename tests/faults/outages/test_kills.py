"""Acknowledged means durable: the service is killed under load, over and over."""

import asyncio
import itertools
import random
from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest

from tests.faults.figures import Figures
from tests.faults.scene import START_SECONDS, Scene
from tests.load import Load, stored_ids
from tests.paths import LIVE
from tests.samples.events import ACTIVITY
from tests.servers.postgres import Postgres
from tests.servers.process import Process
from tests.servers.service import Running, start
from tests.subscribers.live import LivePanel

LARGE = 10_000
"""Events of the largest batch."""


class Killer:
    """Kills processes of a scene, at moments that are drawn, and starts them again; ``kills`` counts."""

    def __init__(self, scene: Scene, seed: int) -> None:
        self._scene = scene
        self._draw = random.Random(seed)
        self.kills = 0

    async def during_migration(self, times: int) -> None:
        """Kill all processes on their first start, on an empty database, so many *times* over."""
        for _ in range(times):
            for process in self._scene.processes:
                process.launch()
            # Migrations begin at about 0.4 s and take 0.3.
            await asyncio.sleep(self._draw.uniform(0.2, 1))
            self._kill(*self._scene.processes)

    async def under_load(self) -> None:
        """Kill one process or more while all serve."""
        await self._scene.load.progress(50)
        await asyncio.sleep(self._draw.uniform(0, 0.1))
        await self._kill_and_start(*self._some())

    async def during_a_start(self) -> None:
        """Kill a process, and then again at some moment of its start."""
        victim = self._draw.choice(self._scene.processes)
        self._kill(victim)
        victim.launch()
        await asyncio.sleep(self._draw.uniform(0.05, 1))
        await self._kill_and_start(victim)

    async def during_a_large_batch(self) -> None:
        """Kill while a batch of ten thousand events is on its way; it is posted until it is there."""
        async with httpx2.AsyncClient(timeout=60) as client:
            batch = asyncio.create_task(self._scene.load.deliver(client, LARGE))
            await asyncio.sleep(self._draw.uniform(0.05, 1.5))
            await self._kill_and_start(*self._some())
            await batch

    def _some(self) -> list[Process]:
        """Draw who is to be killed: mostly one, at times all."""
        count = min(self._draw.choice((1, 1, 1, 2, 3)), len(self._scene.processes))
        return self._draw.sample(self._scene.processes, count)

    def _kill(self, *victims: Process) -> None:
        for process in victims:
            process.kill()
            self.kills += 1

    async def _kill_and_start(self, *victims: Process) -> None:
        self._kill(*victims)
        await asyncio.gather(*(process.start(START_SECONDS) for process in victims))

    async def kill(self, wanted: int) -> None:
        """Kill *wanted* times in all, beginning with an empty database: one in ten in mid-migration."""
        await self.during_migration(max(1, wanted // (10 * len(self._scene.processes))))
        await self._scene.start()
        # In turn, so that the short form has each; the moments within are drawn.
        kinds = itertools.cycle(
            [self.during_a_large_batch, self.under_load, self.during_a_start, *[self.under_load] * 6]
        )
        while self.kills < wanted:
            await next(kinds)()


async def test_a_killed_service_loses_nothing(tmp_path: Path, database_url: str, full: bool, figures: Figures) -> None:
    """Killed at random moments: every acknowledged event is there exactly once, verify is clean, panels are right."""
    async with Scene(Process(tmp_path, DATABASE_URL=database_url), panels=3) as scene:
        killer = Killer(scene, 7)
        await killer.kill(200 if full else 12)
        outcome = await scene.settle()
        assert scene.processes[0].terminate() == 0
    figures("SIGKILL, SQLite", kills=killer.kills, **outcome.row())
    assert outcome.is_exact()


async def test_several_killed_services_lose_nothing(
    tmp_path: Path, postgres: Postgres, valkey: str, full: bool, figures: Figures
) -> None:
    """Three processes on one PostgreSQL and one Valkey, posted the same ids at once: the same holds."""
    name = postgres.create("template0")
    processes = []
    for number in range(3):
        (tmp_path / str(number)).mkdir()
        processes.append(Process(tmp_path / str(number), DATABASE_URL=postgres.url(name), REDIS_URL=valkey))
    async with Scene(*processes) as scene:
        killer = Killer(scene, 11)
        await killer.kill(200 if full else 5)
        outcome = await scene.settle()
        assert [process.terminate() for process in processes] == [0, 0, 0]
    figures("SIGKILL, PostgreSQL and Valkey, 3 processes", kills=killer.kills, **outcome.row())
    assert outcome.is_exact()
    postgres.drop(name)


@pytest.mark.each_database
async def test_a_stop_finishes_the_batch_in_hand(tmp_path: Path, database_url: str) -> None:
    """SIGTERM under load: each request in hand is answered or refused whole, and the exit code is 0."""
    process = Process(tmp_path, DATABASE_URL=database_url)
    await process.start()
    load = Load(process.url)
    workers = [asyncio.create_task(load.post(number)) for number in range(6)]
    await load.progress(200)
    code = await asyncio.to_thread(process.terminate)
    load.running = False
    await asyncio.gather(*workers)
    assert code == 0, process.log()
    assert '"event": "stopped"' in process.log()
    assert load.acknowledged <= set(await stored_ids(database_url))
    assert process.command("verify").returncode == 0


async def test_a_commit_that_was_never_published_is_seen(running: Running) -> None:
    """If the service fails between a commit and its publication, panels are right within 2 seconds."""
    panel = await running.panel()
    running.service.writer._publish = lambda change: None
    receipt = await running.post("activity-public", ACTIVITY)
    await panel.until_position(receipt["position"], seconds=2)
    assert panel.state.summary["total_activities"] == 1


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
        panel.url = found.url.replace("http", "ws") + LIVE
        panel.frames.clear()
        await panel.resume()
        assert panel.frames[0]["type"] == "snapshot"
        assert panel.state.summary["total_activities"] == 1 + events
        assert not any("lost" in item["user_id"] for item in panel.state.activities)
    finally:
        await panel.close()
        await found.stop()
