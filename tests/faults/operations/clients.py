"""Clients of a cluster: panels that come back and compare their figures, services that post, admins who read."""

import asyncio
import contextlib
import random
import re
import time
from collections import Counter

import httpx2
from websockets.exceptions import WebSocketException

from realtime.protocol import TOPICS
from realtime.subscriber_state import Json
from tests.paths import API, TRACK
from tests.samples.events import MESSAGE
from tests.subscribers.live import Fed, LivePanel

KEY = "own-key-0123456789"
FOREVER = 10_000.0
CUT_SECONDS = (0.1, 1.5)
"""After how long a panel comes back that was cut without a word, as a browser's does."""
HINT = re.compile(r"retry after ([0-9.]+) s")
FIGURES = ("total_users", "total_conversations", "total_messages", "total_tokens", "total_api_calls")


class Book:
    """What every panel has shown at every position: one figure that differs between any two is a wrong one."""

    def __init__(self) -> None:
        self.frames = 0
        self.proofs = 0
        self._figures: dict[str, list[int]] = {}

    def enter(self, panel: Fed, frame: Json) -> None:
        self.frames += 1
        self.proofs += "digest" in frame
        if panel.state.position is not None:
            figures = [panel.state.summary[name] for name in FIGURES]
            assert self._figures.setdefault(panel.state.position, figures) == figures


class Watcher:
    """A panel that comes back whenever it was sent away, after the delay that it was told, or was cut."""

    def __init__(self, panel: Fed, book: Book) -> None:
        self.panel = panel
        self.cut = 0
        """How often it came back without having been told to."""
        self._told = False
        self.returned: list[float] = []
        self._take = panel.take
        self._book = book
        panel.take = self._enter  # type: ignore[method-assign]
        self._following = asyncio.create_task(self._follow())

    def _enter(self, frame: Json) -> None:
        self._take(frame)
        if frame["type"] != "error":
            self._book.enter(self.panel, frame)

    @property
    def has_ended(self) -> bool:
        panel = self.panel
        return panel.closed is not None if isinstance(panel, LivePanel) else getattr(panel, "ended", None) is not None

    async def _follow(self) -> None:
        """Follow for ever; an entry in the book that does not fit ends it."""
        await self.panel.open()  # type: ignore[attr-defined]
        while True:
            await self.panel.until(lambda: self.has_ended, FOREVER)
            await asyncio.sleep(self._delay())
            self.panel.frames.clear()
            with contextlib.suppress(OSError, WebSocketException, TimeoutError, asyncio.IncompleteReadError):
                await self.panel.resume()
                # Who came to a process just as it stopped was refused, and tries again.
                if self.panel.frames:
                    self.returned.append(time.monotonic())
                    self.cut += not self._told
                    self._told = False

    def _delay(self) -> float:
        told = HINT.fullmatch(self.panel.frames[-1].get("message", "")) if self.panel.frames else None
        if told is None:
            return random.uniform(*CUT_SECONDS)
        self._told = True
        return float(told[1])

    async def agrees_with(self, url: str) -> None:
        """See that it comes to show what the service has as its snapshot, and that no digest was ever wrong."""
        async with httpx2.AsyncClient(headers={"Authorization": f"Bearer {self.panel.token}"}) as client:
            snapshot = (await client.get(f"{url}{API}/snapshot")).json()
        await self.panel.until_position(snapshot["position"], 30)
        assert self.panel.state.position == snapshot["position"]
        assert self.panel.state.shown() == {name: snapshot[name] for name in TOPICS}
        assert self.panel.state.agrees
        assert getattr(self.panel, "disagreements", 0) == 0

    async def leave(self) -> None:
        assert not self._following.done(), self._following.exception()
        self._following.cancel()
        await asyncio.gather(self._following, return_exceptions=True)
        await self.panel.close()


class Poster:
    """Services that post to the processes themselves, each to the next one when one does not answer."""

    def __init__(self, urls: list[str]) -> None:
        self.urls = urls
        self.running = True
        self.acknowledged: set[str] = set()
        self.again = 0

    async def run(self, worker: int) -> None:
        turn, number = worker, 0
        async with httpx2.AsyncClient(headers={"X-Tracking-Key": KEY}, timeout=10) as client:
            while self.running:
                number += 1
                ids = [f"m{worker}-{number}-{part}" for part in range(5)]
                events = [{**MESSAGE, "type": "message", "message_id": name} for name in ids]
                while not await self._post(client, self.urls[turn % len(self.urls)], events):
                    self.again += 1
                    turn += 1
                    await asyncio.sleep(0.02)
                self.acknowledged.update(ids)
                await asyncio.sleep(0.05)

    async def _post(self, client: httpx2.AsyncClient, url: str, events: list[Json]) -> bool:
        try:
            return (await client.post(f"{url}{TRACK}/batch", json=events)).status_code == 201
        except httpx2.TransportError:
            return False


class Reader:
    """Admins who read reports through the balancer; ``statuses`` counts what they are answered, 0 for a cut."""

    def __init__(self, url: str, token: str) -> None:
        self.running = True
        self.statuses: Counter[int] = Counter()
        self._url = f"{url}{API}"
        self._headers = {"Authorization": f"Bearer {token}"}

    async def run(self, path: str) -> None:
        async with httpx2.AsyncClient(headers=self._headers, timeout=10) as client:
            while self.running:
                try:
                    self.statuses[(await client.get(f"{self._url}/{path}")).status_code] += 1
                except httpx2.TransportError:
                    self.statuses[0] += 1
                await asyncio.sleep(0.05)
