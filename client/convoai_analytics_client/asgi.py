"""Middleware for every ASGI application: one event for each request, by its route's template."""

from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from time import perf_counter
from typing import Any

from convoai_analytics_client.analytics import Analytics
from convoai_analytics_client.capture.templates import Templates
from convoai_analytics_client.capture.usage import (
    CLIENT_LEFT,
    EXCLUDED,
    FAILED,
    MAX_SECONDS,
    METHODS,
    OTHER,
    UNMATCHED,
    WEBSOCKET,
    Usage,
    UserOf,
)

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

_BODIES = frozenset({"http.response.body", "http.response.zerocopysend", "http.response.pathsend"})
_SHUTDOWNS = frozenset({"lifespan.shutdown.complete", "lifespan.shutdown.failed"})
# What a request is in. One number costs less than several flags, each of which both functions would share.
_RUNNING, _LEFT, _ENDING, _ENDED = range(4)
_ACCEPTED = 101
_REFUSED = 403


class AnalyticsMiddleware:
    """Tracks the requests of an application: ``app.add_middleware(AnalyticsMiddleware)``, or around it.

    An event holds the route's template with the prefixes of mounts, the method, the status, the seconds to the last
    byte, and the user. A client that leaves before the end, or a cancellation, counts as 499; an exception as 500, and
    it propagates. Nothing that goes wrong here reaches the application. When the server shuts down it waits for events
    that are not posted yet, 5 seconds at most.
    """

    __slots__ = ("_analytics", "_app", "_endpoint", "_exact", "_has_prefixes", "_has_user", "_usage", "_websockets")

    def __init__(
        self,
        app: App,
        analytics: Analytics | None = None,
        *,
        user: UserOf | None = None,
        exclude: Iterable[str] = EXCLUDED,
        websockets: bool = False,
        endpoint: Callable[[Scope], str | None] | None = None,
    ) -> None:
        """Wrap *app*.

        *analytics*: None stands for the client that the environment describes.
        *user*: gives the user id of a scope, None for a caller who is not known. It is called when the response has
        ended, so what authentication left in the scope is there.
        *exclude*: paths that are not tracked, below the root path; one that ends with ``/*`` stands for all below it.
        *websockets*: track WebSockets too, one event when each closes, with the method ``WEBSOCKET`` and the status
        101, or that of the refusal.
        *endpoint*: gives the name of a scope's endpoint, None if it has none; for frameworks other than Starlette and
        FastAPI.

        Raises ValueError or TypeError if an argument makes no sense.
        """
        self._app = app
        self._usage = Usage(analytics, user, exclude)
        self._websockets = websockets
        self._endpoint = Templates().read if endpoint is None else _named(endpoint, self._usage)
        self._analytics = analytics
        self._has_user = user is not None
        self._exact, self._has_prefixes = self._usage.exact, bool(self._usage.prefixes)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request, a WebSocket or the lifespan."""
        # All in one function: a coroutine for requests alone would cost another 0.3 us.
        if scope["type"] != "http":
            await self._serve_other(scope, receive, send)
            return
        if scope["path"] in self._exact or ((self._has_prefixes or scope.get("root_path")) and self._excludes(scope)):
            await self._app(scope, receive, send)
            return
        start = perf_counter()
        status = 0
        state = _RUNNING

        async def receiving() -> Message:
            nonlocal state
            message = await receive()
            if message.get("type") == "http.disconnect" and state == _RUNNING:
                state = _LEFT
            return message

        async def sending(message: Message) -> None:
            nonlocal status, state
            kind = message.get("type")
            if kind == "http.response.start":
                status = message.get("status", 0)
            elif kind in _BODIES and state == _RUNNING and not message.get("more_body", False):
                # A client that leaves from now on leaves after the end.
                state = _ENDING
            try:
                await send(message)
            except OSError:
                # So servers say that the client has left (ASGI 2.4).
                state = _LEFT
                raise
            if state == _ENDING:
                state = _ENDED
                self._track_request(scope, status, perf_counter() - start)

        try:
            await self._app(scope, receiving, sending)
        except BaseException as error:
            if state != _ENDED:
                has_failed = isinstance(error, Exception) and state != _LEFT
                self._track_request(scope, FAILED if has_failed else CLIENT_LEFT, perf_counter() - start)
            raise
        if state != _ENDED:
            # The server closes the connection of a response that the application has not ended.
            self._track_request(scope, CLIENT_LEFT if state == _LEFT else FAILED, perf_counter() - start)

    async def _serve_other(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, self._flushing(send))
        elif scope["type"] == "websocket" and self._websockets and not self._excludes(scope):
            await self._track_websocket(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    def _flushing(self, send: Send) -> Send:
        """Post what waits before the server ends: uvicorn ends its process by a signal, which runs no exit handlers."""

        async def sending(message: Message) -> None:
            if message.get("type") in _SHUTDOWNS:
                await self._usage.aflush()
            await send(message)

        return sending

    async def _track_websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        start = perf_counter()
        status = 0
        is_told = False

        def tell(found: int) -> None:
            nonlocal is_told
            if not is_told:
                is_told = True
                self._track_request(scope, found, perf_counter() - start, WEBSOCKET)

        async def receiving() -> Message:
            message = await receive()
            if message.get("type") == "websocket.disconnect":
                tell(status or CLIENT_LEFT)
            return message

        async def sending(message: Message) -> None:
            nonlocal status
            kind = message.get("type")
            if kind == "websocket.accept":
                status = _ACCEPTED
            elif kind == "websocket.http.response.start":
                status = message.get("status", 0)
            await send(message)
            if kind == "websocket.close":
                tell(status or _REFUSED)

        try:
            await self._app(scope, receiving, sending)
        except BaseException as error:
            tell(FAILED if isinstance(error, Exception) else status or CLIENT_LEFT)
            raise
        tell(status or FAILED)

    def _track_request(self, scope: Scope, status: int, seconds: float, method: str | None = None) -> None:
        try:
            if method is None:
                method = scope["method"] if scope["method"] in METHODS else OTHER
            (self._analytics or self._usage.analytics()).track_api_usage(
                self._endpoint(scope, status) or UNMATCHED,
                method,
                status,
                seconds if seconds < MAX_SECONDS else MAX_SECONDS,
                self._usage.user_of(scope) if self._has_user else None,
            )
        except Exception as error:
            self._usage.warn("tracking", error)

    def _excludes(self, scope: Scope) -> bool:
        path, root = scope["path"], scope.get("root_path")
        return self._usage.excludes(path[len(root) :] if root and path.startswith(root) else path)


def _named(endpoint: Callable[[Scope], str | None], usage: Usage) -> Callable[[Scope, int], str | None]:
    return lambda scope, _status: usage.named(endpoint, scope)
