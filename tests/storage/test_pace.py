"""Giving way: others go on while something long is done."""

import asyncio
import time
from collections.abc import Iterator

from storage.pace import SharedPace, collect

BUSY_SECONDS = 0.002


def busy(count: int) -> Iterator[int]:
    """Make numbers, each with two milliseconds of work."""
    for number in range(count):
        until = time.perf_counter() + BUSY_SECONDS
        while time.perf_counter() < until:
            pass
        yield number


async def test_others_go_on_while_a_list_is_made() -> None:
    """A list comes out whole and in its order, and others have a turn after each item that took long."""
    making = asyncio.create_task(collect(busy(20)))
    turns = 0
    while not making.done():
        await asyncio.sleep(0)
        turns += 1
    assert turns >= 20
    assert making.result() == list(range(20))


async def test_many_who_come_at_once_are_let_in_a_few_at_a_time() -> None:
    """Of a hundred pieces of work that begin in one moment others see the first end before the last begins; all are
    let in, in the order in which they came.
    """
    pace, begun = SharedPace(), list[int]()

    async def work(number: int) -> None:
        await pace.enter()
        begun.append(number)
        assert list(busy(1)) == [0]

    everybody = asyncio.gather(*(work(number) for number in range(100)))
    seen = set()
    while not everybody.done():
        await asyncio.sleep(0)
        seen.add(len(begun))
    await everybody
    assert begun == list(range(100))
    # Each takes two milliseconds, a slice three.
    assert len(seen) > 30
