"""The session of a browser: opened for a token or a code, read, ended; and the codes by which a panel hands over."""

import asyncio
import math
from typing import TypeVar

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from realtime.principal import Principal
from storage.fairness.slicing import SharedSlicer
from storage.fairness.token_bucket import TokenBuckets
from storage.model import clock
from web.auth.admin import AdminAuthenticator, Credential
from web.auth.cookies import API_PATH, SESSION, PageOrigin, own_origin, session_secret
from web.auth.sessions import CODE_SECONDS, Sessions
from web.auth.tokens import bearer
from web.http.connections import mark_authenticated, network_of
from web.http.operations import Answer, JsonSchema, Operation
from web.http.problems import MEDIA_TYPE, Problem, invalid, unauthorized
from web.ops.audit import PRINCIPAL

T = TypeVar("T")

PATH = f"{API_PATH}/session"
RATE, BURST = 0.5, 60
"""Sessions and codes that a subject may ask for in a second over time, and at once: each writes to the database."""
ARRIVALS = 2
"""Requests that begin in one turn of the event loop: to verify a token takes some 0.2 ms."""
MAX_BODY = 1024
"""Bytes; a code is 43."""
OWN = "For this service's own pages only."
NOT_OWN = "only this service's own pages may do this; a proxy before it has to pass on the header Host"
NO_CODE = "the code has expired, or was used: open the dashboard from the panel again"
HEADERS = {"Cache-Control": "no-store", "Vary": "Authorization, Cookie, Origin"}

_STRING: JsonSchema = {"type": "string"}
SHAPE: JsonSchema = {
    "type": "object",
    "required": ["subject", "tenant", "roles", "id", "expires"],
    "properties": {
        "subject": _STRING,
        "tenant": _STRING,
        "roles": {"type": "array", "items": _STRING},
        "id": {"type": "string", "description": "Tells this session from others; it opens nothing."},
        "expires": {"type": "number", "description": "When the session ends, in seconds since 1970."},
    },
}
_CODE: JsonSchema = {"type": "object", "required": ["code"], "properties": {"code": _STRING}}
_MADE: JsonSchema = {
    "type": "object",
    "required": ["code", "seconds"],
    "properties": {"code": _STRING, "seconds": {"type": "integer", "description": "How long it is valid."}},
}
_OPENING: JsonSchema = {
    "type": "object",
    "properties": {
        "code": {"type": "string", "description": "Without it, the token in Authorization is exchanged."},
        "replace": {"type": "boolean", "default": False, "description": "End the session of somebody else first."},
    },
}


class _Opening(msgspec.Struct, forbid_unknown_fields=True):
    code: str | None = None
    replace: bool = False


class _Code(msgspec.Struct, forbid_unknown_fields=True):
    code: str


