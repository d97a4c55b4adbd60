"""The follower: many feeds, of which none waits for another."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager

import pytest
from sqlalchemy.ext.asyncio import AsyncConnection

from realtime.feed import Feed
from realtime.follower import Follower
from storage.errors import StorageUnavailable
from tests.storage.writers import Bench

pytestmark = pytest.mark.each_database

SECONDS = 10.0
"""A bound against hangs."""


class Followed(Bench):
    """A writer, and feeds of several tenants, none of which is told of a change."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.feeds = [Feed(f"tenant-{number}", self.database, 100, lambda: None) for number in range(6)]
        self.behind: list[Feed] = []
        self.mismatched: list[Feed] = []
        self.follower = Follower(self.database, self.behind.append, self.mismatched.append)

    async def commit(self, feed: Feed) -> None:
        """Commit something that the feed is not told of."""
        await self.post(f"m{len(self.changes)}", tenant=feed.tenant_id)

    async def until(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(SECONDS):
            while not holds():  # noqa: ASYNC110 - the follower makes progress
                await asyncio.sleep(0.005)


def sequence(feed: Feed) -> int:
    assert feed.state is not None
    return feed.state.position.sequence


@pytest.fixture
async def followed(database_url: str) -> AsyncIterator[Followed]:
    found = Followed(database_url)
    await found.database.open()
    for feed in found.feeds:
        await found.follower.load(feed)
    yield found
    await found.follower.stop()
    await found.writer.stop()
    await found.database.close()


def counted(followed: Followed, monkeypatch: pytest.MonkeyPatch) -> list[None]:
    """Count the read transactions from now on."""
    read_for_feeds, begun = followed.database.read_for_feeds, list[None]()

    def count() -> AbstractAsyncContextManager[AsyncConnection]:
        begun.append(None)
        return read_for_feeds()

    monkeypatch.setattr(followed.database, "read_for_feeds", count)
    return begun


async def test_feeds_that_miss_nothing_cost_one_query(followed: Followed, monkeypatch: pytest.MonkeyPatch) -> None:
    """All feeds are compared in one read, after which each is as fresh; only those that miss something read more."""
    begun, before = counted(followed, monkeypatch), max(feed.at for feed in followed.feeds)
    await asyncio.sleep(0.002)
    await followed.follower.compare(followed.feeds)
    assert len(begun) == 1
    assert len({feed.at for feed in followed.feeds}) == 1
    assert followed.feeds[0].at > before
    await followed.commit(followed.feeds[3])
    await followed.follower.compare(followed.feeds)
    await followed.until(lambda: sequence(followed.feeds[3]) == 1)
    assert len(begun) == 3


async def test_feeds_are_compared_in_portions(followed: Followed, monkeypatch: pytest.MonkeyPatch) -> None:
    """More feeds than one query takes are compared by several, and none is left out."""
    monkeypatch.setattr("realtime.follower.COMPARED", 4)
    for feed in followed.feeds:
        await followed.commit(feed)
    begun = counted(followed, monkeypatch)
    await followed.follower.compare(followed.feeds)
    await followed.until(lambda: all(sequence(feed) == 1 for feed in followed.feeds))
    assert len(begun) == 2 + len(followed.feeds)


async def test_who_is_slow_or_fails_keeps_nobody_waiting(followed: Followed, monkeypatch: pytest.MonkeyPatch) -> None:
    """While one tenant's changes take for ever to be read, and another's cannot be, the others are kept up."""
    slow, failing, *others = followed.feeds
    monkeypatch.setattr(slow, "catch_up", asyncio.Event().wait)

    async def fail() -> None:
        raise StorageUnavailable("gone")

    monkeypatch.setattr(failing, "catch_up", fail)
    for number in range(1, 4):
        for feed in followed.feeds:
            await followed.commit(feed)
        await followed.follower.compare(followed.feeds)
        await followed.until(lambda wanted=number: all(sequence(feed) == wanted for feed in others))  # type: ignore[misc]
    assert (sequence(slow), sequence(failing)) == (0, 0)
    assert failing.is_behind
    monkeypatch.undo()
    await followed.follower.compare([failing])
    await followed.until(lambda: sequence(failing) == 3)


async def test_those_who_come_keep_nobody_waiting(followed: Followed, monkeypatch: pytest.MonkeyPatch) -> None:
    """While very many new feeds wait to be loaded, what others miss is read, and they are compared."""
    new = [Feed(f"new-{number}", followed.database, 100, lambda: None) for number in range(50)]
    for feed in new:
        monkeypatch.setattr(feed, "load", asyncio.Event().wait)
    loading = [asyncio.create_task(followed.follower.load(feed)) for feed in new]
    await asyncio.sleep(0)
    await followed.commit(followed.feeds[0])
    await followed.follower.compare(followed.feeds)
    await followed.until(lambda: sequence(followed.feeds[0]) == 1)
    for task in loading:
        task.cancel()
    await asyncio.gather(*loading, return_exceptions=True)


async def test_a_feed_that_misses_more_is_reported(followed: Followed) -> None:
    """A feed that learnt while it caught up that it misses more is handed back, to be compared at once."""
    feed = followed.feeds[0]
    await followed.commit(feed)
    feed._changed = feed.mark_behind
    await followed.follower.compare([feed])
    await followed.until(lambda: followed.behind == [feed])


async def test_proofs_take_their_share(followed: Followed, monkeypatch: pytest.MonkeyPatch) -> None:
    """The feed that has waited longest is verified first, and the next one after a pause by what that cost."""
    monkeypatch.setattr("realtime.feed.VERIFY_SECONDS", 3600.0)
    monkeypatch.setattr("realtime.follower.VERIFY_SHARE", 1e-9)
    first, second = followed.feeds[4], followed.feeds[1]
    for age, feed in ((2, first), (1, second)):
        await followed.commit(feed)
        feed.receive(followed.changes[-1])
        feed.verify_at = -age
    verifying = asyncio.create_task(followed.follower.verify(followed.feeds))
    await followed.until(lambda: not first.needs_verification)
    await asyncio.sleep(0.1)
    assert second.needs_verification
    verifying.cancel()
    await asyncio.gather(verifying, return_exceptions=True)
    monkeypatch.setattr("realtime.follower.VERIFY_SHARE", 1.0)
    await followed.follower.verify(followed.feeds)
    assert not second.needs_verification


async def test_a_mismatch_is_reported(followed: Followed) -> None:
    """A feed whose state is not that of the database is named, and the next one is verified all the same."""
    wrong, right = followed.feeds[0], followed.feeds[1]
    for feed in (wrong, right):
        await followed.commit(feed)
        feed.receive(followed.changes[-1])
        feed.verify_at = 0
    assert wrong.state is not None
    wrong.state._totals["messages"] += 1
    wrong.state._refresh(["total_messages"], sequence(wrong))
    await followed.follower.verify(followed.feeds)
    assert followed.mismatched == [wrong]
    assert not right.needs_verification
