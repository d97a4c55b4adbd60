"""The database: its migrations, its zone, and what each kind of it promises."""

import os
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

import storage
from storage.engine.database import REVISION
from storage.engine.urls import database_at, parse_url
from storage.errors import DatabaseInUse, StorageUnavailable, WrongDatabase
from storage.tables.schema import metadata

each_database = pytest.mark.each_database


@each_database
async def test_the_migrations_make_the_schema(database_url: str) -> None:
    """A migrated database has exactly the tables, columns and indexes of schema.py, and REVISION is the newest."""

    def differences(connection: Connection) -> list[Any]:
        return list(compare_metadata(MigrationContext.configure(connection), metadata))

    found = database_at(database_url)
    await found.open()
    assert await found.write(differences) == []
    await found.close()
    scripts = ScriptDirectory(str(Path(storage.__file__).parent / "engine" / "migrations"))
    assert scripts.get_heads() == [REVISION]


async def test_one_writer_a_file(database_url: str) -> None:
    """A second writer on the same file is refused while the first lives, and welcome afterwards."""
    first = database_at(database_url)
    await first.open()
    with pytest.raises(DatabaseInUse, match="ANALYTICS_DATABASE_URL"):
        await database_at(database_url).open()
    await first.close()
    second = database_at(database_url)
    await second.open()
    assert second.epoch == first.epoch
    await second.close()


@each_database
async def test_the_zone_stays(database_url: str) -> None:
    """A database whose days were cut in another zone is refused: its figures would be wrong."""
    first = database_at(database_url)
    await first.open()
    await first.close()
    other = database_at(database_url, "Asia/Tokyo")
    with pytest.raises(WrongDatabase, match="UTC"):
        await other.open()
    await other.close()


@each_database
async def test_a_newer_database_is_refused(database_url: str) -> None:
    """A database that a newer version migrated is refused, not written to."""
    first = database_at(database_url)
    await first.open()
    await first.write(lambda connection: connection.execute(text("UPDATE alembic_version SET version_num = '9999'")))
    await first.close()
    other = database_at(database_url)
    with pytest.raises(WrongDatabase, match="9999"):
        await other.open()
    await other.close()


async def test_commits_are_durable_by_settings(database_url: str) -> None:
    """The writing connection is in WAL mode with synchronous=FULL; the readers cannot write."""
    found = database_at(database_url)
    await found.open()
    pragmas = ("journal_mode", "synchronous", "query_only")

    def read(connection: Connection) -> list[Any]:
        return [connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in pragmas]

    assert await found.write(read) == ["wal", 2, 0]
    async with found.read() as connection:
        assert await connection.run_sync(read) == ["wal", 2, 1]
    await found.close()


@each_database
async def test_a_closed_database_says_so(database_url: str) -> None:
    """Before it is opened a database gives a named error."""
    found = database_at(database_url)
    with pytest.raises(StorageUnavailable):
        await found.write(lambda connection: None)
    with pytest.raises(StorageUnavailable):
        async with found.read():
            pass


@pytest.mark.parametrize(
    "url",
    [
        "nonsense",
        "postgresql+asyncpg://x/y",
        "postgresql+psycopg://host",
        "postgresql://host:port/name",
        "mysql://x/y",
        "sqlite:///a.db",
        "sqlite+aiosqlite://",
        "sqlite+aiosqlite:///:memory:",
    ],
)
def test_a_wrong_url_is_explained(url: str) -> None:
    """A URL that cannot be used is a ValueError that says why."""
    with pytest.raises(ValueError, match=r"is not|must"):
        parse_url(url)


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg"])
def test_postgresql_goes_by_several_names(scheme: str) -> None:
    """Whatever a URL of PostgreSQL begins with, it means the one driver there is; its name gives no secret away."""
    found = database_at(f"{scheme}://user:hunter2@db.example/analytics")
    assert found.url.drivername == "postgresql+psycopg"
    assert found.name == "db.example:5432/analytics"


async def test_the_lock_is_private(database_url: str, tmp_path: Path) -> None:
    """The lock file is the owner's alone."""
    found = database_at(database_url)
    await found.open()
    assert os.stat(tmp_path / "analytics.db.lock").st_mode & 0o777 == 0o600
    await found.close()
