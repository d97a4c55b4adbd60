"""Databases with a history whose rollups can be damaged and compared."""

import random
from collections.abc import Callable
from typing import Any

import msgspec
from sqlalchemy import Connection, Integer, Table, delete, insert, select, update

from storage.engine.database import Database
from storage.engine.urls import database_at
from storage.model.clock import now
from storage.model.events import AnyEvent
from storage.verify import comparison
from storage.verify.comparison import VerificationResult
from storage.verify.repair import TABLES, rebuild
from storage.write.commit import commit
from tests.samples.events import event
from tests.samples.history import made_up

TENANTS = ("default", "acme")
SUMS = ("counters", "user_returns")
Row = tuple[Any, ...]
Tables = dict[str, dict[Row, Row]]


def quiet(_done: int, _total: int) -> None:
    pass


def history(seed: int) -> list[AnyEvent]:
    """Four days of events; more models and endpoints than have rows of their own."""
    at = {"timestamp": "2026-03-07T12:00:00Z", "user_id": "u1"}
    conversation = {"conversation_id": "c1", "role": "user", "token_count": 1}
    call = {"type": "api_usage", "method": "GET", "status_code": 200, "response_time": 0.1}
    many = [
        *(
            {"type": "message", "message_id": f"l{name}", "model_used": f"l{name}", **conversation, **at}
            for name in range(60)
        ),
        *({"endpoint": f"/many/{name}", **call, **at} for name in range(260)),
    ]
    return [event(**fields) for fields in [*made_up(seed, 200), *many, *made_up(seed + 100, 100)]]


async def opened(url: str, zone: str = "UTC") -> Database:
    """A database with a history of each tenant."""
    database = database_at(url, zone)
    await database.open()
    for seed, tenant in enumerate(TENANTS):
        events = history(seed)
        for begin in range(0, len(events), 90):
            await write(database, tenant, events[begin : begin + 90])
    return database


async def opened_in(url: str, zone: str) -> None:
    """Open a database in a zone, and close it; raises if its days were cut in another."""
    database = database_at(url, zone)
    try:
        await database.open()
    finally:
        await database.close()


async def write(database: Database, tenant: str, events: list[AnyEvent]) -> None:
    arrived = [(each, now()) for each in events]
    await database.write(lambda connection: commit(connection, database.epoch, database.days, tenant, arrived, 1000))


async def tables(database: Database) -> Tables:
    """Every row of every rollup by its key; sums that are 0 are as good as none, and histograms have no order."""
    found: Tables = {}
    async with database.read() as connection:
        for table in TABLES:
            rows = [tuple(map(_unordered, row)) for row in await connection.execute(select(table))]
            found[table.name] = {row[: _key(table)]: row for row in rows if table.name not in SUMS or row[-1]}
    return found


def _unordered(value: Any) -> Any:
    return msgspec.json.decode(value) if isinstance(value, str) and value.startswith("{") else value


def _key(table: Table) -> int:
    return len(table.primary_key.c)


async def recount(database: Database) -> VerificationResult:
    async with database.read() as connection:
        return await comparison.verify(connection, database.days)


async def repair(database: Database) -> list[str]:
    """Rebuild what differs, as the command does; gives the tenants."""
    tenants = sorted({difference.tenant_id for difference in (await recount(database)).differences})
    for tenant in tenants:
        await rebuild(database, tenant, quiet)
    return tenants


def damage(draw: random.Random) -> Callable[[Connection], None]:
    """Change, remove or add a row of a rollup, or several."""

    def work(connection: Connection) -> None:
        for _ in range(draw.randint(1, 4)):
            table = draw.choice(TABLES)
            rows = connection.execute(select(table).order_by(*table.primary_key.c)).mappings().all()
            row = dict(draw.choice(rows))
            here = [column == row[column.name] for column in table.primary_key.c]
            columns = [column for column in table.c if column.name not in ("buckets", "tenant_id")]
            match draw.choice(["change", "remove", "add"]):
                case "change":
                    column = draw.choice([column for column in columns if not column.primary_key])
                    connection.execute(update(table).where(*here).values({column.name: other(row, column, draw)}))
                case "remove":
                    connection.execute(delete(table).where(*here))
                case _:
                    column = draw.choice([column for column in columns if column.primary_key])
                    connection.execute(insert(table).values({**row, column.name: other(row, column, draw)}))

    return work


def other(row: dict[str, Any], column: Any, draw: random.Random) -> Any:
    """Another value for a column."""
    if isinstance(column.type, Integer):
        return (row[column.name] or 0) + draw.choice([-1, 1, 1000])
    return f"{draw.randrange(1000):03}"
