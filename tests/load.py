"""Services under test: they post without pause, and know what was acknowledged."""

import asyncio
from collections import Counter
from typing import Any

import httpx2
import msgspec
from sqlalchemy import Column, select

from storage.engine.database import read_about
from storage.engine.urls import database_at
from storage.model.clock import Days
from storage.tables import schema
from storage.verify.comparison import Difference, verify
from tests.paths import TRACK
from tests.samples.events import ACTIVITY, CALL, MESSAGE, TALK

KINDS: dict[str, dict[str, Any]] = {"activity": ACTIVITY, "api_usage": CALL, "conversation": TALK, "message": MESSAGE}
TABLES = (schema.user_activity, schema.api_usage, schema.conversation_events, schema.message_metrics)
PAUSE_SECONDS = 0.02
"""After a post that was not acknowledged; shorter than the service asks for, so that much is tried."""


class Load:
    """Services that post events of every kind, and keep trying each batch until it is acknowledged.

    With several *urls* a batch is tried again at the next one, and one in three goes to two of them at once: each of
    its events is to count once. ``recorded`` is what the answers said was new, ``refusals`` counts the others by status
    and Retry-After, ``broken`` those posts that had no answer.
    """

    def __init__(self, *urls: str) -> None:
        self.urls = urls
        self.sent = 0
        self.acknowledged: set[str] = set()
        self.recorded = 0
        self.refusals: Counter[tuple[int, str | None]] = Counter()
        self.broken = 0
        self.running = True

    async def post(self, worker: int) -> None:
        """Post until told to stop: single events, or batches of ten."""
        async with httpx2.AsyncClient(timeout=30) as client:
            while self.running:
                await self.deliver(client, 1 if worker % 2 else 10)

    async def deliver(self, client: httpx2.AsyncClient, count: int) -> None:
        """Post a batch of new events until it is acknowledged."""
        self.sent += 1
        place = self.sent
        batch = [_event(place + part, f"{place}-{part}") for part in range(count)]
        names, body = {event["event_id"] for event in batch}, msgspec.json.encode(batch)
        while self.running and not names <= self.acknowledged:
            targets = [self.urls[(place + more) % len(self.urls)] for more in range(2 if place % 3 == 0 else 1)]
            await asyncio.gather(*(self._try(client, url, body, names) for url in set(targets)))
            place += 1

    async def _try(self, client: httpx2.AsyncClient, url: str, body: bytes, names: set[str]) -> None:
        try:
            response = await client.post(f"{url}{TRACK}/batch", content=body)
        except httpx2.TransportError:
            self.broken += 1
            await asyncio.sleep(PAUSE_SECONDS)
            return
        if response.status_code == 201:
            self.acknowledged |= names
            self.recorded += response.json()["recorded"]
        else:
            self.refusals[response.status_code, response.headers.get("retry-after")] += 1
            await asyncio.sleep(PAUSE_SECONDS)

    async def progress(self, events: int) -> None:
        """Wait until so many further events are acknowledged."""
        wanted = len(self.acknowledged) + events
        while len(self.acknowledged) < wanted:  # noqa: ASYNC110 - the workers make progress
            await asyncio.sleep(0.005)


def _event(number: int, name: str) -> dict[str, Any]:
    kind = tuple(KINDS)[number % len(KINDS)]
    event = {"type": kind, **KINDS[kind], "event_id": name, "user_id": f"u{number % 23}"}
    if kind == "message":
        event["message_id"] = name
    if kind in ("conversation", "message"):
        event["conversation_id"] = f"c{number % 11}"
    return event


async def stored_ids(url: str) -> list[str]:
    """The event ids of all events, read beside or after the service."""
    return await _stored(url, *(table.c.event_id for table in TABLES))


async def stored_messages(url: str) -> list[str]:
    """The message ids of all messages."""
    return await _stored(url, schema.message_metrics.c.message_id)


async def _stored(url: str, *columns: Column[str]) -> list[str]:
    database = database_at(url)
    database.open_readers()
    async with database.read() as connection:
        found = [name for column in columns for name in await connection.scalars(select(column))]
    await database.close()
    return found


async def differences(url: str) -> list[Difference]:
    """What a recount finds wrong, read beside or after the service."""
    database = database_at(url)
    database.open_readers()
    async with database.read() as connection:
        zone = (await read_about(connection))["timezone"]
        found = (await verify(connection, Days(zone))).differences
    await database.close()
    return found
