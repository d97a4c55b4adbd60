"""The five tables of the integration guide, as a platform kept them itself in SQLite: read, and turned into events.

Their rows were written without a check, and SQLite keeps whatever it is given in any column. So each row becomes the
JSON that a service would post of it, and goes through the same check; what does not pass it is refused by itself.
"""

import math
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b
from pathlib import Path
from typing import Any

import msgspec

from storage.errors import WrongDatabase
from storage.model.events import AnyEvent
from storage.model.parsing import InvalidEvent, MalformedJson, parse_any

PAGE_ROWS = 2000
"""Rows that are read at a time."""


@dataclass(frozen=True)
class Refusal:
    """A row that cannot be taken over, and the column and rule that it broke; never what it holds.

    ``id`` is empty and ``field`` names a column if the table has no such column: then none of its rows can be.
    """

    table: str
    id: str
    field: str
    error: str

    def __str__(self) -> str:
        """Write the refusal as one line."""
        return f"{' '.join(filter(None, (self.table, self.id)))}: {self.field}: {self.error}"


@dataclass(frozen=True)
class LegacyRow:
    """A row of a table, and the events that follow from it."""

    id: str
    events: list[AnyEvent]


Read = Callable[[Any], Any]
Row = dict[str, Any]


@dataclass(frozen=True)
class Source:
    """A table whose rows are events.

    ``columns`` says how each is read, one that is ``optional`` may be missing; ``events`` gives the events of a row, as
    a service would post it, each with the column that its time is from. ``time`` is the first one of these.
    """

    table: str
    time: str
    columns: dict[str, Read]
    optional: dict[str, Read]
    events: Callable[[Row], Iterator[tuple[str, Row]]]


def _text(value: Any) -> Any:
    """Read text; a number where text is expected was written by a platform that counts its users."""
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            raise ValueError("is not UTF-8") from None
    return str(value) if isinstance(value, int) else value


def _optional_text(value: Any) -> Any:
    """Read text that may be left out; empty is the same."""
    return _text(value) or None


def _time(value: Any) -> Any:
    """Read a time; SQLAlchemy writes those of UTC without a zone."""
    written = _text(value)
    if written is None:
        raise ValueError("is required")
    try:
        naive = datetime.fromisoformat(written).tzinfo is None
    except ValueError:
        # The check of events says what is wrong with it.
        return written
    return f"{written}+00:00" if naive else written


