"""Slicing: long work on the event loop is done in slices of milliseconds, with other tasks between them."""

import asyncio
import time
from collections import OrderedDict, deque
from collections.abc import Hashable, Iterable
from typing import TypeVar

T = TypeVar("T")

SLICE_SECONDS = 0.0005
"""The length of a slice. A post waits for several turns of the loop, and so long for each."""
COLLECT_SECONDS = 0.001
"""How long a list is made at a time."""


class Slicer:
    """Slices one piece of work; the first slice begins now."""

    def __init__(self) -> None:
        self._since = time.perf_counter()

    async def yield_if_due(self) -> None:
        """Let other tasks run if the slice has lasted :data:`SLICE_SECONDS`; call it between the steps of the work."""
        if time.perf_counter() - self._since > SLICE_SECONDS:
            await asyncio.sleep(0)
            self._since = time.perf_counter()


class SharedSlicer:
    """Slices many short pieces of work that arrive together: a few run in each turn of the loop.

    Accounts take turns, and within an account its members do. A thousand requests that arrive in one moment would
    otherwise be one piece of work of half a second.
    """

    def __init__(self, each_turn: int) -> None:
        """*each_turn*: how many run in one turn of the loop."""
        self.each_turn = self._left = each_turn
        self._is_counting = False
        # Both in the order of their turn.
        self._lines: OrderedDict[Hashable, OrderedDict[Hashable, deque[asyncio.Future[None]]]] = OrderedDict()

    async def enter(self, account: Hashable, member: Hashable = None) -> None:
        """Wait until there is room in a turn of the loop."""
        if not self._is_counting:
            self._is_counting = True
            asyncio.get_running_loop().call_soon(self._begin)
        if self._left and not self._lines:
            self._left -= 1
            return
        place = asyncio.get_running_loop().create_future()
        self._lines.setdefault(account, OrderedDict()).setdefault(member, deque()).append(place)
        await place

    def _begin(self) -> None:
        """Begin a turn of the loop; those that wait run until there is no room left in it."""
        self._left = self.each_turn
        while self._left and self._lines:
            place = self._next()
            if not place.done():
                self._left -= 1
                place.set_result(None)
        self._is_counting = bool(self._lines) or self._left < self.each_turn
        if self._is_counting:
            asyncio.get_running_loop().call_soon(self._begin)

    def _next(self) -> "asyncio.Future[None]":
        """Take out the next one, and put its account and member behind the others."""
        account, members = self._lines.popitem(last=False)
        member, line = members.popitem(last=False)
        place = line.popleft()
        if line:
            members[member] = line
        if members:
            self._lines[account] = members
        return place


async def collect(items: Iterable[T]) -> list[T]:
    """Make a list of *items*, and pause while they are made one by one: half of the loop's time is left to others.

    Threads, too, wait for a loop that is never idle: another request's query changes threads a dozen times.
    """
    since, collected = time.perf_counter(), []
    for item in items:
        collected.append(item)
        if time.perf_counter() - since > COLLECT_SECONDS:
            await asyncio.sleep(COLLECT_SECONDS)
            since = time.perf_counter()
    return collected