class SignIn:
    """The endpoints of sessions."""

    def __init__(self, admins: AdminAuthenticator, sessions: Sessions) -> None:
        self._admins = admins
        self._sessions = sessions
        self._buckets = TokenBuckets(RATE, BURST)
        self._arrivals = SharedSlicer(ARRIVALS)

    def operations(self) -> list[Operation]:
        """List the endpoints."""
        busy = {429: _problem("The subject asked for too many sessions; come back after Retry-After.")}
        return [
            Operation(
                "GET",
                PATH,
                "getSession",
                "Sessions",
                "Who is signed in",
                self._read,
                {200: Answer("The session.", SHAPE), 204: Answer("Nobody is signed in, or the session has ended.")},
                f"{OWN} The cookie is sent again, with the time that is left.",
                "session",
            ),
            Operation(
                "POST",
                PATH,
                "openSession",
                "Sessions",
                "Sign in",
                self._open,
                {
                    200: Answer("The session that was there, renewed.", SHAPE),
                    201: Answer("A new session.", SHAPE),
                    409: _problem("Somebody else is signed in. `subject` and `tenant` say who would be: ask first."),
                    **busy,
                },
                f"{OWN} Exchanges the token in Authorization, or a code, for a cookie, which ends when the token does.",
                "session",
                body={"application/json": _OPENING},
            ),
            Operation(
                "DELETE",
                PATH,
                "endSession",
                "Sessions",
                "Sign out",
                self._end,
                {204: Answer("Signed out.")},
                f"{OWN} Ends the session in all tabs, and in every process within a second.",
                "session",
            ),
            Operation(
                "POST",
                f"{PATH}/codes",
                "makeSessionCode",
                "Sessions",
                "Hand over to the dashboard",
                self._make_code,
                {201: Answer("A code, which becomes a session once.", _MADE), **busy},
                "For a page that has a token: it opens `/analytics#code=...`.",
                "token",
            ),
            Operation(
                "POST",
                f"{PATH}/renewals",
                "renewSession",
                "Sessions",
                "Renew a session that was handed over",
                self._renew,
                {
                    204: Answer("It ends with this token."),
                    404: _problem("There is no such session of this subject and tenant any more."),
                    **busy,
                },
                "Takes the code that became the session, and a newer token.",
                "token",
                body={"application/json": _CODE},
            ),
        ]

    async def _read(self, request: Request) -> Response:
        origin = _own(request)
        current = await self._current(request)
        if current is None:
            # No error: browsers would write one into the console of everybody who is about to sign in.
            return Response(status_code=204, headers=HEADERS)
        self._admins.check_admin(current)
        return _answer(200, current, origin, session_secret(request.headers) or "")

    async def _open(self, request: Request) -> Response:
        origin = _own(request)
        wanted = await _read_body(request, _Opening)
        if wanted.code is None:
            fresh = await self._by_token(request)
        elif "authorization" in request.headers:
            raise invalid("code", "send either a token as Authorization: Bearer or a code")
        else:
            fresh = await self._by_code(request, wanted.code)
        request.scope[PRINCIPAL] = fresh
        current = await self._current(request)
        if current is not None and _is_same(current, fresh):
            renewed = await self._renew_current(current, fresh, wanted.code)
            if renewed is not None:
                return _answer(200, renewed, origin, session_secret(request.headers) or "")
        elif current is not None and not wanted.replace:
            raise _conflict(fresh)
        secret, opened = await self._begin(fresh, wanted.code)
        if current is not None:
            await self._sessions.end(current)
        return _answer(201, opened, origin, secret)

    async def _renew_current(self, current: Principal, fresh: Principal, code: str | None) -> Principal | None:
        if code is None:
            return await self._sessions.renew(current, fresh)
        return await self._sessions.merge(code, current)

    async def _begin(self, fresh: Principal, code: str | None) -> tuple[str, Principal]:
        opened = await (self._sessions.open(fresh) if code is None else self._sessions.spend(code))
        if opened is None:
            raise unauthorized(NO_CODE)
        return opened

    async def _end(self, request: Request) -> Response:
        origin = _own(request)
        current = await self._current(request)
        if current is not None:
            request.scope[PRINCIPAL] = current
            await self._sessions.end(current)
        # Also if it has ended already: the cookie goes in any case.
        return Response(status_code=204, headers={**HEADERS, "Set-Cookie": origin.set_cookie(SESSION, "", 0)})

    async def _make_code(self, request: Request) -> Response:
        fresh = request.scope[PRINCIPAL] = await self._by_token(request)
        made = {"code": await self._sessions.make_code(fresh), "seconds": CODE_SECONDS}
        return Response(msgspec.json.encode(made), 201, HEADERS, "application/json")

    async def _renew(self, request: Request) -> Response:
        fresh = request.scope[PRINCIPAL] = await self._by_token(request)
        code = (await _read_body(request, _Code)).code
        if not await self._sessions.renew_of_code(code, fresh):
            raise Problem(404, "there is no session that this code became and that is this subject's")
        return Response(status_code=204, headers=HEADERS)

    async def _by_token(self, request: Request) -> Principal:
        token = bearer(request.headers.get("authorization"))
        await self._arrivals.enter(network_of(_address(request)))
        if token is None:
            raise unauthorized("send the token as Authorization: Bearer")
        fresh = await self._admins.authenticate_admin(Credential(token), _address(request))
        self._count(request, fresh)
        return fresh

    async def _by_code(self, request: Request, code: str) -> Principal:
        fresh = await self._sessions.read_code(code, network_of(_address(request)))
        if fresh is None:
            raise unauthorized(NO_CODE)
        self._admins.check_admin(fresh)
        self._count(request, fresh)
        return fresh

    async def _current(self, request: Request) -> Principal | None:
        """Say who is signed in; None if nobody is."""
        secret = session_secret(request.headers)
        if secret is None:
            return None
        try:
            found = await self._admins.authenticate(Credential(secret, is_session=True), _address(request))
        except Problem as problem:
            if problem.status == 401:
                return None
            raise
        mark_authenticated(request.scope)
        return found

    def _count(self, request: Request, fresh: Principal) -> None:
        """Count what writes; raises a 429 :exc:`Problem` if the subject wants too much."""
        mark_authenticated(request.scope)
        now = asyncio.get_running_loop().time()
        bucket = self._buckets.of((fresh.tenant_id, fresh.subject), now)
        wait = bucket.wait(now)
        if wait:
            headers = {"Retry-After": str(math.ceil(wait))}
            raise Problem(429, "this subject asks for too many sessions: come back later", headers=headers)
        bucket.take(1, now)


def _own(request: Request) -> PageOrigin:
    origin = own_origin(request.headers)
    if origin is None:
        raise Problem(403, NOT_OWN)
    return origin


def _address(request: Request) -> str:
    return request.client.host if request.client else ""


async def _read_body(request: Request, shape: type[T]) -> T:
    """Read a small JSON body; raises a 413 or 422 :exc:`Problem`."""
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > MAX_BODY:
            raise Problem(413, f"the body is larger than {MAX_BODY} bytes")
    try:
        return msgspec.json.decode(bytes(body) or b"{}", type=shape)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        raise Problem(422, "the body is not of the shape that /docs describes") from None


def _is_same(one: Principal, other: Principal) -> bool:
    return (one.tenant_id, one.subject) == (other.tenant_id, other.subject)


def _conflict(fresh: Principal) -> Problem:
    """Say who would be signed in; the one who asks has that person's token or code."""
    members = {"subject": fresh.subject, "tenant": fresh.tenant_id}
    return Problem(409, "somebody else is signed in: ask first, then send replace", members=members)


def _answer(status: int, principal: Principal, origin: PageOrigin, secret: str) -> Response:
    left = max(1, math.ceil(principal.expires - clock.unix()))
    described = {
        "subject": principal.subject,
        "tenant": principal.tenant_id,
        "roles": list(principal.roles),
        "id": (principal.session or "")[:16],
        "expires": principal.expires,
    }
    headers = {**HEADERS, "Set-Cookie": origin.set_cookie(SESSION, secret, left)}
    return Response(msgspec.json.encode(described), status, headers, "application/json")


def _problem(meaning: str) -> Answer:
    return Answer(meaning, {"$ref": "#/components/schemas/Problem"}, MEDIA_TYPE)
