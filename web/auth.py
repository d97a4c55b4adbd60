"""Who is asking: from a bearer token (JWT, RFC 7519) to a principal.

One algorithm for each key: HS256 for the shared secret, RS256 for an RSA key and ES256 for a P-256 key of the JWKS.
A token's own idea of where its key lies (``jku``, ``x5u``) is ignored. No leeway: a token ends when it says so.
"""

import asyncio
import math
import os
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jwt
import structlog

from storage.urls import file_of
from web.problems import Problem, unauthorized, unavailable
from web.settings import DEFAULT_TENANT, InvalidSetting, Settings

log = structlog.get_logger()

ADMIN = "admin"
"""The role that may read."""
KEYS_SECONDS = 600.0
"""How long fetched keys are used before they are fetched again."""
REFETCH_SECONDS = 30.0
"""How soon an unknown key id, or a failed fetch, may cause another fetch."""
FETCH_SECONDS = 5.0
"""How long a fetch may take."""
MAX_TOKEN = 8192
"""Characters of a token."""

_LATEST = 1e12
"""Beyond it, in seconds since 1970, nothing is a time."""
_ALGORITHMS = {"RSA": "RS256", "EC": "ES256"}


@dataclass(frozen=True)
class Principal:
    """Who a valid token speaks for. Times are Unix time in seconds.

    ``issued`` and ``token_id`` are the claims ``iat`` and ``jti``; None if the token has none.
    """

    subject: str
    tenant_id: str
    roles: tuple[str, ...]
    expires: float
    issued: float | None = None
    token_id: str | None = None

    def check_admin(self) -> None:
        """Raise a 403 :exc:`Problem` if the role admin is missing."""
        if ADMIN not in self.roles:
            raise Problem(403, "the token does not have the role admin")


class Verifier:
    """Verifies tokens by the shared secret, the published keys, or both."""

    def __init__(self, secret: str | None, jwks_url: str | None, revokes: Callable[[Principal], bool]) -> None:
        """Take the HS256 *secret* (None: such tokens are refused) and where the public keys are (None: likewise).

        *revokes* says whose token was revoked.
        """
        self._secret = secret
        self._revokes = revokes
        self._keys = KeySet(jwks_url) if jwks_url else None

    async def verify(self, token: str) -> Principal:
        """Verify *token*; raises a 401 :exc:`Problem`, or a 503 if the keys cannot be had just now."""
        try:
            if len(token) > MAX_TOKEN:
                raise jwt.DecodeError("too long")
            header = jwt.get_unverified_header(token)
            algorithm = str(header.get("alg"))
            key = await self._key(algorithm, header.get("kid"))
            claims = jwt.decode(
                token,
                key,
                algorithms=[algorithm],
                options={"require": ["sub", "exp"], "verify_aud": False, "verify_iat": False},
            )
        except jwt.ExpiredSignatureError:
            raise unauthorized("the token has expired") from None
        except jwt.ImmatureSignatureError:
            raise unauthorized("the token is not valid yet") from None
        except jwt.MissingRequiredClaimError as error:
            raise unauthorized(f"the token lacks the claim {error.claim}") from None
        except (jwt.PyJWTError, ValueError, TypeError, OverflowError, RecursionError, AttributeError):
            raise unauthorized("the token is not valid") from None
        principal = _principal(claims)
        if self._revokes(principal):
            raise unauthorized("the token has been revoked")
        return principal

    async def verify_admin(self, token: str) -> Principal:
        """Verify *token* and that it has the role admin; raises a 403 :exc:`Problem` if it has not."""
        principal = await self.verify(token)
        principal.check_admin()
        return principal

    async def close(self) -> None:
        """Give connections back."""
        if self._keys is not None:
            await self._keys.close()

    async def _key(self, algorithm: str, kid: Any) -> Any:
        if algorithm == "HS256" and self._secret:
            return self._secret
        if algorithm in _ALGORITHMS.values() and self._keys is not None:
            return await self._keys.get(algorithm, kid if isinstance(kid, str) else None)
        raise jwt.InvalidAlgorithmError("not accepted here")


def _principal(claims: dict[str, Any]) -> Principal:
    subject, roles = claims["sub"], claims.get("roles")
    tenant = claims.get("tenant")
    if roles is None:
        raise unauthorized("the token lacks the claim roles")
    if not isinstance(roles, list) or not all(isinstance(role, str) for role in roles):
        raise unauthorized("the token's claim roles is not a list of strings")
    if not isinstance(subject, str) or not _is_name(subject):
        raise unauthorized("the token's claim sub is not a name")
    if tenant is not None and not (isinstance(tenant, str) and _is_name(tenant)):
        raise unauthorized("the token's claim tenant is not a name")
    return Principal(
        subject,
        DEFAULT_TENANT if tenant is None else tenant,
        tuple(roles),
        _time(claims["exp"]),
        _issued(claims.get("iat")),
        claims.get("jti"),
    )


def _issued(iat: Any) -> float | None:
    """Read when a token was issued; what is no time counts as not said."""
    if not isinstance(iat, int | float) or not abs(iat) < _LATEST:
        return None
    return float(iat)


