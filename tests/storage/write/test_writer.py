"""The writer: groups, duplicates, culprits, limits."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from sqlalchemy import event
from sqlalchemy.exc import DataError, OperationalError

from storage.errors import DataRefused, Overloaded, ShareExceeded, StorageError, StorageUnavailable
from storage.tables import schema
from storage.tables.heads import CUT_EVERY
from storage.write.groups import SHARED_EVENTS
from storage.write.writer import GROUP_EVENTS
from tests.storage.writers import Bench

pytestmark = pytest.mark.each_database


@pytest.fixture
async def bench(database_url: str) -> AsyncIterator[Bench]:
    found = Bench(database_url)
    await found.database.open()
    yield found
    await found.writer.stop()
    await found.database.close()


async def test_who_waits_shares_a_commit(bench: Bench) -> None:
    """Requests that arrive while a commit runs share the next one, and each gets its own receipt."""
    receipts = await asyncio.gather(*(bench.post(f"m{number}") for number in range(50)))
    assert [receipt.recorded for receipt in receipts] == [1] * 50
    assert sum(bench.observed.sizes) == 50
    assert len(bench.observed.sizes) <= 3


async def test_one_commit_is_one_change(bench: Bench) -> None:
    """Each commit gives each tenant one change, in order, without a gap; duplicates alone give none."""
    for number in range(3):
        await asyncio.gather(bench.post(f"m{number}"), bench.post(f"m{number}", tenant="acme"))
    receipt = await bench.post("m2")
    assert (receipt.recorded, receipt.duplicates, receipt.position.sequence) == (0, 1, 3)
    for tenant in ("default", "acme"):
        assert [change.sequence for change in bench.changes if change.tenant_id == tenant] == [1, 2, 3]
    assert len({change.tag for change in bench.changes}) == 6


async def test_a_duplicate_is_answered_after_the_original(bench: Bench) -> None:
    """A duplicate that is posted beside its original is answered with a position at which the original is durable."""
    first, second = await asyncio.gather(bench.post("m"), bench.post("m"))
    assert (first.recorded, second.recorded) == (1, 0)
    assert second.position == first.position
    assert await bench.count() == 1


async def test_only_the_culprit_fails(bench: Bench) -> None:
    """If the database refuses one request's data, the others of its group are committed all the same."""

    refuse(bench, "culprit")
    answers = await asyncio.gather(*(bench.post(name) for name in ("a", "b", "culprit", "c")), return_exceptions=True)
    assert [isinstance(answer, StorageError) for answer in answers] == [False, False, True, False]
    assert await bench.count() == 3


async def test_a_database_that_fails_is_unavailable(bench: Bench) -> None:
    """If the database cannot be written, nothing is recorded, all are told to come back, and later it works again."""

    def fail(*_arguments: Any) -> None:
        raise OperationalError("disk full", None, OSError())

    assert bench.database._writing is not None
    event.listen(bench.database._writing, "before_cursor_execute", fail)
    answers = await asyncio.gather(bench.post("a"), bench.post("b"), return_exceptions=True)
    assert all(isinstance(answer, StorageUnavailable) and answer.retry_after == 1 for answer in answers)
    event.remove(bench.database._writing, "before_cursor_execute", fail)
    assert await bench.count() == 0
    assert (await bench.post("a")).recorded == 1


