"""A tenant's head row, which every change of its figures locks first, and the change log."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field

from sqlalchemy import Connection, bindparam, delete, select, update

from storage.model.changes import NO_TAG, Change
from storage.model.cutoffs import TABLES, Cutoffs
from storage.tables import schema
from storage.tables.bulk import Insert, replace

CUT_EVERY = 256
"""The change log is cut back once in so many commits: a delete a commit would cost more than it frees."""

_heads = schema.heads.c
_log = schema.changes.c
CUTOFF_COLUMNS = tuple(_heads[f"{name}_from"] for name in (*TABLES, "user_days", "user_hours", "user_returns"))
_NO_CUTOFFS = ("",) * len(CUTOFF_COLUMNS)
_NO_ALERTS = 0
_HEAD = (
    select(_heads.sequence, _heads.tag, _heads.last_id, _heads.alerts, *CUTOFF_COLUMNS)
    .where(_heads.tenant_id == bindparam("tenant"))
    .with_for_update()
)
_MAKE_HEAD = replace(schema.heads, ())
_MOVE_HEAD = replace(schema.heads, ("sequence", "tag", "last_id"))
_INSERT_CHANGE = Insert(schema.changes)


@dataclass(frozen=True)
class Head:
    """The tenant's newest sequence with its tag, the last id given to a row, and how far back its tables reach.

    ``alerts`` names the state of its rules of alerts (0: it has none), ``next_tag`` is the tag of the change that
    follows.
    """

    tenant_id: str
    sequence: int
    tag: str
    last_id: int
    cutoffs: Cutoffs
    alerts: int = _NO_ALERTS
    next_tag: str = field(default_factory=lambda: secrets.token_hex(4))


def lock(connection: Connection, tenant_id: str) -> Head:
    """Lock and read the tenant's head: no other commit of the tenant runs before this transaction ends.

    On PostgreSQL the head row is what the writers of a tenant wait for, in all processes. Every other row that a commit
    touches is the tenant's too, so none waits for a second lock: they cannot deadlock.
    """
    while (row := connection.execute(_HEAD, {"tenant": tenant_id}).one_or_none()) is None:
        # Of two who make it at once one waits here for the other, and then finds what that one committed.
        _MAKE_HEAD.write(connection, [(tenant_id, 0, NO_TAG, 0, *_NO_CUTOFFS, _NO_ALERTS)])
    sequence, tag, last_id, alerts, *cutoffs = row
    return Head(tenant_id, sequence, tag, last_id, cutoffs_of(cutoffs), alerts)


def append(connection: Connection, change: Change, last_id: int, keep: int) -> None:
    """Append the change-log entry and move the head; now and then cut the log back to *keep* entries.

    Before a reset nothing is kept: no difference leads over it, and what was erased must not stay in the log.
    """
    head = (change.tenant_id, change.sequence, change.tag)
    _INSERT_CHANGE.write(connection, [(*head, change.encode())])
    _MOVE_HEAD.write(connection, [(*head, last_id, *_NO_CUTOFFS, _NO_ALERTS)])
    if change.reset or change.sequence % CUT_EVERY == 0:
        last = change.sequence - (1 if change.reset else keep)
        connection.execute(delete(schema.changes).where(_log.tenant_id == change.tenant_id, _log.sequence <= last))


def move_cutoffs(connection: Connection, tenant_id: str, cutoffs: Cutoffs) -> None:
    """Write how far back the tenant's tables reach from now on."""
    of_tables = (cutoffs.tables[name] for name in TABLES)
    of_users = (cutoffs.user_days, cutoffs.user_hours, cutoffs.user_returns)
    values = dict(zip(CUTOFF_COLUMNS, (*of_tables, *of_users), strict=True))
    connection.execute(update(schema.heads).where(_heads.tenant_id == tenant_id).values(values))


def move_alerts(connection: Connection, tenant_id: str, are_any: bool) -> int:
    """Say that rules of alerts, or their states, have changed; gives what names their state from now on."""
    drawn = secrets.randbits(62) | 1 if are_any else _NO_ALERTS
    connection.execute(update(schema.heads).where(_heads.tenant_id == tenant_id).values(alerts=drawn))
    return drawn


def cutoffs_of(row: Sequence[str]) -> Cutoffs:
    """Make cutoffs of the values of :data:`CUTOFF_COLUMNS`."""
    *tables, user_days, user_hours, user_returns = row
    return Cutoffs(dict(zip(TABLES, tables, strict=True)), user_days, user_hours, user_returns)
