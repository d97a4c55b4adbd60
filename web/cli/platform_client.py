"""A client of the platform's services: the auth service, and the chatbot."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import quote, urlsplit

import httpx2
import msgspec

T = TypeVar("T")

ANSWER_SECONDS = 60.0
"""How long a service may say nothing."""
CONNECT_SECONDS = 10.0
RENEW_SECONDS = 30.0
"""How long before its end a token is renewed."""


class PlatformError(Exception):
    """A service did not answer as it should; the text says at which step, and how, and nothing that was sent."""


class WrongAddress(Exception):
    """An address is none of a service, or none can be reached there; the text says which, and what to do."""


@dataclass(frozen=True)
class Answer:
    """An answer as it was seen.

    ``tokens`` is None if they are not known, or the user left before its end; ``first_seconds`` is how long the
    first piece took (None: none was seen).
    """

    is_whole: bool
    tokens: int | None
    first_seconds: float | None


class PlatformClient:
    """A client of a platform's services."""

    def __init__(self, auth_url: str, chatbot_url: str, connections: int) -> None:
        """Take their addresses; raises :exc:`WrongAddress`."""
        self.auth = _client("--auth-url", auth_url, connections)
        self.chatbot = _client("--chatbot-url", chatbot_url, connections)

    async def close(self) -> None:
        """Give connections back."""
        await self.auth.aclose()
        await self.chatbot.aclose()

    async def check(self) -> None:
        """See that both are there; raises :exc:`WrongAddress`."""
        for option, client in (("--auth-url", self.auth), ("--chatbot-url", self.chatbot)):
            try:
                answer = await client.get("/health")
            except httpx2.HTTPError as error:
                said = type(error).__name__
            else:
                if answer.status_code == 200:
                    continue
                said = f"it answers {answer.status_code}"
            raise WrongAddress(
                f"no service can be used at {client.base_url} ({said}): start the platform (make platform), or name "
                f"where it is with {option}"
            )

    async def register(self, name: str, password: str) -> None:
        """Create a user; one that is there already will do. Raises :exc:`PlatformError`."""
        await _ask("registration", self.auth, "POST", "/users/", {201, 409}, json=_account(name, password))

    async def sign_in(self, name: str, password: str) -> "UserSession | None":
        """Sign in; None: the password is wrong. Raises :exc:`PlatformError`."""
        answer = await _ask("sign-in", self.auth, "POST", "/auth/token", {200, 401}, data=_account(name, password))
        return UserSession(self, _token("sign-in", answer)) if answer.status_code == 200 else None


class _Token(msgspec.Struct):
    access_token: str
    refresh_token: str
    expires_in: float


class _Created(msgspec.Struct):
    id: str


class _Done(msgspec.Struct):
    tokens: int | None = None


class UserSession:
    """A user who is signed in. All of it raises :exc:`PlatformError`."""

    def __init__(self, services: PlatformClient, token: _Token) -> None:
        self._services = services
        self._take(token)

    async def begin(self) -> str:
        """Begin a conversation; gives its id."""
        answer = await self._call("conversation", "POST", "/conversations", {201}, json={})
        return quote(_read("conversation", answer, _Created).id, safe="")

    async def is_known(self, conversation_id: str) -> bool:
        """Ask for the messages of a conversation; False: there is none."""
        answer = await self._call("messages", "GET", f"/conversations/{conversation_id}/messages", {200, 404})
        return answer.status_code == 200

    async def delete(self, conversation_id: str) -> None:
        """Delete a conversation."""
        await self._call("deletion", "DELETE", f"/conversations/{conversation_id}", {204})

    async def ask(self, conversation_id: str, text: str, leaves_after: int | None) -> Answer:
        """Ask, and read the answer to its end, or only so many pieces of it and then go."""
        began, pieces, first = time.monotonic(), 0, None
        path = f"/conversations/{conversation_id}/messages"
        headers = await self._headers()
        async with (
            _report_failures("message"),
            self._services.chatbot.sse(path, method="POST", json={"content": text}, headers=headers) as source,
        ):
            _expect("message", source.response, {200})
            async for event in source:
                if leaves_after is not None and pieces >= leaves_after:
                    return Answer(False, None, first)
                match event.event:
                    case "delta":
                        pieces += 1
                        first = time.monotonic() - began if first is None else first
                    case "done":
                        return Answer(True, _decoded("message", event.data, _Done).tokens, first)
                    case "error":
                        raise PlatformError("message: the answer failed")
        raise PlatformError("message: the answer broke off")

    async def sign_out(self) -> None:
        """End the session."""
        form = {"refresh_token": self._token.refresh_token}
        await _ask("sign-out", self._services.auth, "POST", "/auth/logout", {204}, data=form)

    async def _call(self, step: str, method: str, path: str, expected: set[int], **options: Any) -> httpx2.Response:
        headers = await self._headers()
        return await _ask(step, self._services.chatbot, method, path, expected, headers=headers, **options)

    async def _headers(self) -> dict[str, str]:
        if time.monotonic() > self._renew_at:
            form = {"refresh_token": self._token.refresh_token}
            answer = await _ask("renewal", self._services.auth, "POST", "/auth/refresh", {200}, data=form)
            self._take(_token("renewal", answer))
        return {"Authorization": f"Bearer {self._token.access_token}"}

    def _take(self, token: _Token) -> None:
        self._token = token
        self._renew_at = time.monotonic() + token.expires_in - RENEW_SECONDS


def _client(option: str, url: str, connections: int) -> httpx2.AsyncClient:
    address = urlsplit(url)
    if address.scheme not in ("http", "https") or not address.hostname or address.username is not None:
        raise WrongAddress(f"{option} begins with http:// or https:// and names a host, without a user or a password")
    limits = httpx2.Limits(max_connections=connections, max_keepalive_connections=connections)
    timeout = httpx2.Timeout(ANSWER_SECONDS, connect=CONNECT_SECONDS)
    return httpx2.AsyncClient(
        base_url=url, limits=limits, timeout=timeout, headers={"User-Agent": "convoai-analytics simulate"}
    )


def _account(name: str, password: str) -> dict[str, str]:
    return {"username": name, "password": password}


async def _ask(
    step: str, client: httpx2.AsyncClient, method: str, path: str, expected: set[int], **options: Any
) -> httpx2.Response:
    async with _report_failures(step):
        answer = await client.request(method, path, **options)
    _expect(step, answer, expected)
    return answer


@asynccontextmanager
async def _report_failures(step: str) -> AsyncIterator[None]:
    """Raise a failed connection as :exc:`PlatformError`: the HTTP client's text may hold addresses."""
    try:
        yield
    except httpx2.HTTPError as error:
        raise PlatformError(f"{step}: {type(error).__name__}") from None


def _expect(step: str, answer: httpx2.Response, expected: set[int]) -> None:
    if answer.status_code not in expected:
        raise PlatformError(f"{step}: status {answer.status_code}")


def _token(step: str, answer: httpx2.Response) -> _Token:
    return _read(step, answer, _Token)


def _read(step: str, answer: httpx2.Response, kind: type[T]) -> T:
    return _decoded(step, answer.content, kind)


def _decoded(step: str, body: bytes | str, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise PlatformError(f"{step}: not the answer of such a service") from None
