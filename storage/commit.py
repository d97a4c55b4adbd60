"""One commit: a tenant's events become rows, rollups and one change-log entry, inside the caller's transaction."""

import heapq
import secrets
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

import msgspec
from sqlalchemy import Connection, Table, bindparam, delete, func, select

from storage import schema
from storage.bulk import Insert, Lookup, Row, add, replace
from storage.changes import MINUTES, NO_TAG, Change, Minutes, Position
from storage.clock import Days, now
from storage.events import Activity, AnyEvent, ApiUsage, Conversation, Message
from storage.histogram import Histogram
from storage.metrics import LABELLED, OTHERS, label_bounds
from storage.rollups import OTHER_ENDPOINTS, DayKey, EndpointDay, Entry, Known, Rollup, Talk, User, roll, touched

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
    sequence, tag, last_id = _lock_head(connection, tenant_id)
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
    sums = _write_rollup(connection, tenant_id, rollup)
    change = Change(
        tenant_id=tenant_id,
        epoch=epoch,
        sequence=sequence + 1,
        tag=secrets.token_hex(4),
        committed_at=now(),
        totals={metric: value for (grain, metric, _), value in sums.items() if grain == "total"},
        active_users=_recent_active_users(sums, days),
        activities=rollup.activities,
        top_users=rollup.top_users,
        minutes=_newest_minutes(sums),
    )
    _append(connection, change, entries[-1].id, keep)
    return Outcome(recorded, change.position, change)


_heads = schema.heads.c
_NO_HORIZONS = ("",) * 5
_HEAD = (
    select(_heads.sequence, _heads.tag, _heads.last_id).where(_heads.tenant_id == bindparam("tenant")).with_for_update()
)


def _lock_head(connection: Connection, tenant_id: str) -> tuple[int, str, int]:
    """Read where the tenant stands, and let nobody else commit for it before this transaction ends.

    On PostgreSQL the head row is what the writers of a tenant wait for, in all processes. Every other row that a commit
    touches is the tenant's too, so none waits for a second lock: they cannot deadlock.
    """
    while (row := connection.execute(_HEAD, {"tenant": tenant_id}).one_or_none()) is None:
        # Of two who make it at once one waits here for the other, and then finds what that one committed.
        _MAKE_HEAD.write(connection, [(tenant_id, 0, NO_TAG, 0, *_NO_HORIZONS)])
    return row.sequence, row.tag, row.last_id


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
_FIND_USER_DAYS = Lookup(schema.user_days, "user_id", ["user_id", "first_at"], ["tenant_id", "day"])
_FIND_TALKS = Lookup(schema.conversation_metrics, "conversation_id", _TALK_COLUMNS)
_ENDPOINT_DAY_COLUMNS = schema.endpoint_days.c.keys()[1:]
_FIND_ENDPOINT_DAYS = Lookup(schema.endpoint_days, "endpoint", _ENDPOINT_DAY_COLUMNS, ["tenant_id", "day"])


def _known(connection: Connection, tenant_id: str, entries: Sequence[Entry]) -> Known:
    """Read the rows that *entries* touch."""
    keys = touched(entries)
    known = Known()
    for row in _FIND_USERS.find(connection, (tenant_id,), keys.users):
        user = User(*row)
        known.users[user.user_id] = user.counted()
    for day, user_ids in _by_day(keys.user_days).items():
        for user_id, first_at in _FIND_USER_DAYS.find(connection, (tenant_id, day), user_ids):
            known.user_days[day, user_id] = first_at
    for row in _FIND_TALKS.find(connection, (tenant_id,), keys.conversations):
        talk = Talk(*row)
        known.conversations[talk.conversation_id] = talk.counted()
    for day, endpoints in _by_day(keys.endpoint_days).items():
        _know_endpoints(connection, tenant_id, day, endpoints, known)
    if keys.models:
        known.models = _models(connection, tenant_id)
    return known


def _by_day(keys: Iterable[DayKey]) -> dict[str, list[str]]:
    by_day: dict[str, list[str]] = {}
    for day, key in keys:
        by_day.setdefault(day, []).append(key)
    return by_day


_endpoint_days = schema.endpoint_days.c
_COUNT_ENDPOINTS = select(func.count()).where(
    _endpoint_days.tenant_id == bindparam("tenant"),
    _endpoint_days.day == bindparam("day"),
    _endpoint_days.endpoint != OTHER_ENDPOINTS,
)


def _know_endpoints(connection: Connection, tenant_id: str, day: str, endpoints: list[str], known: Known) -> None:
    """Read the rows of *endpoints*; their number only if one is new, since that reads all of the day."""
    for row in _FIND_ENDPOINT_DAYS.find(connection, (tenant_id, day), [*endpoints, OTHER_ENDPOINTS]):
        _, endpoint, count, errors, total_us, buckets = row
        histogram = msgspec.json.decode(buckets, type=Histogram)
        known.endpoint_days[day, endpoint] = EndpointDay(day, endpoint, count, errors, total_us, histogram)
    if any((day, endpoint) not in known.endpoint_days for endpoint in endpoints):
        known.endpoints[day] = connection.scalar(_COUNT_ENDPOINTS, {"tenant": tenant_id, "day": day}) or 0


