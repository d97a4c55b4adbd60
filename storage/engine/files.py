"""The files of a SQLite database that is open, and whether they are still those at its path.

A file that was deleted, moved or replaced continues to exist for every process that has it open: commits would succeed,
and be lost with the process. Only their names are looked at: to open and close one of them would release SQLite's own
locks (fcntl(2), F_SETLK).
"""

import os
from pathlib import Path

import structlog

from storage.errors import StorageUnavailable

log = structlog.get_logger()

SUFFIXES = ("", "-wal", "-shm")
"""The database, its write-ahead log, and the index of that, which all who use the database share."""
ADVICE = "stop the service, put the database back with its -wal, and start it again"


class Files:
    """The files at *path*, as they are now."""

    def __init__(self, path: Path) -> None:
        self._paths = [f"{path}{suffix}" for suffix in SUFFIXES]
        found = [os.stat(each) for each in self._paths]
        self._identities = [_identity(each) for each in found]
        self._size = found[0].st_size
        self._are_gone = False

    def check(self) -> int:
        """Give the size of the write-ahead log in bytes; costs 8 us.

        Raises :exc:`StorageUnavailable` if a file was deleted, moved or replaced, or the database became shorter, which
        it does when another one is copied over it. Once that was seen it stays so: what became of the files meanwhile
        is unknown.
        """
        if not self._are_gone:
            # Before it is looked at: the writer's thread, which looks too, may see it grow meanwhile.
            size = self._size
            try:
                found = [os.stat(path) for path in self._paths]
            except OSError:
                found = []
            if [_identity(each) for each in found] == self._identities and found[0].st_size >= size:
                self._size = found[0].st_size
                return found[1].st_size
            self._are_gone = True
            log.error("database_file_gone", file=self._paths[0], advice=ADVICE)
        raise StorageUnavailable(f"the file of the database was deleted, moved or replaced: {ADVICE}", retry_after=30)


def _identity(found: os.stat_result) -> tuple[int, int]:
    return found.st_dev, found.st_ino
