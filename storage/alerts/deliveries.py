"""Messages that wait to be sent, and what became of them: claimed by one process, sent, settled.

A message is sent at least once: a process that dies between sending and settling leaves it to the next one, which sends
it again with the same id and the same bytes. One about several transitions has a row for each of them; they are written
by one commit, and claimed and settled together.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, and_, delete, exists, func, or_, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from storage.alerts.message import write_group
from storage.alerts.targets import end_target
from storage.model import clock
from storage.model.clock import now
from storage.tables import schema

WAITING, DELIVERED, FAILED, GONE = "waiting", "delivered", "failed", "gone"
MAX_HISTORY = 100_000
"""How many transitions of a tenant are kept."""
WAITS = (5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400)
"""Seconds before each further attempt, as the Standard Webhooks specification has them: three days in all."""
_table = schema.alert_deliveries
_sent = _table.c
_other = _table.alias("other").c
_transitions = schema.alert_transitions.c
_targets = schema.alert_targets.c
_of_transition = and_(_transitions.tenant_id == _sent.tenant_id, _transitions.id == _sent.transition_id)
_of_target = and_(_targets.tenant_id == _sent.tenant_id, _targets.id == _sent.target_id)


@dataclass(frozen=True)
class Claimed:
    """A message that this process has in hand until ``claimed_until``. ``kind`` is None if its target is gone.

    ``message_id`` is that of its transition, or of its ``group_id``: it is about several then.
    """

    tenant_id: str
    id: str
    group_id: str | None
    target_id: str
    attempts: int
    message_id: str
    body: str
    kind: str | None
    sealed: str | None
    claimed_until: str


@dataclass(frozen=True)
class Result:
    """What became of an attempt: ``error`` None: it was taken. ``is_final``: there is no sense in another one.

    ``is_gone``: the target wants no more messages at all. ``retry_after``: seconds that it asked for.
    """

    error: str | None = None
    is_final: bool = False
    is_gone: bool = False
    retry_after: float = 0.0


async def is_due(connection: AsyncConnection) -> bool:
    """Say whether any message waits to be sent now."""
    due = select(_sent.id).where(_sent.status == WAITING, _sent.due_at <= now(), _sent.claimed_until < now()).limit(1)
    return (await connection.execute(due)).first() is not None


def claim(connection: Connection, most: int, seconds: float, busy: Collection[str]) -> list[Claimed]:
    """Take messages that are due in hand for so many *seconds*, none of *busy* tenants; no other process gets them."""
    at = now()
    until = clock.text(clock.moment(at) + timedelta(seconds=seconds))
    wanted = (
        select(_sent.tenant_id, _sent.id, _sent.group_id, _sent.target_id)
        .where(_sent.status == WAITING, _sent.due_at <= at, _is_free(at, until), _sent.tenant_id.not_in(busy), _LEADS)
        .order_by(_sent.due_at)
        .limit(most)
        .with_for_update(skip_locked=True)
    )
    messages = [_of_message(*row) for row in connection.execute(wanted)]
    if not messages:
        return []
    mine = or_(*messages)
    connection.execute(update(_table).where(mine).values(claimed_until=until))
    query = (
        select(_table, _transitions.body, _targets.kind, _targets.sealed)
        .select_from(_table.join(schema.alert_transitions, _of_transition).outerjoin(schema.alert_targets, _of_target))
        .where(mine)
        .order_by(_sent.due_at, _sent.transition_id)
    )
    return _join(connection.execute(query))


def _join(rows: Iterable[Row[Any]]) -> list[Claimed]:
    """Make messages of rows, each of those that belong together."""
    messages: dict[tuple[str, str, str], list[Row[Any]]] = {}
    for row in rows:
        messages.setdefault((row.tenant_id, row.group_id or row.id, row.target_id), []).append(row)
    return [_claimed(of_message) for of_message in messages.values()]


def _claimed(rows: Sequence[Row[Any]]) -> Claimed:
    first, message_id, body = rows[0], rows[0].transition_id, rows[0].body
    if first.group_id is not None:
        message_id = first.group_id
        body = write_group(message_id, first.tenant_id, first.created_at, [row.body for row in rows])
    of_row = (first.tenant_id, first.id, first.group_id, first.target_id, first.attempts)
    return Claimed(*of_row, message_id, body, first.kind, first.sealed, first.claimed_until)


def settle(connection: Connection, claimed: Claimed, result: Result, jitter: float) -> bool:
    """Record what became of an attempt; False if the message is not in this process' hand any more.

    *jitter*, from 0 to 1, makes the wait longer by up to a tenth.
    """
    attempts, at = claimed.attempts + 1, now()
    status, due = WAITING, at
    if result.error is None:
        status = DELIVERED
    elif result.is_gone:
        status = GONE
        end_target(connection, claimed.tenant_id, claimed.target_id)
    elif result.is_final or attempts > len(WAITS):
        status = FAILED
    else:
        wait = max(WAITS[attempts - 1] * (1 + jitter / 10), min(result.retry_after, WAITS[-1]))
        due = clock.text(clock.moment(at) + timedelta(seconds=wait))
    mine = _of_message(claimed.tenant_id, claimed.id, claimed.group_id, claimed.target_id)
    changed = update(_table).where(mine, _sent.claimed_until == claimed.claimed_until)
    values = {"status": status, "attempts": attempts, "due_at": due, "claimed_until": "", "last_at": at}
    return bool(connection.execute(changed.values(**values, error=result.error)).rowcount)


def send_again(connection: Connection, tenant_id: str, delivery_id: str) -> None:
    """Let a message be sent once more, with the same id, and its attempts begin anew; raises ``KeyError``."""
    is_it = and_(_sent.tenant_id == tenant_id, _sent.id == delivery_id)
    found = connection.execute(select(_sent.group_id, _sent.target_id).where(is_it)).one_or_none()
    if found is None:
        raise KeyError(delivery_id)
    values = {"status": WAITING, "attempts": 0, "due_at": now(), "claimed_until": ""}
    connection.execute(update(_table).where(_of_message(tenant_id, delivery_id, *found)).values(**values))


def ends_of_history(connection: Connection, before: str) -> dict[str, str]:
    """Name the tenants that have transitions to be deleted, each with the time before which they are.

    It is *before*, or later if there are more than :data:`MAX_HISTORY`.
    """
    found = {}
    for tenant_id in connection.scalars(select(_transitions.tenant_id).distinct()).all():
        of_tenant = _transitions.tenant_id == tenant_id
        newest = select(_transitions.at).where(of_tenant).order_by(_transitions.at.desc(), _transitions.id.desc())
        end = max(before, connection.scalar(newest.offset(MAX_HISTORY).limit(1)) or "")
        if connection.scalar(select(_transitions.id).where(of_tenant, _transitions.at < end).limit(1)) is not None:
            found[tenant_id] = end
    return found


def drop_history(connection: Connection, tenant_id: str, before: str, most: int) -> int:
    """Delete up to so many transitions of a tenant from before a time, with what was sent of them; gives how many."""
    of_tenant = _transitions.tenant_id == tenant_id
    old = select(_transitions.tenant_id, _transitions.id).where(of_tenant, _transitions.at < before).limit(most)
    keys = [tuple(row) for row in connection.execute(old)]
    if keys:
        connection.execute(delete(_table).where(tuple_(_sent.tenant_id, _sent.transition_id).in_(keys)))
        ids = tuple_(_transitions.tenant_id, _transitions.id).in_(keys)
        connection.execute(delete(schema.alert_transitions).where(ids))
    return len(keys)


Item = dict[str, Any]


async def read_history(
    connection: AsyncConnection, tenant_id: str, limit: int, before: tuple[str, str] | None
) -> list[Item]:
    """Read transitions, newest first, behind the one of this time and id, each with what was sent of it."""
    query = select(*(_transitions[name] for name in _SHOWN)).where(_transitions.tenant_id == tenant_id)
    if before is not None:
        query = query.where(tuple_(_transitions.at, _transitions.id) < tuple_(*before))
    query = query.order_by(_transitions.at.desc(), _transitions.id.desc()).limit(limit)
    items = [dict(zip(_SHOWN, row, strict=True)) for row in await connection.execute(query)]
    message_id = func.coalesce(_sent.group_id, _sent.transition_id)
    sent = select(_sent.transition_id, message_id, *(_sent[name] for name in _OF_DELIVERY)).where(
        _sent.tenant_id == tenant_id, _sent.transition_id.in_([item["id"] for item in items])
    )
    deliveries: dict[str, list[Item]] = {}
    for transition_id, *row in await connection.execute(sent.order_by(_sent.target_id)):
        item = dict(zip(("message_id", *_OF_DELIVERY), row, strict=True))
        deliveries.setdefault(transition_id, []).append(item)
    return [{**item, "deliveries": deliveries.get(item["id"], [])} for item in items]


_SHOWN = ("id", "at", "rule_id", "level", "status", "value", "held", "body")
_OF_DELIVERY = ("id", "target_id", "status", "attempts", "created_at", "due_at", "last_at", "error")


def _is_free(at: str, until: str) -> Any:
    """Say that nobody has a message in hand; a claim beyond *until* is from before the clock was set back."""
    return or_(_sent.claimed_until < at, _sent.claimed_until > until)


def _of_message(tenant_id: str, delivery_id: str, group_id: str | None, target_id: str) -> ColumnElement[bool]:
    """Say which rows are those of a message."""
    if group_id is None:
        return and_(_sent.tenant_id == tenant_id, _sent.id == delivery_id)
    return and_(_sent.tenant_id + "" == tenant_id, _sent.group_id == group_id, _sent.target_id == target_id)


# One row of each message is claimed, so that no two processes claim parts of it. The tenant is written so that SQLite
# does not search by it: it knows nothing of the sizes of indexes, and would read all rows of the tenant.
_LEADS = or_(
    _sent.group_id.is_(None),
    ~exists().where(
        _other.group_id == _sent.group_id,
        _other.target_id == _sent.target_id,
        _other.tenant_id + "" == _sent.tenant_id,
        _other.id < _sent.id,
    ),
)