def _seconds(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError("expected a number of seconds")
    return _text(value) if isinstance(value, bytes) else value


def _number(value: Any) -> Any:
    return _text(value) if isinstance(value, bytes) else value


def _json(value: Any) -> Any:
    if value is None:
        return None
    try:
        msgspec.json.decode(value)
    except (TypeError, ValueError, RecursionError, msgspec.MsgspecError):
        raise ValueError("is not a JSON object") from None
    return msgspec.Raw(value)


def _activity(row: Row) -> Iterator[tuple[str, Row]]:
    yield "timestamp", {"type": "activity", **row}


def _call(row: Row) -> Iterator[tuple[str, Row]]:
    yield "timestamp", {"type": "api_usage", **row}


def _message(row: Row) -> Iterator[tuple[str, Row]]:
    at = row.pop("created_at")
    yield "created_at", {"type": "message", **row, "timestamp": at}


def _conversation(row: Row) -> Iterator[tuple[str, Row]]:
    """A row is a state; the events are its creation and its end."""
    if row["status"] not in ("active", "deleted"):
        raise InvalidEvent("status", "must be one of: active, deleted")
    event = {"type": "conversation", "conversation_id": row["conversation_id"], "user_id": row["user_id"]}
    yield "created_at", {**event, "action": "created", "timestamp": row["created_at"]}
    if row["status"] == "deleted":
        yield "updated_at", {**event, "action": "deleted", "timestamp": row["updated_at"]}


SOURCES = (
    Source(
        "user_activity",
        "timestamp",
        {"user_id": _text, "username": _text, "activity_type": _text, "timestamp": _time},
        {"ip_address": _optional_text, "user_agent": _optional_text, "extra_data": _json},
        _activity,
    ),
    Source(
        "conversation_metrics",
        "created_at",
        {"conversation_id": _text, "user_id": _text, "status": _text, "created_at": _time, "updated_at": _time},
        {},
        _conversation,
    ),
    Source(
        "message_metrics",
        "created_at",
        {
            "message_id": _text,
            "conversation_id": _text,
            "user_id": _text,
            "role": _text,
            "token_count": _number,
            "created_at": _time,
        },
        {"response_time": _seconds, "model_used": _optional_text},
        _message,
    ),
    Source(
        "api_usage",
        "timestamp",
        {
            "endpoint": _text,
            "method": _text,
            "status_code": _number,
            "response_time": _seconds,
            "timestamp": _time,
        },
        {"user_id": _optional_text},
        _call,
    ),
)

DAYS = "daily_stats"
COMPARED = {
    "daily_stats": (
        "total_users",
        "active_users",
        "new_users",
        "total_conversations",
        "total_messages",
        "total_api_calls",
        "avg_response_time",
        "error_count",
    ),
    "conversation_metrics": ("message_count", "total_tokens"),
}
"""Columns that were computed by the platform: they are compared with what comes out here, and not taken over."""
_KEYS = {"daily_stats": "date", "conversation_metrics": "conversation_id"}


class LegacyDatabase:
    """A file with some of the five tables, read and never written."""

    def __init__(self, path: Path) -> None:
        """Raises :exc:`WrongDatabase` if it is no SQLite file, or has none of the tables."""
        self._path = path
        if not path.is_file():
            raise WrongDatabase(f"there is no file {path}")
        self._connection = sqlite3.connect(path, isolation_level=None)
        # Text that is no UTF-8 would otherwise end the reading of a table.
        self._connection.text_factory = bytes
        try:
            self._connection.execute("PRAGMA query_only=ON")
            # All that is read is from one moment, should the platform still write it.
            self._connection.execute("BEGIN")
            self.columns = {table: self._columns_of(table) for table in (*(each.table for each in SOURCES), DAYS)}
        except sqlite3.Error as error:
            self.close()
            raise self._unreadable(error) from None
        if not any(self.columns.values()):
            self.close()
            raise WrongDatabase(f"{path} has none of the tables {', '.join(self.columns)}")

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def count(self, table: str) -> int:
        """Count the rows of a table that is there."""
        return next(int(count) for (count,) in self._select(f"SELECT COUNT(*) FROM {table}"))  # noqa: S608 - our own

    def missing(self, source: Source) -> list[Refusal]:
        """Name the columns without which no row of a table can be taken over."""
        names = [name for name in ("id", *source.columns) if name not in self.columns[source.table]]
        return [Refusal(source.table, "", name, "there is no such column") for name in names]

    def rows(self, source: Source) -> Iterator[LegacyRow | Refusal]:
        """Read the rows of a table that is there and lacks no column."""
        readers = source.columns | {
            name: read for name, read in source.optional.items() if name in self.columns[source.table]
        }
        for row_id, *values in self._select(f"SELECT id, {', '.join(readers)} FROM {source.table}"):  # noqa: S608
            key = _key(row_id)
            try:
                yield LegacyRow(key, _converted(source, key, _read(readers, values)))
            except InvalidEvent as error:
                yield Refusal(source.table, key, error.field, error.error)

    def figures(self, table: str) -> Iterator[tuple[str, dict[str, float | None]]]:
        """Read what the platform computed: by day, or by conversation; what is no number is left out."""
        key = _KEYS[table]
        names = [name for name in COMPARED[table] if name in self.columns[table]]
        if names and key in self.columns[table]:
            for written, *values in self._select(f"SELECT {key}, {', '.join(names)} FROM {table}"):  # noqa: S608
                if isinstance(written, bytes):
                    numbers = zip(names, values, strict=True)
                    yield (
                        written.decode(errors="replace"),
                        {name: value for name, value in numbers if not isinstance(value, bytes)},
                    )

    def _columns_of(self, table: str) -> set[str]:
        return {name.decode() for _, name, *_ in self._connection.execute(f"PRAGMA table_info({table})")}

    def _select(self, query: str) -> Iterator[tuple[Any, ...]]:
        try:
            with closing(self._connection.execute(query)) as cursor:
                while page := cursor.fetchmany(PAGE_ROWS):
                    yield from page
        except sqlite3.Error as error:
            raise self._unreadable(error) from None

    def _unreadable(self, error: sqlite3.Error) -> WrongDatabase:
        return WrongDatabase(f"{self._path} cannot be read: {error}")


def _key(row_id: Any) -> str:
    """Write a row's id so that it can be shown on a terminal, whatever it is."""
    written = row_id.decode(errors="replace") if isinstance(row_id, bytes) else str(row_id)
    return ascii(written)[1:-1][:100]


def _read(readers: dict[str, Read], values: list[Any]) -> Row:
    row = {}
    for (name, read), value in zip(readers.items(), values, strict=True):
        try:
            row[name] = read(value)
        except ValueError as error:
            raise InvalidEvent(name, str(error)) from None
    return row


def _converted(source: Source, key: str, row: Row) -> list[AnyEvent]:
    """Make the events of a row, each with an id by which it counts once however often it is taken over."""
    events = []
    for time, fields in source.events(row):
        # The row's id alone would make the rows of a second old database duplicates of the first one's.
        digest = blake2b(msgspec.json.encode(fields), digest_size=4).hexdigest()
        event = {**fields, "event_id": f"import:{source.table}:{key}:{digest}"}
        try:
            events.append(parse_any(msgspec.json.encode(event)))
        except InvalidEvent as error:
            raise InvalidEvent(time if error.field == "timestamp" else error.field, error.error) from None
        except MalformedJson:
            raise InvalidEvent("extra_data", "is not a JSON object") from None
    return events
