"""Rows of rollups that the writer keeps between commits."""

import random
from collections.abc import AsyncIterator
from typing import Any

import pytest
from sqlalchemy import event
from sqlalchemy.exc import OperationalError

from storage.engine.database import Database
from storage.engine.urls import database_at
from storage.errors import StorageUnavailable
from storage.model.changes import Position
from storage.model.cutoffs import Cutoffs, cutoff
from storage.model.merging import Known
from storage.model.rollup import Row
from storage.model.rollups import ROLLUPS, USERS
from storage.retention.erasure import forget
from storage.retention.prune import prune
from storage.retention.steps import Steps
from storage.verify.repair import rebuild
from storage.write import row_cache
from storage.write.row_cache import KeptRows, RowCache, kept_after
from tests.samples.events import event as make
from tests.samples.history import made_up
from tests.storage.verify.histories import quiet, recount, write
from tests.storage.writers import Bench

each_database = pytest.mark.each_database

DAY = "2026-03-08"
"""In the middle of the made-up history."""


@pytest.fixture
async def bench(database_url: str) -> AsyncIterator[Bench]:
    found = Bench(database_url)
    await found.database.open()
    yield found
    await found.writer.stop()
    await found.database.close()


@pytest.fixture
async def other(bench: Bench, database_url: str) -> AsyncIterator[Database]:
    """The same database, as another process has it."""
    found = database_at(database_url)
    await found.open_alongside()
    yield found
    await found.close()


def statements(bench: Bench) -> list[str]:
    """Collect the statements of the commits from now on."""
    found: list[str] = []
    assert bench.database._writing is not None
    event.listen(bench.database._writing, "before_cursor_execute", lambda *args: found.append(args[2]))
    return found


@each_database
async def test_rows_that_were_written_are_not_read_again(bench: Bench) -> None:
    """A commit reads no row of a rollup that an earlier one has written; a row that none has written is read."""
    await bench.post("a", user_id="u1")
    found = statements(bench)
    await bench.post("b", user_id="u1")
    assert not [text for text in found if text.startswith("SELECT") and _names_rollup(text)]
    await bench.post("c", user_id="u2")
    assert [text for text in found if text.startswith("SELECT") and _names_rollup(text)]


def _names_rollup(text: str) -> bool:
    return any(f" FROM {rollup.name} " in text for rollup in ROLLUPS)


@each_database
async def test_whoever_changes_rollups_is_noticed(bench: Bench, other: Database) -> None:
    """Rows that another process wrote, pruned, erased or rebuilt between two commits are read again: rollups stay what
    a recount gives."""
    draw, steps = random.Random(3), Steps(other, 1000, rest=0)
    events = [make(**fields) for fields in made_up(7, 240)]
    for begin in range(0, len(events), 12):
        await bench.writer.write("default", events[begin : begin + 12])
        match draw.choice(["write", "prune", "forget", "rebuild", "nothing"]):
            case "write":
                await write(other, "default", events[begin + 12 : begin + 18])
            case "prune":
                wanted = Cutoffs({"message_metrics": cutoff(other.days, DAY)})
                await prune(steps, "default", wanted)
            case "forget":
                await forget(steps, "default", f"u{draw.randrange(6)}")
            case "rebuild":
                await rebuild(other, "default", quiet)
            case _:
                pass
        assert (await recount(other)).differences == []


@each_database
async def test_a_commit_that_fails_keeps_nothing(bench: Bench) -> None:
    """What a commit had merged before it failed is not in the next one: rollups stay what a recount gives."""
    await bench.post("a")

    def fail(_connection: Any, _cursor: Any, text: str, *_rest: Any) -> None:
        if text.startswith("INSERT INTO changes"):
            raise OperationalError("disk full", None, OSError())

    assert bench.database._writing is not None
    event.listen(bench.database._writing, "before_cursor_execute", fail)
    with pytest.raises(StorageUnavailable):
        await bench.post("b", "c")
    event.remove(bench.database._writing, "before_cursor_execute", fail)
    await bench.post("d")
    assert (await recount(bench.database)).differences == []


async def test_a_commit_of_duplicates_keeps_the_rows(database_url: str) -> None:
    """Duplicates alone change nothing, so the next commit need not read either."""
    bench = Bench(database_url)
    await bench.database.open()
    await bench.post("a")
    await bench.post("a")
    found = statements(bench)
    await bench.post("b")
    assert not [text for text in found if text.startswith("SELECT") and _names_rollup(text)]
    await bench.writer.stop()
    await bench.database.close()


def known(*users: str) -> Known:
    rows = Known()
    rows.rows[USERS.name] = {(user,): Row((user,), []) for user in users}
    return rows


def kept(*users: str) -> KeptRows:
    return KeptRows(1, "tag", known(*users))


def test_all_rows_are_bounded() -> None:
    """Beyond the bound the rows of tenants that have not written for longest are dropped."""
    cache = RowCache(most=5)
    for tenant in ("a", "b", "a"):
        cache.take(tenant)
        cache.keep(tenant, kept("u1", "u2"))
    cache.keep("c", kept("u1", "u2"))
    assert cache.take("b") is None
    assert cache.take("a") is not None
    assert cache.take("c") is not None
    cache.keep("d", kept(*"uvwxyz"))
    assert cache.take("d") is None


def test_the_rows_of_one_tenant_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A tenant with more rows than are kept in all keeps those of its last commit."""
    monkeypatch.setattr(row_cache, "MOST_ROWS", 3)
    position = Position("epoch", 2, "other")
    more = kept_after(known("u2", "u3"), position, kept("u1"))
    assert set(more.known.rows[USERS.name]) == {("u1",), ("u2",), ("u3",)}
    last = kept_after(known("u4"), position, more)
    assert set(last.known.rows[USERS.name]) == {("u4",)}
