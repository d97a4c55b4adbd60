"""Whose token it is: verified by the keys that the auth service publishes, which are fetched when they are needed."""

import asyncio
import time
from dataclasses import dataclass
from typing import Any

import httpx2
import jwt
from starlette.requests import Request

from examples.convoai.service import Refused
from examples.convoai.settings import AUDIENCE
from examples.convoai.signing import ALGORITHM

AGAIN_SECONDS = 10.0
"""How soon a token of an unknown key, of which anybody can make many, may cause another fetch."""
FETCH_SECONDS = 5.0


@dataclass(frozen=True)
class Person:
    """Who asks, by a token."""

    id: str
    username: str


class Keys:
    """The published keys. One algorithm, one issuer, one audience: whatever else a token says of itself is refused."""

    def __init__(self, url: str, issuer: str) -> None:
        self._url, self._issuer = url, issuer
        self._client = httpx2.AsyncClient(timeout=FETCH_SECONDS)
        self._keys: dict[str, Any] = {}
        self._fetched_at = -AGAIN_SECONDS
        self._fetching = asyncio.Lock()

    async def close(self) -> None:
        """Give connections back."""
        await self._client.aclose()

    async def person(self, request: Request) -> Person:
        """Say who asks, and keep it in the request's scope; raises :exc:`Refused`: 401, or 503 without any key."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            raise _unknown("send a token as Authorization: Bearer")
        try:
            key = await self._key(str(jwt.get_unverified_header(token).get("kid")))
            claims = jwt.decode(
                token,
                key,
                algorithms=[ALGORITHM],
                audience=AUDIENCE,
                issuer=self._issuer,
                options={"require": ["sub", "exp", "iss", "aud"]},
            )
        except jwt.ExpiredSignatureError:
            raise _unknown("the token has expired") from None
        except jwt.PyJWTError:
            raise _unknown("the token is not valid") from None
        person = Person(claims["sub"], str(claims.get("preferred_username", claims["sub"])))
        request.scope["user"] = person
        return person

    async def _key(self, kid: str) -> Any:
        async with self._fetching:
            if kid not in self._keys and time.monotonic() - self._fetched_at >= AGAIN_SECONDS:
                await self._fetch()
        if not self._keys:
            raise Refused(503, "the keys of the auth service cannot be had just now", Retry_After="2")
        if kid not in self._keys:
            raise jwt.InvalidKeyError("unknown key")
        return self._keys[kid]

    async def _fetch(self) -> None:
        try:
            answer = await self._client.get(self._url)
            answer.raise_for_status()
            found = jwt.PyJWKSet.from_dict(answer.json())
        except (httpx2.HTTPError, jwt.PyJWTError, ValueError):
            # Those of before stay in use: an auth service that is away signs nobody out.
            return
        self._keys = {key.key_id: key.key for key in found.keys if key.key_id}
        self._fetched_at = time.monotonic()


def _unknown(detail: str) -> Refused:
    return Refused(401, detail, WWW_Authenticate="Bearer")
