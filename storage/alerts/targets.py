"""Who is told of alerts: webhooks, e-mail addresses, and the services that apprise knows. Every statement about them.

Addresses and secrets come here encrypted (``web/alerts/seal.py``); ``shown`` is what may be read of them.
"""

from dataclasses import dataclass

from sqlalchemy import Connection, delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from storage.credentials import record
from storage.errors import TooManyRules
from storage.model.clock import now
from storage.tables import schema
from storage.tables.bulk import replace

MAX_TARGETS = 100
"""How many a tenant may have."""
_table = schema.alert_targets
_columns = _table.c
_PUT = replace(_table)


@dataclass(frozen=True)
class Target:
    """One target. ``ended_at``: when it said that it wants no more messages; None: it has not."""

    id: str
    kind: str
    shown: str
    sealed: str
    author: str
    updated_at: str = ""
    ended_at: str | None = None


_FIELDS = tuple(_columns[name] for name in Target.__dataclass_fields__)


async def read_targets(connection: AsyncConnection, tenant_id: str) -> list[Target]:
    """Read the targets of a tenant, by id."""
    query = select(*_FIELDS).where(_columns.tenant_id == tenant_id).order_by(_columns.id)
    return [Target(*row) for row in await connection.execute(query)]


async def read_target(connection: AsyncConnection, tenant_id: str, target_id: str) -> Target:
    """Read one target; raises ``KeyError`` if there is no such one."""
    query = select(*_FIELDS).where(_columns.tenant_id == tenant_id, _columns.id == target_id)
    row = (await connection.execute(query)).one_or_none()
    if row is None:
        raise KeyError(target_id)
    return Target(*row)


def put_target(connection: Connection, tenant_id: str, target: Target) -> Target:
    """Add a target, or change the one of this id, which is told again then; raises :exc:`TooManyRules`."""
    others = select(func.count()).where(_columns.tenant_id == tenant_id, _columns.id != target.id)
    if (connection.scalar(others) or 0) >= MAX_TARGETS:
        raise TooManyRules(f"the tenant has {MAX_TARGETS} targets: delete one first")
    kept = Target(target.id, target.kind, target.shown, target.sealed, target.author, now())
    _PUT.write(connection, [(tenant_id, *vars(kept).values())])
    record(connection, tenant_id, target.author, "alert target set", target.id)
    return kept


def delete_target(connection: Connection, tenant_id: str, target_id: str, actor: str) -> None:
    """Delete a target; raises ``KeyError`` if there is no such one. What waits for it is not sent."""
    mine = delete(_table).where(_columns.tenant_id == tenant_id, _columns.id == target_id)
    if not connection.execute(mine).rowcount:
        raise KeyError(target_id)
    record(connection, tenant_id, actor, "alert target deleted", target_id)


def end_target(connection: Connection, tenant_id: str, target_id: str) -> None:
    """Record that a target wants no more messages."""
    mine = update(_table).where(_columns.tenant_id == tenant_id, _columns.id == target_id)
    connection.execute(mine.values(ended_at=now()))
