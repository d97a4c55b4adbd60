"""Pruning under faults and under load: whatever ends it, figures stay right, and what is left is removed later."""

import asyncio
import random
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import httpx2
import pytest
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from storage.engine.database import Database
from storage.engine.urls import database_at
from storage.model import clock
from storage.model.cutoffs import TABLES
from storage.read.snapshots import read_head
from storage.retention.policy import Retention
from storage.retention.prune import count_due, prune
from storage.retention.steps import Steps
from storage.tables import schema
from storage.verify.comparison import verify
from storage.write.writer import Writer
from tests.faults.figures import Figures
from tests.paths import TRACK
from tests.samples.events import ACTIVITY, event
from tests.samples.history import Json
from tests.servers.process import COMMAND, Process
from tests.servers.settings import RETENTION
from tests.storage.writers import Silent

KEPT = Retention(dict.fromkeys(TABLES, 3))
pytestmark = pytest.mark.each_database


def traffic(count: int) -> list[Json]:
    """Events of the last ten days."""
    draw = random.Random(5)
    events: list[Json] = []
    for number in range(count):
        at = clock.moment(clock.now()) - timedelta(seconds=draw.uniform(0, 10 * 86_400))
        user: Json = {"user_id": f"u{draw.randrange(200)}", "timestamp": clock.text(at)}
        call: Json = {"endpoint": f"/{draw.randrange(20)}", "method": "GET", "status_code": 200, "response_time": 0.1}
        message: Json = {"message_id": f"m{number}", "conversation_id": f"c{draw.randrange(500)}", "role": "user"}
        kinds: list[Json] = [
            {"type": "activity", "username": "name", "activity_type": "login", **user},
            {"type": "api_usage", **call, **user},
            {"type": "message", **message, "token_count": 7, "model_used": "small", **user},
        ]
        events.append(draw.choice(kinds))
    return events


async def fill(url: str, events: list[Json]) -> None:
    database = database_at(url)
    await database.open()
    writer = Writer(database, lambda change: None, queue_events=10**6, change_log=10_000, observer=Silent())
    for begin in range(0, len(events), 2000):
        await writer.write("default", [event(**fields) for fields in events[begin : begin + 2000]])
    await writer.stop()
    await database.close()


@asynccontextmanager
async def reading(url: str) -> AsyncIterator[tuple[Database, AsyncConnection]]:
    database = database_at(url)
    database.open_readers()
    async with database.read() as connection:
        yield database, connection
    await database.close()


async def due_rows(url: str) -> int:
    """See that a recount finds every figure, and give how many rows are still to be removed."""
    async with reading(url) as (database, connection):
        assert (await verify(connection, database.days)).differences == []
        left = await count_due(connection, "default", KEPT.cutoffs(database.days))
    return left.total()


async def test_a_killed_prune_leaves_what_is_right(
    tmp_path: Path, database_url: str, figures: Figures, full: bool
) -> None:
    """Killed after some of its steps, over and over, a prune leaves figures that verify; the last one ends the work."""
    kills, count = (30, 120_000) if full else (2, 4_000)
    await fill(database_url, traffic(count))
    operator, draw = Process(tmp_path, DATABASE_URL=database_url, **RETENTION), random.Random(3)
    due = left = await due_rows(database_url)
    for _ in range(kills):
        await kill_after(draw.randrange(1, 8), operator, "prune")
        before, left = left, await due_rows(database_url)
        assert left <= before
    assert left > 0
    assert operator.command("prune").returncode == 0
    assert await due_rows(database_url) == 0
    figures("prune killed, " + kind(database_url), kills=kills, rows=due, left_by_the_last_kill=left, wrong=0)


