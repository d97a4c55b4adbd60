"""Posts at a pace that waits for nobody, and how long each took."""

import asyncio
import time
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import httpx2

from tests.load import PAUSE_SECONDS
from tests.paths import TRACK
from tests.samples.events import ACTIVITY


@dataclass(frozen=True)
class Post:
    """An event: the monotonic times at which it was sent and acknowledged, and the sequence of its commit."""

    sent: float
    acknowledged: float
    sequence: int

    @property
    def seconds(self) -> float:
        return self.acknowledged - self.sent


class Pace:
    """So many events a second, each posted by itself and again until it is acknowledged."""

    def __init__(self, url: str, per_second: float) -> None:
        self._url = f"{url}{TRACK}/activity-public"
        self._pause = 1 / per_second
        self._number = 0
        self._posts: list[Post] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._client = httpx2.AsyncClient(timeout=30)

    async def __aenter__(self) -> Self:
        self._clock = asyncio.create_task(self._run())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()
        await self._client.aclose()

    async def stop(self) -> None:
        """Post no more; what was posted is acknowledged when this returns."""
        self._clock.cancel()
        await asyncio.gather(self._clock, *self._tasks, return_exceptions=True)

    def begin(self) -> int:
        """Name this moment, for :meth:`since`."""
        return len(self._posts)

    def since(self, begun: int) -> list[Post]:
        """Give the posts that were acknowledged since a moment."""
        return self._posts[begun:]

    async def _run(self) -> None:
        due = time.monotonic()
        while True:
            task = asyncio.create_task(self._post(self._number))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
            self._number += 1
            due += self._pause
            await asyncio.sleep(max(0.0, due - time.monotonic()))

    async def _post(self, number: int) -> None:
        # Names of some length, and users that take turns at the top: frames of the usual size.
        event = {
            **ACTIVITY,
            "event_id": f"p{number}",
            "user_id": f"user-{number % 40}",
            "username": f"User {number % 40}",
        }
        sent = time.monotonic()
        while True:
            try:
                response = await self._client.post(self._url, json=event)
            except httpx2.TransportError:
                await asyncio.sleep(PAUSE_SECONDS)
                continue
            if response.status_code == 201:
                sequence = int(response.json()["position"].split(".")[1])
                self._posts.append(Post(sent, time.monotonic(), sequence))
                return
            await asyncio.sleep(PAUSE_SECONDS)


def p99_ms(posts: list[Post]) -> float:
    """Tell the 99th percentile of the time to acknowledge, in milliseconds."""
    times = sorted(post.seconds for post in posts)
    return times[len(times) * 99 // 100] * 1000
