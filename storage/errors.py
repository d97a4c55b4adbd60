"""What storage raises.

StorageError
  DatabaseInUse       another process writes this SQLite file, or the PostgreSQL database that is to be changed as a
                      whole: stop it
  WrongDatabase       the database does not fit the settings or this version: the text says what to do
  DataRefused         the database does not take these events: to send them again does not help
  BackupFailed        no backup was made: the text says why
  NameTaken           something has this name already: choose another one
  TooManyViews        the tenant has as many saved views as it may have: delete one
  TooManySchedules    the tenant has as many scheduled reports as it may have: delete one
  TooManyAnnotations  the tenant has as many annotations as it may have: delete some
  RowsRemoved         rows went while they were read page by page: start again
  StorageUnavailable  the database cannot be written or read just now: try again after ``retry_after`` seconds
    Overloaded        more is asked of this process than it may take on: the same
    ShareExceeded     one client or tenant asks for more than its share: the same, for that one alone
    Locked            another process holds what is to be written: the same
    StorageFull       the database, or the folder of temporary files, has no room left: the same, once there is some
(parsing.py: InvalidEvent and MalformedJson, about what was posted.)

Every error by which a database or its driver says that something is not possible becomes one of these in
``storage/engine``, also in the middle of a read. What is a fault of this program - a statement that no database takes,
such as one that names an unknown column, or a connection that is used wrongly - is none of these: it is raised as it
is, so that it is logged with its traceback, and a request is answered with 500.
"""


class StorageError(Exception):
    """The base of all errors of storage."""


class DatabaseInUse(StorageError):
    """Another process holds what has to be had alone."""


class WrongDatabase(StorageError):
    """The database does not fit the settings or this version of the service."""


class DataRefused(StorageError):
    """The database does not take what was to be written; nothing of it was, but for a large request's earlier parts."""


class BackupFailed(StorageError):
    """No backup was made, and nothing is left of it."""


class RowsRemoved(StorageError):
    """Some of the rows that were to be read page by page have been removed meanwhile: what was read is not whole."""


class NameTaken(StorageError):
    """Something of the same kind has this name already."""


class TooManyViews(StorageError):
    """The tenant has as many saved views as it may have."""


class TooManySchedules(StorageError):
    """The tenant has as many scheduled reports as it may have."""


class TooManyAnnotations(StorageError):
    """The tenant has as many annotations as it may have."""


class TooManyRules(StorageError):
    """The tenant has as many rules, targets or silences of alerts as it may have."""


class StorageUnavailable(StorageError):
    """Nothing of the request was acknowledged; it may be sent again after ``retry_after`` seconds.

    Some of it may be recorded all the same: the earlier parts of a large request that is committed in parts, and what a
    commit wrote in whose very moment the connection was lost. Sent again with the same ids, its events count once.
    """

    def __init__(self, message: str, retry_after: int = 1) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Overloaded(StorageUnavailable):
    """A queue or a budget of this process is full."""


class ShareExceeded(StorageUnavailable):
    """One client or tenant holds or waits for as much as it may; others continue."""


class Locked(StorageUnavailable):
    """Another process holds a row that is to be written, for now."""


class StorageFull(StorageUnavailable):
    """The database, or the folder of temporary files, has no room left; it continues by itself when there is some."""

    def __init__(self, message: str) -> None:
        super().__init__(message, retry_after=30)
