"""Conversations and their messages: the chatbot's database. Everybody sees their own, and no others."""

import time
import uuid
from pathlib import Path
from typing import Any, Self

from sqlalchemy import (
    Column,
    Float,
    ForeignKey,
    Integer,
    MetaData,
    String,
    Table,
    delete,
    insert,
    select,
    update,
)
from sqlalchemy.ext.asyncio import AsyncEngine

from examples.convoai.database import open_database
from examples.convoai.service import Refused

TITLE_CHARACTERS = 60
MOST_LISTED = 200
"""Conversations of a list, the latest first; messages of one."""
REMEMBERED = 40
"""Messages that the model is given, the last ones."""

TABLES = MetaData()
CONVERSATIONS = Table(
    "conversations",
    TABLES,
    Column("id", String, primary_key=True),
    Column("user_id", String, nullable=False, index=True),
    Column("title", String, nullable=False),
    Column("created_at", Float, nullable=False),
)
MESSAGES = Table(
    "messages",
    TABLES,
    Column("number", Integer, primary_key=True),
    Column("id", String, nullable=False, unique=True),
    Column("conversation_id", ForeignKey("conversations.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("role", String, nullable=False),
    Column("content", String, nullable=False),
    Column("created_at", Float, nullable=False),
)

Row = dict[str, Any]


class Conversations:
    """The database."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    @classmethod
    async def open(cls, file: Path) -> Self:
        """Open the database at *file*; a missing one is made."""
        return cls(await open_database(file, TABLES))

    async def close(self) -> None:
        """Close the file."""
        await self._engine.dispose()

    async def create(self, user_id: str, title: str) -> Row:
        """Begin a conversation."""
        row = {"id": _new_id(), "user_id": user_id, "title": title, "created_at": time.time()}
        async with self._engine.begin() as connection:
            await connection.execute(insert(CONVERSATIONS).values(row))
        return _shown(row)

    async def all_of(self, user_id: str) -> list[Row]:
        """List somebody's conversations, the latest first."""
        query = select(CONVERSATIONS).where(CONVERSATIONS.c.user_id == user_id)
        query = query.order_by(CONVERSATIONS.c.created_at.desc(), CONVERSATIONS.c.id).limit(MOST_LISTED)
        async with self._engine.connect() as connection:
            return [_shown(dict(row)) for row in (await connection.execute(query)).mappings()]

    async def check(self, user_id: str, conversation_id: str) -> None:
        """Raise :exc:`Refused`, a 404, unless it is a conversation of that user."""
        mine = (CONVERSATIONS.c.id == conversation_id) & (CONVERSATIONS.c.user_id == user_id)
        async with self._engine.connect() as connection:
            if (await connection.execute(select(CONVERSATIONS.c.id).where(mine))).one_or_none() is None:
                raise Refused(404, "there is no such conversation")

    async def remove(self, conversation_id: str) -> bool:
        """Remove a conversation with its messages; False if it is gone already."""
        async with self._engine.begin() as connection:
            result = await connection.execute(delete(CONVERSATIONS).where(CONVERSATIONS.c.id == conversation_id))
            return bool(result.rowcount)

    async def messages(self, conversation_id: str, limit: int = MOST_LISTED) -> list[Row]:
        """List the last messages of a conversation, in their order."""
        query = select(MESSAGES.c.id, MESSAGES.c.role, MESSAGES.c.content, MESSAGES.c.created_at)
        query = query.where(MESSAGES.c.conversation_id == conversation_id)
        query = query.order_by(MESSAGES.c.number.desc()).limit(limit)
        async with self._engine.connect() as connection:
            return [dict(row) for row in (await connection.execute(query)).mappings()][::-1]

    async def add(self, conversation_id: str, role: str, content: str) -> Row | None:
        """Add a message; the first one of a person gives a conversation its title. None: the conversation is gone."""
        row = {"id": _new_id(), "role": role, "content": content, "created_at": time.time()}
        untitled = (CONVERSATIONS.c.id == conversation_id) & (CONVERSATIONS.c.title == "")
        here = (CONVERSATIONS.c.id == conversation_id).label("here")
        async with self._engine.begin() as connection:
            if role == "user":
                title = " ".join(content.split())[:TITLE_CHARACTERS]
                await connection.execute(update(CONVERSATIONS).where(untitled).values(title=title))
            if (await connection.execute(select(here).where(here))).one_or_none() is None:
                return None
            await connection.execute(insert(MESSAGES).values(conversation_id=conversation_id, **row))
        return row


def _new_id() -> str:
    return uuid.uuid4().hex


def _shown(row: Row) -> Row:
    return {name: row[name] for name in ("id", "title", "created_at")}
