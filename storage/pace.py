"""Giving way: long work on the event loop stops after a few milliseconds, so that others have their turn."""

import asyncio
import time
from collections.abc import Iterable
from typing import TypeVar

T = TypeVar("T")

SLICE_SECONDS = 0.0005
"""How long work goes on at a time. A post waits for several turns of the loop, and so long for each."""
COLLECT_SECONDS = 0.001
"""How long a list is made at a time."""


class Pace:
    """The pace of one piece of work; it begins now."""

    def __init__(self) -> None:
        self._since = time.perf_counter()

    async def give_way(self) -> None:
        """Let others have their turn if this work has gone on for :data:`SLICE_SECONDS`; call it between its steps."""
        if time.perf_counter() - self._since > SLICE_SECONDS:
            await asyncio.sleep(0)
            self._since = time.perf_counter()


class SharedPace:
    """The pace of many short pieces of work that come together: they go on for one slice in each turn of the loop.

    A thousand requests that come in one moment would else be one piece of work of half a second.
    """

    def __init__(self) -> None:
        self._until = 0.0
        self._is_over = True

    async def enter(self) -> None:
        """Wait until there is room in a turn of the loop."""
        while time.perf_counter() > self._until:
            if self._is_over:
                # It runs before all who wait here from now on.
                asyncio.get_running_loop().call_soon(self._begin)
                self._is_over = False
            await asyncio.sleep(0)

    def _begin(self) -> None:
        self._until = time.perf_counter() + SLICE_SECONDS
        self._is_over = True


async def collect(items: Iterable[T]) -> list[T]:
    """Make a list of *items*, and pause while they are made one by one: half of the loop's time is left to others.

    Threads, too, wait for a loop that is never idle: a neighbour's query changes threads a dozen times.
    """
    since, collected = time.perf_counter(), []
    for item in items:
        collected.append(item)
        if time.perf_counter() - since > COLLECT_SECONDS:
            await asyncio.sleep(COLLECT_SECONDS)
            since = time.perf_counter()
    return collected
