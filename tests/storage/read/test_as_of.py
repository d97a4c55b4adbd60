"""The counters at an earlier position are those that were read when it was the newest one."""

import random
from typing import Any

import pytest
import time_machine
from sqlalchemy import delete

from storage.engine.database import Database
from storage.engine.urls import database_at
from storage.errors import PositionGone
from storage.model import clock
from storage.model.changes import Position
from storage.read.as_of import read_standing
from storage.read.snapshots import read_head, read_totals
from storage.tables.schema import changes
from storage.write.writer import Writer
from tests.samples.events import event
from tests.storage.writers import Silent

pytestmark = pytest.mark.each_database


def drawn(draw: random.Random, number: int, at: str) -> dict[str, Any]:
    """An event of some kind, of one of a few users."""
    user = f"u{draw.randrange(6)}"
    kind = draw.choice(["activity", "message", "llm_call", "api_usage"])
    return {"type": kind, "user_id": user, "timestamp": at, **_fields(draw, kind, number)}


def _fields(draw: random.Random, kind: str, number: int) -> dict[str, Any]:
    if kind == "activity":
        return {"username": "n", "activity_type": "login"}
    if kind == "message":
        conversation = f"c{draw.randrange(4)}"
        return {"message_id": f"m{number}", "conversation_id": conversation, "role": "user", "token_count": 3}
    if kind == "llm_call":
        return {"provider": "p", "model": "m", "operation": "chat", "cost": f"0.{draw.randrange(1, 9)}"}
    return {"endpoint": "/x", "method": "GET", "status_code": draw.choice([200, 500]), "response_time": 0.5}


async def state(database: Database, day: str) -> tuple[Position, dict[str, int], int]:
    async with database.read() as connection:
        position = await read_head(connection, database.epoch, "default")
        totals, active = await read_totals(connection, "default", day)
    return position, totals, active.get(day, 0)


async def run(database_url: str, cut: int) -> tuple[int, int]:
    """Commit over midnight, cut the log, and ask for each state that was seen; gives how many are known, and not."""
    database, draw = database_at(database_url, "Europe/Vienna"), random.Random(7)
    await database.open()
    writer = Writer(database, lambda change: None, queue_events=1000, change_log=1000, observer=Silent())
    seen = []
    with time_machine.travel("2026-11-03T20:00:00Z", tick=False) as now:
        for number in range(60):
            now.shift(480)
            at = clock.now()
            await writer.write("default", [event(**drawn(draw, number, at))])
            seen.append(await state(database, database.days.of(at)))
        await database.write(lambda connection: connection.execute(delete(changes).where(changes.c.sequence <= cut)))
        known = 0
        for position, totals, active in seen:
            async with database.read() as connection:
                try:
                    found = await read_standing(connection, database.epoch, "default", database.days, position)
                except PositionGone:
                    continue
            known += 1
            assert {name: value for name, value in found.totals.items() if value} == totals, position
            assert found.active_users == active, position
    await writer.stop()
    await database.close()
    return known, len(seen) - known


async def test_each_state_is_given_as_it_was(database_url: str) -> None:
    """While the log reaches back to the first commit, every position has the figures that it had, over midnight too."""
    assert await run(database_url, 0) == (60, 0)


async def test_what_is_not_known_is_not_guessed(database_url: str) -> None:
    """Where the log has been cut, a position is given exactly or not at all."""
    known, unknown = await run(database_url, 20)
    assert (known >= 20, unknown >= 20, known + unknown) == (True, True, 60)


async def test_a_position_of_nobody_is_refused(database_url: str) -> None:
    """Another epoch, a later sequence and a wrong tag are no positions of this tenant."""
    database = database_at(database_url, "UTC")
    await database.open()
    writer = Writer(database, lambda change: None, queue_events=1000, change_log=10, observer=Silent())
    with time_machine.travel("2026-11-03T20:00:00Z", tick=False):
        await writer.write("default", [event(**drawn(random.Random(1), 0, clock.now()))])
        position, _, _ = await state(database, "2026-11-03")
        wrong = (
            Position("0" * 8, position.sequence, position.tag),
            Position(position.epoch, position.sequence + 1, position.tag),
            Position(position.epoch, position.sequence, "0" * 8),
            Position(position.epoch, 0, "0"),
        )
        for other in wrong:
            async with database.read() as connection:
                with pytest.raises(PositionGone):
                    await read_standing(connection, database.epoch, "default", database.days, other)
    await writer.stop()
    await database.close()
