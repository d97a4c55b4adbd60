"""Brokers with what they receive, by every way to reach Redis."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

from realtime.brokers.broker import Broker
from storage.model.changes import Change
from tests.servers.valkey import Cluster, Sentinels, Valkey

Servers = Valkey | Sentinels | Cluster
Make = Callable[[], Awaitable["Ear"]]


def change(sequence: int, tenant: str = "acme") -> Change:
    return Change(tenant, "ab", sequence, "cd", "2026-03-01T00:00:00.000Z", {"messages": sequence}, {}, [], [])


class Ear:
    """A broker with what it received."""

    def __init__(self, broker: Broker) -> None:
        self.broker = broker
        self.heard: list[Change] = []
        self.missed = 0
        self._news = asyncio.Event()

    async def start(self) -> None:
        await self.broker.start(self._hear, self._miss)
        await self.until(lambda: self.broker.delivering)

    def _hear(self, change: Change) -> None:
        self.heard.append(change)
        self._news.set()

    def _miss(self) -> None:
        self.missed += 1
        self._news.set()

    async def until(self, holds: Callable[[], bool], seconds: float = 10) -> None:
        async with asyncio.timeout(seconds):
            while not holds():
                self._news.clear()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._news.wait(), 0.02)


KINDS = {"redis": "alone", "sentinel": "sentinels", "cluster": "cluster"}
"""Ways to reach Redis, and the fixtures that are reached so."""
CHANNEL = "convoai:{ab}:changes"
