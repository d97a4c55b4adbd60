"""One commit: a tenant's events become rows, rollups and one change-log entry, inside the caller's transaction."""

import secrets
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

from sqlalchemy import Connection, Table, bindparam, delete, select

from storage import schema
from storage.bulk import Insert, Lookup, Row, add, replace
from storage.changes import NO_TAG, Change, Position
from storage.clock import Days, now
from storage.events import Activity, AnyEvent, ApiUsage, Conversation, Message
from storage.rollups import Entry, Known, Rollup, Talk, User, roll, touched

PRUNE_EVERY = 256
"""The change log is cut back once in so many commits: a delete a commit would cost more than it frees."""

TABLES: dict[type[AnyEvent], Table] = {
    Activity: schema.user_activity,
    ApiUsage: schema.api_usage,
    Conversation: schema.conversation_events,
    Message: schema.message_metrics,
}


@dataclass(frozen=True)
class Outcome:
    """What a commit did. ``recorded`` has one truth value an event; ``change`` is None if all were duplicates."""

    recorded: list[bool]
    position: Position
    change: Change | None


def commit(
    connection: Connection,
    epoch: str,
    days: Days,
    tenant_id: str,
    arrived: Sequence[tuple[AnyEvent, str]],
    keep: int,
) -> Outcome:
    """Write the events of one tenant; each comes with the time at which it arrived.

    *keep* is how many entries the change log holds at the least. The caller's transaction must end in a commit before
    anything of the outcome is told to anyone.
    """
    sequence, tag, last_id = _head(connection, tenant_id)
    recorded = _new(connection, tenant_id, [event for event, _ in arrived])
    accepted = [pair for pair, is_new in zip(arrived, recorded, strict=True) if is_new]
    if not accepted:
        return Outcome(recorded, Position(epoch, sequence, tag), None)
    entries = []
    for row_id, (event, arrival) in enumerate(accepted, last_id + 1):
        at = arrival if event.timestamp is None else str(event.timestamp)
        entries.append(Entry(event, row_id, at, days.of(at)))
    rollup = roll(entries, _known(connection, tenant_id, entries), days.of)
    _insert_events(connection, tenant_id, entries)
    _write_rollup(connection, tenant_id, rollup)
    change = Change(
        tenant_id=tenant_id,
        epoch=epoch,
        sequence=sequence + 1,
        tag=secrets.token_hex(4),
        committed_at=now(),
        **_values(connection, tenant_id, rollup, days),
        activities=rollup.activities,
        top_users=rollup.top_users,
    )
    _append(connection, change, entries[-1].id, keep)
    return Outcome(recorded, change.position, change)


_heads = schema.heads.c
_HEAD = (
    select(_heads.sequence, _heads.tag, _heads.last_id).where(_heads.tenant_id == bindparam("tenant")).with_for_update()
)


def _head(connection: Connection, tenant_id: str) -> tuple[int, str, int]:
    row = (connection.execute(_HEAD, {"tenant": tenant_id})).one_or_none()
    return (0, NO_TAG, 0) if row is None else (row.sequence, row.tag, row.last_id)


_FIND_EVENTS = {kind: Lookup(table, "event_id", ["event_id"]) for kind, table in TABLES.items()}
_FIND_MESSAGES = Lookup(schema.message_metrics, "message_id", ["message_id"])


def _new(connection: Connection, tenant_id: str, events: Sequence[AnyEvent]) -> list[bool]:
    """Say of each event whether its ids are new: neither in the database nor earlier in *events*."""
    event_ids: dict[type[AnyEvent], set[str]] = {}
    for event in events:
        if event.event_id is not None:
            event_ids.setdefault(type(event), set()).add(event.event_id)
    seen: set[tuple[type[AnyEvent], str]] = set()
    for kind, keys in event_ids.items():
        seen.update((kind, key) for (key,) in _FIND_EVENTS[kind].find(connection, (tenant_id,), keys))
    message_ids = {event.message_id for event in events if type(event) is Message}
    messages: set[str] = {key for (key,) in _FIND_MESSAGES.find(connection, (tenant_id,), message_ids)}
    recorded = []
    for event in events:
        key = None if event.event_id is None else (type(event), event.event_id)
        message_id = event.message_id if type(event) is Message else None
        is_new = key not in seen and message_id not in messages
        if is_new and key is not None:
            seen.add(key)
        if is_new and message_id is not None:
            messages.add(message_id)
        recorded.append(is_new)
    return recorded


_USER_COLUMNS = schema.users.c.keys()[1:]
_TALK_COLUMNS = schema.conversation_metrics.c.keys()[1:]
_FIND_USERS = Lookup(schema.users, "user_id", _USER_COLUMNS)
_FIND_USER_DAYS = Lookup(schema.user_days, "user_id", ["day", "user_id"], ["tenant_id", "day"])
_FIND_TALKS = Lookup(schema.conversation_metrics, "conversation_id", _TALK_COLUMNS)


