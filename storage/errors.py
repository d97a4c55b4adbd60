"""What storage raises.

StorageError
  DatabaseInUse       another process writes this SQLite file: stop it, or use another file
  WrongDatabase       the database does not fit the settings or this version: the text says what to do
  StorageUnavailable  the database cannot be written just now: try again after ``retry_after`` seconds
    Overloaded        more events wait than the queue may hold: the same
(events.py: InvalidEvent and MalformedJson, about what was posted.)
"""


class StorageError(Exception):
    """The base of all errors of storage."""


class DatabaseInUse(StorageError):
    """Another process holds the file's write lock."""


class WrongDatabase(StorageError):
    """The database does not fit the settings or this version of the service."""


class StorageUnavailable(StorageError):
    """Nothing of the request was committed; it may be sent again after ``retry_after`` seconds."""

    def __init__(self, message: str, retry_after: int = 1) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Overloaded(StorageUnavailable):
    """The queue before the writer is full."""
