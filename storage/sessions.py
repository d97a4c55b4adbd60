"""Sessions of dashboards, and the codes that become one: every statement about their table.

A session is kept as the SHA-256 of its secret, as tracking keys are: 256 random bits cannot be found by trying. A code
is a row that waits to become a session; one statement does that, so that of several processes one alone succeeds.
"""

from collections.abc import Collection
from dataclasses import dataclass, replace

from sqlalchemy import ColumnElement, Connection, UpdateBase, delete, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from storage.credentials import touch
from storage.model.clock import now
from storage.tables.schema import sessions

MAX_SESSIONS = 100
"""Of one subject, with its codes: beyond it, the oldest ends."""
CHUNK = 500
"""Sessions that one statement asks for."""


@dataclass(frozen=True)
class Session:
    """What a subject signed in with. ``digest``: the hash of the session's secret, or of the code that waits.

    ``sub`` is the subject, ``roles`` a JSON list. ``issued_at`` and ``token_id`` are those of the token, None if it has
    none; ``expires_at`` is when the session ends. ``code``: the hash of the code that became this session, None if
    there was none. ``code_until``: until when the code may become one, None once it is one. ``signed_by`` is the
    fingerprint of the key that the token was signed with.
    """

    digest: str
    tenant_id: str
    sub: str
    roles: str
    expires_at: str
    created_at: str
    signed_by: str
    issued_at: str | None = None
    token_id: str | None = None
    code: str | None = None
    code_until: str | None = None


async def read_session(connection: AsyncConnection, digest: str) -> Session | None:
    """Read the session with this hash; None if there is none that has not ended."""
    found = (await connection.execute(select(sessions).where(*_is_session(digest)))).mappings().first()
    return None if found is None else Session(**found)


async def read_sessions(connection: AsyncConnection, digests: Collection[str]) -> list[Session]:
    """Read those of the sessions with these hashes that have not ended."""
    wanted, found = list(digests), []
    for begin in range(0, len(wanted), CHUNK):
        some = sessions.c.digest.in_(wanted[begin : begin + CHUNK])
        query = select(sessions).where(some, sessions.c.code_until.is_(None), sessions.c.expires_at > now())
        found += [Session(**row) for row in (await connection.execute(query)).mappings()]
    return found


async def read_code(connection: AsyncConnection, digest: str) -> Session | None:
    """Read the code with this hash, which may still become a session; None if there is none."""
    found = (await connection.execute(select(sessions).where(*_is_code(digest)))).mappings().first()
    return None if found is None else Session(**found)


def add(connection: Connection, session: Session) -> None:
    """Keep a new session, or a new code."""
    whose = (sessions.c.tenant_id == session.tenant_id, sessions.c.sub == session.sub)
    query = select(sessions.c.digest).where(*whose).order_by(sessions.c.created_at.desc(), sessions.c.digest)
    oldest = list(connection.scalars(query))[MAX_SESSIONS - 1 :]
    if oldest:
        end(connection, oldest)
    connection.execute(sessions.insert(), [vars(session)])


def spend(connection: Connection, code: str, digest: str) -> Session | None:
    """Turn a *code* into the session with the hash *digest*; None if it was spent already, or is too old."""
    changed = update(sessions).where(*_is_code(code)).values(digest=digest, code_until=None).returning(*sessions.c)
    return _only(connection, changed)


def merge(connection: Connection, code: str, digest: str) -> Session | None:
    """Spend a *code* on the session with the hash *digest*, which gets its end, roles and token.

    None if the code was spent already, or is too old, or if the session is another subject's or has ended.
    """
    spent = _only(connection, delete(sessions).where(*_is_code(code)).returning(*sessions.c))
    return None if spent is None else renew(connection, replace(spent, digest=digest))


def renew(connection: Connection, session: Session) -> Session | None:
    """Give a session the end, roles, token and code (if there is one) of another of the same subject.

    It is found by its hash; if that of *session* is empty, by that of the code that it was. None if there is none.
    """
    table = sessions.c
    by = table.digest == session.digest if session.digest else table.code == session.code
    mine = (by, table.tenant_id == session.tenant_id, table.sub == session.sub, table.code_until.is_(None))
    names = ["roles", "expires_at", "signed_by", "issued_at", "token_id", *(["code"] if session.code else [])]
    fresh = {name: getattr(session, name) for name in names}
    changed = update(sessions).where(*mine, table.expires_at > now()).values(fresh).returning(*table)
    renewed = _only(connection, changed)
    if renewed is not None:
        touch(connection)
    return renewed


def end(connection: Connection, digests: Collection[str]) -> None:
    """End the sessions with these hashes, in every process."""
    connection.execute(delete(sessions).where(sessions.c.digest.in_(digests)))
    touch(connection)


def remove_ended(connection: Connection) -> None:
    """Delete sessions that have ended by themselves, and codes that nobody used."""
    table, moment = sessions.c, now()
    connection.execute(delete(sessions).where((table.expires_at <= moment) | (table.code_until <= moment)))


def _only(connection: Connection, changed: UpdateBase) -> Session | None:
    row = connection.execute(changed).mappings().first()
    return None if row is None else Session(**row)


def _is_session(digest: str) -> tuple[ColumnElement[bool], ...]:
    return sessions.c.digest == digest, sessions.c.code_until.is_(None), sessions.c.expires_at > now()


def _is_code(digest: str) -> tuple[ColumnElement[bool], ...]:
    return sessions.c.digest == digest, sessions.c.code_until > now(), sessions.c.expires_at > now()
