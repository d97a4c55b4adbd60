"""Tracking keys and revoked tokens, and the audit of what is done to them, to prices, users and saved views: every
statement about these three tables.

A key is kept as its SHA-256. A slow hash would protect what people choose; a key is 256 random bits, which cannot be
found by trying, and it is looked up at every request.
"""

import secrets
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, RowMapping, delete, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from storage.model.clock import now
from storage.tables.bulk import replace
from storage.tables.schema import about, audit, revocations, tracking_keys

EVERY_TENANT = ""
"""In a revocation: whatever the token's tenant."""
ID_BYTES = 4
TAG = "access"
"""The name in the table about whose value identifies the last change: frequent checks read only this row."""

_TAG = replace(about)


@dataclass(frozen=True)
class TrackingKey:
    """A key of a service that posts. ``revoked_at``: from when on it is worth nothing; None: it stays valid."""

    tenant_id: str
    id: str
    hash: str
    name: str
    created_at: str
    last_used_at: str | None = None
    revoked_at: str | None = None


@dataclass(frozen=True)
class Revocation:
    """Tokens of a subject (``kind`` sub) issued until ``revoked_at``, or the one token with an id (``kind`` jti).

    ``expires_at``: when the last such token has expired by itself; None if that is not known.
    """

    tenant_id: str
    kind: str
    value: str
    revoked_at: str
    expires_at: str | None = None


@dataclass(frozen=True)
class AuditEntry:
    """One line of the audit: who did what to what."""

    tenant_id: str
    at: str
    id: str
    actor: str
    action: str
    target: str


@dataclass(frozen=True)
class CredentialLists:
    """All keys that are worth something, and all revocations that matter. ``tag`` names this state of them."""

    tag: str
    keys: tuple[TrackingKey, ...]
    revocations: tuple[Revocation, ...]


async def read_credentials(connection: AsyncConnection, known: str | None) -> CredentialLists | None:
    """Read what is in force now, and keys whose end lies ahead; None if nothing was done since the tag *known*."""
    tag = str(await connection.scalar(select(about.c.value).where(about.c.name == TAG)) or "")
    if tag == known:
        return None
    moment = now()
    keys = select(tracking_keys).where(_ahead(tracking_keys.c.revoked_at, moment))
    revoked = select(revocations).where(_ahead(revocations.c.expires_at, moment))
    return CredentialLists(
        tag,
        tuple(TrackingKey(**row) for row in (await connection.execute(keys)).mappings()),
        tuple(Revocation(**row) for row in (await connection.execute(revoked)).mappings()),
    )


async def read_keys(connection: AsyncConnection, tenant_id: str | None) -> list[TrackingKey]:
    """Read the keys of a tenant, or (None) of all, revoked ones too, by tenant and then oldest first."""
    query = select(tracking_keys).order_by(tracking_keys.c.tenant_id, tracking_keys.c.created_at, tracking_keys.c.id)
    if tenant_id is not None:
        query = query.where(tracking_keys.c.tenant_id == tenant_id)
    return [TrackingKey(**row) for row in (await connection.execute(query)).mappings()]


async def read_audit(connection: AsyncConnection, limit: int) -> list[AuditEntry]:
    """Read the last acts, newest first."""
    query = select(audit).order_by(audit.c.at.desc(), audit.c.id).limit(limit)
    return [AuditEntry(**row) for row in (await connection.execute(query)).mappings()]


def add_key(connection: Connection, actor: str, tenant_id: str, name: str, digest: str) -> TrackingKey:
    """Keep a new key."""
    key = _insert(connection, tenant_id, name, digest)
    _record(connection, actor, "key added", key)
    return key


def rotate_key(connection: Connection, actor: str, key_id: str, digest: str, until: str) -> TrackingKey:
    """Keep a new key in the place of another, which continues until then; raises ``KeyError`` if there is none."""
    old = _find(connection, key_id)
    new = _insert(connection, old.tenant_id, old.name, digest)
    _end(connection, old, until)
    _record(connection, actor, "key rotated", old, f", by {new.id}, valid until {until}")
    return new


