"""A process that stands still in the middle of its commits, on PostgreSQL: it holds up its own tenants alone."""

import asyncio
import signal
import time
from collections import Counter
from pathlib import Path

import httpx2

from tests.faults.figures import Figures
from tests.faults.scene import START_SECONDS
from tests.paths import TRACK
from tests.samples.events import ACTIVITY
from tests.servers.postgres import Postgres
from tests.servers.process import Process

TENANTS = ("acme", "initech", "hooli", "umbrella")
"""As many as a process has connections that write: all of them stand still with a commit open."""
NEIGHBOUR = {"X-Tracking-Key": "globex-key-0123456789"}
KEYS = ",".join(f"{tenant}:{tenant}-key-0123456789" for tenant in (*TENANTS, "globex"))
CEILING_MS = 250.0
CLIENTS = 2
"""Of each tenant: while one post is committed, the next one waits."""
TRIES, MANY = 300, 2
"""How often it is tried to meet commits that are open, and how many are wanted in the first half of the tries."""


async def flood(url: str, tenant: str, answers: Counter[int]) -> None:
    """Post single events of a tenant over some connections, one after the other on each."""
    async with httpx2.AsyncClient(headers={"X-Tracking-Key": f"{tenant}-key-0123456789"}, timeout=60) as http:

        async def post() -> None:
            while True:
                answers[(await http.post(f"{url}{TRACK}/activity-public", json=ACTIVITY)).status_code] += 1

        await asyncio.gather(*(post() for _ in range(CLIENTS)))


async def watch(url: str, seconds: float) -> tuple[list[float], Counter[str]]:
    """Be the neighbour: post and ask for readiness ten times a second; gives the ms of posts, and all statuses."""
    times, answers, end = list[float](), Counter[str](), time.monotonic() + seconds
    async with httpx2.AsyncClient(headers=NEIGHBOUR, timeout=30) as http:
        while time.monotonic() < end:
            began = time.monotonic()
            posted = await http.post(f"{url}{TRACK}/activity-public", json=ACTIVITY)
            times.append((time.monotonic() - began) * 1000)
            answers[f"post {posted.status_code}"] += 1
            answers[f"ready {(await http.get(f'{url}/ready')).status_code}"] += 1
            await asyncio.sleep(0.1)
    return times, answers


def p99(times: list[float]) -> float:
    return sorted(times)[len(times) * 99 // 100]


async def test_a_frozen_process_holds_up_its_own_tenants_alone(
    tmp_path: Path, postgres: Postgres, full: bool, figures: Figures
) -> None:
    """While one of two processes stands still with commits open, a tenant that it has none of posts to the other one as
    before, and that one is ready all the while; the tenants that waited post again when it has gone on.
    """
    database = postgres.url(name := postgres.create())
    folders = [tmp_path / "frozen", tmp_path / "other"]
    for folder in folders:
        folder.mkdir()
    frozen, other = (Process(folder, DATABASE_URL=database, TRACKING_KEYS=KEYS) for folder in folders)
    await frozen.start(START_SECONDS)
    await other.start(START_SECONDS)
    tasks = [asyncio.create_task(flood(frozen.url, tenant, Counter())) for tenant in TENANTS]
    try:
        before, _ = await watch(other.url, 5 if full else 1)
        held = await freeze(frozen, postgres, name)
        waited = Counter[int]()
        tasks += [asyncio.create_task(flood(other.url, tenant, waited)) for tenant in TENANTS]
        during, answers = await watch(other.url, 15 if full else 3)
        figures(
            "a process stands still in its commits",
            tenants_held=held,
            p99_before=f"{p99(before):.0f} ms",
            p99_during=f"{p99(during):.0f} ms (at most {CEILING_MS:.0f})",
            longest=f"{max(during):.0f} ms",
            answers=dict(answers),
        )
        assert held > 0
        assert set(answers) == {"post 201", "ready 200"}
        assert p99(during) < CEILING_MS or not full
        frozen.signal(signal.SIGCONT)
        recorded = waited[201]
        async with asyncio.timeout(30):
            while waited[201] < recorded + 10 * len(TENANTS):  # noqa: ASYNC110
                await asyncio.sleep(0.05)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for process in (frozen, other):
            process.stop_if_running()
    assert "Traceback" not in other.log()
    postgres.drop(name)


async def freeze(process: Process, postgres: Postgres, name: str) -> int:
    """Stop a process while commits are open, and tell how many; it goes on and is stopped anew while there is none."""
    query = "SELECT count(*) FROM pg_stat_activity WHERE datname = %s AND state = 'idle in transaction'"
    for number in range(TRIES):
        process.signal(signal.SIGSTOP)
        # What it had sent before is carried out first.
        await asyncio.sleep(0.02)
        ((count,),) = postgres.execute(query, name)
        if count >= (MANY if number < TRIES / 2 else 1):
            return int(count)
        process.signal(signal.SIGCONT)
        await asyncio.sleep(0.013)
    raise AssertionError("no commit was open at any moment")
