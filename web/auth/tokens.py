"""Who is asking: from a bearer token (JWT, RFC 7519) to a principal.

One algorithm for each key: HS256 for the shared secret, RS256 for an RSA key and ES256 for a P-256 key of the JWKS.
A token's own idea of where its key lies (``jku``, ``x5u``) is ignored. No leeway: a token ends when it says so.
One that names an audience is refused by all others (RFC 7519, 4.1.3).
"""

import base64
import math
import os
import secrets
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import jwt
import msgspec

from realtime.principal import Principal
from storage.engine.urls import file_of
from web.auth.claims import ADMIN as ADMIN
from web.auth.claims import DEFAULT_CLAIMS, Claims, read_subject
from web.auth.key_set import ALGORITHMS, KeySet, fingerprint
from web.http.problems import unauthorized
from web.settings import InvalidSetting, Settings

MAX_TOKEN = 8192
"""Characters of a token."""
MAX_HEADER = 2048
"""Characters of its header, which says by which key it is signed."""

_LATEST = 1e12
"""Beyond it, in seconds since 1970, nothing is a time."""
# Audience, issuer and subject are checked here: with our words, and with one rule for all.
_OPTIONS: Any = {
    "require": ["sub", "exp"],
    "verify_aud": False,
    "verify_iss": False,
    "verify_iat": False,
    "verify_sub": False,
}


class Verifier:
    """Verifies tokens by the shared secret, the published keys, or both."""

    def __init__(
        self,
        secret: str | None,
        jwks_url: str | None,
        revokes: Callable[[Principal], bool],
        audiences: Iterable[str] = (),
        issuers: Iterable[str] = (),
        names: Claims = DEFAULT_CLAIMS,
    ) -> None:
        """Take the HS256 *secret* (None: such tokens are refused) and where the public keys are (None: likewise).

        *revokes* says whose token was revoked. *audiences* are the names of this service: a token has to be for one of
        them; without any it must name none. *issuers*: a token has to be of one of them; without any, any issuer will
        do. *names* are those of the other claims.
        """
        self._secret = secret
        self._secret_print = None if secret is None else fingerprint(secret.encode())
        self._revokes = revokes
        self._audiences = frozenset(audiences)
        self._issuers = frozenset(issuers)
        self._names = names
        self._keys = KeySet(jwks_url) if jwks_url else None

    async def verify(self, token: str) -> Principal:
        """Verify *token*; raises a 401 :exc:`Problem`, or a 503 if the keys cannot be had just now."""
        try:
            if len(token) > MAX_TOKEN:
                raise jwt.DecodeError("too long")
            header = read_header(token)
            key, signed_by = await self._key(header.alg, header.kid)
            claims = jwt.decode(
                token,
                key,
                algorithms=[header.alg],
                options=_OPTIONS,
            )
        except jwt.ExpiredSignatureError:
            raise unauthorized("the token has expired") from None
        except jwt.ImmatureSignatureError:
            raise unauthorized("the token is not valid yet") from None
        except jwt.MissingRequiredClaimError as error:
            raise unauthorized(f"the token lacks the claim {error.claim}") from None
        except jwt.InvalidAlgorithmError:
            raise unauthorized(f"the token's algorithm is not accepted: {self._accepted()}") from None
        except (jwt.InvalidSignatureError, jwt.InvalidKeyError):
            raise unauthorized(f"the token is not signed with a key of this service: {self._accepted()}") from None
        except (
            jwt.PyJWTError,
            msgspec.MsgspecError,
            ValueError,
            TypeError,
            OverflowError,
            RecursionError,
            AttributeError,
        ):
            raise unauthorized("the token is not valid") from None
        self._check_purpose(claims)
        principal = self._principal(claims, signed_by)
        if self._revokes(principal):
            raise unauthorized("the token has been revoked")
        return principal

    async def verify_admin(self, token: str) -> Principal:
        """Verify *token* and that it is an admin's; raises a 403 :exc:`Problem` if it is not."""
        principal = await self.verify(token)
        self.check_admin(principal)
        return principal

    def check_admin(self, principal: Principal) -> None:
        """Raise a 403 :exc:`Problem` if the role of admins is missing."""
        self._names.check_admin(principal.roles)

    async def close(self) -> None:
        """Give connections back."""
        if self._keys is not None:
            await self._keys.close()

    def _check_purpose(self, claims: dict[str, Any]) -> None:
        """See that a token is meant for this service, and of an issuer that may sign for it."""
        audience, issuer = claims.get("aud"), claims.get("iss")
        named = audience if isinstance(audience, list) else [audience]
        if audience is None and self._audiences:
            raise unauthorized("the token lacks the claim aud, which ANALYTICS_JWT_AUDIENCE asks for")
        if audience is not None and not any(isinstance(name, str) and name in self._audiences for name in named):
            raise unauthorized("the token is for another audience: ANALYTICS_JWT_AUDIENCE says which ones are taken")
        if self._issuers and not (isinstance(issuer, str) and issuer in self._issuers):
            raise unauthorized("the token is not of an issuer that ANALYTICS_JWT_ISSUER names")

    async def holds(self, signed_by: str | None) -> bool:
        """Say whether the key of that fingerprint, by which a token was verified once, is in use still.

        Raises a 503 :exc:`Problem` if the published keys could not be fetched yet.
        """
        if signed_by is None:
            return False
        return signed_by == self._secret_print or (self._keys is not None and await self._keys.holds(signed_by))

    async def _key(self, algorithm: str, kid: str | None) -> tuple[Any, str | None]:
        if algorithm == "HS256" and self._secret:
            return self._secret, self._secret_print
        if algorithm in ALGORITHMS.values() and self._keys is not None:
            return await self._keys.get(algorithm, kid)
        raise jwt.InvalidAlgorithmError("not accepted here")

    def _accepted(self) -> str:
        """Say with which settings a signature is verified."""
        if self._keys is None:
            return "HS256 with ANALYTICS_JWT_SECRET; for RS256 and ES256 set ANALYTICS_JWKS_URL"
        published = "RS256 and ES256 with ANALYTICS_JWKS_URL"
        return f"{published}, HS256 with ANALYTICS_JWT_SECRET" if self._secret else published

    def _principal(self, claims: dict[str, Any], signed_by: str | None) -> Principal:
        roles = self._names.read_roles(claims)
        return Principal(
            read_subject(claims),
            self._names.read_tenant(claims),
            roles,
            _time(claims["exp"]),
            _issued(claims.get("iat")),
            claims.get("jti"),
            signed_by=signed_by,
        )


