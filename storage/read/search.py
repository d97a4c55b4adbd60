"""Search: users, conversations, endpoints and models, by what their id begins with or their name has in it."""

from typing import Any

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from storage.model.clock import Days
from storage.model.metrics import OTHERS, label_bounds
from storage.read.reports import Item, contains
from storage.tables import schema

DAYS = 90
"""How many local days, today included, are searched for endpoints: their rollup is by day, with 250 at most on each."""
LAST = "\U0010ffff"
"""Comes behind all that is written."""
_MODELS = "model_messages"

_users, _conversations = schema.users.c, schema.conversation_metrics.c
_endpoint_days, _counters = schema.endpoint_days.c, schema.counters.c


async def search(
    connection: AsyncConnection, tenant_id: str, days: Days, today: str, part: str, limit: int
) -> dict[str, list[Item]]:
    """Find users and conversations whose id begins with *part*, and endpoints and models that have it in their name.

    At most *limit* of each, in the order of their ids or names. A key leads to all of them, however many there are;
    capital letters (ASCII) of endpoints and models do not matter.
    """
    return {
        "users": await _begun(connection, tenant_id, _users.user_id, (_users.username,), part, limit),
        "conversations": await _begun(
            connection, tenant_id, _conversations.conversation_id, (_conversations.user_id,), part, limit
        ),
        "endpoints": await _endpoints(connection, tenant_id, days.shift(today, 1 - DAYS), part, limit),
        "models": await _models(connection, tenant_id, part, limit),
    }


async def _begun(
    connection: AsyncConnection, tenant_id: str, key: Any, others: tuple[Any, ...], part: str, limit: int
) -> list[Item]:
    query = (
        select(key, *others)
        .where(key.table.c.tenant_id == tenant_id, key >= part, key < part + LAST)
        .order_by(key)
        .limit(limit)
    )
    names = [str(column.name) for column in (key, *others)]
    return [dict(zip(names, row, strict=True)) for row in await connection.execute(query)]


async def _endpoints(connection: AsyncConnection, tenant_id: str, first: str, part: str, limit: int) -> list[Item]:
    name = _endpoint_days.endpoint
    query = (
        select(name)
        .where(_endpoint_days.tenant_id == tenant_id, _endpoint_days.day >= first, name != OTHERS, contains(name, part))
        .distinct()
        .order_by(name)
        .limit(limit)
    )
    return [{"endpoint": found} for found in await connection.scalars(query)]


async def _models(connection: AsyncConnection, tenant_id: str, part: str, limit: int) -> list[Item]:
    first, past = label_bounds(_MODELS)
    name = func.substr(_counters.metric, len(first) + 1)
    query = (
        select(name)
        .where(
            _counters.tenant_id == tenant_id,
            _counters.grain == "total",
            _counters.metric > first,
            _counters.metric < past,
            contains(name, part),
        )
        .order_by(name)
        .limit(limit)
    )
    return [{"model_used": found} for found in await connection.scalars(query)]