async def test_a_bug_leaves_nobody_waiting(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """An unforeseen error reaches who waits, and the writer goes on."""
    with monkeypatch.context() as patch:
        patch.setattr("storage.write.writer.commit", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            await bench.post("a")
    assert (await bench.post("a")).recorded == 1


async def test_a_client_that_leaves_loses_nothing(bench: Bench) -> None:
    """An event whose client went away before the answer is recorded all the same."""
    task = asyncio.create_task(bench.post("gone"))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await bench.post("other")
    assert await bench.count() == 2


async def test_the_queue_is_bounded(database_url: str) -> None:
    """Beyond the queue's bound a request is refused; a single one that is larger than the bound is still served."""
    found = Bench(database_url, queue_events=5)
    await found.database.open()
    large = asyncio.create_task(found.post(*(f"m{number}" for number in range(10))))
    await asyncio.sleep(0)
    with pytest.raises(Overloaded):
        await found.post("late")
    assert (await large).recorded == 10
    await found.writer.stop()
    with pytest.raises(StorageUnavailable):
        await found.post("after")
    await found.database.close()


async def test_tenants_take_turns(database_url: str) -> None:
    """A tenant with much to write does not keep another waiting for all of it."""
    bench = Bench(database_url, queue_events=20_000)
    await bench.database.open()
    order: list[str] = []

    async def post(tenant: str, name: str) -> None:
        await bench.post(*(f"{name}-{part}" for part in range(900)), tenant=tenant)
        order.append(tenant)

    heavy = [post("heavy", f"h{number}") for number in range(6)]
    await asyncio.gather(*heavy, post("light", "l"))
    assert order[-1] == "heavy"
    await bench.writer.stop()
    await bench.database.close()


async def test_who_floods_leaves_room(database_url: str) -> None:
    """A tenant that has its share of the queue waiting is refused alone: others find room, large requests too."""
    bench = Bench(database_url, queue_events=4000)
    await bench.database.open()
    flood = [asyncio.create_task(bench.post(*names(1000, f"f{number}"))) for number in range(8)]
    await asyncio.sleep(0)
    with pytest.raises(ShareExceeded, match="told to come back"):
        bench.writer.check("default")
    bench.writer.check("acme")
    others = await asyncio.gather(bench.post("m", tenant="acme"), bench.post(*names(500), tenant="globex"))
    assert [receipt.recorded for receipt in others] == [1, 500]
    answers = await asyncio.gather(*flood, return_exceptions=True)
    assert [isinstance(answer, ShareExceeded) for answer in answers] == [False] * 2 + [True] * 6
    assert bench.writer.waiting == 0
    bench.writer.check("default")
    await bench.writer.stop()
    await bench.database.close()


def names(count: int, prefix: str = "m") -> list[str]:
    return [f"{prefix}-{number}" for number in range(count)]


@pytest.fixture
async def roomy(database_url: str) -> AsyncIterator[Bench]:
    """A writer with a queue for large requests."""
    found = Bench(database_url, queue_events=50_000)
    await found.database.open()
    yield found
    await found.writer.stop()
    await found.database.close()


async def test_a_large_request_is_committed_in_parts(roomy: Bench) -> None:
    """While others write, a large request is committed in small parts, and they are answered long before it."""
    large = asyncio.create_task(roomy.post(*names(3000)))
    await asyncio.sleep(0)
    assert (await roomy.post("n", tenant="acme")).recorded == 1
    assert not large.done()
    receipt = await large
    assert (receipt.recorded, receipt.duplicates) == (3000, 0)
    assert max(roomy.observed.sizes) <= SHARED_EVENTS
    ours = [change for change in roomy.changes if change.tenant_id == "default"]
    assert receipt.position == ours[-1].position
    assert [change.sequence for change in ours] == list(range(1, len(ours) + 1))
    assert len(ours) >= 3000 / SHARED_EVENTS
    again = await roomy.post(*names(3001))
    assert (again.recorded, again.duplicates) == (1, 3000)


async def test_who_posts_now_and_then_waits_for_a_small_part(roomy: Bench) -> None:
    """A large request is committed in small parts also while nobody else waits, if others wrote just before."""
    await roomy.post("n", tenant="acme")
    await roomy.post(*names(3000))
    assert max(roomy.observed.sizes) <= SHARED_EVENTS


async def test_alone_a_large_request_is_committed_in_large_parts(roomy: Bench) -> None:
    """A tenant that writes alone pays for few commits; a request of at most one group is one."""
    await roomy.post(*names(GROUP_EVENTS))
    await roomy.post(*names(2 * GROUP_EVENTS + 1, "n"))
    assert roomy.observed.sizes == [GROUP_EVENTS, GROUP_EVENTS, GROUP_EVENTS, 1]


def refuse(bench: Bench, name: str) -> None:
    """Let the database refuse every commit in which *name* occurs."""

    def fail(*arguments: Any) -> None:
        if name in str(arguments[3]):
            raise DataError("refused", None, ValueError())

    assert bench.database._writing is not None
    event.listen(bench.database._writing, "before_cursor_execute", fail)


async def test_a_request_may_be_recorded_in_part(roomy: Bench) -> None:
    """If a later part is refused the request fails, what was recorded stays, and sent again it counts once."""
    refuse(roomy, "culprit")
    with pytest.raises(DataRefused):
        await roomy.post(*names(GROUP_EVENTS), "culprit", *names(GROUP_EVENTS, "n"))
    assert await roomy.count() == GROUP_EVENTS
    assert roomy.writer.waiting == 0
    again = await roomy.post(*names(GROUP_EVENTS), *names(10, "n"))
    assert (again.recorded, again.duplicates) == (10, GROUP_EVENTS)


async def test_a_refused_tenant_takes_turns_too(roomy: Bench) -> None:
    """A tenant whose every commit is refused is asked request by request, and others are served in between."""
    refuse(roomy, "culprit")
    refused = [asyncio.create_task(roomy.post(f"culprit{number}")) for number in range(100)]
    await asyncio.sleep(0)
    for number in range(3):
        assert (await roomy.post(f"m{number}", tenant="acme")).recorded == 1
    assert sum(task.done() for task in refused) < 50
    answers = await asyncio.gather(*refused, return_exceptions=True)
    assert all(isinstance(answer, DataRefused) for answer in answers)


async def test_a_client_that_leaves_a_large_request_loses_nothing(roomy: Bench) -> None:
    """All parts of a request are recorded although its client leaves after the first, and its share is given back."""
    task = asyncio.create_task(roomy.post(*names(3 * GROUP_EVENTS)))
    while not roomy.changes:  # noqa: ASYNC110 - the first part is being committed
        await asyncio.sleep(0.001)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await roomy.post("other")
    assert await roomy.count() == 3 * GROUP_EVENTS + 1
    assert roomy.writer.waiting == 0


async def test_a_stop_commits_every_part(database_url: str) -> None:
    """Stopping finishes requests of which only a part is committed, of every tenant."""
    found = Bench(database_url, queue_events=50_000)
    await found.database.open()
    waiting = [asyncio.create_task(found.post(*names(1500), tenant=tenant)) for tenant in ("a", "b", "c")]
    await asyncio.sleep(0)
    await found.writer.stop()
    assert [receipt.recorded for receipt in await asyncio.gather(*waiting)] == [1500] * 3
    await found.database.close()


async def test_a_thousand_tenants_are_served(roomy: Bench) -> None:
    """A thousand tenants that post at once are all answered, and nothing is kept of them."""
    receipts = await asyncio.gather(*(roomy.post("m", tenant=f"t{number}") for number in range(1000)))
    assert [receipt.recorded for receipt in receipts] == [1] * 1000
    await asyncio.sleep(0)
    assert not roomy.writer._queues
    assert roomy.writer.waiting == 0


async def test_the_change_log_is_bounded(database_url: str) -> None:
    """The change log keeps what it must and not much more."""
    found = Bench(database_url, change_log=20)
    await found.database.open()
    for number in range(CUT_EVERY + 5):
        await found.post(f"m{number}")
    assert await found.count(schema.changes) == 20 + 5
    await found.writer.stop()
    await found.database.close()


async def test_a_stop_commits_what_waits(database_url: str) -> None:
    """Stopping finishes what was accepted."""
    found = Bench(database_url)
    await found.database.open()
    waiting = [asyncio.create_task(found.post(f"m{number}")) for number in range(20)]
    await asyncio.sleep(0)
    await found.writer.stop()
    assert [receipt.recorded for receipt in await asyncio.gather(*waiting)] == [1] * 20
    await found.database.close()
