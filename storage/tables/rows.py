"""Events as rows of their tables, and rows as events again."""

from collections.abc import Callable, Iterable, Mapping, Sequence
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
_PLAIN = {ExtraData: "str", Microseconds: "int", NanoDollars: "int"}
"""Drivers are fast only with plain ``str`` and ``int``."""


_OF_ENTRY = ("id", "price_id")
"""Columns that hold what an entry has beside its event; the second one is the last of its table."""


def columns(table: Table) -> Sequence[Column[Any]]:
    """Give the columns that :func:`entry` needs, in their order."""
    return list(table.c)[1:]


class _Rows:
    """How events of one kind become rows, and rows such events again."""

    def __init__(self, kind: Kind, table: Table) -> None:
        fields = {kind.column(name): name for name in kind.event.__struct_fields__}
        names = [column.name for column in columns(table)]
        if unknown := set(fields).symmetric_difference(names) - set(_OF_ENTRY):
            raise TypeError(f"the table {table.name} and the events {kind.name} differ in {', '.join(sorted(unknown))}")
        hints = kind.event.__annotations__
        self.row = _make_row([_expression(kind, fields.get(name), name, hints) for name in names])
        self._fields = [fields[name] for name in names if name in fields]
        self._is_priced = names[-1] == "price_id"
        self._event = kind.event
        self.insert = Insert(table)

    def entry(self, row: Sequence[Any], days: Days) -> Entry:
        """Make the event of a row again."""
        values, price_id = (row[1:-1], row[-1]) if self._is_priced else (row[1:], None)
        event = self._event(**dict(zip(self._fields, values, strict=True)))
        at = str(event.timestamp)
        return Entry(event, row[0], at, days.of(at), price_id)


def _expression(kind: Kind, field: str | None, column: str, hints: Mapping[str, Any]) -> str:
    """Say by which expression a column is made of an ``entry`` and its ``event``."""
    if column in _OF_ENTRY:
        return f"entry.{column}"
    if column == kind.time:
        return "entry.at"
    value = f"event.{field}"
    for special, plain in _PLAIN.items():
        if special in _types(hints.get(field or "")):
            return f"None if {value} is None else {plain}({value})"
    return value


def _make_row(expressions: Sequence[str]) -> Callable[[str, Entry], Row]:
    """Make the function that gives the row of a tenant's entry.

    It is made of the expressions' text, as ``dataclasses`` makes its methods: one that goes through the columns takes
    six times as long, 3 us an event.
    """
    names: dict[str, Any] = {}
    text = f"def row(tenant_id, entry):\n    event = entry.event\n    return (tenant_id, {', '.join(expressions)})"
    exec(text, names)  # noqa: S102 - our own text
    found: Callable[[str, Entry], Row] = names["row"]
    return found


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
