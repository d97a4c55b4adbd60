"""Databases of earlier versions."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, inspect, select, text, update

from storage.engine.database import REVISION, Database, migrate, revision
from storage.engine.urls import database_at
from storage.errors import DataRefused, WrongDatabase
from storage.model.cutoffs import Cutoffs, cutoff
from storage.read.active_users import count_active_users
from storage.read.response_times import Wanted, read_response_times
from storage.read.series import Interval, points
from storage.retention.erasure import forget
from storage.retention.prune import prune
from storage.retention.steps import Steps
from storage.tables import schema
from storage.verify.comparison import verify
from tests.samples.history import made_up
from tests.storage.databases import opened
from tests.storage.engine.earlier_versions import (
    as_first,
    drop_histograms,
    drop_prices,
    earlier_events,
    forget_llm_calls,
    require_tokens,
    without_returns,
)

pytestmark = pytest.mark.each_database


@pytest.mark.parametrize("zone", ["UTC", "Asia/Kolkata"])
async def test_the_first_tables_become_the_newest(database_url: str, zone: str) -> None:
    """A database with events from before charts opens with every rollup that they read, as a recount gives it."""
    database = await opened(database_url, zone, earlier_events(seed=11))
    await database.write(as_first)
    assert await database.write(revision) == "0001"
    await database.close()
    later = database_at(database_url, zone)
    await later.open()
    assert await later.write(revision) == REVISION
    await later.write(migrate)
    async with later.read() as connection:
        verdict = await verify(connection, later.days)
    assert verdict.compared > 1000
    assert verdict.differences == []
    await later.close()


@pytest.mark.parametrize("zone", ["UTC", "Asia/Kolkata"])
async def test_distinct_users_of_the_past_are_right_or_not_known(database_url: str, zone: str) -> None:
    """A database from before distinct users of ranges opens with all of them: after rows were pruned and a user was
    erased, those that are not known have no value, and all others are as they were; what comes later continues them.
    """
    database = await opened(database_url, zone, earlier_events(seed=14))
    days = database.days
    steps = Steps(database, 100, rest=0)
    await prune(steps, "default", Cutoffs({"user_activity": cutoff(days, "2026-03-08")}))
    before = await _distinct(database)
    await database.write(without_returns)
    await database.close()
    later = database_at(database_url, zone)
    await later.open()
    after = await _distinct(later)
    assert after == {**before, **dict.fromkeys(_unknown(before, after))}
    assert not any(span[0] >= days.start("2026-03-08") for span in _unknown(before, after))
    await forget(Steps(later, 100, rest=0), "default", "u3")
    await prune(Steps(later, 100, rest=0), "default", Cutoffs.at(cutoff(days, "2026-03-07")))
    before = await _distinct(later)
    await later.write(without_returns)
    await later.close()
    last = await opened(database_url, zone, [])
    after = await _distinct(last)
    assert after == {**before, **dict.fromkeys(_unknown(before, after))}
    await last.close()
    last = await opened(database_url, zone, made_up(seed=15, count=40))
    async with last.read() as connection:
        assert (await verify(connection, last.days)).differences == []
    await last.close()


async def _distinct(database: Database) -> dict[tuple[str, str], int | None]:
    """The distinct users of ranges by days and by hours."""
    days = database.days
    ends = [days.start(f"2026-03-{day:02}") for day in range(6, 12)]
    ends += [f"2026-03-{day:02}T{hour:02}:00:00.000Z" for day in range(6, 11) for hour in (5, 16)]
    found: dict[tuple[str, str], int | None] = {}
    async with database.read() as connection:
        for start in ends:
            for end in ends:
                if start < end:
                    found[start, end] = await count_active_users(connection, "default", days, start, end)
    return found


def _unknown(before: dict[Any, int | None], after: dict[Any, int | None]) -> list[Any]:
    return [span for span in before if after[span] is None]


UNKNOWN = {"type": "message", "message_id": "new", "conversation_id": "c0", "user_id": "u", "role": "assistant"}


async def test_tokens_become_optional(database_url: str) -> None:
    """A database that required tokens keeps every row and index, and takes messages without them at once and later on,
    counted right; before it is migrated it takes none."""
    database = await opened(database_url, "UTC", earlier_events(seed=12))
    before, indexes = await database.write(_rows), await database.write(_indexes)
    await database.write(without_returns)
    await database.write(forget_llm_calls)
    await database.write(require_tokens)
    await database.write(drop_histograms)
    await database.write(lambda connection: connection.execute(text("UPDATE alembic_version SET version_num = '0004'")))
    with pytest.raises(DataRefused):
        await database.write(
            lambda connection: connection.execute(update(schema.message_metrics).values(token_count=None))
        )
    await database.close()
    for number in range(2):
        later = await opened(database_url, "UTC", [{**UNKNOWN, "message_id": f"new{number}"}])
        assert await later.write(revision) == REVISION
        after = await later.write(_rows)
        assert after[: len(before)] == before
        assert [row.token_count for row in after[len(before) :]] == [None] * (number + 1)
        assert await later.write(_indexes) == indexes
        async with later.read() as connection:
            assert (await verify(connection, later.days)).differences == []
        await later.close()


@pytest.mark.parametrize("zone", ["UTC", "Asia/Kolkata", "America/New_York"])
async def test_histograms_are_filled(database_url: str, zone: str) -> None:
    """Histograms of response times are filled from the rows that are left, and of removed API calls by day from the
    archive; the messages that were removed are counted as unknown. The recount agrees."""
    database = await opened(database_url, zone, earlier_events(seed=14, count=500))
    calls, messages, whole = Wanted("api_calls"), Wanted("messages"), ("2026-03-06", "2026-03-11")
    before = {wanted: await _response_times(database, "day", whole, wanted) for wanted in (calls, messages)}
    steps = Steps(database, 100, rest=0)
    await forget(steps, "default", "u3")
    await prune(steps, "default", Cutoffs.at(cutoff(database.days, "2026-03-08")))
    await database.write(without_returns)
    await database.write(drop_prices)
    await database.write(drop_histograms)
    await database.write(lambda connection: connection.execute(text("UPDATE alembic_version SET version_num = '0007'")))
    await database.close()
    later = await opened(database_url, zone, [])
    async with later.read() as connection:
        assert (await verify(connection, later.days)).differences == []
    assert await _response_times(later, "day", whole, calls) == before[calls]
    left = await _response_times(later, "day", whole, messages)
    assert left["unknown"] > 10
    assert left["unknown"] + left["total"]["count"] == before[messages]["total"]["count"]
    assert (await _response_times(later, "hour", ("2026-03-09", "2026-03-10"), calls))["total"]["count"] > 5
    await later.close()


async def _response_times(database: Database, interval: Interval, days: tuple[str, str], wanted: Wanted) -> Any:
    covered = await points(database.days, interval, *(database.days.start(day) for day in days))
    async with database.read() as connection:
        return await read_response_times(connection, "default", covered, wanted)


@pytest.mark.no_database
async def test_a_table_that_was_changed_by_hand_is_left_alone(tmp_path: Path) -> None:
    """A SQLite table whose text is not what the migration expects is said to be so, and nothing is changed."""
    url = f"sqlite+aiosqlite:///{tmp_path}/analytics.db"
    database = await opened(url, "UTC", made_up(seed=13, count=20))
    await database.write(require_tokens)
    await database.close()
    with closing(sqlite3.connect(tmp_path / "analytics.db")) as file, file:
        file.execute("PRAGMA writable_schema=ON")
        file.execute("UPDATE sqlite_master SET sql = REPLACE(sql, 'token_count BIGINT', 'token_count  BIGINT')")
        file.execute("UPDATE alembic_version SET version_num = '0004'")
        before = file.execute("SELECT * FROM sqlite_master").fetchall()
    database = database_at(url)
    with pytest.raises(WrongDatabase, match="message_metrics is not as migration 0001 made it"):
        await database.open()
    await database.close()
    with closing(sqlite3.connect(tmp_path / "analytics.db")) as file:
        assert file.execute("SELECT version_num FROM alembic_version").fetchall() == [("0004",)]
        assert file.execute("SELECT * FROM sqlite_master").fetchall() == before
        assert file.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


async def test_llm_calls_leave_expired_users_expired(database_url: str) -> None:
    """A database whose rows were pruned before there were LLM calls opens with the same figures, and a recount proves
    them: what had expired does not come back."""
    database = await opened(database_url, "UTC", earlier_events(seed=14))
    removed = await prune(Steps(database, 100, rest=0), "default", Cutoffs.at("2026-03-08T00:00"))
    assert len(removed) > 4
    await database.write(without_returns)
    await database.write(forget_llm_calls)
    await database.write(drop_histograms)
    await database.write(lambda connection: connection.execute(text("UPDATE alembic_version SET version_num = '0006'")))
    await database.close()
    later = database_at(database_url, "UTC")
    await later.open()
    async with later.read() as connection:
        assert (await verify(connection, later.days)).differences == []
    await later.close()


def _rows(connection: Connection) -> list[Any]:
    return list(connection.execute(select(schema.message_metrics).order_by(schema.message_metrics.c.id)))


def _indexes(connection: Connection) -> Any:
    indexes = inspect(connection).get_indexes("message_metrics")
    return [(index["name"], index["column_names"], index["unique"]) for index in indexes]
