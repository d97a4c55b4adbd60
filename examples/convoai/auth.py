"""The auth service: users, roles, and signed tokens that every other service verifies by the published key.

A new user becomes an admin as the integration guide has it: a row in ``user_roles``, and signing in anew.
"""

import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

import msgspec
from convoai_analytics_client.asgi import AnalyticsMiddleware
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from examples.convoai.accounts import SESSION_SECONDS, Accounts, NameTaken, User
from examples.convoai.attempts import Attempts
from examples.convoai.passwords import Passwords
from examples.convoai.service import Refused, application, body, run
from examples.convoai.settings import AUDIENCE, Settings
from examples.convoai.signing import SigningKey

PORT = 8001
TOKEN_SECONDS = 900
"""How long an access token lasts: a role that was taken away may count for so long."""
COOKIE = "convoai_refresh"
KEYS = "/.well-known/jwks.json"
_NOT_STORED = {"Cache-Control": "no-store"}


class NewUser(msgspec.Struct, forbid_unknown_fields=True):
    """What ``POST /users/`` takes."""

    username: Annotated[str, msgspec.Meta(pattern=r"\A[A-Za-z0-9._-]{2,32}\Z")]
    password: Annotated[str, msgspec.Meta(min_length=8, max_length=256)]
    email: Annotated[str, msgspec.Meta(max_length=254)] | None = None


