"""The public keys by which tokens are verified, as the auth service publishes them (JWKS, RFC 7517)."""

import asyncio
import hashlib
import math
import time
from typing import Any, NamedTuple

import jwt
import msgspec
import structlog
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from web.http.problems import unavailable

log = structlog.get_logger()

KEYS_SECONDS = 600.0
"""How long fetched keys are used before they are fetched again."""
REFETCH_SECONDS = 30.0
"""How soon an unknown key id, or a failed fetch, may cause another fetch."""
FETCH_SECONDS = 5.0
"""How long a fetch may take, from its first byte to its last."""
MAX_SET_BYTES = 1 << 20
"""Bytes of a set of keys."""
MAX_KEYS = 100
"""Keys of a set; those that follow are left out."""
ALGORITHMS = {"RSA": "RS256", "EC": "ES256"}
"""The one algorithm for each type of key."""


def fingerprint(key: bytes) -> str:
    """Give a hash by which a key is recognized, and which tells nothing of it."""
    return hashlib.sha256(b"key of tokens: " + key).hexdigest()[:32]


class PublicKey(NamedTuple):
    """A key, and a hash of it by which it is recognized."""

    key: Any
    fingerprint: str


class KeySet:
    """The keys: fetched for the first token, then again and again.

    A token of a known key never waits for a fetch. All others wait for the one that is under way, which has
    an end; the next one may begin REFETCH_SECONDS after it, however many ask.
    """

    def __init__(self, url: str) -> None:
        # Imported here: the client costs 2 MB, which a service with a shared secret need not pay.
        import httpx2

        self._url = url
        self._failures = (
            httpx2.HTTPError,
            httpx2.InvalidURL,
            msgspec.MsgspecError,
            OSError,
            ValueError,
            RecursionError,
        )
        # As it is: a few bytes that unpack to gigabytes are no set of keys.
        self._client = httpx2.AsyncClient(
            timeout=FETCH_SECONDS, follow_redirects=False, headers={"Accept-Encoding": "identity"}
        )
        self._keys: dict[tuple[str, str | None], PublicKey] = {}
        self._had = False
        self._tried_at = -math.inf
        self._fetch: asyncio.Task[None] | None = None
        self._next: asyncio.TimerHandle | None = None
        self._closed = False

    async def get(self, algorithm: str, kid: str | None) -> PublicKey:
        """Find the key *kid* for *algorithm*; a token without a key id gets the only one there is.

        Raises ``jwt.InvalidKeyError`` if there is none, a 503 :exc:`Problem` if no keys could be fetched yet.
        """
        key = self._find(algorithm, kid)
        if key is None:
            await self._look_again()
            key = self._find(algorithm, kid)
        if key is None:
            raise jwt.InvalidKeyError("unknown key")
        return key

    async def holds(self, fingerprint: str) -> bool:
        """Say whether the key with this *fingerprint* is published still; raises as :meth:`get` does for no keys."""
        if not self._has(fingerprint):
            await self._look_again()
        return self._has(fingerprint)

    def _has(self, fingerprint: str) -> bool:
        return any(key.fingerprint == fingerprint for key in self._keys.values())

    async def _look_again(self) -> None:
        """Wait for a fetch, if one is due or under way; raises a 503 :exc:`Problem` if none has succeeded yet."""
        if time.monotonic() - self._tried_at > REFETCH_SECONDS:
            self._begin()
        if self._fetch is not None:
            # It continues if the request that waits for it is cancelled.
            await asyncio.wait([self._fetch])
        if not self._had:
            raise unavailable("the keys of the auth service cannot be had just now", int(REFETCH_SECONDS))

    async def close(self) -> None:
        """Give connections back."""
        self._closed = True
        if self._fetch is not None:
            self._fetch.cancel()
            await asyncio.wait([self._fetch])
        if self._next is not None:
            self._next.cancel()
        await self._client.aclose()

    def _find(self, algorithm: str, kid: str | None) -> PublicKey | None:
        if kid is not None:
            return self._keys.get((algorithm, kid))
        fitting = [key for (name, _), key in self._keys.items() if name == algorithm]
        return fitting[0] if len(fitting) == 1 else None

    def _begin(self) -> None:
        """Begin a fetch, unless one is under way, or there is to be none any more."""
        if self._closed or (self._fetch is not None and not self._fetch.done()):
            return
        if self._next is not None:
            self._next.cancel()
        self._fetch = asyncio.create_task(self._renew(), name="keys")

    async def _renew(self) -> None:
        """Fetch the keys, and plan the next time."""
        seconds = REFETCH_SECONDS
        try:
            self._keys = await asyncio.to_thread(_public_keys, await self._read())
            self._had, seconds = True, KEYS_SECONDS
        except self._failures as error:
            # Keys that were fetched before stay in use: an auth service that cannot be reached locks no admin out.
            log.warning("jwks_fetch_failed", error=type(error).__name__)
        finally:
            self._tried_at = time.monotonic()
            self._next = asyncio.get_running_loop().call_later(seconds, self._begin)

    async def _read(self) -> bytes:
        """Read the document; raises what the client raises, ``TimeoutError`` and ``ValueError``."""
        body = bytearray()
        async with asyncio.timeout(FETCH_SECONDS), self._client.stream("GET", self._url) as response:
            response.raise_for_status()
            async for piece in response.aiter_raw():
                body += piece
                if len(body) > MAX_SET_BYTES:
                    raise ValueError("the set of keys is too large")
        return bytes(body)


class _Set(msgspec.Struct):
    keys: list[Any]


def _public_keys(body: bytes) -> dict[tuple[str, str | None], PublicKey]:
    """Read a set of keys; raises ``msgspec.MsgspecError`` if it is none."""
    documents = msgspec.json.decode(body, type=_Set).keys
    return dict(filter(None, map(_public_key, documents[:MAX_KEYS])))


def _public_key(document: Any) -> tuple[tuple[str, str | None], PublicKey] | None:
    """Read one key of a set; None if it is not of the kinds that are accepted, or broken: the others still count."""
    try:
        name = ALGORITHMS[document["kty"]]
        kid = document.get("kid")
        if document.get("use", "sig") != "sig" or not isinstance(kid, str | None):
            return None
        key = jwt.PyJWK(document, algorithm=name).key
        return (name, kid), PublicKey(
            key, fingerprint(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))
        )
    except (jwt.PyJWTError, KeyError, ValueError, TypeError, AttributeError):
        return None
