"""Requests that wait for their commit, and the groups in which they are committed. Pure."""

import asyncio
import contextlib
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

from storage.model.changes import Position
from storage.model.events import AnyEvent

SHARED_EVENTS = 500
"""Events of a group at the most while several tenants write: others wait for it."""
FIRST_EVENTS, LEAST_EVENTS = 100, 25
"""Those of the first group then, and of any: 500 events of as many days take 200 ms."""
QUICK_SECONDS, SLOW_SECONDS = 0.008, 0.016
"""A group that took less makes the next one twice as large, one that took longer half as large."""

Arrived = tuple[AnyEvent, str]
"""An event, and the time at which it arrived."""


@dataclass(frozen=True)
class Receipt:
    """The answer to one request: how many events are new, how many were known, and the position they reached."""

    recorded: int
    duplicates: int
    position: Position


@dataclass(eq=False)
class Request:
    """A request: what of it is not committed yet, and what became of the rest.

    ``alone``: the database refused a commit that it shared, so it shares none any more.
    """

    arrived: list[Arrived]
    done: "asyncio.Future[Receipt]"
    alone: bool = False
    recorded: int = 0
    duplicates: int = 0

    def settle(self, recorded: Sequence[bool], position: Position) -> None:
        """Record that its next events are durable; with the last of them it is answered."""
        new = sum(recorded)
        self.recorded += new
        self.duplicates += len(recorded) - new
        del self.arrived[: len(recorded)]
        if not self.arrived:
            # A client that has gone cancels the future; its events are recorded all the same.
            with contextlib.suppress(asyncio.InvalidStateError):
                self.done.set_result(Receipt(self.recorded, self.duplicates, position))

    def fail(self, error: Exception) -> None:
        """Answer with an *error*; what was committed before stays."""
        with contextlib.suppress(asyncio.InvalidStateError):
            self.done.set_exception(error)


def group(queue: deque[Request], most: int) -> tuple[list[Request], list[Arrived]]:
    """Choose the next group: whole requests of at most *most* events together, or a part of one that has more.

    They stay in the *queue*, which must not be empty.
    """
    first = queue[0]
    requests, arrived = [first], first.arrived[:most]
    if first.alone or len(first.arrived) > most:
        return requests, arrived
    for request in islice(queue, 1, None):
        if request.alone or len(arrived) + len(request.arrived) > most:
            break
        requests.append(request)
        arrived += request.arrived
    return requests, arrived


def next_group_size(most: int, events: int, seconds: float) -> int:
    """Say how large the next group may be after one of *events*, at most *most*, took so many *seconds* to commit."""
    if seconds > SLOW_SECONDS and events > LEAST_EVENTS:
        return max(LEAST_EVENTS, min(most, events) // 2)
    if seconds < QUICK_SECONDS and events > most // 2:
        return min(SHARED_EVENTS, 2 * most)
    return most


def settle(queue: deque[Request], requests: Sequence[Request], recorded: Sequence[bool], position: Position) -> None:
    """Record what became of a group's events, and take the requests out of the *queue* that are answered."""
    results = iter(recorded)
    for request in requests:
        request.settle(list(islice(results, len(request.arrived))), position)
        if not request.arrived:
            queue.popleft()
