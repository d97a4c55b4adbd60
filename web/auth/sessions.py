"""Who is signed in: sessions, which the database holds, and which a process remembers once they were shown to it.

A session ends with its row. Every process reads again those that it remembers when something was ended, within a
second of that (:class:`~web.auth.credentials.Credentials` looks every second), and renewals when the old end is
reached. If the database cannot be read, what is remembered stays in force.
"""

import hashlib
import json
import secrets
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Collection, Hashable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime

from realtime.principal import Principal
from storage import sessions
from storage.engine.database import Database, ReadTransaction
from storage.errors import ShareExceeded, StorageError
from storage.fairness.turns import Turns
from storage.model import clock
from storage.sessions import Session
from web.http.problems import Problem, unauthorized, unavailable

CODE_SECONDS = 30
"""How long a code may become a session."""
MAX_SECONDS = 400 * 86_400.0
"""The longest session; browsers keep no cookie for longer (RFC 6265bis, 5.6.2)."""
LATEST = 1e11
"""Seconds since 1970 that are written at the most: the year 5138."""
REMEMBERED = 10_000
"""Sessions that a process remembers: some 600 bytes each."""
LOOKUPS, WAITING = 2, 1_000
"""Secrets that are looked for at once, and how many of one address (or proxy) may wait: each takes a millisecond."""


def digest(secret: str) -> str:
    """Hash a secret, as it is kept."""
    return hashlib.sha256(secret.encode()).hexdigest()


