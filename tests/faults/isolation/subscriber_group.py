"""Very many panels in a process of their own, each of which really holds what it shows.

``python -m tests.faults.isolation.subscriber_group PORT COUNT STALLING``: the first line of standard input has tokens,
separated by spaces, which the panels take in turn; the answer is ``ready`` when all are served. Then each line is a
command, answered by a line of JSON; :class:`SubscriberGroup` is the other end. A panel whose connection ends reconnects
at once, with its position; one that is refused tries again later. The first STALLING ones have small receive buffers.
"""

import asyncio
import copy
import random
import socket
import sys
from bisect import bisect_left
from collections import Counter
from typing import Any

import msgspec
import uvloop

from bench.http_connection import HEAD_END
from bench.panels import PING, TEXT, Frame, Subscriber, masked, subscription
from realtime import subscriber_state
from tests.faults.isolation.remote import Remote, run

SMALL = 4096
"""Bytes of a small receive buffer."""
PAUSE_SECONDS = (0.05, 0.2)
"""Between two tries to reach a service that is not there."""
REFUSED_SECONDS = (0.5, 5.0)
"""Between two tries when the service has no room just now."""
SHARED = 5000
"""Frames whose outcome is remembered."""

Arrival = tuple[float, int]
"""A monotonic time, and the sequence that a panel had reached by then."""


class Views:
    """What panels hold. Those that stand alike share it: a frame to a thousand of them is applied once."""

    def __init__(self) -> None:
        self._known: dict[
            tuple[int, bytes], tuple[subscriber_state.SubscriberState, subscriber_state.SubscriberState]
        ] = {}

    def after(self, before: subscriber_state.SubscriberState, payload: bytes) -> subscriber_state.SubscriberState:
        """Give what a panel holds after one more frame."""
        key = (id(before), payload)
        if key not in self._known:
            if len(self._known) > SHARED:
                self._known.clear()
            view = copy.copy(before)
            view.summary = dict(before.summary)
            view.apply(msgspec.json.decode(payload))
            # With what was before, so that no other gets its id.
            self._known[key] = (before, view)
        return self._known[key][1]


class Connection(Subscriber):
    """One connection of a panel."""

    def __init__(self, member: "Member", token: str) -> None:
        super().__init__(token, subscription(member.view.position))
        self._member = member
        self.lost = asyncio.Event()
        self.refused = False

    def connection_lost(self, error: Exception | None) -> None:
        self.lost.set()

    def _upgrade(self, buffer: bytes) -> int:
        if HEAD_END in buffer and not buffer.startswith(b"HTTP/1.1 101"):
            # A service that has just begun, is about to end, or has too many that come at once.
            self.refused = True
            self.abort()
            return 0
        return super()._upgrade(buffer)

    def _take(self, frame: Frame, buffer: bytes, now: float) -> None:
        payload = buffer[frame.start : frame.end]
        if frame.first == TEXT:
            self.served.set()
            self._member.take(payload, now)
        elif frame.first == PING and self._transport is not None:
            self._transport.write(masked(0x8A, payload))

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def stall(self) -> None:
        assert self._transport is not None
        self._transport.pause_reading()  # type: ignore[attr-defined]


class Member:
    """One panel, over all its connections."""

    def __init__(self, views: Views, port: int, token: str, small: bool) -> None:
        self._views = views
        self._port = port
        self._token = token
        self._small = small
        self.connection: Connection | None = None
        self.view = subscriber_state.SubscriberState()
        self.disagreements = 0
        self.snapshots = 0
        self.heartbeats = 0
        self.stale = 0
        self.refusals = 0
        self.stalled = False
        self.arrivals: list[Arrival] = []

    @property
    def is_served(self) -> bool:
        return self.connection is not None and self.connection.served.is_set() and not self.connection.lost.is_set()

    def take(self, payload: bytes, now: float) -> None:
        self.view = self._views.after(self.view, payload)
        self.disagreements += not self.view.agrees
        self.snapshots += payload.startswith(b'{"type":"snapshot"')
        self.heartbeats += payload.startswith(b'{"type":"heartbeat"')
        self.stale += self.view.stale_since is not None
        assert self.view.position is not None
        self.arrivals.append((now, int(self.view.position.split(".")[1])))

    async def follow(self) -> None:
        """Connect, and whenever the connection ends do so again."""
        while not self.stalled:
            try:
                await self._connect()
            except OSError:
                await asyncio.sleep(random.uniform(*PAUSE_SECONDS))

    async def _connect(self) -> None:
        connection = Connection(self, self._token)
        self.connection = connection
        target: dict[str, Any] = {"host": "127.0.0.1", "port": self._port}
        if self._small:
            # Its size counts when the connection is made, here at once.
            target = {"sock": socket.socket()}
            target["sock"].setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL)
            target["sock"].connect(("127.0.0.1", self._port))
        await asyncio.get_running_loop().create_connection(lambda: connection, **target)
        await connection.lost.wait()
        if connection.refused:
            self.refusals += 1
            await asyncio.sleep(random.uniform(*REFUSED_SECONDS))
        elif not connection.served.is_set():
            raise ConnectionError("not served")

    def stall(self) -> None:
        """Read no more; once it is cut off, it does not come back."""
        self.stalled = True
        if self.connection is not None:
            self.connection.stall()


