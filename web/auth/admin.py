"""Who reads: from a request to a principal, by its bearer token or by the cookie of a session.

A bearer token is taken first, and then alone: whoever sends one means it. The cookie is taken from the service's own
pages only (:mod:`web.auth.cookies`).
"""

from typing import NamedTuple

from starlette.datastructures import Headers

from realtime.principal import Principal
from web.auth.cookies import session_secret
from web.auth.sessions import Sessions
from web.auth.tokens import Verifier, bearer
from web.http.connections import network_of
from web.http.problems import unauthorized

MISSING = "send the token as Authorization: Bearer, or sign in: a session is taken from this service's own pages only"


class Credential(NamedTuple):
    """What a request shows: a token, or the secret of a session."""

    text: str
    is_session: bool = False


def find_credential(headers: Headers) -> Credential | None:
    """Take the credential out of a request; None if it has none."""
    token = bearer(headers.get("authorization"))
    if token is not None:
        return Credential(token)
    secret = session_secret(headers)
    return None if secret is None else Credential(secret, is_session=True)


class AdminAuthenticator:
    """Decides by token or session."""

    def __init__(self, verifier: Verifier, sessions: Sessions) -> None:
        self._verifier = verifier
        self._sessions = sessions
        self._trusted: set[str] = set()

    def trust(self, fingerprint: str) -> None:
        """Let sessions in that were opened with the provider of that *fingerprint*."""
        self._trusted.add(fingerprint)

    async def authenticate(self, credential: Credential, address: str) -> Principal:
        """Say whose *credential* it is, whatever the role; *address* is where it comes from.

        Raises a 401 :exc:`Problem`, and a 503 if the keys of tokens or the sessions cannot be had just now.
        """
        if credential.is_session:
            principal = await self._sessions.find(credential.text, network_of(address))
            # Who changes the keys means that nothing signed with the old ones is worth anything any more.
            if principal.signed_by not in self._trusted and not await self._verifier.holds(principal.signed_by):
                raise unauthorized("the session has ended, since the key of its token is not in use any more")
            return principal
        return await self._verifier.verify(credential.text)

    async def authenticate_admin(self, credential: Credential, address: str) -> Principal:
        """Say which admin's *credential* it is; raises also a 403 :exc:`Problem`."""
        principal = await self.authenticate(credential, address)
        self.check_admin(principal)
        return principal

    def check_admin(self, principal: Principal) -> None:
        """Raise a 403 :exc:`Problem` if the role of admins is missing."""
        self._verifier.check_admin(principal)

    async def renewed(self, principal: Principal) -> Principal:
        """Give the principal of a session that was renewed since; others as they are."""
        return await self._sessions.again(principal)

    def still_holds(self, principal: Principal) -> bool:
        """Say whether a principal of a moment ago was not signed out since."""
        return self._sessions.is_known(principal)
