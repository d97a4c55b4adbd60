"""A SQLite file of a service."""

from pathlib import Path
from typing import Any

from sqlalchemy import MetaData, event
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine


async def open_database(file: Path, tables: MetaData) -> AsyncEngine:
    """Open the file, which is made with its *tables* if it is missing; only its owner may read it."""
    _make(file)
    engine = create_async_engine(f"sqlite+aiosqlite:///{file}")
    event.listen(engine.sync_engine, "connect", _prepare)
    async with engine.begin() as connection:
        await connection.run_sync(tables.create_all)
    return engine


def _make(file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.touch(mode=0o600)


def _prepare(connection: Any, _record: object) -> None:
    cursor = connection.cursor()
    # Readers do not wait for a writer, writers wait for each other, and a row names only what is there.
    for pragma in ("journal_mode = WAL", "busy_timeout = 5000", "foreign_keys = ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()
