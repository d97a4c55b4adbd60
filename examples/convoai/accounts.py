"""Users, their roles, and the sessions that a refresh token goes on with: the auth service's database."""

import hashlib
import secrets
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from sqlalchemy import Column, Float, ForeignKey, Integer, MetaData, String, Table, delete, insert, select, update
from sqlalchemy.dialects import sqlite
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from examples.convoai.database import open_database

SESSION_SECONDS = 30 * 86_400.0
"""After which everybody signs in anew."""
AGAIN_SECONDS = 60.0
"""How long a refresh token that was replaced is still taken: two tabs may send it at once."""

TABLES = MetaData()
USERS = Table(
    "users",
    TABLES,
    Column("id", Integer, primary_key=True),
    # Whatever the case of its letters: Ada and ada are one.
    Column("username", String(collation="NOCASE"), nullable=False, unique=True),
    Column("password_hash", String, nullable=False),
    Column("email", String),
    Column("created_at", Float, nullable=False),
    # An id is never given a second time.
    sqlite_autoincrement=True,
)
ROLES = Table(
    "roles",
    TABLES,
    Column("id", Integer, primary_key=True),
    Column("name", String, nullable=False, unique=True),
)
USER_ROLES = Table(
    "user_roles",
    TABLES,
    Column("user_id", ForeignKey("users.id", ondelete="CASCADE"), primary_key=True),
    Column("role_id", ForeignKey("roles.id", ondelete="CASCADE"), primary_key=True),
)
REFRESH_TOKENS = Table(
    "refresh_tokens",
    TABLES,
    # A hash alone: whoever reads the database cannot sign in. 256 random bits need no slow one.
    Column("digest", String, primary_key=True),
    Column("session", String, nullable=False, index=True),
    Column("user_id", ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
    Column("expires_at", Float, nullable=False, index=True),
    Column("replaced_at", Float),
)


@dataclass(frozen=True)
class User:
    """A user, with the roles of this moment."""

    id: int
    username: str
    password_hash: str
    roles: tuple[str, ...]


class NameTaken(Exception):
    """Another user has the name."""


class Accounts:
    """The database."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    @classmethod
    async def open(cls, file: Path) -> Self:
        """Open the database at *file*; a missing one is made."""
        engine = await open_database(file, TABLES)
        async with engine.begin() as connection:
            for name in ("user", "admin"):
                await connection.execute(sqlite.insert(ROLES).values(name=name).on_conflict_do_nothing())
        return cls(engine)

    async def close(self) -> None:
        """Close the file."""
        await self._engine.dispose()

    async def add(self, username: str, password_hash: str, email: str | None) -> User:
        """Add a user with the role ``user``; raises :exc:`NameTaken`."""
        row = {"username": username, "password_hash": password_hash, "email": email, "created_at": time.time()}
        try:
            async with self._engine.begin() as connection:
                result = await connection.execute(insert(USERS).values(row).returning(USERS.c.id))
                user_id = result.scalar_one()
                role = select(ROLES.c.id).where(ROLES.c.name == "user").scalar_subquery()
                await connection.execute(insert(USER_ROLES).values(user_id=user_id, role_id=role))
                return User(user_id, username, password_hash, ("user",))
        except IntegrityError:
            raise NameTaken from None

    async def find(self, username: str) -> User | None:
        """Find a user by name; None if there is none."""
        async with self._engine.connect() as connection:
            return await _user(connection, USERS.c.username == username)

    async def set_hash(self, user_id: int, password_hash: str) -> None:
        """Replace a password's hash."""
        async with self._engine.begin() as connection:
            await connection.execute(update(USERS).where(USERS.c.id == user_id).values(password_hash=password_hash))

    async def begin_session(self, user_id: int) -> str:
        """Begin a session, and give its first refresh token."""
        now = time.time()
        async with self._engine.begin() as connection:
            await connection.execute(delete(REFRESH_TOKENS).where(REFRESH_TOKENS.c.expires_at < now))
            return await _issue(connection, secrets.token_hex(16), user_id, now + SESSION_SECONDS)

    async def go_on(self, token: str) -> tuple[User, str] | None:
        """Take a refresh token for the next one of its session; None: it is not taken, or not any more.

        One that was replaced a while ago may be stolen: whoever has its successor is signed out too.
        """
        now = time.time()
        async with self._engine.begin() as connection:
            row = (await connection.execute(_row(token))).one_or_none()
            if row is None or row.expires_at < now:
                return None
            if row.replaced_at is not None and now - row.replaced_at > AGAIN_SECONDS:
                await connection.execute(delete(REFRESH_TOKENS).where(REFRESH_TOKENS.c.session == row.session))
                return None
            if row.replaced_at is None:
                await connection.execute(
                    update(REFRESH_TOKENS).where(REFRESH_TOKENS.c.digest == row.digest).values(replaced_at=now)
                )
            user = await _user(connection, USERS.c.id == row.user_id)
            return None if user is None else (user, await _issue(connection, row.session, user.id, row.expires_at))

    async def end_session(self, token: str) -> User | None:
        """End the session that a refresh token belongs to, and say whose it was; None: there was none."""
        async with self._engine.begin() as connection:
            row = (await connection.execute(_row(token))).one_or_none()
            if row is None:
                return None
            await connection.execute(delete(REFRESH_TOKENS).where(REFRESH_TOKENS.c.session == row.session))
            return await _user(connection, USERS.c.id == row.user_id)


async def _user(connection: AsyncConnection, condition: Any) -> User | None:
    row = (await connection.execute(select(USERS).where(condition))).one_or_none()
    if row is None:
        return None
    names = select(ROLES.c.name).join(USER_ROLES).where(USER_ROLES.c.user_id == row.id).order_by(ROLES.c.name)
    return User(row.id, row.username, row.password_hash, tuple((await connection.execute(names)).scalars()))


async def _issue(connection: AsyncConnection, session: str, user_id: int, expires_at: float) -> str:
    token = secrets.token_urlsafe(32)
    row = {"digest": _digest(token), "session": session, "user_id": user_id, "expires_at": expires_at}
    await connection.execute(insert(REFRESH_TOKENS).values(row))
    return token


def _row(token: str) -> Any:
    return select(REFRESH_TOKENS).where(REFRESH_TOKENS.c.digest == _digest(token))


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode(errors="replace")).hexdigest()
