"""Signing in with an OpenID provider: the endpoints between the page, the provider and the session.

The page asks where to go, and goes there. The provider sends the browser back to the callback, which opens the session
and leads to the dashboard, or says there why not. What ties the two ends together is one secret in a cookie of ten
minutes; the service keeps nothing, so that any process may take either end.
"""

import base64
import secrets
from collections.abc import Mapping
from urllib.parse import urlsplit

import msgspec
import structlog
from starlette.requests import Request
from starlette.responses import Response

from realtime.principal import Principal
from storage.errors import ShareExceeded
from storage.fairness.turns import Turns
from storage.model import clock
from web.auth.admin import AdminAuthenticator
from web.auth.claims import Claims, read_subject
from web.auth.cookies import API_PATH, SESSION, PageOrigin, own_origin, read_cookie, read_value
from web.auth.sessions import Sessions
from web.http.connections import mark_authenticated, network_of
from web.http.operations import Answer, JsonSchema, Operation
from web.http.problems import MEDIA_TYPE, Problem, unavailable
from web.ops.audit import PRINCIPAL
from web.settings import Settings
from web.sign_in.endpoints import HEADERS, NOT_OWN, OWN
from web.sign_in.provider import Attempt, Provider, Refusal, provider

log = structlog.get_logger()

PATH = f"{API_PATH}/sign-in"
BEGIN, CALLBACK = f"{PATH}/oidc", f"{PATH}/oidc/callback"
DASHBOARD = "/analytics"
ATTEMPT, REASON = "convoai-analytics-attempt", "convoai-analytics-reason"
"""The cookies of an attempt: its secret, and why it failed."""
ATTEMPT_SECONDS, REASON_SECONDS = 600, 60
PLACES, EACH, WAITING = 8, 2, 16
"""Attempts that wait for the provider at once, how many of them of one address, and how many more of it may wait: each
waits 15 s at the most, and no other request waits for it."""
NOT_BEGUN = "this sign-in was not begun in this browser, or was left for more than ten minutes: try again"
MAX_QUERY = 8192
"""Bytes of what the provider sends back."""

_SHAPE: JsonSchema = {
    "type": "object",
    "required": ["provider", "reason"],
    "properties": {
        "provider": {"type": ["string", "null"], "description": "Its name; null: there is none."},
        "reason": {"type": ["string", "null"], "description": "Why the last attempt of this browser failed."},
    },
}
_LOCATION: JsonSchema = {
    "type": "object",
    "required": ["location"],
    "properties": {"location": {"type": "string", "description": "Where to go on."}},
}


