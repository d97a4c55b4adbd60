"""An online backup of SQLite: the file as it stood at one moment, copied beside a service that writes it.

SQLite's backup API copies pages out of one read transaction. The writer continues; only its log cannot be checkpointed
beyond that moment, so it grows until the copy is made. VACUUM INTO would leave out free pages, of which there are few,
and build every index again.
"""

import os
import sqlite3
import tempfile
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from storage.errors import BackupFailed
from storage.model.changes import Position

STEP_PAGES = 4096
"""Pages of 4 KB that are copied at a time; between two steps the caller gets the progress."""

Progress = Callable[[int, int], None]
"""Called with how much is done, and of how much."""


@dataclass(frozen=True)
class Backup:
    """A finished copy: its size in bytes, and where each tenant stands in it."""

    size: int
    positions: dict[str, Position]


def back_up(source: Path, target: Path, progress: Progress) -> Backup:
    """Copy the database at *source* to *target*, which must not exist; readable by its owner alone.

    The copy has another name until it is whole, checked and on the disk: a file at *target* is a good backup, whenever
    this is broken off. Raises :exc:`BackupFailed`; there is nothing at *target* then.
    """
    if not source.is_file():
        raise BackupFailed(f"there is no database at {source}")
    _refuse_existing(target)
    try:
        # In the same folder, so that it can be renamed; mode 0600.
        handle, name = tempfile.mkstemp(prefix=f"{target.name}.", suffix=".part", dir=target.parent)
    except OSError as error:
        raise BackupFailed(f"{target} cannot be written: {error.strerror}") from None
    part = Path(name)
    try:
        _copy(source, part, progress)
        positions = _check(part)
        os.fsync(handle)
        _refuse_existing(target)
        part.rename(target)
        _sync_folder(target.parent)
    except (sqlite3.Error, OSError) as error:
        raise BackupFailed(f"{source} cannot be copied to {target}: {error}") from None
    finally:
        os.close(handle)
        part.unlink(missing_ok=True)
    return Backup(target.stat().st_size, positions)


def _refuse_existing(target: Path) -> None:
    if target.exists():
        raise BackupFailed(f"{target} exists already: choose another name, a backup overwrites nothing")


def _copy(source: Path, part: Path, progress: Progress) -> None:
    with closing(sqlite3.connect(source, isolation_level=None)) as found, closing(sqlite3.connect(part)) as copy:
        found.execute("PRAGMA query_only=ON")
        # Without a transaction of its own the API would start again whenever the service commits between two steps.
        found.execute("BEGIN")
        found.execute("SELECT COUNT(*) FROM sqlite_schema").fetchone()
        # It is synced once, at the end; what is broken off is thrown away.
        copy.execute("PRAGMA synchronous=OFF")
        found.backup(copy, pages=STEP_PAGES, progress=lambda _status, left, total: progress(total - left, total))
        # One file, complete without companions; the service makes it WAL again.
        copy.execute("PRAGMA journal_mode=DELETE")


def _check(part: Path) -> dict[str, Position]:
    """Let SQLite read every page of the copy, and read where the tenants stand in it."""
    with closing(sqlite3.connect(part)) as copy:
        if copy.execute("PRAGMA integrity_check(1)").fetchone() != ("ok",):
            raise BackupFailed("the copy does not pass SQLite's integrity check: the database or a disk is damaged")
        rows = copy.execute(
            "SELECT tenant_id, value, sequence, tag FROM heads JOIN about ON name = 'epoch' ORDER BY tenant_id"
        )
        return {tenant_id: Position(epoch, sequence, tag) for tenant_id, epoch, sequence, tag in rows}


def _sync_folder(folder: Path) -> None:
    """Make the new name last, too."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
