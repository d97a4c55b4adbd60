"""What an admin waits for: the same answers from a small and from a large database."""

import asyncio
from pathlib import Path
from statistics import median

import msgspec
import uvloop

from bench import load
from bench.http_connection import get
from bench.row import Ratio, Row
from bench.server import Service, database_url
from bench.traffic import Traffic, spread
from storage.engine.database import Database
from storage.engine.urls import database_at
from storage.model import clock
from storage.model.batch import read_array
from storage.model.events import AnyEvent
from storage.write.commit import commit
from web.reports.endpoints import PREFIX
from web.settings import DEFAULT_TENANT

TARGET = 2
SMALL, LARGE = 10_000, 1_000_000
BATCH = 10_000
"""Events of one commit of the filling: large, so that it takes a minute and not two."""
SPAN_SECONDS = 30 * 86_400
"""The time over which events are spread: a month, so that there are many minutes and days of counters."""
KEEP = 10_000
"""Entries of the change log that are kept: the service's default."""
ROUNDS = 6
REQUESTS = 100


def measure(folder: Path) -> list[Row]:
    """Fill two databases, serve both, and ask them in turn."""
    for count in (SMALL, LARGE):
        asyncio.run(fill(folder / str(count), count))
    rows = []
    with Service(folder / str(LARGE)) as large, Service(folder / str(SMALL)) as small:
        for report in ("summary", "snapshot"):
            ratio = Ratio([(_milliseconds(large, report), _milliseconds(small, report)) for _ in range(ROUNDS)])
            what = f"reads: GET {report} over {LARGE:,} events, to {SMALL:,}"
            rows.append(Row(what, ratio.show("ms", 2), f"< {TARGET}", ratio.value < TARGET))
    return rows


def _milliseconds(service: Service, report: str) -> float:
    request = get(f"{PREFIX}/{report}", service.token)
    return median(uvloop.run(load.times(service.port, request, REQUESTS))) * 1000


async def fill(folder: Path, count: int) -> None:
    """Make a database of *count* events of all kinds, through the storage layer."""
    database = database_at(database_url(folder))
    await database.open()
    try:
        traffic, times = Traffic(), spread(count, SPAN_SECONDS)
        for start in range(0, count, BATCH):
            body = msgspec.json.encode([traffic.any(at) for at in times[start : start + BATCH]])
            await write(database, [event for part in read_array(body) for event in part.events])
    finally:
        await database.close()


async def write(database: Database, events: list[AnyEvent]) -> None:
    """Commit some events of the default tenant at once."""
    arrived = [(event, clock.now()) for event in events]
    await database.write(
        lambda connection: commit(connection, database.epoch, database.days, DEFAULT_TENANT, arrived, KEEP)
    )
