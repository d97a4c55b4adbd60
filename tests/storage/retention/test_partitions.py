"""The statements of docs/operations.md, on a real server."""

import re

import pytest

from storage.engine.database import Database
from storage.engine.urls import database_at
from storage.tables.schema import metadata
from storage.verify.comparison import verify
from storage.write.writer import Writer
from tests.repository import ROOT
from tests.samples.events import event
from tests.samples.history import made_up
from tests.servers.postgres import Postgres
from tests.storage.databases import opened
from tests.storage.writers import Silent

OPERATIONS = (ROOT / "docs" / "operations.md").read_text()
STATEMENTS = re.findall(r"```sql\n(.*?)```", OPERATIONS, re.DOTALL)


async def post(database: Database, seed: int) -> list[int]:
    """Post some events twice; gives how many were recorded each time."""
    writer = Writer(database, lambda change: None, queue_events=10_000, change_log=100, observer=Silent())
    events = [event(**fields) for fields in made_up(seed) if fields["type"] == "message"]
    receipts = [await writer.write("acme", events) for _ in range(2)]
    await writer.stop()
    return [receipt.recorded for receipt in receipts]


@pytest.mark.parametrize("statements", STATEMENTS, ids=["by tenant", "by time"])
async def test_partitions_change_no_figure(postgres: Postgres, statements: str) -> None:
    """With tables that were partitioned as documented nothing is lost, ids count once, and every recount agrees."""
    name = postgres.create()
    before = await opened(postgres.url(name), "UTC", made_up(seed=2))
    await before.close()
    postgres.execute(statements, database=name)
    database = database_at(postgres.url(name))
    await database.open()
    recorded, again = await post(database, seed=4)
    assert recorded > 50
    assert again == 0
    async with database.read() as connection:
        assert (await verify(connection, database.days)).differences == []
    await database.close()
    postgres.drop(name)


def test_every_table_is_distributed() -> None:
    """The documented statements for Citus name every table; each begins its key with the tenant, but for those that
    every node has whole."""
    section = OPERATIONS.partition("Citus")[2].partition("### ")[0]
    for table in metadata.tables.values():
        assert f"'{table.name}'" in section
        is_whole = f"create_reference_table('{table.name}')" in section
        assert (next(iter(table.primary_key)).name == "tenant_id") != is_whole