class Sessions:
    """The sessions of all processes, through one of them."""

    def __init__(self, database: Database, revokes: Callable[[Principal], bool]) -> None:
        """*revokes* says whose token was revoked: a session ends with the token that it was exchanged for."""
        self._database = database
        self._revokes = revokes
        # The one used last at the end.
        self._known: OrderedDict[str, Principal] = OrderedDict()
        self._turns = Turns("sessions", LOOKUPS, 1, WAITING)
        self._changes = 0

    async def find(self, secret: str, account: Hashable) -> Principal:
        """Say whose session has this *secret*; *account* is whose turn it takes to look for it.

        Raises a 401 :exc:`Problem`, a 429 if too many of the account wait, and a 503 if the database cannot be read.
        """
        principal = await self._find(digest(secret), account)
        if principal is None:
            raise unauthorized("the session has ended: sign in again")
        if self._revokes(principal):
            raise unauthorized("the token of this session has been revoked")
        return principal

    async def again(self, principal: Principal) -> Principal:
        """Look again for a session that has reached its end; *principal* as it is if it was not renewed."""
        if principal.session is None:
            return principal
        try:
            return await self._find(principal.session, principal.subject) or principal
        except Problem:
            return principal

    def is_known(self, principal: Principal) -> bool:
        """Say whether a principal that was found a moment ago still is one: True for those of a token."""
        return principal.session is None or principal.session in self._known

    async def open(self, principal: Principal) -> tuple[str, Principal]:
        """Sign somebody in; gives the secret, and the principal of the session."""
        secret = secrets.token_urlsafe(32)
        session = _session(digest(secret), principal)
        await self._database.write(lambda connection: sessions.add(connection, session))
        return secret, self._remember(_principal(session))

    async def renew(self, known: Principal, fresh: Principal) -> Principal | None:
        """Let the session of *known* end with the token of *fresh*; None if it has ended meanwhile."""
        session = _session(known.session or "", fresh)
        renewed = await self._database.write(lambda connection: sessions.renew(connection, session))
        return None if renewed is None else self._remember(_principal(renewed))

    async def end(self, principal: Principal) -> None:
        """Sign out."""
        found = principal.session or ""
        await self._database.write(lambda connection: sessions.end(connection, [found]))
        self._known.pop(found, None)
        self._changes += 1

    async def reread(self, held: Collection[str]) -> set[str]:
        """Read again what is remembered, and the sessions of connections that are *held* open; names those that ended.

        Raises what the database raises.
        """
        self._changes += 1
        names = {*self._known, *held}
        if not names:
            return set()
        async with self._database.read_for_feeds() as connection:
            found = await sessions.read_sessions(connection, names)
        fresh = {session.digest: _principal(session) for session in found}
        for name in names & set(self._known):
            if name in fresh:
                self._known[name] = fresh[name]
            else:
                del self._known[name]
        return names - set(fresh)

    # Codes

    async def make_code(self, principal: Principal) -> str:
        """Make a code that becomes a session of *principal* once, within :data:`CODE_SECONDS`."""
        code = secrets.token_urlsafe(32)
        hashed, until = digest(code), _written(clock.unix() + CODE_SECONDS)
        session = replace(_session(hashed, principal), code=hashed, code_until=until)
        await self._database.write(lambda connection: sessions.add(connection, session))
        return code

    async def read_code(self, code: str, account: Hashable) -> Principal | None:
        """Say for whom a code is; None if there is no such code any more."""
        async with self._reading(account) as connection:
            found = await sessions.read_code(connection, digest(code))
        return None if found is None else _principal(found)

    async def spend(self, code: str) -> tuple[str, Principal] | None:
        """Turn a code into a session; gives its secret, and None if somebody else was first."""
        secret = secrets.token_urlsafe(32)
        hashed, spent = digest(secret), digest(code)
        session = await self._database.write(lambda connection: sessions.spend(connection, spent, hashed))
        return None if session is None else (secret, self._remember(_principal(session)))

    async def merge(self, code: str, known: Principal) -> Principal | None:
        """Spend a code on the session of *known*, who is the same person; None if it was spent, or that has ended."""
        spent, into = digest(code), known.session or ""
        session = await self._database.write(lambda connection: sessions.merge(connection, spent, into))
        return None if session is None else self._remember(_principal(session))

    async def renew_of_code(self, code: str, fresh: Principal) -> bool:
        """Let the session that a code became end with the token of *fresh*; False if there is none of this subject."""
        session = replace(_session("", fresh), code=digest(code))
        return await self._database.write(lambda connection: sessions.renew(connection, session)) is not None

    async def _find(self, name: str, account: Hashable) -> Principal | None:
        while (known := self._recall(name)) is None:
            changes = self._changes
            async with self._reading(account) as connection:
                # A page asks for much at once: the first of its requests has found it for all.
                if self._recall(name) is not None:
                    continue
                found = await sessions.read_session(connection, name)
            if found is None:
                return None
            # What was ended while it was read would be remembered for good: it is read once more.
            if changes == self._changes:
                return self._remember(_principal(found))
        return known

    def _recall(self, name: str) -> Principal | None:
        known = self._known.get(name)
        if known is None or known.expires <= clock.unix():
            return None
        self._known.move_to_end(name)
        return known

    @asynccontextmanager
    async def _reading(self, account: Hashable) -> AsyncIterator[ReadTransaction]:
        """Open a read transaction when it is the turn of *account*; raises a 429 or 503 :exc:`Problem`."""
        try:
            async with self._turns.of(account), self._database.read_for_feeds() as connection:
                yield connection
        except ShareExceeded as error:
            raise Problem(429, str(error), headers={"Retry-After": str(error.retry_after)}) from None
        except StorageError:
            raise unavailable("the sessions cannot be read just now") from None

    def _remember(self, principal: Principal) -> Principal:
        name = principal.session or ""
        self._known[name] = principal
        self._known.move_to_end(name)
        if len(self._known) > REMEMBERED:
            self._known.popitem(last=False)
        return principal


def _session(name: str, principal: Principal) -> Session:
    expires = min(principal.expires, clock.unix() + MAX_SECONDS)
    issued = None if principal.issued is None else _written(principal.issued)
    return Session(
        name,
        principal.tenant_id,
        principal.subject,
        json.dumps(principal.roles),
        _written(expires),
        clock.now(),
        principal.signed_by or "",
        issued,
        _kept(principal.token_id),
    )


def _principal(session: Session) -> Principal:
    return Principal(
        session.sub,
        session.tenant_id,
        tuple(json.loads(session.roles)),
        clock.moment(session.expires_at).timestamp(),
        None if session.issued_at is None else clock.moment(session.issued_at).timestamp(),
        session.token_id,
        session.digest,
        session.signed_by,
    )


def _kept(token_id: object) -> str | None:
    """Give a token's id as it is kept; what no database takes revokes nothing either."""
    return token_id if isinstance(token_id, str) and token_id.isprintable() else None


def _written(unix: float) -> str:
    return clock.text(datetime.fromtimestamp(max(0.0, min(unix, LATEST)), UTC))
