"""The feed: contiguous whatever the broker does."""

import asyncio
import random
from collections.abc import AsyncIterator

import msgspec
import pytest
from sqlalchemy import Connection, delete, text
from sqlalchemy.exc import OperationalError

from realtime.feed import Feed
from realtime.state import State
from storage.errors import StorageUnavailable
from storage.model.changes import Change, RecentActivity, TopUser
from storage.tables import schema
from tests.storage.writers import Bench

pytestmark = pytest.mark.each_database


class Followed(Bench):
    """A writer, and a feed that is handed its changes only when the test says so."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.told = 0
        self.feed = Feed("default", self.database, 100, self.tell)

    def tell(self) -> None:
        self.told += 1

    async def is_exact(self) -> bool:
        fresh = Feed("default", self.database, 100, lambda: None)
        await fresh.load()
        assert self.feed.state is not None
        assert fresh.state is not None
        return self.feed.state.snapshot() == fresh.state.snapshot() and self.feed.state.position == fresh.state.position


@pytest.fixture
async def followed(database_url: str) -> AsyncIterator[Followed]:
    found = Followed(database_url)
    await found.database.open()
    await found.feed.load()
    yield found
    await found.writer.stop()
    await found.database.close()


async def test_changes_are_applied_in_order(followed: Followed) -> None:
    """Each change moves the state on and is told once; one that comes twice or late is ignored."""
    for number in range(3):
        await followed.post(f"m{number}")
    told = followed.told
    for change in (*followed.changes, followed.changes[1], followed.changes[2]):
        followed.feed.receive(change)
    assert followed.told == told + 3
    assert not followed.feed.is_behind
    assert await followed.is_exact()


async def test_a_broker_may_lose_repeat_and_shuffle(followed: Followed) -> None:
    """Whatever order and number changes come in, one look at the database makes the feed exact."""
    drawn = random.Random(3)
    for round_ in range(10):
        for number in range(6):
            await followed.post(f"m{round_}-{number}")
        came = drawn.choices(followed.changes, k=8)
        for change in came:
            followed.feed.receive(change)
        await followed.feed.compare_and_catch_up()
        assert await followed.is_exact()
    assert followed.feed.refills > 0
    assert followed.feed.reloads == 0


async def test_changes_of_another_database_are_not_applied(followed: Followed) -> None:
    """A change with another epoch is not applied, but makes the feed look."""
    await followed.post("m")
    followed.feed.receive(msgspec.structs.replace(followed.changes[0], epoch="other"))
    assert followed.feed.is_behind
    await followed.feed.compare_and_catch_up()
    assert await followed.is_exact()


async def test_a_truncated_log_is_loaded_again(followed: Followed) -> None:
    """If the log no longer reaches back to the feed, the feed loads the state of now."""
    for number in range(10):
        await followed.post(f"m{number}")
    await followed.database.write(
        lambda connection: connection.execute(delete(schema.changes).where(schema.changes.c.sequence < 6))
    )
    await followed.feed.compare_and_catch_up()
    assert followed.feed.reloads == 1
    assert await followed.is_exact()


@pytest.mark.parametrize("sequence", [1, 3])
async def test_a_database_that_went_back_is_loaded_again(followed: Followed, sequence: int) -> None:
    """A head that lies behind the feed, or bears another tag, is another past: the feed loads it."""
    for number in range(3):
        await followed.post(f"m{number}")
    await followed.feed.compare_and_catch_up()
    await followed.database.write(
        lambda connection: (
            connection.execute(text("UPDATE heads SET sequence = :sequence, tag = 'ee'"), {"sequence": sequence}),
            connection.execute(text("DELETE FROM changes WHERE sequence >= :sequence"), {"sequence": sequence}),
        )
    )
    await followed.feed.compare_and_catch_up()
    assert followed.feed.reloads == 1
    assert followed.feed.state is not None
    assert (followed.feed.state.position.sequence, followed.feed.state.position.tag) == (sequence, "ee")


async def test_another_past_that_went_further_is_loaded_again(followed: Followed) -> None:
    """A database restored from a copy that has gone on beyond the feed is noticed by its tags."""
    for number in range(3):
        await followed.post(f"m{number}")
    await followed.feed.compare_and_catch_up()

    def rewrite(connection: Connection) -> None:
        for change in followed.changes:
            other = msgspec.structs.replace(change, tag="ee")
            entry = schema.changes.c.sequence == change.sequence
            connection.execute(schema.changes.update().where(entry).values(tag=other.tag, body=other.encode()))

    await followed.database.write(rewrite)
    await followed.post("m9")
    await followed.feed.compare_and_catch_up()
    assert followed.feed.reloads == 1
    assert await followed.is_exact()


async def test_a_proof_finds_what_is_wrong(followed: Followed) -> None:
    """A live state that differs from the database at its position, whatever is wrong, is noticed and loaded anew."""
    for number in range(3):
        await followed.post(f"m{number}")
    await followed.feed.compare_and_catch_up()
    assert await followed.feed.verify()

    def spoil_figure(state: State) -> None:
        state._totals["messages"] += 1
        state._refresh(["total_messages"], state.position.sequence)

    def spoil_minute(state: State) -> None:
        next(iter(state._minutes.values()))["messages"] += 1

    def spoil_activities(state: State) -> None:
        state.activities.append(RecentActivity(9, "eve", "Eve", "login", "2026-01-01T00:00:00.000Z"))

    def spoil_users(state: State) -> None:
        state.top_users.append(TopUser("eve", "Eve", 1))

    for reloads, spoil in enumerate((spoil_figure, spoil_minute, spoil_activities, spoil_users), 1):
        assert followed.feed.state is not None
        spoil(followed.feed.state)
        assert not await followed.feed.verify()
        assert followed.feed.reloads == reloads
        assert await followed.is_exact()
    assert await followed.feed.verify()


async def test_a_proof_bears_that_the_figures_go_on(followed: Followed) -> None:
    """While events are committed and received, before the copy and after it, no proof finds a fault that is none."""

    async def write() -> None:
        for number in range(60):
            await followed.post(f"m{number}")
            if number % 3 == 0:
                followed.feed.receive(followed.changes[-1])
                await followed.feed.compare_and_catch_up()

    async def verify() -> None:
        for _ in range(60):
            assert await followed.feed.verify()

    await asyncio.gather(write(), verify())
    assert followed.feed.reloads == 0


async def test_a_proof_has_its_time(followed: Followed, monkeypatch: pytest.MonkeyPatch) -> None:
    """A feed that changed is due a minute after it was verified; one that has not changed since is not."""

    async def is_due(seconds: float) -> bool:
        monkeypatch.setattr("realtime.feed.VERIFY_SECONDS", seconds)
        await followed.feed.verify()
        await followed.post(f"m{seconds}")
        followed.feed.receive(followed.changes[-1])
        return followed.feed.needs_verification

    assert not await is_due(3600)
    assert await is_due(0)
    await followed.feed.verify()
    assert not followed.feed.needs_verification


async def test_stale_is_said(followed: Followed, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the database cannot be read the time of the last match stays, and after seconds counts as stale."""

    def fail(*_arguments: object) -> None:
        raise OperationalError("gone", None, OSError())

    matched = followed.feed.at
    assert not followed.feed.freshness_changed()
    with monkeypatch.context() as patch:
        patch.setattr("realtime.feed.read_heads", fail)
        with pytest.raises(StorageUnavailable):
            await followed.feed.compare_and_catch_up()
        followed.feed._matched_at -= 4
        assert str(followed.feed.stale_since) == matched
        assert followed.feed.freshness_changed()
        assert not followed.feed.freshness_changed()
    await followed.feed.compare_and_catch_up()
    assert followed.feed.stale_since is None
    assert followed.feed.freshness_changed()


async def test_changes_while_refilling_are_kept(followed: Followed) -> None:
    """A change that the broker brings while the feed reads the log is neither lost nor applied twice."""

    async def write() -> None:
        for number in range(60):
            await followed.post(f"m{number}")
            if number % 3 == 0:
                followed.feed.receive(followed.changes[-1])

    async def match() -> None:
        for _ in range(60):
            await followed.feed.compare_and_catch_up()

    await asyncio.gather(write(), match())
    await followed.feed.compare_and_catch_up()
    assert followed.feed.reloads == 0
    assert await followed.is_exact()


def test_a_change_survives_its_encoding() -> None:
    """What the change log and the broker carry is what was committed."""
    change = Change("t", "ab", 1, "cd", "2026-03-01T00:00:00.000Z", {"a": 2**60}, {"2026-03-01": 1}, [], [])
    assert Change.decode(change.encode()) == change
