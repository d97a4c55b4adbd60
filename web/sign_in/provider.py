"""The OpenID provider, as its client: discovery, the authorization request, and the verified claims of who signed in.

OpenID Connect Core 1.0, the authorization code flow (3.1), with PKCE (RFC 7636, S256) and the issuer of the answer
(RFC 9207). PyJWT verifies, as it does the tokens of admins. What is left for a library of OpenID Connect to do is three
small requests, around which deadline and size would have to be bounded here in any case: each answer has one deadline,
from its first byte to its last.
"""

import asyncio
import base64
import hashlib
import hmac
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote_plus, urlencode

import jwt
import msgspec
import structlog

from web.auth.claims import find
from web.auth.key_set import ALGORITHMS, KeySet, fingerprint
from web.auth.tokens import read_header
from web.http.problems import Problem
from web.settings import InvalidSetting, Settings

log = structlog.get_logger()

FETCH_SECONDS = 5.0
"""How long one request to the provider may take."""
DOCUMENT_SECONDS = 600.0
"""How long the provider's description is used before it is fetched again."""
RETRY_SECONDS = 5.0
"""How soon a failed fetch of it is tried again, however many ask."""
MAX_BYTES = 1 << 20
"""Of an answer."""
MAX_ID_TOKEN = 64 << 10
"""Characters."""
UNREACHABLE = "cannot be reached"
LEEWAY_SECONDS = 60.0
"""By how much the clocks of provider and service may differ: an ID token is used in the second it was made."""


class Refusal(Exception):
    """Nobody is signed in; the text says why, for the person before the page."""