async def test_a_killed_forget_is_ended_by_the_next(
    tmp_path: Path, database_url: str, figures: Figures, full: bool
) -> None:
    """Killed after some of its steps, over and over, a forget leaves figures that verify; the last one ends it."""
    kills, count = (20, 60_000) if full else (2, 6_000)
    whose: list[Json] = traffic(count)
    for fields in whose[::2]:
        fields["user_id"] = "gone"
    await fill(database_url, whose)
    operator, draw = Process(tmp_path, DATABASE_URL=database_url), random.Random(4)
    rows = left = await rows_of(database_url, "gone")
    for _ in range(kills):
        await kill_after(draw.randrange(1, 3), operator, "forget", "gone")
        before, left = left, await rows_of(database_url, "gone")
        assert left <= before
        await due_rows(database_url)
    assert left > 0
    assert operator.command("forget", "gone").returncode == 0
    assert await rows_of(database_url, "gone") == 0
    await due_rows(database_url)
    figures("forget killed, " + kind(database_url), kills=kills, rows=rows, left_by_the_last_kill=left, wrong=0)


async def kill_after(steps: int, operator: Process, *command: str) -> None:
    """Run a command, and kill it when it has come some steps further."""
    database = database_at(operator.environment["ANALYTICS_DATABASE_URL"])
    database.open_readers()

    async def sequence() -> int:
        async with database.read() as connection:
            return (await read_head(connection, "", "default")).sequence

    reached = await sequence() + steps
    running = await asyncio.create_subprocess_exec(
        *COMMAND, *command, env=operator.environment, stdout=asyncio.subprocess.DEVNULL
    )
    while running.returncode is None and await sequence() < reached:  # noqa: ASYNC110
        await asyncio.sleep(0.005)
    running.kill()
    assert await running.wait() == -signal.SIGKILL
    await database.close()


async def rows_of(url: str, user_id: str) -> int:
    """Count what the tables hold of a user."""
    tables = [table for table in schema.metadata.sorted_tables if "user_id" in table.c]
    counts = [select(func.count()).select_from(table).where(table.c.user_id == user_id) for table in tables]
    async with reading(url) as (_, connection):
        return sum([await connection.scalar(count) or 0 for count in counts])


async def test_ingest_goes_on_beside_a_prune(tmp_path: Path, database_url: str, figures: Figures, full: bool) -> None:
    """While rows are removed posts are committed as ever, and nothing of either is lost."""
    count = 120_000 if full else 3_000
    await fill(database_url, traffic(count))
    service = Process(tmp_path, DATABASE_URL=database_url)
    await service.start()
    try:
        async with httpx2.AsyncClient(base_url=service.url) as http:
            alone = await post_for(http, asyncio.create_task(asyncio.sleep(3 if full else 1)))
            removed: dict[str, float] = {}
            beside = await post_for(http, asyncio.create_task(remove(database_url, removed)))
        assert await due_rows(database_url) == 0
    finally:
        service.stop_if_running()
    figures(
        "prune beside ingest, " + kind(database_url),
        rows=int(removed["rows"]),
        rows_a_second=round(removed["rows"] / removed["seconds"]),
        longest_step=f"{removed['longest'] * 1000:.0f} ms",
        post_p50=f"{at(alone, 0.5)} -> {at(beside, 0.5)}",
        post_p99=f"{at(alone, 0.99)} -> {at(beside, 0.99)}",
    )


async def remove(url: str, removed: dict[str, float]) -> None:
    database = database_at(url)
    await database.open_alongside()
    steps, started = Steps(database, 10_000), time.monotonic()
    found = await prune(steps, "default", KEPT.cutoffs(database.days))
    removed["seconds"], removed["longest"] = time.monotonic() - started, steps.longest
    removed["rows"] = found.total() - found["rollups"]
    await database.close()


async def post_for(http: httpx2.AsyncClient, until: "asyncio.Task[None]") -> list[float]:
    """Post one event after the other until something has ended; gives how long each took."""
    took = []
    while not until.done():
        started = time.monotonic()
        answer = await http.post(f"{TRACK}/activity-public", json=ACTIVITY)
        assert answer.status_code == 201
        took.append(time.monotonic() - started)
        await asyncio.sleep(0.005)
    until.result()
    return sorted(took)


def at(took: list[float], share: float) -> str:
    return f"{took[int(len(took) * share)] * 1000:.0f} ms"


def kind(url: str) -> str:
    return "SQLite" if url.startswith("sqlite") else "PostgreSQL"
