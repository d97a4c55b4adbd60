"""The database: its lock, its migrations, its zone."""

import os
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

import storage
from storage.database import REVISION, Database, parse_url
from storage.errors import DatabaseInUse, StorageUnavailable, WrongDatabase
from storage.schema import metadata


def database(folder: Path, zone: str = "UTC") -> Database:
    return Database(parse_url(f"sqlite+aiosqlite:///{folder}/a.db"), zone)


async def test_the_migrations_make_the_schema(tmp_path: Path) -> None:
    """A migrated database has exactly the tables, columns and indexes of schema.py, and REVISION is the newest."""

    def differences(connection: Connection) -> list[Any]:
        return list(compare_metadata(MigrationContext.configure(connection), metadata))

    found = database(tmp_path)
    await found.open()
    assert await found.write(differences) == []
    await found.close()
    scripts = ScriptDirectory(str(Path(storage.__file__).parent / "migrations"))
    assert scripts.get_heads() == [REVISION]


async def test_one_writer_a_file(tmp_path: Path) -> None:
    """A second writer on the same file is refused while the first lives, and welcome afterwards."""
    first = database(tmp_path)
    await first.open()
    with pytest.raises(DatabaseInUse, match="ANALYTICS_DATABASE_URL"):
        await database(tmp_path).open()
    await first.close()
    second = database(tmp_path)
    await second.open()
    assert second.epoch == first.epoch
    await second.close()


async def test_the_zone_stays(tmp_path: Path) -> None:
    """A database whose days were cut in another zone is refused: its figures would be wrong."""
    first = database(tmp_path)
    await first.open()
    await first.close()
    other = database(tmp_path, "Asia/Tokyo")
    with pytest.raises(WrongDatabase, match="UTC"):
        await other.open()
    await other.close()


async def test_a_newer_database_is_refused(tmp_path: Path) -> None:
    """A database that a newer version migrated is refused, not written to."""
    first = database(tmp_path)
    await first.open()
    await first.close()
    with sqlite3.connect(tmp_path / "a.db") as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    other = database(tmp_path)
    with pytest.raises(WrongDatabase, match="9999"):
        await other.open()
    await other.close()


async def test_commits_are_durable_by_settings(tmp_path: Path) -> None:
    """The writing connection is in WAL mode with synchronous=FULL; the readers cannot write."""
    found = database(tmp_path)
    await found.open()
    pragmas = ("journal_mode", "synchronous", "query_only")

    def read(connection: Connection) -> list[Any]:
        return [connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in pragmas]

    assert await found.write(read) == ["wal", 2, 0]
    async with found.read() as connection:
        assert await connection.run_sync(read) == ["wal", 2, 1]
    await found.close()


async def test_a_closed_database_says_so(tmp_path: Path) -> None:
    """Before it is opened a database gives a named error."""
    found = database(tmp_path)
    with pytest.raises(StorageUnavailable):
        await found.write(lambda connection: None)
    with pytest.raises(StorageUnavailable):
        async with found.read():
            pass


@pytest.mark.parametrize(
    "url",
    ["nonsense", "postgresql://x/y", "sqlite:///a.db", "sqlite+aiosqlite://", "sqlite+aiosqlite:///:memory:"],
)
def test_a_wrong_url_is_explained(url: str) -> None:
    """A URL that cannot be used is a ValueError that says why."""
    with pytest.raises(ValueError, match=r"is not|must"):
        parse_url(url)


async def test_the_lock_is_private(tmp_path: Path) -> None:
    """The lock file is the owner's alone."""
    found = database(tmp_path)
    await found.open()
    assert os.stat(tmp_path / "a.db.lock").st_mode & 0o777 == 0o600
    await found.close()
