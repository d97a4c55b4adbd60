"""Giving way: others go on while something long is done."""

import asyncio
import time
from collections.abc import Iterator
from itertools import pairwise

from storage.fairness.slicing import SharedSlicer, collect

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
    """Of a hundred pieces of work that begin in one moment only a few go on in a turn of the loop, in their order."""
    slicer, begun = SharedSlicer(4), list[int]()

    async def work(number: int) -> None:
        await slicer.enter("everybody")
        begun.append(number)

    everybody = asyncio.gather(*(work(number) for number in range(100)))
    seen = [0]
    while not everybody.done():
        await asyncio.sleep(0)
        seen.append(len(begun))
    await everybody
    assert begun == list(range(100))
    assert max(after - before for before, after in pairwise(seen)) <= 4


async def test_a_single_request_is_served_before_many() -> None:
    """Accounts take turns: one that comes last, behind a hundred of another, is let in within two turns of the loop."""
    slicer, begun = SharedSlicer(4), list[str]()

    async def work(account: str) -> None:
        await slicer.enter(account)
        begun.append(account)

    await asyncio.gather(*(work("crowd") for _ in range(100)), work("alone"))
    assert begun.index("alone") <= 8


async def test_members_of_an_account_take_turns() -> None:
    """A member of an account, behind a hundred of another member, is let in as soon as the account has two turns."""
    slicer, begun = SharedSlicer(4), list[str]()

    async def work(account: str, member: str) -> None:
        await slicer.enter(account, member)
        begun.append(member)

    await asyncio.gather(
        *(work("crowd", "many") for _ in range(100)),
        *(work("other", "some") for _ in range(50)),
        work("crowd", "alone"),
    )
    assert begun.index("alone") <= 12


async def test_who_leaves_takes_no_place() -> None:
    """One that is cancelled while it waits keeps nobody from being let in."""
    slicer = SharedSlicer(1)
    waiting = [asyncio.create_task(slicer.enter("everybody")) for _ in range(10)]
    await asyncio.sleep(0)
    for task in waiting[3:7]:
        task.cancel()
    done = await asyncio.gather(*waiting, return_exceptions=True)
    assert [isinstance(found, asyncio.CancelledError) for found in done] == [3 <= at < 7 for at in range(10)]