class Members:
    """All of them, and what can be asked of them."""

    def __init__(self, port: int, tokens: list[str], count: int, stalling: int) -> None:
        views = Views()
        self._all = [Member(views, port, tokens[number % len(tokens)], number < stalling) for number in range(count)]
        self._stalling = stalling
        self._tasks = [asyncio.create_task(member.follow()) for member in self._all]

    def missing(self) -> int:
        """Say how many are not served just now."""
        return sum(not member.is_served for member in self._reading())

    def stall(self) -> int:
        """Let the first ones read no more."""
        for member in self._all[: self._stalling]:
            member.stall()
        return self._stalling

    def cut(self) -> int:
        """End every connection at once."""
        for member in self._reading():
            if member.connection is not None:
                member.connection.abort()
        return len(self._all)

    def forget(self) -> None:
        """Take note of arrivals from now on."""
        for member in self._all:
            member.arrivals.clear()
            member.heartbeats = member.stale = member.refusals = 0

    def heartbeats(self) -> dict[str, int]:
        """Count the heartbeats, those of them that said stale, and refusals, since the last :meth:`forget`."""
        return {
            "all": sum(member.heartbeats for member in self._all),
            "stale": sum(member.stale for member in self._all),
            "refusals": sum(member.refusals for member in self._all),
        }

    def behind(self, sequence: int) -> int:
        """Say how many of those who read have not reached a *sequence*."""
        return sum(not member.arrivals or member.arrivals[-1][1] < sequence for member in self._reading())

    def delays(self, posts: list[Arrival]) -> list[float]:
        """Tell the median, the 99th percentile and the longest of the seconds from posts to those who read.

        A post is when it was sent, and the sequence at which it was committed.
        """
        found = []
        for member in self._reading():
            reached = [sequence for _, sequence in member.arrivals]
            for sent, sequence in posts:
                found.append(member.arrivals[bisect_left(reached, sequence)][0] - sent)
        found.sort()
        return [found[len(found) // 2], found[len(found) * 99 // 100], found[-1]]

    def shown(self) -> dict[str, Any]:
        """Tell what those who read show: each state with the panels that hold it; and what they noticed."""
        counted = Counter(id(member.view) for member in self._reading())
        views = {id(member.view): member.view for member in self._reading()}
        return {
            "views": [[count, views[key].position, views[key].shown()] for key, count in counted.items()],
            "disagreements": sum(member.disagreements for member in self._all),
            "snapshots": sum(member.snapshots for member in self._all),
        }

    def _reading(self) -> list[Member]:
        return [member for member in self._all if not member.stalled]


class SubscriberGroup(Remote):
    """The other end: *count* panels of the service on *port*, of which *stalling* can be told to read no more.

    *tokens* are one or more, separated by spaces.
    """

    def __init__(self, port: int, tokens: str, count: int, stalling: int = 0) -> None:
        super().__init__("tests.faults.isolation.subscriber_group", port, count, stalling)
        self._tokens = tokens

    async def __aenter__(self) -> "SubscriberGroup":
        await asyncio.to_thread(self.ask, self._tokens)
        return self

    async def __aexit__(self, *_error: object) -> None:
        await asyncio.to_thread(self.end)


async def main(port: int, count: int, stalling: int) -> None:
    """Connect, then answer until standard input ends."""
    members = Members(port, sys.stdin.readline().split(), count, stalling)
    while members.missing():  # noqa: ASYNC110 - each comes in its own time
        await asyncio.sleep(0.02)
    print("ready", flush=True)
    await run(members)


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])))
