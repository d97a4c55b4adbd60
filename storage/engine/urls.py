"""A database URL, and the database that it names."""

from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

if TYPE_CHECKING:
    from storage.engine.database import Database

SQLITE = "sqlite+aiosqlite"
POSTGRES = "postgresql+psycopg"
_WRITTEN_POSTGRES = (POSTGRES, "postgresql", "postgres")


def parse_url(url: str) -> URL:
    """Check a database URL; raises ``ValueError`` with what is wrong, without repeating it."""
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        raise ValueError("is not a database URL") from None
    if parsed.drivername in _WRITTEN_POSTGRES:
        if not parsed.database:
            raise ValueError("must name a database: postgresql+psycopg://user:password@host/database")
        return parsed.set(drivername=POSTGRES)
    if parsed.drivername != SQLITE:
        raise ValueError(f"must begin with {SQLITE}:// or {POSTGRES}://")
    if not parsed.database or parsed.database == ":memory:" or "mode=memory" in parsed.database:
        raise ValueError("must name a file: what is committed has to outlive the process")
    return parsed


def database_at(url: str, zone: str = "UTC", read_seconds: float | None = None) -> "Database":
    """Make the database that *url* names, not yet opened; a read may take *read_seconds*, None: any time.

    Raises ``ValueError`` as :func:`parse_url` does, and :exc:`WrongDatabase` if its driver is not installed.
    """
    parsed = parse_url(url)
    # Imported here: who reads settings alone starts in half the time, and the driver of PostgreSQL costs 13 MB.
    if parsed.drivername == SQLITE:
        from storage.engine.sqlite import SqliteDatabase

        return SqliteDatabase(parsed, zone, read_seconds)
    from storage.engine.postgres import PostgresDatabase

    return PostgresDatabase(parsed, zone, read_seconds)


def file_of(url: str) -> Path | None:
    """Name the file of the database; None if it is on a server."""
    parsed = parse_url(url)
    return Path(parsed.database or "") if parsed.drivername == SQLITE else None
