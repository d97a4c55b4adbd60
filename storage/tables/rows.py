"""Events as rows of their tables, and rows as events again."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from sqlalchemy import Column, Connection, Table

from storage.model.clock import Days
from storage.model.events import Activity, AnyEvent, ApiUsage, Conversation, Message
from storage.model.rollups import Entry
from storage.tables import schema
from storage.tables.bulk import Insert, Row

TABLES: dict[type[AnyEvent], Table] = {
    Activity: schema.user_activity,
    ApiUsage: schema.api_usage,
    Conversation: schema.conversation_events,
    Message: schema.message_metrics,
}
KINDS = {table: kind for kind, table in TABLES.items()}
TIMES = {
    schema.user_activity: "timestamp",
    schema.message_metrics: "created_at",
    schema.api_usage: "timestamp",
    schema.conversation_events: "timestamp",
}
"""The tables, each with its column of time."""


def _text(value: str | None) -> str | None:
    return None if value is None else str(value)


def _number(value: int | None) -> int | None:
    return None if value is None else int(value)


# The columns of each raw table behind tenant_id, in the table's order; drivers are fast only with plain str and int.
_ROWS: dict[type[AnyEvent], Callable[[Any, int, str], Row]] = {
    Activity: lambda event, row_id, at: (
        row_id,
        event.event_id,
        event.user_id,
        event.username,
        event.activity_type,
        at,
        event.ip_address,
        event.user_agent,
        _text(event.extra_data),
    ),
    Message: lambda event, row_id, at: (
        row_id,
        event.event_id,
        event.message_id,
        event.conversation_id,
        event.user_id,
        event.role,
        _number(event.token_count),
        _number(event.response_time),
        event.model_used,
        at,
    ),
    ApiUsage: lambda event, row_id, at: (
        row_id,
        event.event_id,
        event.endpoint,
        event.method,
        event.user_id,
        event.status_code,
        int(event.response_time),
        at,
    ),
    Conversation: lambda event, row_id, at: (
        row_id,
        event.event_id,
        event.conversation_id,
        event.user_id,
        event.action,
        at,
    ),
}


_INSERT = {kind: Insert(table) for kind, table in TABLES.items()}


def insert(connection: Connection, tenant_id: str, entries: Iterable[Entry]) -> None:
    """Write the rows of new events."""
    rows: dict[type[AnyEvent], list[Row]] = {}
    for entry in entries:
        kind = type(entry.event)
        rows.setdefault(kind, []).append((tenant_id, *_ROWS[kind](entry.event, entry.id, entry.at)))
    for kind, values in rows.items():
        _INSERT[kind].write(connection, values)


def columns(table: Table) -> Sequence[Column[Any]]:
    """Give the columns that :func:`entry` needs, in their order."""
    return list(table.c)[1:]


_FIELDS = {"response_time_us": "response_time", "created_at": "timestamp"}
"""Columns that are another name for an event's field."""
_FIELDS_OF = {table: [_FIELDS.get(column.name, column.name) for column in columns(table)[1:]] for table in KINDS}


def entry(table: Table, row: Sequence[Any], days: Days) -> Entry:
    """Make the event of a *row* again, with its id, its time and its day."""
    event = KINDS[table](**dict(zip(_FIELDS_OF[table], row[1:], strict=True)))
    at = str(event.timestamp)
    return Entry(event, row[0], at, days.of(at))
