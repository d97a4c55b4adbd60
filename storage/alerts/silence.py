"""Silences: until a time nobody is told of what matches. Every statement about their table.

What matches is recorded all the same, so that the history has it.
"""

import secrets
from dataclasses import dataclass

import msgspec
from msgspec import Struct
from sqlalchemy import Connection, delete, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from storage.alerts.rule import Rule, Text
from storage.credentials import record
from storage.errors import TooManyRules
from storage.model.clock import now
from storage.tables import schema

MAX_SILENCES = 200
ID_BYTES = 8
_table = schema.alert_silences
_columns = _table.c


class Matcher(Struct, forbid_unknown_fields=True, frozen=True, omit_defaults=True):
    """What a silence is about: a rule that is equal in everything that is given; nothing given: all rules."""

    rule: Text | None = None
    kind: Text | None = None
    severity: Text | None = None
    user_id: Text | None = None
    provider: Text | None = None
    model: Text | None = None

    def matches(self, rule_id: str, rule: Rule) -> bool:
        """Say whether a rule is meant."""
        found = {"rule": rule_id, **{name: getattr(rule, name) for name in _OF_RULE}}
        return all(wanted in (None, found[name]) for name, wanted in msgspec.structs.asdict(self).items())


_OF_RULE = ("kind", "severity", "user_id", "provider", "model")


@dataclass(frozen=True)
class Silence:
    """One silence."""

    matcher: Matcher
    until: str
    author: str
    id: str = ""
    created_at: str = ""


def read_matchers(connection: Connection, tenant_id: str, at: str) -> list[Matcher]:
    """Read what nobody is told of at a time."""
    bodies = connection.scalars(select(_columns.body).where(_columns.tenant_id == tenant_id, _columns.until > at))
    return [msgspec.json.decode(body, type=Matcher) for body in bodies]


async def read_silences(connection: AsyncConnection, tenant_id: str) -> list[Silence]:
    """Read the silences of a tenant that have not ended, the one that ends first first."""
    query = (
        select(_columns.body, _columns.until, _columns.author, _columns.id, _columns.created_at)
        .where(_columns.tenant_id == tenant_id, _columns.until > now())
        .order_by(_columns.until, _columns.id)
    )
    rows = await connection.execute(query)
    return [Silence(msgspec.json.decode(body, type=Matcher), *rest) for body, *rest in rows]


def add_silence(connection: Connection, tenant_id: str, silence: Silence) -> Silence:
    """Keep a new silence, and drop those that have ended; raises :exc:`TooManyRules`."""
    connection.execute(delete(_table).where(_columns.tenant_id == tenant_id, _columns.until <= now()))
    count = select(func.count()).where(_columns.tenant_id == tenant_id)
    if (connection.scalar(count) or 0) >= MAX_SILENCES:
        raise TooManyRules(f"the tenant has {MAX_SILENCES} silences: end one first")
    added = Silence(silence.matcher, silence.until, silence.author, secrets.token_hex(ID_BYTES), now())
    row = {
        "tenant_id": tenant_id,
        "id": added.id,
        "body": msgspec.json.encode(added.matcher).decode(),
        "until": added.until,
        "author": added.author,
        "created_at": added.created_at,
    }
    connection.execute(_table.insert(), [row])
    record(connection, tenant_id, added.author, "alerts silenced", f"{added.id} until {added.until}")
    return added


def end_silence(connection: Connection, tenant_id: str, silence_id: str, actor: str) -> None:
    """Delete a silence; raises ``KeyError`` if there is no such one."""
    mine = delete(_table).where(_columns.tenant_id == tenant_id, _columns.id == silence_id)
    if not connection.execute(mine).rowcount:
        raise KeyError(silence_id)
    record(connection, tenant_id, actor, "silence ended", silence_id)


def forget_user(connection: Connection, tenant_id: str, user_id: str) -> int:
    """Delete the silences that name a user, also those that have ended; gives how many."""
    rows = connection.execute(select(_columns.id, _columns.body).where(_columns.tenant_id == tenant_id))
    ids = [found for found, body in rows if msgspec.json.decode(body, type=Matcher).user_id == user_id]
    connection.execute(delete(_table).where(_columns.tenant_id == tenant_id, _columns.id.in_(ids)))
    return len(ids)
