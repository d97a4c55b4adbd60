"""A neighbour: a client of another tenant, who posts, reads and watches at a pace of its own, and notes how that goes.

``python -m tests.faults.isolation.neighbour URL PACE``: the first line of standard input is its tracking key and its
admin's token, the answer ``ready`` once its panel is served. :class:`Neighbour` is the other end. A process of its own,
so that nothing that the tests do delays its clock.
"""

import asyncio
import sys
import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import NamedTuple

import httpx2
import msgspec
import uvloop

from tests.faults.isolation.remote import Remote, run
from tests.faults.isolation.subscriber_group import Member, Views
from tests.paths import API, TRACK
from tests.samples.events import ACTIVITY

PATIENCE_SECONDS = 15.0
"""After which a request has failed, and a frame will not come."""
ADDRESS = "127.0.0.2"
"""Where its requests come from: another machine than the attacker's."""
PER_SECOND = {"post": 20, "summary": 20, "health": 5}
"""Requests of each kind, at full pace."""


class Request(NamedTuple):
    """One request: monotonic times, the status (0: no answer), and the sequence that a post reached."""

    kind: str
    sent: float
    ended: float
    status: int
    sequence: int = 0


class Span(msgspec.Struct):
    """What a neighbour saw in a span of time.

    ``milliseconds`` has the median, the 99th percentile and the longest of each kind of request, of ``frame`` (from
    post to panel), and of ``clock``: by how much its own timers were late, for want of a processor. ``refused`` counts
    the answers other than 2xx, and the frames that never came; ``stale`` the heartbeats that said so.
    """

    milliseconds: dict[str, tuple[float, float, float]]
    refused: dict[str, int]
    stale: int

    def p99(self, kind: str) -> float:
        """Tell a 99th percentile, in milliseconds."""
        return self.milliseconds[kind][1]

    def longest(self) -> float:
        """Tell the longest wait for the service, in milliseconds."""
        return max(found[2] for kind, found in self.milliseconds.items() if kind != "clock")


class Watcher(Member):
    """The neighbour's panel."""

    def __init__(self, port: int, token: str) -> None:
        super().__init__(Views(), port, token, small=False)
        self.stale_times: list[float] = []

    def take(self, payload: bytes, now: float) -> None:
        super().take(payload, now)
        if self.view.stale_since is not None:
            self.stale_times.append(now)

    def reached(self, sequence: int) -> float | None:
        """Tell when it showed the change with a *sequence*; None if it has not yet."""
        place = bisect_left(self.arrivals, sequence, key=lambda arrival: arrival[1])
        return self.arrivals[place][0] if place < len(self.arrivals) else None