class Auth:
    """The endpoints."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._key = SigningKey.kept(settings.data / "auth.key")
        self._attempts = Attempts()
        self._passwords = Passwords()
        self.analytics = settings.analytics()

    async def open(self) -> None:
        """Open the database."""
        self._accounts = await Accounts.open(self._settings.data / "auth.db")

    async def close(self) -> None:
        """Close it. The middleware posts what was tracked."""
        await self._accounts.close()

    async def register(self, request: Request) -> Response:
        """Create a user: JSON with username, password (8 characters or more) and, if wanted, email.

        201 with id and username; 409 if the name is taken.
        """
        self._is_from_page(request)
        new = await body(request, NewUser)
        password_hash = await self._passwords.hash(new.password)
        try:
            user = await self._accounts.add(new.username, password_hash, new.email)
        except NameTaken:
            raise Refused(409, "username: another user has this name", "username") from None
        self._track(request, user, "registration")
        return JSONResponse({"id": user.id, "username": user.username}, 201)

    async def sign_in(self, request: Request) -> Response:
        """Sign in: a form with username and password (OAuth2's password form).

        Answers access_token, token_type, expires_in and refresh_token. A page gets the latter as a cookie that no
        script reads. 401 if name or password is wrong, 429 after too many of these.
        """
        is_page = self._is_from_page(request)
        form = await _form(request)
        username, password = form.get("username", ""), form.get("password", "")
        address = _address(request)
        if wait := self._attempts.begin(address, username):
            raise Refused(429, "too many wrong passwords", Retry_After=str(wait))
        user = await self._accounts.find(username)
        known = None if user is None else user.password_hash
        if not await self._passwords.verify(password, known) or user is None:
            raise Refused(401, "username or password is wrong", WWW_Authenticate="Bearer")
        self._attempts.succeed(address, username)
        if self._passwords.is_outdated(user.password_hash):
            await self._accounts.set_hash(user.id, await self._passwords.hash(password))
        self._track(request, user, "login")
        return self._answer(user, await self._accounts.begin_session(user.id), is_page)

    async def refresh(self, request: Request) -> Response:
        """Give the next access token: for a form with refresh_token, or a page's cookie. Each is taken once.

        401 if the session has ended; 204 to a page without a cookie, where none has begun.
        """
        is_page = self._is_from_page(request)
        if is_page and COOKIE not in request.cookies:
            return Response(status_code=204, headers=_NOT_STORED)
        found = await self._accounts.go_on(await self._refresh_token(request, is_page))
        if found is None:
            raise Refused(401, "the session has ended: sign in again", WWW_Authenticate="Bearer")
        return self._answer(*found, is_page)

    async def sign_out(self, request: Request) -> Response:
        """End the session of a refresh token, sent as for a refresh: 204, also if it had ended already."""
        is_page = self._is_from_page(request)
        user = await self._accounts.end_session(await self._refresh_token(request, is_page))
        if user is not None:
            self._track(request, user, "logout")
        response = Response(status_code=204, headers=_NOT_STORED)
        response.delete_cookie(COOKIE, "/auth", httponly=True, samesite="strict", secure=self._is_secure)
        return response

    async def keys(self, _request: Request) -> Response:
        """Publish the key by which tokens are verified (JWKS)."""
        return JSONResponse(self._key.published(), headers={"Cache-Control": "public, max-age=300"})

    def routes(self) -> list[Route]:
        """List the routes."""
        return [
            Route("/users/", self.register, methods=["POST"]),
            Route("/auth/token", self.sign_in, methods=["POST"]),
            Route("/auth/refresh", self.refresh, methods=["POST"]),
            Route("/auth/logout", self.sign_out, methods=["POST"]),
            Route(KEYS, self.keys),
        ]

    @property
    def _is_secure(self) -> bool:
        return self._settings.auth_url.startswith("https:")

    def _is_from_page(self, request: Request) -> bool:
        """Tell whether the chat page asks, or a program; raises :exc:`Refused` for pages of others."""
        origin = request.headers.get("origin")
        if origin not in (None, self._settings.page_url):
            raise Refused(403, "only the chat page may ask from a browser")
        return origin is not None

    async def _refresh_token(self, request: Request, is_page: bool) -> str:
        found = request.cookies.get(COOKIE) if is_page else (await _form(request)).get("refresh_token")
        return found or ""

    def _answer(self, user: User, refresh_token: str, is_page: bool) -> Response:
        answer = {"access_token": self._token(user), "token_type": "bearer", "expires_in": TOKEN_SECONDS}
        response = JSONResponse(answer | ({} if is_page else {"refresh_token": refresh_token}), headers=_NOT_STORED)
        if is_page:
            response.set_cookie(
                COOKIE,
                refresh_token,
                max_age=int(SESSION_SECONDS),
                path="/auth",
                httponly=True,
                samesite="strict",
                secure=self._is_secure,
            )
        return response

    def _token(self, user: User) -> str:
        now = int(time.time())
        claims: dict[str, Any] = {
            "iss": self._settings.auth_url,
            "aud": AUDIENCE,
            "sub": str(user.id),
            "preferred_username": user.username,
            "roles": list(user.roles),
            "iat": now,
            "exp": now + TOKEN_SECONDS,
            "jti": secrets.token_urlsafe(12),
        }
        return self._key.sign(claims)

    def _track(self, request: Request, user: User, activity: str) -> None:
        agent = request.headers.get("user-agent")
        self.analytics.track_user_activity(
            user.id, user.username, activity, ip_address=_address(request), user_agent=agent
        )


def _address(request: Request) -> str:
    return request.client.host if request.client else ""


async def _form(request: Request) -> dict[str, str]:
    form = await request.form(max_files=0, max_fields=10)
    return {name: value for name, value in form.items() if isinstance(value, str)}


def app(settings: Settings) -> Starlette:
    """Make the service's application."""
    auth = Auth(settings)

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        await auth.open()
        yield
        await auth.close()

    middleware = [
        Middleware(
            CORSMiddleware,
            allow_origins=[settings.page_url],
            allow_methods=["POST"],
            allow_headers=["Content-Type"],
            allow_credentials=True,
            expose_headers=["Retry-After"],
        ),
        # Within the one above, which answers what browsers ask before a request: that is no use of the API.
        Middleware(AnalyticsMiddleware, analytics=auth.analytics, exclude=("/health", "/docs", KEYS)),
    ]
    return application("ConvoAI auth service", auth.routes(), middleware, lifespan)


if __name__ == "__main__":
    run(app, PORT)