def _time(exp: float) -> float:
    try:
        expires = float(exp)
    except OverflowError:
        expires = math.inf
    if not math.isfinite(expires):
        raise unauthorized("the token's claim exp is not a time")
    return expires


def _is_name(text: str) -> bool:
    return 0 < len(text) <= 255 and "\0" not in text and text.encode(errors="replace").decode() == text


class KeySet:
    """The public keys of the auth service (JWKS, RFC 7517), fetched when they are needed."""

    def __init__(self, url: str) -> None:
        # Imported here: the client costs 2 MB, which a service with a shared secret need not pay.
        import httpx

        self._url = url
        self._failure = httpx.HTTPError
        self._client = httpx.AsyncClient(timeout=FETCH_SECONDS, follow_redirects=False)
        self._keys: dict[tuple[str, str | None], Any] = {}
        self._fetched_at = -math.inf
        self._tried_at = -math.inf
        self._lock = asyncio.Lock()

    async def get(self, algorithm: str, kid: str | None) -> Any:
        """Find the key *kid* for *algorithm*; a token without a key id gets the only one there is.

        Raises ``jwt.InvalidKeyError`` if there is none, a 503 :exc:`Problem` if no keys could be fetched yet.
        """
        if self._is_outdated(algorithm, kid):
            async with self._lock:
                if self._is_outdated(algorithm, kid):
                    self._tried_at = time.monotonic()
                    await self._fetch()
        key = self._find(algorithm, kid)
        if key is None:
            if self._fetched_at == -math.inf:
                raise unavailable("the keys of the auth service cannot be had just now", int(REFETCH_SECONDS))
            raise jwt.InvalidKeyError("unknown key")
        return key

    async def close(self) -> None:
        """Give connections back."""
        await self._client.aclose()

    def _is_outdated(self, algorithm: str, kid: str | None) -> bool:
        now = time.monotonic()
        wanted = now - self._fetched_at > KEYS_SECONDS or self._find(algorithm, kid) is None
        return wanted and now - self._tried_at > REFETCH_SECONDS

    def _find(self, algorithm: str, kid: str | None) -> Any:
        if kid is not None:
            return self._keys.get((algorithm, kid))
        fitting = [key for (name, _), key in self._keys.items() if name == algorithm]
        return fitting[0] if len(fitting) == 1 else None

    async def _fetch(self) -> None:
        try:
            response = await self._client.get(self._url)
            response.raise_for_status()
            self._keys = dict(filter(None, map(_public_key, response.json()["keys"])))
            self._fetched_at = time.monotonic()
        except (self._failure, jwt.PyJWTError, ValueError, KeyError, TypeError, AttributeError) as error:
            # Keys that were fetched before stay in use: an auth service that is away locks nobody out.
            log.warning("jwks_fetch_failed", error=type(error).__name__)


def _public_key(document: Any) -> tuple[tuple[str, str | None], Any] | None:
    """Read one key of a set; None if it is not of the kinds that are accepted, or broken: the others still count."""
    try:
        name = _ALGORITHMS[document["kty"]]
        kid = document.get("kid")
        if document.get("use", "sig") != "sig" or not isinstance(kid, str | None):
            return None
        return (name, kid), jwt.PyJWK(document, algorithm=name).key
    except (jwt.PyJWTError, KeyError, ValueError, TypeError, AttributeError):
        return None


def verifier(settings: Settings, revokes: Callable[[Principal], bool]) -> Verifier:
    """Make the verifier that *settings* ask for."""
    return Verifier(shared_secret(settings), settings.jwks_url or None, revokes)


def shared_secret(settings: Settings) -> str | None:
    """Give the HS256 secret: the one that is set, or the one that is kept beside the database; None with a JWKS.

    Raises :exc:`InvalidSetting` if none is set and the database is on a server: there is no beside.
    """
    if settings.jwt_secret or settings.jwks_url:
        return settings.jwt_secret or None
    database = file_of(settings.database_url)
    if database is None:
        raise InvalidSetting("ANALYTICS_JWT_SECRET must be set, or ANALYTICS_JWKS_URL: all processes share it")
    return _kept_secret(database.with_name(f"{database.name}.secret"))


def _kept_secret(path: Path) -> str:
    """Read the secret at *path*; a missing one is made, complete and readable by the owner alone."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
        with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(secrets.token_urlsafe(48))
        try:
            # Two processes may start at once: the first link wins, and both read the same secret.
            os.link(draft, path)
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    return path.read_text().strip()


def make_token(secret: str, subject: str, roles: list[str], tenant: str, seconds: float) -> str:
    """Sign a token that ends in so many *seconds*, with an id of its own."""
    now = time.time()
    claims = {"sub": subject, "roles": roles, "tenant": tenant, "iat": int(now), "exp": int(now + seconds)}
    claims["jti"] = secrets.token_urlsafe(12)
    return jwt.encode(claims, secret, algorithm="HS256")


def bearer(authorization: str | None) -> str | None:
    """Take the token out of an ``Authorization`` header (RFC 6750, 2.1); None if it holds none."""
    scheme, _, token = (authorization or "").partition(" ")
    return token.strip() or None if scheme.lower() == "bearer" else None
