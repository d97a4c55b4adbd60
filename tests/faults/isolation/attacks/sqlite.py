"""Attacks on SQLite's file: readers who never leave a moment at which its log could begin anew, beside posts."""

import asyncio
import itertools
import time

import httpx2
import msgspec

from tests.faults.isolation.attacks import reading
from tests.faults.isolation.attacks.wire import KEY
from tests.paths import TRACK
from tests.samples.events import CALL

EVENTS = 280
PAUSE_SECONDS = 0.1
"""Between two batches: 2,800 events a second."""


async def readers_beside_posts(url: str, seconds: float, tenant: str = "acme", clients: int = 6) -> reading.Answers:
    """Read the statistics of all API calls without a pause, while 2,800 events a second are posted."""
    posting = asyncio.create_task(_post(url, seconds))
    answers = await reading.heavy_reports(url, seconds, tenant, clients)
    await posting
    return answers


async def _post(url: str, seconds: float) -> None:
    began = time.monotonic()
    async with httpx2.AsyncClient(headers={"X-Tracking-Key": KEY}, timeout=30) as client:
        for number in itertools.count():
            due = began + number * PAUSE_SECONDS
            if due > began + seconds:
                return
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            batch = [{"type": "api_usage", **CALL, "user_id": f"user-{number}-{n}"} for n in range(EVENTS)]
            await client.post(f"{url}{TRACK}/batch", content=msgspec.json.encode(batch))