class OpenId:
    """The endpoints of signing in with the provider, if the settings name one."""

    def __init__(self, settings: Settings, admins: AdminAuthenticator, sessions: Sessions) -> None:
        """Raise :exc:`InvalidSetting` if the settings of the provider are not complete."""
        self._provider = provider(settings)
        if self._provider is not None:
            admins.trust(self._provider.fingerprint)
        self._name = settings.oidc_name or urlsplit(settings.oidc_issuer).hostname or ""
        self._seconds = settings.oidc_session_hours * 3600
        self._claims = Claims.of(settings)
        self._admins = admins
        self._sessions = sessions
        self._turns = Turns("sign-ins", PLACES, EACH, WAITING)

    def operations(self) -> list[Operation]:
        """List the endpoints."""
        unreachable = Answer("The provider does not answer as it should.", _PROBLEM, MEDIA_TYPE)
        return [
            Operation(
                "GET",
                PATH,
                "getSignIn",
                "Sessions",
                "How to sign in",
                self._describe,
                {200: Answer("The provider, and what came of the last attempt.", _SHAPE)},
                OWN,
                "page",
            ),
            Operation(
                "POST",
                BEGIN,
                "beginSignIn",
                "Sessions",
                "Sign in with the provider",
                self._begin,
                {
                    200: Answer("Where to go on.", _LOCATION),
                    404: Answer("There is no provider: ANALYTICS_OIDC_ISSUER.", _PROBLEM, MEDIA_TYPE),
                    502: unreachable,
                },
                OWN,
                "page",
            ),
            Operation(
                "GET",
                CALLBACK,
                "endSignIn",
                "Sessions",
                "Where the provider sends the browser back to",
                self._return,
                {303: Answer("To the dashboard, signed in or not.")},
                "The redirect URI that is registered at the provider.",
                "provider",
            ),
        ]

    async def close(self) -> None:
        """Give connections back."""
        if self._provider is not None:
            await self._provider.close()

    async def _describe(self, request: Request) -> Response:
        origin = _own(request)
        found = read_value(request.headers, origin.cookie_name(REASON))
        body = {"provider": self._name if self._provider else None, "reason": None if found is None else _read(found)}
        headers = {**HEADERS, **({} if found is None else {"Set-Cookie": origin.set_cookie(REASON, "", 0, PATH)})}
        return Response(msgspec.json.encode(body), 200, headers, "application/json")

    async def _begin(self, request: Request) -> Response:
        origin = _own(request)
        secret = secrets.token_urlsafe(32)
        try:
            async with self._turns.of(_account(request)):
                location = await self._found().authorization(_attempt(secret, origin))
        except Refusal as refusal:
            raise Problem(502, str(refusal)) from None
        except ShareExceeded:
            raise unavailable("too many sign in at once") from None
        cookie = origin.set_cookie(ATTEMPT, secret, ATTEMPT_SECONDS, PATH, "Lax")
        headers = {**HEADERS, "Set-Cookie": cookie}
        return Response(msgspec.json.encode({"location": location}), 200, headers, "application/json")

    async def _return(self, request: Request) -> Response:
        """End an attempt. The browser comes from the provider's site, and so sends the attempt's cookie alone."""
        began = _began(request)
        try:
            if began is None:
                raise Refusal(NOT_BEGUN)
            origin, secret = began
            principal = request.scope[PRINCIPAL] = await self._finish(request, origin, secret)
            opened, _ = await self._sessions.open(principal)
        except (Refusal, Problem) as refusal:
            log.info("oidc_sign_in_failed", reason=type(refusal).__name__)
            reason = _write(refusal.detail if isinstance(refusal, Problem) else str(refusal))
            # Without a beginning it is not known whether the page came over TLS: a browser keeps the cookie that fits.
            origins = _origins(request) if began is None else [began[0]]
            return _lead([origin.set_cookie(REASON, reason, REASON_SECONDS, PATH) for origin in origins])
        mark_authenticated(request.scope)
        ended = origin.set_cookie(ATTEMPT, "", 0, PATH, "Lax")
        return _lead([ended, origin.set_cookie(SESSION, opened, int(self._seconds))])

    async def _finish(self, request: Request, origin: PageOrigin, secret: str) -> Principal:
        """Say who signed in; raises :exc:`Refusal`, and a :exc:`Problem` that names the claim and its setting."""
        if len(request.scope["query_string"]) > MAX_QUERY:
            raise Refusal("the provider's answer is too long")
        try:
            async with self._turns.of(_account(request)):
                claims = await self._found().claims(_attempt(secret, origin), dict(request.query_params))
        except ShareExceeded:
            raise Refusal("too many sign in at once: try again") from None
        return self._principal(claims)

    def _principal(self, claims: Mapping[str, object]) -> Principal:
        now = clock.unix()
        principal = Principal(
            read_subject(claims),
            self._claims.read_tenant(claims),
            self._claims.read_roles(claims),
            now + self._seconds,
            now,
            signed_by=self._found().fingerprint,
        )
        self._admins.check_admin(principal)
        return principal

    def _found(self) -> Provider:
        if self._provider is None:
            raise Problem(404, "there is no provider to sign in with: see ANALYTICS_OIDC_ISSUER")
        return self._provider


_PROBLEM: JsonSchema = {"$ref": "#/components/schemas/Problem"}


def _own(request: Request) -> PageOrigin:
    origin = own_origin(request.headers)
    if origin is None:
        raise Problem(403, NOT_OWN)
    return origin


def _began(request: Request) -> tuple[PageOrigin, str] | None:
    """Say from which origin an attempt was begun, and its secret; None if none was begun in this browser.

    A navigation names no origin. The attempt's cookie, by its name, says whether the page came over TLS.
    """
    for origin in _origins(request):
        secret = read_cookie(request.headers, origin.cookie_name(ATTEMPT))
        if secret is not None:
            return origin, secret
    return None


def _origins(request: Request) -> list[PageOrigin]:
    return [PageOrigin(scheme, request.headers.get("host", "").lower()) for scheme in ("https", "http")]


def _lead(cookies: list[str]) -> Response:
    """Lead to the dashboard."""
    response = Response(status_code=303, headers={**HEADERS, "Location": DASHBOARD})
    for cookie in cookies:
        response.headers.append("Set-Cookie", cookie)
    return response


def _attempt(secret: str, origin: PageOrigin) -> Attempt:
    return Attempt(secret, f"{origin.scheme}://{origin.host}{CALLBACK}")


def _account(request: Request) -> str:
    return network_of(request.client.host) if request.client else ""


def _write(reason: str) -> str:
    return base64.urlsafe_b64encode(reason.encode(errors="replace")[:600]).rstrip(b"=").decode()


def _read(value: str) -> str | None:
    try:
        return base64.urlsafe_b64decode(value + "=" * (-len(value) % 4)).decode(errors="replace")
    except ValueError:
        return None
