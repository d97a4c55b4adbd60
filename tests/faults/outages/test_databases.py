"""Databases that fail under load: refused with a time to come back, healed without a restart, nothing lost or wrong."""

import asyncio
import random
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx2

from tests.faults.disk import Disk, small_disk
from tests.faults.figures import Figures
from tests.faults.scene import Scene, admin
from tests.paths import API
from tests.servers.postgres import Postgres
from tests.servers.process import Process

REFUSED = {(503, "1"), (507, "30")}
"""Status and Retry-After of a post that was not taken."""
MODES = ("immediate", "fast")


async def settled(scene: Scene, figures: Figures, fault: str, **seen: Any) -> None:
    """End a *scene*: nothing is lost, counted twice or wrong, and whoever was refused was told when to come back."""
    outcome = await scene.settle()
    figures(fault, **seen, refused=scene.load.refusals.total(), **outcome.row())
    assert set(scene.load.refusals) <= REFUSED
    assert outcome.is_exact()
    # The same process all the while.
    assert [process.terminate() for process in scene.processes] == [0]


async def statuses(process: Process) -> dict[str, int]:
    async with httpx2.AsyncClient(headers={"Authorization": f"Bearer {admin()}"}, timeout=30) as http:
        paths = ("/health", "/ready", f"{API}/summary")
        return {path: (await http.get(process.url + path)).status_code for path in paths}


async def test_a_server_that_restarts_is_waited_for(
    tmp_path: Path, postgres: Postgres, full: bool, figures: Figures
) -> None:
    """PostgreSQL stopped or crashed and started again: 503 meanwhile, panels say since when they are stale."""
    name = postgres.create()
    async with Scene(Process(tmp_path, DATABASE_URL=postgres.url(name))) as scene:
        await scene.start()
        modes = MODES * (10 if full else 1)
        for number, mode in enumerate(modes):
            await scene.load.progress(100)
            await asyncio.to_thread(postgres.stop, mode)
            try:
                await scene.until_refused(503)
                assert await statuses(scene.processes[0]) == {"/health": 200, "/ready": 503, f"{API}/summary": 503}
                if number % 2 == 0:
                    await scene.until_stale()
            finally:
                await asyncio.to_thread(postgres.start)
        await settled(scene, figures, "PostgreSQL restarted", restarts=len(modes))
    postgres.drop(name)


async def test_connections_that_are_cut_lose_nothing(
    tmp_path: Path, postgres: Postgres, full: bool, figures: Figures
) -> None:
    """All connections cut over and over, in whatever they are doing: 503 for what was on them, and no more."""
    name, cuts, draw = postgres.create(), 0, random.Random(3)
    async with Scene(Process(tmp_path, DATABASE_URL=postgres.url(name))) as scene:
        await scene.start()
        while cuts < (2000 if full else 100):
            cuts += await asyncio.to_thread(postgres.cut, name)
            await asyncio.sleep(draw.uniform(0, 0.1))
        await settled(scene, figures, "PostgreSQL connections cut", cuts=cuts)
    postgres.drop(name)


async def fill_and_free(scene: Scene, disk: Disk, times: int, is_sqlite: bool) -> None:
    for _ in range(times):
        await scene.load.progress(100)
        disk.fill()
        await scene.until_refused(507)
        found = await statuses(scene.processes[0])
        # Whoever asks is answered all the while: only writing fails. Readiness is asked by writing one row, for which
        # PostgreSQL may find room in a page that it has.
        assert (found["/health"], found[f"{API}/summary"]) == (200, 200)
        assert found["/ready"] == 503 or not is_sqlite
        disk.free()
    await scene.load.progress(100)


async def test_a_full_disk_of_sqlite(tmp_path: Path, full: bool, figures: Figures) -> None:
    """The disk of an SQLite file is full, then has room again: 507, and it goes on by itself."""
    with small_disk() as disk:
        url = f"sqlite+aiosqlite:///{disk.folder}/analytics.db"
        async with Scene(Process(tmp_path, DATABASE_URL=url)) as scene:
            await scene.start()
            times = 5 if full else 1
            await fill_and_free(scene, disk, times, is_sqlite=True)
            await settled(scene, figures, "disk full, SQLite", times=times)


async def test_a_full_disk_of_postgres(tmp_path: Path, postgres: Postgres, full: bool, figures: Figures) -> None:
    """The disk of PostgreSQL's tables is full, then has room again: the same."""
    with small_disk(postgres.uid) as disk:
        postgres.execute(f"CREATE TABLESPACE small LOCATION '{disk.folder}'")
        name = postgres.create(tablespace="small")
        try:
            async with Scene(Process(tmp_path, DATABASE_URL=postgres.url(name))) as scene:
                await scene.start()
                times = 5 if full else 1
                await fill_and_free(scene, disk, times, is_sqlite=False)
                await settled(scene, figures, "disk full, PostgreSQL", times=times)
        finally:
            postgres.drop(name)
            postgres.execute("DROP TABLESPACE small")


async def hold(file: Path, until: Callable[[], Any]) -> None:
    """Lock an SQLite file as another program would, until something has come to pass."""
    with closing(sqlite3.connect(file, timeout=60, isolation_level=None, check_same_thread=False)) as other:
        await asyncio.to_thread(other.execute, "BEGIN EXCLUSIVE")
        await until()
        other.execute("ROLLBACK")


async def test_a_locked_file_is_waited_for(tmp_path: Path, full: bool, figures: Figures) -> None:
    """Another program locks the SQLite file: posts wait for some seconds, then get 503; panels stay right."""
    async with Scene(Process(tmp_path)) as scene:
        await scene.start()
        file = tmp_path / "analytics.db"
        times = 5 if full else 1
        for _ in range(times):
            await scene.load.progress(100)
            await hold(file, lambda: asyncio.sleep(1))
            # Nobody noticed: it was shorter than SQLite waits.
            await scene.load.progress(100)
            await hold(file, lambda: scene.until_refused(503))
        await settled(scene, figures, "SQLite locked", times=2 * times)