_counters = schema.counters.c
_FIRST_LABEL, _PAST_LABELS = label_bounds(LABELLED[0].name)
_FIND_MODELS = select(_counters.metric).where(
    _counters.tenant_id == bindparam("tenant"),
    _counters.grain == "total",
    _counters.metric >= _FIRST_LABEL,
    _counters.metric < _PAST_LABELS,
)


def _models(connection: Connection, tenant_id: str) -> set[str]:
    """Read which models have counters of their own."""
    names = connection.scalars(_FIND_MODELS, {"tenant": tenant_id})
    return {name[len(_FIRST_LABEL) :] for name in names} - {OTHERS}


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
_REPLACE_USER_DAYS = replace(schema.user_days)
_REPLACE_ENDPOINT_DAYS = replace(schema.endpoint_days)
_ADD_COUNTERS = add(schema.counters)
_REPLACE_HEAD = replace(schema.heads, ("sequence", "tag", "last_id"))
_MAKE_HEAD = replace(schema.heads, ())
_INSERT_CHANGE = Insert(schema.changes)

# Most events leave the indexed columns of a known row as they are: not setting these spares their indexes.
_UPDATE_USERS = replace(schema.users, ("first_seen", "last_seen"))
_UPDATE_TALKS = replace(
    schema.conversation_metrics,
    ("message_count", "total_tokens", "response_count", "response_time_us", "updated_at"),
)

_of_user = attrgetter(*_USER_COLUMNS)
_of_talk = attrgetter(*_TALK_COLUMNS)


def _of_endpoint_day(row: EndpointDay) -> Row:
    buckets = msgspec.json.encode(dict(sorted(row.buckets.items()))).decode()
    return (row.day, row.endpoint, row.count, row.error_count, row.response_time_us, buckets)


def _insert_events(connection: Connection, tenant_id: str, entries: Iterable[Entry]) -> None:
    rows: dict[type[AnyEvent], list[Row]] = {}
    for entry in entries:
        kind = type(entry.event)
        rows.setdefault(kind, []).append((tenant_id, *_ROWS[kind](entry.event, entry.id, entry.at)))
    for kind, values in rows.items():
        _INSERT[kind].write(connection, values)


Sums = dict[tuple[str, str, str], int]
"""Counters by (grain, metric, start)."""


def _write_rollup(connection: Connection, tenant_id: str, rollup: Rollup) -> Sums:
    """Write the rows; gives the counters that moved, as they stand now."""
    for statement, users in ((_UPDATE_USERS, True), (_REPLACE_USERS, False)):
        chosen = [user for user in rollup.users if user.keeps_rank is users]
        statement.write(connection, [(tenant_id, *_of_user(user)) for user in chosen])
    for statement, talks in ((_UPDATE_TALKS, True), (_REPLACE_TALKS, False)):
        settled = [talk for talk in rollup.conversations if talk.keeps_place is talks]
        statement.write(connection, [(tenant_id, *_of_talk(talk)) for talk in settled])
    _REPLACE_USER_DAYS.write(connection, [(tenant_id, *row) for row in rollup.user_days])
    _REPLACE_ENDPOINT_DAYS.write(connection, [(tenant_id, *_of_endpoint_day(row)) for row in rollup.endpoint_days])
    added = [(tenant_id, *key, value) for key, value in sorted(rollup.counters.items())]
    return {(grain, metric, start): value for _, grain, metric, start, value in _ADD_COUNTERS.write(connection, added)}


def _recent_active_users(sums: Sums, days: Days) -> dict[str, int]:
    """Pick the active users of those days that can be a today."""
    recent = days.shift(days.today(), -1)
    return {
        start: value
        for (grain, metric, start), value in sums.items()
        if grain == "day" and metric == "active_users" and start >= recent
    }


def _newest_minutes(sums: Sums) -> Minutes:
    """Pick the minutes that can be among those that a panel holds."""
    minutes: Minutes = {}
    for (grain, metric, start), value in sums.items():
        if grain == "minute":
            minutes.setdefault(start, {})[metric] = value
    return {start: minutes[start] for start in heapq.nlargest(MINUTES, minutes)}


def _append(connection: Connection, change: Change, last_id: int, keep: int) -> None:
    """Append the change-log entry and move the head; now and then cut the log back."""
    head = (change.tenant_id, change.sequence, change.tag)
    _INSERT_CHANGE.write(connection, [(*head, change.encode())])
    _REPLACE_HEAD.write(connection, [(*head, last_id, *_NO_HORIZONS)])
    if change.sequence % PRUNE_EVERY == 0:
        log = schema.changes.c
        outdated = delete(schema.changes).where(
            log.tenant_id == change.tenant_id, log.sequence <= change.sequence - keep
        )
        connection.execute(outdated)