class _Description(msgspec.Struct):
    """What is used of the provider's description (OpenID Connect Discovery 1.0, 3)."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    userinfo_endpoint: str | None = None
    token_endpoint_auth_methods_supported: tuple[str, ...] = ("client_secret_basic",)
    authorization_response_iss_parameter_supported: bool = False


class _Tokens(msgspec.Struct):
    """The answer of the token endpoint."""

    id_token: str
    access_token: str | None = None


class _Failure(msgspec.Struct):
    """An error of the token endpoint (RFC 6749, 5.2)."""

    error: str
    error_description: str = ""


class Attempt:
    """One attempt to sign in: all that must not be guessed follows from one *secret*, which the browser keeps."""

    def __init__(self, secret: str, redirect_uri: str) -> None:
        self.state = _derive(secret, "state")
        self.nonce = _derive(secret, "nonce")
        self.verifier = _derive(secret, "verifier")
        self.redirect_uri = redirect_uri

    @property
    def challenge(self) -> str:
        """Give what the provider is told of the verifier (RFC 7636, 4.2)."""
        return _base64url(hashlib.sha256(self.verifier.encode()).digest())


class Provider:
    """The provider at one issuer."""

    def __init__(self, issuer: str, client_id: str, client_secret: str, scopes: str, roles_claim: str) -> None:
        """Take the *issuer*, and as whom the service is registered there; an empty secret: as a public client.

        *roles_claim* is what is asked for at the userinfo endpoint if the ID token lacks it.
        """
        # Imported here: the client costs 2 MB, which a service without a provider need not pay.
        import httpx2

        self._issuer = issuer
        self._client_id = client_id
        self._client_secret = client_secret
        self._scopes = scopes
        self._roles_claim = roles_claim
        self._failures = (httpx2.HTTPError, httpx2.InvalidURL, OSError, ValueError, msgspec.MsgspecError)
        self._client = httpx2.AsyncClient(
            timeout=FETCH_SECONDS, follow_redirects=False, headers={"Accept-Encoding": "identity"}
        )
        self._description: _Description | None = None
        self._fetched_at = self._failed_at = float("-inf")
        self._fetch: asyncio.Task[None] | None = None
        self._keys: KeySet | None = None
        self._why = UNREACHABLE
        self.fingerprint = fingerprint(f"{issuer} {client_id}".encode())
        """Tells this provider and client from others: sessions of another one have ended."""

    async def authorization(self, attempt: Attempt) -> str:
        """Give the address at which a person signs in; raises :exc:`Refusal`."""
        description = await self._describe()
        query = {
            "response_type": "code",
            "client_id": self._client_id,
            "redirect_uri": attempt.redirect_uri,
            "scope": self._scopes,
            "state": attempt.state,
            "nonce": attempt.nonce,
            "code_challenge": attempt.challenge,
            "code_challenge_method": "S256",
        }
        address = description.authorization_endpoint
        return f"{address}{'&' if '?' in address else '?'}{urlencode(query)}"

    async def claims(self, attempt: Attempt, answer: Mapping[str, str]) -> dict[str, Any]:
        """Give the verified claims of who signed in, from the provider's *answer*; raises :exc:`Refusal`."""
        if not hmac.compare_digest(answer.get("state", "").encode(), attempt.state.encode()):
            raise Refusal("the provider's answer is to another sign-in than the last one of this browser: try again")
        description = await self._describe()
        issuer = answer.get("iss")
        if issuer != description.issuer and (
            issuer is not None or description.authorization_response_iss_parameter_supported
        ):
            raise Refusal("the answer is of another provider than ANALYTICS_OIDC_ISSUER")
        if "error" in answer:
            raise Refusal(f"the provider says: {plain(answer['error'], answer.get('error_description', ''))}")
        if not answer.get("code"):
            raise Refusal("the provider sent no code")
        tokens = await self._redeem(description, attempt, answer["code"])
        claims = await self._verify(description, tokens.id_token, attempt.nonce)
        if find(claims, self._roles_claim) is None and description.userinfo_endpoint and tokens.access_token:
            claims = await self._complete(description.userinfo_endpoint, tokens.access_token, claims)
        return claims

    async def close(self) -> None:
        """Give connections back."""
        if self._fetch is not None:
            self._fetch.cancel()
            await asyncio.gather(self._fetch, return_exceptions=True)
        if self._keys is not None:
            await self._keys.close()
        await self._client.aclose()

    # Discovery

    async def _describe(self) -> _Description:
        now = time.monotonic()
        is_due = now - self._fetched_at > DOCUMENT_SECONDS and now - self._failed_at > RETRY_SECONDS
        if is_due and (self._fetch is None or self._fetch.done()):
            self._fetch = asyncio.create_task(self._discover(), name="provider")
        if self._description is None and self._fetch is not None:
            # It continues if the request that waits for it is cancelled.
            await asyncio.wait([self._fetch])
        if self._description is None:
            raise Refusal(f"the provider {self._why}: see ANALYTICS_OIDC_ISSUER")
        return self._description

    async def _discover(self) -> None:
        try:
            body = await self._read("GET", f"{self._issuer.rstrip('/')}/.well-known/openid-configuration")
            description = msgspec.json.decode(body, type=_Description)
            if description.issuer.rstrip("/") != self._issuer.rstrip("/"):
                self._why = "describes itself with another issuer"
                raise ValueError(self._why)
            _check_addresses(description)
        except self._failures as error:
            # What was fetched before stays in use: a provider that cannot be reached locks nobody out for good.
            self._failed_at = time.monotonic()
            log.warning("oidc_discovery_failed", error=type(error).__name__)
            return
        self._fetched_at, self._why = time.monotonic(), UNREACHABLE
        if self._keys is None or self._description is None or self._description.jwks_uri != description.jwks_uri:
            before, self._keys = self._keys, KeySet(description.jwks_uri)
            if before is not None:
                await before.close()
        self._description = description

    # Code, tokens and claims

    async def _redeem(self, description: _Description, attempt: Attempt, code: str) -> _Tokens:
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": attempt.redirect_uri,
            "code_verifier": attempt.verifier,
        }
        headers = {"Accept": "application/json"}
        methods = description.token_endpoint_auth_methods_supported
        if self._client_secret and "client_secret_basic" in methods:
            # Each part is encoded before they are joined (RFC 6749, 2.3.1).
            pair = f"{quote_plus(self._client_id)}:{quote_plus(self._client_secret)}"
            headers["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
        else:
            form["client_id"] = self._client_id
            if self._client_secret:
                form["client_secret"] = self._client_secret
        try:
            body = await self._read("POST", description.token_endpoint, data=form, headers=headers)
            return msgspec.json.decode(body, type=_Tokens)
        except _Rejected as error:
            log.warning("oidc_code_refused", status=error.status)
            raise Refusal(f"the provider refuses the code: {error}") from None
        except self._failures as error:
            log.warning("oidc_code_not_redeemed", error=type(error).__name__)
            raise Refusal("the provider does not answer as it should: try again") from None

    async def _verify(self, description: _Description, token: str, nonce: str) -> dict[str, Any]:
        """Verify an ID token (OpenID Connect Core 1.0, 3.1.3.7)."""
        try:
            if len(token) > MAX_ID_TOKEN or self._keys is None:
                raise ValueError
            header = read_header(token)
            if header.alg not in ALGORITHMS.values():
                raise jwt.InvalidAlgorithmError
            claims: dict[str, Any] = jwt.decode(
                token,
                (await self._keys.get(header.alg, header.kid)).key,
                algorithms=[header.alg],
                audience=self._client_id,
                issuer=description.issuer,
                leeway=LEEWAY_SECONDS,
                options={"require": ["iss", "sub", "aud", "exp", "iat"], "verify_sub": False},
            )
        except Problem as problem:
            raise Refusal(problem.detail) from None
        except (jwt.PyJWTError, *self._failures, TypeError, OverflowError, RecursionError, AttributeError) as error:
            log.warning("oidc_id_token_refused", error=type(error).__name__)
            raise Refusal(_REASONS.get(type(error), "the provider's ID token is not valid")) from None
        if not isinstance(claims.get("nonce"), str) or not hmac.compare_digest(
            claims["nonce"].encode(errors="replace"), nonce.encode()
        ):
            raise Refusal("the provider's ID token is of another sign-in")
        party = claims.get("azp")
        several = isinstance(claims["aud"], list) and len(claims["aud"]) > 1
        if party != self._client_id and (party is not None or several):
            raise Refusal("the provider's ID token is for another client than ANALYTICS_OIDC_CLIENT_ID")
        return claims

    async def _complete(self, address: str, access_token: str, claims: dict[str, Any]) -> dict[str, Any]:
        """Add the claims of the userinfo endpoint (OpenID Connect Core 1.0, 5.3), if they are of the same subject."""
        try:
            body = await self._read("GET", address, headers={"Authorization": f"Bearer {access_token}"})
            more = msgspec.json.decode(body, type=dict[str, Any])
        except (*self._failures, RecursionError) as error:
            log.warning("oidc_userinfo_failed", error=type(error).__name__)
            return claims
        return {**more, **claims} if more.get("sub") == claims["sub"] else claims

    async def _read(self, method: str, address: str, **options: Any) -> bytes:
        """Read an answer; raises :exc:`_Rejected`, and what the client raises, ``TimeoutError`` and ``ValueError``."""
        body = bytearray()
        async with (
            asyncio.timeout(FETCH_SECONDS),
            self._client.stream(method, address, **options) as response,
        ):
            async for piece in response.aiter_raw():
                body += piece
                if len(body) > MAX_BYTES:
                    raise ValueError("the answer is too large")
        if response.status_code in (400, 401, 403):
            raise _Rejected(response.status_code, bytes(body))
        response.raise_for_status()
        if response.status_code != 200:
            raise ValueError("not an answer")
        return bytes(body)


class _Rejected(ValueError):
    """The provider refuses a request; the text is its own reason."""

    def __init__(self, status: int, body: bytes) -> None:
        try:
            failure = msgspec.json.decode(body, type=_Failure)
            super().__init__(plain(failure.error, failure.error_description))
        except (msgspec.MsgspecError, ValueError, RecursionError):
            super().__init__(f"it answers {status}")
        self.status = status


_REASONS: dict[type[Exception], str] = {
    jwt.ExpiredSignatureError: "the provider's ID token has expired: compare the clocks of both",
    jwt.ImmatureSignatureError: "the provider's ID token is not valid yet: compare the clocks of both",
    jwt.InvalidAudienceError: "the provider's ID token is for another client than ANALYTICS_OIDC_CLIENT_ID",
    jwt.InvalidIssuerError: "the provider's ID token is of another issuer than ANALYTICS_OIDC_ISSUER",
    jwt.InvalidAlgorithmError: "the provider's ID token is not signed with RS256 or ES256: set that at the provider",
    jwt.InvalidSignatureError: "the provider's ID token is not signed with a key of the provider",
    jwt.InvalidKeyError: "the provider's ID token is not signed with a key of the provider",
}


def provider(settings: Settings) -> Provider | None:
    """Make the provider of *settings*; None if there is none.

    Raises :exc:`InvalidSetting` if the client's id is missing.
    """
    if not settings.oidc_issuer:
        return None
    if not settings.oidc_client_id:
        raise InvalidSetting("ANALYTICS_OIDC_CLIENT_ID must be set with ANALYTICS_OIDC_ISSUER")
    return Provider(
        settings.oidc_issuer,
        settings.oidc_client_id,
        settings.oidc_client_secret,
        settings.oidc_scopes,
        settings.jwt_roles_claim,
    )


def plain(error: str, description: str) -> str:
    """Write an error as the provider gives it, without what is no text, and not at any length."""
    said = f"{error} ({description})" if description else error
    return "".join(character if character.isprintable() else " " for character in said[:300])


def _check_addresses(description: _Description) -> None:
    """Raise ``ValueError`` if something of a description is no address: browsers are sent there."""
    for address in (description.authorization_endpoint, description.token_endpoint, description.jwks_uri):
        if not address.startswith(("https://", "http://")):
            raise ValueError("not an address")


def _derive(secret: str, purpose: str) -> str:
    return _base64url(hmac.digest(secret.encode(), purpose.encode(), "sha256"))


def _base64url(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()