class Header(msgspec.Struct):
    """What says by which key a token is signed."""

    alg: str
    kid: str | None = None


def read_header(token: str) -> Header:
    """Read the header alone, by which the key is found: PyJWT would read all of the token, 0.5 ms for 8 KB."""
    segment = token.partition(".")[0]
    if len(segment) > MAX_HEADER:
        raise jwt.DecodeError("too long")
    return msgspec.json.decode(base64.urlsafe_b64decode(segment + "=" * (-len(segment) % 4)), type=Header)


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


def verifier(settings: Settings, revokes: Callable[[Principal], bool]) -> Verifier:
    """Make the verifier that *settings* ask for."""
    secret, url = shared_secret(settings), settings.jwks_url or None
    return Verifier(secret, url, revokes, settings.jwt_audience, settings.jwt_issuer, Claims.of(settings))


def shared_secret(settings: Settings) -> str | None:
    """Give the HS256 secret: the one that is set, or the one that is kept beside the database; None with a JWKS.

    Raises :exc:`InvalidSetting` if none is set and the database is on a server: there is no beside.
    """
    if settings.jwt_secret or settings.jwks_url:
        return settings.jwt_secret or None
    database = file_of(settings.database_url)
    if database is None:
        raise InvalidSetting("ANALYTICS_JWT_SECRET must be set, or ANALYTICS_JWKS_URL: all processes share it")
    return kept_secret(database.with_name(f"{database.name}.secret"))


def kept_secret(path: Path) -> str:
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


def make_token(secret: str, subject: str, roles: list[str], tenant: str, seconds: float, **more: str) -> str:
    """Sign a token that ends in so many *seconds*, with an id of its own and *more* claims."""
    return _sign(secret, {"sub": subject, **DEFAULT_CLAIMS.write(roles, tenant), **more}, seconds)


def own_token(
    settings: Settings, secret: str, subject: str, tenant: str, seconds: float, roles: list[str] | None = None
) -> str:
    """Sign a token that the service of *settings* accepts; *roles* None: an admin's."""
    names = Claims.of(settings)
    claims = names.write(roles or [names.admin_role], tenant)
    return _sign(secret, {"sub": subject, **claims, **purpose(settings)}, seconds)


def _sign(secret: str, claims: dict[str, Any], seconds: float) -> str:
    now = time.time()
    times = {"iat": int(now), "exp": int(now + seconds), "jti": secrets.token_urlsafe(12)}
    return jwt.encode({**claims, **times}, secret, algorithm="HS256")


def purpose(settings: Settings) -> dict[str, str]:
    """Give the claims by which a token is for the service of *settings*: its first audience and issuer, if any."""
    wanted = {"aud": settings.jwt_audience, "iss": settings.jwt_issuer}
    return {claim: names[0] for claim, names in wanted.items() if names}


def bearer(authorization: str | None) -> str | None:
    """Take the token out of an ``Authorization`` header (RFC 6750, 2.1); None if it holds none."""
    scheme, _, token = (authorization or "").partition(" ")
    return token.strip() or None if scheme.lower() == "bearer" else None
