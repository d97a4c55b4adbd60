"""Forgetting a user: rows and names go, in steps; the sums stay, and nobody can tell any more whose they were.

What was the user's alone is folded into carried counters, where it counts for the minute or the day it counted for
before. So every figure stays as it was, and a recount still proves it.
"""

from collections import Counter
from typing import Any

from sqlalchemy import ColumnElement, Connection, Table, and_, delete, select, update

from storage.model.clock import Days
from storage.retention.archive import carry_sums, remove, start_of
from storage.retention.prune import newest_activities
from storage.retention.steps import NOTHING, ROWS, Done, Step, Steps
from storage.tables import schema
from storage.tables.bulk import Lookup
from storage.tables.heads import Head
from storage.tables.rows import TIMES

NOBODY = ""
"""The user id of a conversation whose owner was forgotten."""

_users = schema.users.c
_talks = schema.conversation_metrics.c
_FIND_DAYS = Lookup(schema.user_days, "day", ["day", "first_at"], ["tenant_id", "user_id"])


async def forget(steps: Steps, tenant_id: str, user_id: str) -> Counter[str]:
    """Forget a user; gives how many rows were removed, by table. It may be interrupted, and done again.

    Events of the user that are posted afterwards are those of a new one.
    """
    removed = Counter[str]()
    if user_id == NOBODY:
        return removed
    step = _forget(user_id, steps.database.days)
    while (done := await steps.take(tenant_id, step)).moved:
        removed += Counter({done.what: done.rows})
    return removed


def _forget(user_id: str, days: Days) -> Step:
    def step(connection: Connection, head: Head) -> Done:
        """Remove some of what is left. The user goes last, in a transaction that found nothing else."""
        for table in TIMES:
            shown = newest_activities(connection, head.tenant_id) if table is schema.user_activity else set()
            if ids := remove(connection, head, days, table, table.c.user_id == user_id, ROWS):
                return Done(len(ids), table.name, reset=not shown.isdisjoint(ids))
        if done := _release(connection, head, user_id, days):
            return done
        return _part(connection, head, user_id, days)

    return step


def _release(connection: Connection, head: Head, user_id: str, days: Days) -> Done | None:
    """Take some conversations from the user; those of which no event is left are folded into the counters."""
    owned = select(_talks.conversation_id, _talks.created_at, _talks.status).where(
        *_owned(schema.conversation_metrics, head, user_id)
    )
    rows = connection.execute(owned.limit(ROWS)).all()
    if rows:
        left = _with_events(connection, head.tenant_id, [row.conversation_id for row in rows])
        ended = [row for row in rows if row.conversation_id not in left]
        _fold(connection, head, ended, days)
        for table in (schema.conversation_metrics, schema.carried_conversation_metrics):
            of_tenant, ids = table.c.tenant_id == head.tenant_id, table.c.conversation_id
            connection.execute(delete(table).where(of_tenant, ids.in_([row.conversation_id for row in ended])))
            mine = and_(*_owned(table, head, user_id), ids.in_(left))
            connection.execute(update(table).where(mine).values(user_id=NOBODY))
        return Done(len(rows), schema.conversation_metrics.name)
    # The user began them as far as the removed rows go; by those that are left, another one owns them.
    carried = schema.carried_conversation_metrics
    begun = list(
        connection.scalars(select(carried.c.conversation_id).where(*_owned(carried, head, user_id)).limit(ROWS))
    )
    if not begun:
        return None
    mine = and_(*_owned(carried, head, user_id), carried.c.conversation_id.in_(begun))
    connection.execute(update(carried).where(mine).values(user_id=NOBODY))
    return Done(what=carried.name)


def _owned(table: Table, head: Head, user_id: str) -> tuple[ColumnElement[bool], ...]:
    return (table.c.tenant_id == head.tenant_id, table.c.user_id == user_id)


def _with_events(connection: Connection, tenant_id: str, conversation_ids: list[str]) -> set[str]:
    """Say which conversations still have events, which are those of others."""
    left: set[str] = set()
    for table in (schema.message_metrics, schema.conversation_events):
        ids = table.c.conversation_id
        query = select(ids).where(table.c.tenant_id == tenant_id, ids.in_(conversation_ids)).distinct()
        left.update(connection.scalars(query))
    return left


def _fold(connection: Connection, head: Head, talks: list[Any], days: Days) -> None:
    sums = Counter[tuple[str, str]]()
    for talk in talks:
        sums["conversations", start_of("conversations", talk.created_at, head.horizons, days)] += 1
        sums["deleted_conversations", ""] += talk.status == "deleted"
    carry_sums(connection, head.tenant_id, sums)


def _part(connection: Connection, head: Head, user_id: str, days: Days) -> Done:
    """Make the user one that was counted and is not known; the log goes too, since it holds names."""
    of_user = (_users.tenant_id == head.tenant_id, _users.user_id == user_id)
    user = connection.execute(select(_users.first_seen, _users.last_seen).where(*of_user)).one_or_none()
    if user is None:
        return NOTHING
    sums = Counter({("users", start_of("users", user.first_seen, head.horizons, days)): 1})
    active = _days_between(days, user.first_seen, user.last_seen)
    for day, first_at in _FIND_DAYS.find(connection, (head.tenant_id, user_id), active):
        if day >= head.horizons.user_days:
            sums["active_users", start_of("active_users", first_at, head.horizons, days)] += 1
    carry_sums(connection, head.tenant_id, sums)
    for table in (schema.users, schema.carried_users):
        connection.execute(delete(table).where(*_owned(table, head, user_id)))
    for table in (schema.user_days, schema.carried_user_days):
        connection.execute(delete(table).where(*_owned(table, head, user_id), table.c.day.in_(active)))
    return Done(1, schema.users.name, reset=True)


def _days_between(days: Days, first: str, last: str) -> list[str]:
    """Name the local days from one time to another: user_days are found by them, having no index by user."""
    day, end = days.of(first), days.of(last)
    found = []
    while day <= end:
        found.append(day)
        day = days.shift(day, 1)
    return found