class Client:
    """Requests at a pace that waits for no answer."""

    def __init__(self, url: str, pace: float, key: str, token: str) -> None:
        self._pace = pace
        limits = httpx2.Limits(max_connections=None)
        transport = httpx2.AsyncHTTPTransport(limits=limits, local_address=ADDRESS)
        self._http = httpx2.AsyncClient(base_url=url, timeout=PATIENCE_SECONDS, transport=transport)
        self._key, self._admin = {"X-Tracking-Key": key}, {"Authorization": f"Bearer {token}"}
        self._watcher = Watcher(int(url.rpartition(":")[2]), token)
        self._requests: list[Request] = []
        self._late: list[tuple[float, float]] = []
        self._number = 0
        self._under_way: dict[asyncio.Task[None], float] = {}

    async def begin(self) -> None:
        """Connect, and go on from then by itself."""
        acts = {"post": self._post, "summary": self._read, "health": self._look}
        self._tasks = [
            asyncio.create_task(self._every(1 / PER_SECOND[kind] / self._pace, kind, acts[kind])) for kind in acts
        ]
        self._tasks.append(asyncio.create_task(self._watcher.follow()))
        while not self._watcher.is_served:  # noqa: ASYNC110 - it comes in its own time
            await asyncio.sleep(0.02)

    async def _every(self, period: float, kind: str, act: Callable[[], Awaitable[httpx2.Response]]) -> None:
        due = time.monotonic()
        while True:
            task = asyncio.create_task(self._note(kind, act))
            self._under_way[task] = due
            task.add_done_callback(self._under_way.pop)
            due += period
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            self._late.append((due, time.monotonic() - due))

    async def _note(self, kind: str, act: Callable[[], Awaitable[httpx2.Response]]) -> None:
        sent, status, sequence = time.monotonic(), 0, 0
        try:
            response = await act()
            status = response.status_code
            if kind == "post" and status == 201:
                sequence = int(response.json()["position"].split(".")[1])
        except httpx2.TransportError:
            pass
        self._requests.append(Request(kind, sent, time.monotonic(), status, sequence))

    def _post(self) -> Awaitable[httpx2.Response]:
        self._number += 1
        user = self._number % 40
        event = {**ACTIVITY, "event_id": f"n{self._number}", "user_id": f"user-{user}", "username": f"User {user}"}
        return self._http.post(f"{TRACK}/activity-public", json=event, headers=self._key)

    def _read(self) -> Awaitable[httpx2.Response]:
        return self._http.get(f"{API}/summary", headers=self._admin)

    def _look(self) -> Awaitable[httpx2.Response]:
        return self._http.get("/health")

    def pending(self, end: float) -> int:
        """Say how much of what was sent before *end* is still awaited."""
        asked = sum(sent < end for sent in self._under_way.values())
        return asked + sum(self._is_awaited(post) for post in self._requests if post.sequence and post.sent < end)

    def _is_awaited(self, post: Request) -> bool:
        return self._watcher.reached(post.sequence) is None and time.monotonic() < post.ended + PATIENCE_SECONDS

    def seen(self, begin: float, end: float) -> Span:
        """Tell what came of what was sent from *begin* until *end*."""
        requests = [request for request in self._requests if begin <= request.sent < end]
        times = {kind: [each.ended - each.sent for each in requests if each.kind == kind] for kind in PER_SECOND}
        posts = [post for post in requests if post.sequence]
        shown = [(post.sent, self._watcher.reached(post.sequence)) for post in posts]
        times["frame"] = [PATIENCE_SECONDS if at is None else at - sent for sent, at in shown]
        times["clock"] = [late for due, late in self._late if begin <= due < end]
        refused = Counter(f"{each.kind} {each.status}" for each in requests if not 200 <= each.status < 300)
        refused["frame"] = sum(at is None for _, at in shown)
        stale = sum(begin <= at < end for at in self._watcher.stale_times)
        return Span({kind: spread(found) for kind, found in times.items()}, dict(+refused), stale)


def spread(seconds: list[float]) -> tuple[float, float, float]:
    """Tell the median, the 99th percentile and the longest, in milliseconds; endless if there is nothing."""
    if not seconds:
        return (PATIENCE_SECONDS * 1000,) * 3
    found = sorted(seconds)
    return found[len(found) // 2] * 1000, found[len(found) * 99 // 100] * 1000, found[-1] * 1000


class Neighbour(Remote):
    """The other end."""

    def __init__(self, url: str, pace: float) -> None:
        """*pace*: the part of the full pace at which it goes on."""
        super().__init__("tests.faults.isolation.neighbour", url, pace)

    async def begin(self, key: str, token: str) -> None:
        """Let it begin, with its credentials."""
        await asyncio.to_thread(self.ask, msgspec.json.encode([key, token]).decode())

    async def span(self, begin: float, end: float) -> Span:
        """Tell what it saw between two monotonic times; waits for what was under way at the *end*."""
        await self.until_none("pending", end)
        return msgspec.convert(await self.tell("seen", begin, end), Span)


async def main(url: str, pace: float) -> None:
    """Begin, then answer until standard input ends."""
    client = Client(url, pace, *msgspec.json.decode(sys.stdin.readline()))
    await client.begin()
    print("ready", flush=True)
    await run(client)


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1], float(sys.argv[2])))