def _known(connection: Connection, tenant_id: str, entries: Sequence[Entry]) -> Known:
    """Read the rows that *entries* touch."""
    keys = touched(entries)
    known = Known()
    for row in _FIND_USERS.find(connection, (tenant_id,), keys.users):
        user = User(*row)
        known.users[user.user_id] = user.counted()
    by_day: dict[str, list[str]] = {}
    for day, user_id in keys.user_days:
        by_day.setdefault(day, []).append(user_id)
    for day, user_ids in by_day.items():
        pairs = _FIND_USER_DAYS.find(connection, (tenant_id, day), user_ids)
        known.user_days.update((day, user_id) for day, user_id in pairs)
    for row in _FIND_TALKS.find(connection, (tenant_id,), keys.conversations):
        talk = Talk(*row)
        known.conversations[talk.conversation_id] = talk.counted()
    return known


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
        event.token_count,
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
_REPLACE_USERS = replace(schema.users)
_REPLACE_TALKS = replace(schema.conversation_metrics)
_INSERT_USER_DAYS = Insert(schema.user_days)
_ADD_COUNTERS = add(schema.counters)
_REPLACE_HEAD = replace(schema.heads)
_INSERT_CHANGE = Insert(schema.changes)

# Most events leave the indexed columns of a known row as they are: not setting these spares their indexes.
_UPDATE_USERS = replace(schema.users, ("first_seen", "last_seen"))
_UPDATE_TALKS = replace(
    schema.conversation_metrics,
    ("message_count", "total_tokens", "response_count", "response_time_us", "status", "updated_at"),
)

_of_user = attrgetter(*_USER_COLUMNS)
_of_talk = attrgetter(*_TALK_COLUMNS)


def _insert_events(connection: Connection, tenant_id: str, entries: Iterable[Entry]) -> None:
    rows: dict[type[AnyEvent], list[Row]] = {}
    for entry in entries:
        kind = type(entry.event)
        rows.setdefault(kind, []).append((tenant_id, *_ROWS[kind](entry.event, entry.id, entry.at)))
    for kind, values in rows.items():
        _INSERT[kind].write(connection, values)


def _write_rollup(connection: Connection, tenant_id: str, rollup: Rollup) -> None:
    for statement, users in ((_UPDATE_USERS, True), (_REPLACE_USERS, False)):
        chosen = [user for user in rollup.users if user.keeps_rank is users]
        statement.write(connection, [(tenant_id, *_of_user(user)) for user in chosen])
    for statement, talks in ((_UPDATE_TALKS, True), (_REPLACE_TALKS, False)):
        settled = [talk for talk in rollup.conversations if talk.keeps_founding is talks]
        statement.write(connection, [(tenant_id, *_of_talk(talk)) for talk in settled])
    _INSERT_USER_DAYS.write(connection, [(tenant_id, *pair) for pair in rollup.user_days])
    _ADD_COUNTERS.write(connection, [(tenant_id, *key, value) for key, value in sorted(rollup.counters.items())])


_FIND_TOTALS = Lookup(schema.counters, "metric", ["metric", "value"], ["tenant_id", "grain", "start"])
_FIND_DAYS = Lookup(schema.counters, "start", ["start", "value"], ["tenant_id", "grain", "metric"])


def _values(connection: Connection, tenant_id: str, rollup: Rollup, days: Days) -> dict[str, dict[str, int]]:
    """Read the counters that moved, as they stand now: totals, and the active users of days that can be a today."""
    recent = days.shift(days.today(), -1)
    moved = [metric for grain, metric, _ in rollup.counters if grain == "total"]
    active = {day for day, _ in rollup.user_days if day >= recent}
    return {
        "totals": dict(tuple(row) for row in _FIND_TOTALS.find(connection, (tenant_id, "total", ""), moved)),
        "active_users": dict(
            tuple(row) for row in _FIND_DAYS.find(connection, (tenant_id, "day", "active_users"), active)
        ),
    }


def _append(connection: Connection, change: Change, last_id: int, keep: int) -> None:
    """Append the change-log entry and move the head; now and then cut the log back."""
    head = (change.tenant_id, change.sequence, change.tag)
    _INSERT_CHANGE.write(connection, [(*head, change.encode())])
    _REPLACE_HEAD.write(connection, [(*head, last_id)])
    if change.sequence % PRUNE_EVERY == 0:
        log = schema.changes.c
        outdated = delete(schema.changes).where(
            log.tenant_id == change.tenant_id, log.sequence <= change.sequence - keep
        )
        connection.execute(outdated)
