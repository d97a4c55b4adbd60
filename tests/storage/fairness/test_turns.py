"""Fair turns."""

import asyncio

import pytest

from storage.errors import ShareExceeded
from storage.fairness.slicing import SLICE_SECONDS, Slicer
from storage.fairness.turns import Turns


async def test_accounts_take_turns_however_many_wait() -> None:
    """One who comes behind a hundred of somebody else's is served next, not last."""
    turns, served = Turns("reports", 1, 1, 1000), list[str]()

    async def serve(name: str) -> None:
        async with turns.of(name):
            served.append(name)
            await asyncio.sleep(0)

    await asyncio.gather(*(serve("crowd") for _ in range(100)), serve("guest"))
    assert served.index("guest") <= 2
    assert len(served) == 101


async def test_a_place_is_left_for_others() -> None:
    """The third of one account waits although there is a place; the first of another one does not."""
    turns, entered = Turns("reports", 3, 2, 10), list[str]()

    async def serve(name: str) -> None:
        async with turns.of(name):
            entered.append(name)
            await asyncio.sleep(0.05)

    tasks = [asyncio.create_task(serve(name)) for name in ("a", "a", "a", "b")]
    await asyncio.sleep(0.01)
    assert entered == ["a", "a", "b"]
    await asyncio.gather(*tasks)
    assert entered == ["a", "a", "b", "a"]


async def test_a_queue_is_bounded() -> None:
    """Who has too many in line is refused; others are not."""
    turns = Turns("reports", 1, 1, 1)
    async with turns.of("a"):
        waiting, other = turns.claim("a"), turns.claim("b")
        with pytest.raises(ShareExceeded):
            turns.claim("a")
        assert waiting is not None
        assert other is not None
        assert not other.done()
    assert waiting.done()
    turns.leave("a")
    assert other.done()


async def test_who_leaves_while_waiting_holds_nothing() -> None:
    """One that is cancelled, in line or in the moment of its turn, keeps no place."""
    turns = Turns("reports", 1, 1, 10)

    async def wait(account: str) -> None:
        async with turns.of(account):
            pass

    turns.claim("a")
    in_line, called = asyncio.create_task(wait("a")), asyncio.create_task(wait("b"))
    await asyncio.sleep(0)
    in_line.cancel()
    await asyncio.sleep(0)
    turns.leave("a")
    called.cancel()
    await asyncio.gather(in_line, called, return_exceptions=True)
    async with asyncio.timeout(1), turns.of("c"):
        assert turns._free == 0
    assert (turns._free, dict(turns._taken), dict(turns._lines)) == (1, {}, {})


async def test_long_work_gives_way() -> None:
    """Work of a hundred slices lets others have a hundred turns."""
    turned = 0

    async def others() -> None:
        nonlocal turned
        while True:
            turned += 1
            await asyncio.sleep(0)

    task, slicer = asyncio.create_task(others()), Slicer()
    for _ in range(50):
        until = asyncio.get_running_loop().time() + SLICE_SECONDS * 1.1
        while asyncio.get_running_loop().time() < until:
            pass
        await slicer.yield_if_due()
    task.cancel()
    assert turned >= 50
