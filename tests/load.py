"""Services under test: they post without pause, and know what was acknowledged."""

import asyncio

import httpx
from sqlalchemy import select

from storage import schema
from storage.clock import Days
from storage.database import read_about
from storage.urls import database_at
from storage.verify import Difference, verify
from tests.conftest import TRACK
from tests.web.test_tracking import MESSAGE


class Load:
    """Services that post messages, and keep trying each one until it is acknowledged."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.sent = 0
        self.acknowledged: set[str] = set()
        self.running = True

    async def post(self, worker: int) -> None:
        async with httpx.AsyncClient(base_url=self.url, timeout=5) as client:
            while self.running:
                self.sent += 1
                ids = [f"m{worker}-{self.sent}-{part}" for part in range(1 if worker % 2 else 10)]
                await self._until_acknowledged(client, ids)

    async def _until_acknowledged(self, client: httpx.AsyncClient, ids: list[str]) -> None:
        events = [{**MESSAGE, "type": "message", "message_id": name, "token_count": 3} for name in ids]
        while self.running:
            try:
                response = await client.post(f"{TRACK}/batch", json=events)
            except httpx.TransportError:
                await asyncio.sleep(0.02)
                continue
            if response.status_code == 201:
                self.acknowledged.update(ids)
                return


async def stored_messages(url: str) -> list[str]:
    """The ids of all messages, read beside or after the service."""
    database = database_at(url)
    database.open_readers()
    async with database.read() as connection:
        found = list(await connection.scalars(select(schema.message_metrics.c.message_id)))
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
