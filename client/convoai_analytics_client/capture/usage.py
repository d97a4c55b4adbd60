"""What the middleware of all frameworks shares: which requests are tracked, and what is said of one."""

import inspect
from collections.abc import Callable, Iterable
from typing import Any

from convoai_analytics_client.analytics import Analytics
from convoai_analytics_client.delivery.failure_log import LOG
from convoai_analytics_client.environment import default

WEBSOCKET = "WEBSOCKET"
"""The method of a WebSocket."""
METHODS = frozenset(
    {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "QUERY", WEBSOCKET}
)
"""The methods that are counted by name; clients may send any other word."""
OTHER = "OTHER"
"""The method of the others."""
UNMATCHED = "(unmatched)"
"""The endpoint of requests that no route took."""
CLIENT_LEFT = 499
"""The status of requests whose client left before the answer was complete."""
FAILED = 500
"""The status of requests that ended by an exception."""
EXCLUDED = ("/health", "/healthz", "/ready", "/metrics")
"""Paths that are not tracked by default: machines ask for them every few seconds."""
MAX_SECONDS = 86_400.0
"""The service takes no longer times."""
FLUSH_SECONDS = 5.0
"""What the shutdown of a server waits for events that are not posted yet, at most."""

UserOf = Callable[[Any], Any]
"""Gives the user id of a request, None for a caller who is not known."""


class Usage:
    """Tracks requests; nothing that goes wrong in it reaches the application."""

    __slots__ = ("_analytics", "_user", "_warned", "exact", "prefixes")

    def __init__(self, analytics: Analytics | None, user: UserOf | None, exclude: Iterable[str]) -> None:
        """Take over the arguments that all middleware has.

        *analytics*: None stands for the client that the environment describes, which is made at the first request.
        *user*: gives a request's user id; errors in it are logged once, and the user is unknown then.
        *exclude*: paths that are not tracked; one that ends with ``/*`` stands for all below it.

        Raises ValueError or TypeError if an argument makes no sense.
        """
        if user is not None and (not callable(user) or inspect.iscoroutinefunction(user)):
            raise TypeError("user: expected a function that is not a coroutine function")
        paths = [exclude] if isinstance(exclude, str) else list(exclude)
        if not all(isinstance(path, str) and path.startswith("/") for path in paths):
            raise ValueError("exclude: expected paths that begin with /")
        self._analytics = analytics
        self._user = user
        self.exact = frozenset(path for path in paths if not path.endswith("/*"))
        self.prefixes = tuple(path[:-1] for path in paths if path.endswith("/*"))
        self._warned: set[str] = set()

    def excludes(self, path: str) -> bool:
        """Say whether requests for *path* are left out."""
        return path in self.exact or path.startswith(self.prefixes)

    def user_of(self, request: Any) -> str | None:
        """Give the user id of a request, None if it is not known."""
        if self._user is None:
            return None
        try:
            found = self._user(request)
            return found if found is None else str(found)
        except Exception as error:
            self.warn("the function that names the user", error)
            return None

    def named(self, endpoint: Callable[[Any], "str | None"], request: Any) -> str | None:
        """Give what a function of the user says of a request; None if it fails."""
        try:
            return endpoint(request)
        except Exception as error:
            self.warn("the function that names the endpoint", error)
            return None

    def analytics(self) -> Analytics:
        """Give the client."""
        return self._analytics or default()

    def track(self, endpoint: str | None, method: str, status: int, seconds: float, user_id: str | None) -> None:
        """Track a request. *endpoint*: its route's template, None if it had no route. *seconds*: to the last byte."""
        try:
            self.analytics().track_api_usage(
                endpoint or UNMATCHED,
                method if method in METHODS else OTHER,
                status,
                min(seconds, MAX_SECONDS),
                user_id,
            )
        except Exception as error:
            self.warn("tracking", error)

    async def aflush(self) -> None:
        """Post what waits, for a few seconds at most."""
        try:
            await self.analytics().aflush(FLUSH_SECONDS)
        except Exception as error:
            self.warn("the last post", error)

    def warn(self, what: str, error: Exception) -> None:
        """Log the first failure of *what*, without its text, which may hold values of the request."""
        if what not in self._warned:
            self._warned.add(what)
            LOG.warning("analytics: %s failed (%s); said once", what, type(error).__name__)
