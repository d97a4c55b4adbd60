"""Events as rows of their tables, and rows as events again."""

from collections.abc import Callable, Iterable, Sequence
from operator import attrgetter
from typing import Any

from sqlalchemy import Column, Connection, Table

from storage.model.clock import Days
from storage.model.events import KINDS, AnyEvent, ExtraData, Kind, Microseconds, NanoDollars
from storage.model.rollup import Entry
from storage.tables import schema
from storage.tables.bulk import Insert, Row

TABLES: dict[type[AnyEvent], Table] = {kind.event: schema.metadata.tables[kind.table] for kind in KINDS}
"""The table of each kind of event."""
TIMES: dict[Table, str] = {TABLES[kind.event]: kind.time for kind in KINDS}
"""The tables, each with its column of time."""
_PLAIN: dict[type, Callable[[Any], Any]] = {ExtraData: str, Microseconds: int, NanoDollars: int}
"""Drivers are fast only with plain ``str`` and ``int``."""


def columns(table: Table) -> Sequence[Column[Any]]:
    """Give the columns that :func:`entry` needs, in their order."""
    return list(table.c)[1:]


class _Rows:
    """How events of one kind become rows, and rows such events again."""

    def __init__(self, kind: Kind, table: Table) -> None:
        fields = {kind.column(name): name for name in kind.event.__struct_fields__}
        names = [column.name for column in columns(table)]
        if unknown := set(fields).symmetric_difference(names) - {"id"}:
            raise TypeError(f"the table {table.name} and the events {kind.name} differ in {', '.join(sorted(unknown))}")
        of_entry = {"id": "id", kind.time: "at"}
        self._values = attrgetter(*(of_entry.get(name) or f"event.{fields[name]}" for name in names))
        hints = kind.event.__annotations__
        self._plain = [
            (place, plain)
            for place, name in enumerate(names, 1)
            for special, plain in _PLAIN.items()
            if special in _types(hints.get(fields.get(name, "")))
        ]
        self._fields = [fields[name] for name in names[1:]]
        self._event = kind.event
        self.insert = Insert(table)

    def row(self, tenant_id: str, entry: Entry) -> Row:
        """Make the row of an event."""
        row: Row = (tenant_id, *self._values(entry))
        for place, plain in self._plain:
            if (value := row[place]) is not None:
                row = (*row[:place], plain(value), *row[place + 1 :])
        return row

    def entry(self, row: Sequence[Any], days: Days) -> Entry:
        """Make the event of a row again."""
        event = self._event(**dict(zip(self._fields, row[1:], strict=True)))
        at = str(event.timestamp)
        return Entry(event, row[0], at, days.of(at))


def _types(hint: Any) -> tuple[Any, ...]:
    """Give the types that a union is made of, or the one that *hint* is."""
    return getattr(hint, "__args__", (hint,))


_ROWS = {kind.event: _Rows(kind, TABLES[kind.event]) for kind in KINDS}


def insert(connection: Connection, tenant_id: str, entries: Iterable[Entry]) -> None:
    """Write the rows of new events."""
    rows: dict[type[AnyEvent], list[Row]] = {}
    for entry in entries:
        kind = type(entry.event)
        rows.setdefault(kind, []).append(_ROWS[kind].row(tenant_id, entry))
    for kind, values in rows.items():
        _ROWS[kind].insert.write(connection, values)


_OF_TABLE = {table: _ROWS[kind] for kind, table in TABLES.items()}


def entry(table: Table, row: Sequence[Any], days: Days) -> Entry:
    """Make the event of a *row* again, with its id, its time and its day."""
    return _OF_TABLE[table].entry(row, days)