def revoke_key(connection: Connection, actor: str, key_id: str) -> TrackingKey:
    """End a key now; raises ``KeyError`` if there is none that is still worth something."""
    key = _find(connection, key_id)
    _end(connection, key, now())
    _record(connection, actor, "key revoked", key)
    return key


def revoke(connection: Connection, actor: str, revocation: Revocation) -> None:
    """Revoke tokens; what has expired by itself is forgotten. A second time counts from then on."""
    moment = now()
    table = revocations.c
    connection.execute(delete(revocations).where(table.expires_at <= moment))
    same = (table.tenant_id == revocation.tenant_id, table.kind == revocation.kind, table.value == revocation.value)
    connection.execute(delete(revocations).where(*same))
    connection.execute(revocations.insert(), [vars(revocation)])
    record(connection, revocation.tenant_id, actor, "tokens revoked", f"{revocation.kind} {revocation.value}")
    touch(connection)


def record(connection: Connection, tenant_id: str, actor: str, action: str, target: str) -> None:
    """Write one act."""
    act = AuditEntry(tenant_id, now(), secrets.token_hex(ID_BYTES), actor, action, target)
    connection.execute(audit.insert(), [vars(act)])


def touch(connection: Connection) -> None:
    """Let every process read again what is in force, within a second."""
    _TAG.write(connection, [(TAG, f"{now()} {secrets.token_hex(ID_BYTES)}")])


def record_erasure(connection: Connection, actor: str, tenant_id: str, rows: int) -> None:
    """Record that a user was erased; not which one, nor anything by which that could be tried out."""
    record(connection, tenant_id, actor, "user forgotten", f"{rows} rows removed")


def record_prices(connection: Connection, actor: str, tenant_id: str, action: str, target: str) -> None:
    """Record what was done to a tenant's prices."""
    record(connection, tenant_id, actor, action, target)
    touch(connection)


def expire(connection: Connection, audit_before: str | None) -> None:
    """Delete revocations that have ended by themselves, and acts before a time (None: none)."""
    connection.execute(delete(revocations).where(revocations.c.expires_at <= now()))
    if audit_before is not None:
        connection.execute(delete(audit).where(audit.c.at < audit_before))


def record_uses(connection: Connection, uses: dict[tuple[str, str], str]) -> None:
    """Write when keys, by tenant and id, were last used; another process may know of a later use."""
    used = tracking_keys.c.last_used_at
    for (tenant_id, key_id), moment in uses.items():
        mine = (tracking_keys.c.tenant_id == tenant_id, tracking_keys.c.id == key_id)
        connection.execute(
            update(tracking_keys).where(*mine, func.coalesce(used, "") < moment).values(last_used_at=moment)
        )


def _ahead(column: Any, moment: str) -> Any:
    return or_(column.is_(None), column > moment)


def _find(connection: Connection, key_id: str) -> TrackingKey:
    query = select(tracking_keys).where(tracking_keys.c.id == key_id, _ahead(tracking_keys.c.revoked_at, now()))
    row: RowMapping | None = connection.execute(query).mappings().first()
    if row is None:
        raise KeyError(key_id)
    return TrackingKey(**row)


def _insert(connection: Connection, tenant_id: str, name: str, digest: str) -> TrackingKey:
    key = TrackingKey(tenant_id, secrets.token_hex(ID_BYTES), digest, name, now())
    connection.execute(tracking_keys.insert(), [vars(key)])
    return key


def _end(connection: Connection, key: TrackingKey, moment: str) -> None:
    """Let a key end then, or sooner if it was to end sooner."""
    end = moment if key.revoked_at is None else min(moment, key.revoked_at)
    mine = (tracking_keys.c.tenant_id == key.tenant_id, tracking_keys.c.id == key.id)
    connection.execute(update(tracking_keys).where(*mine).values(revoked_at=end))


def _record(connection: Connection, actor: str, action: str, key: TrackingKey, more: str = "") -> None:
    record(connection, key.tenant_id, actor, action, f"{key.id} {key.name}{more}")
    touch(connection)
