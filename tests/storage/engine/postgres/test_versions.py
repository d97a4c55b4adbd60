"""Several versions of the service, and several processes, open one database."""

import asyncio

import pytest

from storage.engine import postgres as postgres_database
from storage.engine.database import REVISION, probe_write, revision
from storage.engine.urls import database_at
from storage.errors import DatabaseInUse, StorageUnavailable
from tests.servers.postgres import Postgres
from tests.storage.databases import opened
from tests.storage.engine.earlier_versions import as_first, earlier_events
from tests.storage.engine.postgres.databases import is_clean, name_of


async def test_no_version_migrates_under_another(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """While an older version has the database open, one that would have to migrate it says so, and changes nothing."""
    monkeypatch.setattr(postgres_database, "GONE_TRIES", 2)
    older = await opened(url, "UTC", earlier_events(seed=3))
    await older.write(as_first)
    newer = database_at(url)
    with pytest.raises(DatabaseInUse, match="stop the services first"):
        await newer.open()
    assert await older.write(revision) == "0001"
    await older.close()
    await newer.close()
    newer = database_at(url)
    await newer.open()
    assert await is_clean(newer)
    await newer.close()


async def test_an_older_version_does_not_write_what_was_migrated(url: str, postgres: Postgres) -> None:
    """One that lost its connections while the database was migrated comes back to other tables: it leaves them be."""
    database = database_at(url)
    await database.open()
    postgres.cut(name_of(url))
    postgres.execute("UPDATE alembic_version SET version_num = '9999'", database=name_of(url))
    with pytest.raises(StorageUnavailable, match="was migrated by another version"):
        await database.write(probe_write)
    postgres.execute("UPDATE alembic_version SET version_num = %s", REVISION, database=name_of(url))
    await database.write(probe_write)
    await database.close()


async def test_processes_that_start_at_once_agree(postgres: Postgres) -> None:
    """Of several processes that start on an empty database one migrates it, and all have the same epoch."""
    name = postgres.create("template0")
    databases = [database_at(postgres.url(name)) for _ in range(5)]
    await asyncio.gather(*(database.open() for database in databases))
    assert len({database.epoch for database in databases}) == 1
    for database in databases:
        await database.close()
    postgres.drop(name)
