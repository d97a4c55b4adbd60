"""One conversation: its row in the list, and what its raw rows say beside it."""

from typing import Any

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from storage.model.rollups import CONVERSATIONS
from storage.read.details.breakdown import MESSAGE_SUMS, named, rank, with_mean
from storage.read.reports import conversation_item
from storage.tables import schema

_messages, _events = schema.message_metrics, schema.conversation_events


async def conversation(connection: AsyncConnection, tenant_id: str, conversation_id: str) -> dict[str, Any] | None:
    """Describe a conversation; None if no event names it.

    Its totals are those of all its messages; models, authors and times are those of the messages that are kept.
    """
    table = schema.conversation_metrics.c
    known = select(*(table[name] for name in CONVERSATIONS.listed)).where(
        table.tenant_id == tenant_id, table.conversation_id == conversation_id
    )
    row = (await connection.execute(known)).one_or_none()
    if row is None:
        return None
    ours = (_messages.c.tenant_id == tenant_id, _messages.c.conversation_id == conversation_id)
    written_at = _messages.c.created_at
    kept = select(
        func.count().label("kept_messages"),
        func.min(written_at).label("first_message_at"),
        func.max(written_at).label("last_message_at"),
    ).where(*ours)
    deleted = select(func.min(_events.c.timestamp)).where(
        _events.c.tenant_id == tenant_id, _events.c.conversation_id == conversation_id, _events.c.action == "deleted"
    )
    (owned,) = await named(
        connection, tenant_id, [conversation_item(dict(zip(CONVERSATIONS.listed, row, strict=True)))]
    )
    models, authors = [
        map(with_mean, await rank(connection, _messages, ours, label, MESSAGE_SUMS))
        for label in ("model_used", "user_id")
    ]
    return {
        **owned,
        "deleted_at": await connection.scalar(deleted),
        **(await connection.execute(kept)).mappings().one(),
        "models": list(models),
        "authors": await named(connection, tenant_id, authors),
    }
