"""Breakdowns over 30 days: what an admin waits for who asks where money and time go."""

import asyncio
from pathlib import Path
from statistics import median

import msgspec
import uvloop

from bench import load
from bench.http_connection import get
from bench.reads import BATCH, SPAN_SECONDS, write
from bench.row import Row
from bench.server import Service, database_url
from bench.traffic import Traffic, spread, stamp
from storage.engine.urls import database_at
from storage.model.batch import read_array
from web.reports.endpoints import PREFIX

TARGET_MS = 50
EVENTS = 500_000
"""As many as are filled in within a minute: half of them LLM calls, of 500 users and 3,000 conversations."""
ASKED = (
    "cost&by=model",
    "cost&by=user",
    "cost&by=conversation",
    "messages&by=role",
    "p95_api_response_time&by=endpoint",
)
REQUESTS = 30


def measure(folder: Path) -> list[Row]:
    """Fill a database, serve it, and ask."""
    asyncio.run(_fill(folder))
    rows = []
    with Service(folder) as service:
        for asked in ASKED:
            request = get(f"{PREFIX}/breakdown?metric={asked}", service.token)
            took = median(uvloop.run(load.times(service.port, request, REQUESTS))) * 1000
            what = f"breakdowns: metric={asked}, 30 days, {EVENTS:,} events"
            rows.append(Row(what, f"{took:.1f} ms", f"< {TARGET_MS} ms", took < TARGET_MS))
    return rows


async def _fill(folder: Path) -> None:
    database = database_at(database_url(folder))
    await database.open()
    try:
        traffic, times = Traffic(), spread(EVENTS, SPAN_SECONDS)
        for start in range(0, EVENTS, BATCH):
            body = msgspec.json.encode([_event(traffic, at) for at in times[start : start + BATCH]])
            await write(database, [event for part in read_array(body) for event in part.events])
    finally:
        await database.close()


def _event(traffic: Traffic, at: float) -> dict[str, str | int | float]:
    """Draw an LLM call and any other event in turn."""
    if int(at * 1000) % 2:
        return {"type": "llm_call", **traffic.llm_call(), "timestamp": stamp(at)}
    return traffic.any(at)
