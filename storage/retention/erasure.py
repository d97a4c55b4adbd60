"""Erasing a user: rows and names are removed, in steps; the sums stay, and nothing says any more to whom they belonged.

Rollup rows of this user alone become archived counters, which count for the same minute or day as before. So every
figure stays as it was, and a recount still proves it.
"""

from collections import Counter

from sqlalchemy import ColumnElement, Connection, Table, and_, delete, select, update

from storage.alerts.rules import forget_user as forget_alerts
from storage.model.clock import Days
from storage.model.rollups import CONVERSATIONS, NOBODY, ROLLUPS, USER_DAYS
from storage.retention.archive import archive_hours, archive_returns, archive_sums, counts_of, remove
from storage.retention.prune import newest_activities
from storage.retention.steps import NOTHING, ROWS, Done, Step, Steps
from storage.saved_views import forget_user
from storage.tables import schema
from storage.tables.heads import Head
from storage.tables.rollup_rows import ARCHIVE, LIVE
from storage.tables.rows import TABLES, TIMES

_users = schema.users.c


async def forget(steps: Steps, tenant_id: str, user_id: str) -> Counter[str]:
    """Erase a user; gives how many rows were removed, by table. It may be interrupted, and done again.

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
        for table in (table for table in TIMES if "user_id" in table.c):
            shown = newest_activities(connection, head.tenant_id) if table is schema.user_activity else set()
            if ids := remove(connection, head, days, table, table.c.user_id == user_id, ROWS):
                return Done(len(ids), table.name, reset=not shown.isdisjoint(ids))
        if views := forget_user(connection, head.tenant_id, user_id):
            return Done(views, schema.saved_views.name)
        alerts, counts = forget_alerts(connection, head, user_id)
        if alerts:
            return Done(alerts, schema.alert_rules.name, alerts=counts)
        if done := _remove_owner(connection, head, user_id, days):
            return done
        return _anonymize(connection, head, user_id, days)

    return step


def _remove_owner(connection: Connection, head: Head, user_id: str, days: Days) -> Done | None:
    """Take some conversations from the user; those of which no event is left become archived counters."""
    live, archived = LIVE.tables[CONVERSATIONS.name], ARCHIVE.tables[CONVERSATIONS.name]
    owned = select(live.table.c.conversation_id).where(*_owned(live.table, head, user_id)).limit(ROWS)
    ids = list(connection.scalars(owned))
    if ids:
        left = _with_events(connection, head.tenant_id, ids)
        ended = [key for key in ids if key not in left]
        rows = live.find(connection, head.tenant_id, [(key,) for key in ended])
        archive_sums(connection, head.tenant_id, counts_of(CONVERSATIONS, rows.values(), head.cutoffs, days))
        for table in (live.table, archived.table):
            of_tenant, column = table.c.tenant_id == head.tenant_id, table.c.conversation_id
            connection.execute(delete(table).where(of_tenant, column.in_(ended)))
            mine = and_(*_owned(table, head, user_id), column.in_(left))
            connection.execute(update(table).where(mine).values(user_id=NOBODY))
        _remove_days(connection, head, ended)
        return Done(len(ids), live.table.name)
    # The user began them as far as the removed rows go; by those that are left, another one owns them.
    table = archived.table
    begun = list(connection.scalars(select(table.c.conversation_id).where(*_owned(table, head, user_id)).limit(ROWS)))
    if not begun:
        return None
    mine = and_(*_owned(table, head, user_id), table.c.conversation_id.in_(begun))
    connection.execute(update(table).where(mine).values(user_id=NOBODY))
    return Done(what=table.name)


def _remove_days(connection: Connection, head: Head, conversation_ids: list[str]) -> None:
    """Delete what is kept by day of conversations of which no event is left."""
    for rollup in _OF_CONVERSATION:
        for store in (LIVE, ARCHIVE):
            table = store.tables[rollup.name].table
            of_tenant, column = table.c.tenant_id == head.tenant_id, table.c.conversation_id
            connection.execute(delete(table).where(of_tenant, column.in_(conversation_ids)))


def _owned(table: Table, head: Head, user_id: str) -> tuple[ColumnElement[bool], ...]:
    return (table.c.tenant_id == head.tenant_id, table.c.user_id == user_id)


_OF_CONVERSATIONS = [TABLES[kind] for kind in CONVERSATIONS.facts]
"""The tables whose rows may belong to a conversation."""


def _with_events(connection: Connection, tenant_id: str, conversation_ids: list[str]) -> set[str]:
    """Say which conversations still have events, which are those of others."""
    left: set[str] = set()
    for table in _OF_CONVERSATIONS:
        ids = table.c.conversation_id
        query = select(ids).where(table.c.tenant_id == tenant_id, ids.in_(conversation_ids)).distinct()
        left.update(connection.scalars(query))
    return left


def _anonymize(connection: Connection, head: Head, user_id: str, days: Days) -> Done:
    """Keep the user counted, without its id; the change log is dropped too, since it holds names."""
    of_user = (_users.tenant_id == head.tenant_id, _users.user_id == user_id)
    user = connection.execute(select(_users.first_seen, _users.last_seen).where(*of_user)).one_or_none()
    if user is None:
        return NOTHING
    active = _days_between(days, user.first_seen, user.last_seen)
    for rollup in _PERSONAL:
        live, archived = LIVE.tables[rollup.name], ARCHIVE.tables[rollup.name]
        rows = live.select(connection, *_own_rows(live.table, head, user_id, active))
        archive_sums(connection, head.tenant_id, counts_of(rollup, rows.values(), head.cutoffs, days))
        if rollup is USER_DAYS:
            archive_hours(connection, head.tenant_id, rows, head.cutoffs)
            archive_returns(connection, head.tenant_id, user_id, head.cutoffs, (day for day, _ in rows))
        for table in (live.table, archived.table):
            connection.execute(delete(table).where(*_own_rows(table, head, user_id, active)))
    return Done(1, schema.users.name, reset=True)


_OF_CONVERSATION = tuple(rollup for rollup in ROLLUPS if "conversation_id" in rollup.key[1:])
"""The rollups that have rows of a conversation by day."""
_PERSONAL = tuple(rollup for rollup in ROLLUPS if "user_id" in rollup.key)
"""The rollups that have rows of a user."""


def _own_rows(table: Table, head: Head, user_id: str, active: list[str]) -> tuple[ColumnElement[bool], ...]:
    """Select the rows of a user; those by day are found by the days, since their key begins with them."""
    by_day = (table.c.day.in_(active),) if "day" in table.c else ()
    return (*_owned(table, head, user_id), *by_day)


def _days_between(days: Days, first: str, last: str) -> list[str]:
    """Name the local days from one time to another: rows by day are found by them, having no index by user."""
    day, end = days.of(first), days.of(last)
    found = []
    while day <= end:
        found.append(day)
        day = days.shift(day, 1)
    return found
