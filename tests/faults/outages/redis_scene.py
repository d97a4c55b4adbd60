"""Two services on one database and one Redis, services that post to them, and panels that watch."""

import asyncio
import itertools
import re
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import httpx2

from realtime.protocol import TOPICS
from tests.load import stored_messages
from tests.paths import API, TRACK
from tests.samples.events import MESSAGE
from tests.servers.settings import SECRET
from tests.subscribers.live import LivePanel
from web.auth.tokens import ADMIN, make_token

TOKEN = make_token(SECRET, "ada", [ADMIN], "default", 3600)
PANELS = 2
POSTERS = 3
SECONDS = 60
"""How long anything may take on a machine that does other things too."""


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(SECONDS):
        while not holds():  # noqa: ASYNC110 - what it waits for is in other processes
            await asyncio.sleep(0.01)


@dataclass
class Posters:
    """Services that post messages one at a time, and note how long each took to be acknowledged."""

    url: str
    acknowledged: set[str] = field(default_factory=set)
    took: list[float] = field(default_factory=list)
    position: str = "."
    is_ending: bool = False

    async def run(self, poster: int) -> None:
        async with httpx2.AsyncClient(base_url=self.url, timeout=SECONDS) as client:
            for number in itertools.takewhile(lambda _: not self.is_ending, itertools.count()):
                name = f"m{poster}-{number}"
                began = time.perf_counter()
                response = await client.post(f"{TRACK}/message-public", json={**MESSAGE, "message_id": name})
                self.took.append(time.perf_counter() - began)
                assert response.status_code == 201, response.text
                self.acknowledged.add(name)
                self.position = max(self.position, response.json()["position"], key=_sequence)
                await asyncio.sleep(0.01)

    def p99(self) -> str:
        """The slowest of a hundred since the last time this was asked, in ms."""
        took, self.took = self.took, []
        return f"{statistics.quantiles(took, n=100)[98] * 1000:.0f}" if len(took) > 1 else "-"


def _sequence(position: str) -> int:
    return int(position.split(".")[1] or 0)


@dataclass
class Scene:
    """Two services on one database and one Redis, with what happens around them."""

    urls: list[str]
    database_url: str
    panels: list[LivePanel]
    posters: Posters
    tasks: list[asyncio.Task[None]]

    async def states(self) -> set[str]:
        """What /ready says, of both."""
        async with httpx2.AsyncClient(timeout=SECONDS) as client:
            answers = [await client.get(f"{url}/ready") for url in self.urls]
        assert [answer.status_code for answer in answers] == [200, 200]
        return {answer.json()["status"] for answer in answers}

    async def until_state(self, state: str) -> float:
        """Wait until both say *state*, and tell how long it took."""
        began = time.monotonic()
        async with asyncio.timeout(SECONDS):
            while await self.states() != {state}:  # noqa: ASYNC110 - two services say it
                await asyncio.sleep(0.02)
        return time.monotonic() - began

    async def lag(self, times: int) -> float:
        """How long it takes at the most until every panel shows what was acknowledged last; in seconds."""
        worst = 0.0
        for _ in range(times):
            began, seen = time.monotonic(), self.posters.position
            await until(lambda seen=seen: _sequence(self.posters.position) > _sequence(seen))  # type: ignore[misc]
            began, position = time.monotonic(), self.posters.position
            for panel in self.panels:
                await panel.until_position(position, SECONDS)
            worst = max(worst, time.monotonic() - began)
            await asyncio.sleep(0.05)
        return worst

    async def verify(self) -> None:
        """End the load, and see that nothing is lost and nobody is wrong, nor ever was."""
        # A post that is cancelled may be committed later, when the panels are compared already.
        self.posters.is_ending = True
        await asyncio.gather(*self.tasks[-POSTERS:])
        headers = {"Authorization": f"Bearer {TOKEN}"}
        async with httpx2.AsyncClient(headers=headers, timeout=SECONDS) as client:
            shown = (await client.get(f"{self.urls[0]}{API}/snapshot")).json()
            for panel in self.panels:
                await panel.until_position(shown["position"], SECONDS)
                assert panel.state.shown() == {key: shown[key] for key in TOPICS}
                # Each heartbeat brought a digest; a panel that did not agree once has taken note of it.
                assert any(frame["type"] == "heartbeat" for frame in panel.frames)
                assert (panel.disagreements, panel.state.agrees) == (0, True)
            for url in self.urls:
                metrics = (await client.get(f"{url}/metrics")).text
                assert re.findall(r"^convoai_(?:panel|feed)_disagreements_total (.*)$", metrics, re.M) == ["0.0", "0.0"]
        stored = await stored_messages(self.database_url)
        assert len(stored) == len(set(stored))
        assert self.posters.acknowledged <= set(stored)
