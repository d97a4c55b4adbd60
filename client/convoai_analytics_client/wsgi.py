"""Middleware for every WSGI application: one event for each request."""

from collections.abc import Callable, Iterable
from time import perf_counter
from typing import Any

from convoai_analytics_client.analytics import Analytics
from convoai_analytics_client.capture.body import Body, SizedBody
from convoai_analytics_client.capture.usage import CLIENT_LEFT, EXCLUDED, FAILED, UNMATCHED, Usage, UserOf

Environ = dict[str, Any]
StartResponse = Callable[..., Any]
App = Callable[[Environ, StartResponse], Iterable[bytes]]

UNNAMED = "(unnamed)"
"""The endpoint of all requests of an application whose endpoints have no names."""
_BODILESS = (204, 304)


class AnalyticsMiddleware:
    """Tracks the requests of an application: ``application = AnalyticsMiddleware(application)``.

    The time of a request ends when the server has taken the last part of the answer. An answer that the server closes
    before its end counts as 499: its client has left. An exception counts as 500, and it propagates. Nothing that goes
    wrong here reaches the application. A file in the server's ``wsgi.file_wrapper`` is read in parts like any other.

    WSGI knows no routes. Without *endpoint* all requests count under one name, ``(unnamed)``, by method and status: raw
    paths have no end, and the service tells 250 endpoints of a day apart. For Flask and Django there is middleware that
    knows the routes.
    """

    def __init__(
        self,
        app: App,
        analytics: Analytics | None = None,
        *,
        user: UserOf | None = None,
        exclude: Iterable[str] = EXCLUDED,
        endpoint: Callable[[Environ], "str | None"] | None = None,
    ) -> None:
        """Wrap *app*.

        *analytics*: None stands for the client that the environment describes.
        *user*: gives the user id of an environ when the answer has ended, None for a caller who is not known.
        *exclude*: paths (``PATH_INFO``) that are not tracked; one that ends with ``/*`` stands for all below it.
        *endpoint*: gives the route's template of an environ when the answer has ended, None if no route took it. It
        must not give the raw path.

        Raises ValueError or TypeError if an argument makes no sense.
        """
        self._app = app
        self._usage = Usage(analytics, user, exclude)
        self._endpoint = endpoint

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Serve a request."""
        if self._usage.excludes(environ.get("PATH_INFO", "")):
            return self._app(environ, start_response)
        start = perf_counter()
        code = 0

        def starting(status: str, headers: Any, *exc_info: Any) -> Any:
            nonlocal code
            code = _code(status)
            return start_response(status, headers, *exc_info)

        def end(status: int | None) -> None:
            if status == CLIENT_LEFT and (code in _BODILESS or (code and environ.get("REQUEST_METHOD") == "HEAD")):
                # The body of such an answer is not needed: a server may close it at once.
                status = None
            # An answer without a status is one that the server cannot send.
            self._track_request(environ, (code or FAILED) if status is None else status, perf_counter() - start)

        try:
            parts = self._app(environ, starting)
        except BaseException as error:
            end(FAILED if isinstance(error, Exception) else CLIENT_LEFT)
            raise
        return (SizedBody if hasattr(parts, "__len__") else Body)(parts, end)

    def _track_request(self, environ: Environ, status: int, seconds: float) -> None:
        name: str | None = UNNAMED
        if self._endpoint is not None:
            name = self._usage.named(self._endpoint, environ) or UNMATCHED
        user_id = self._usage.user_of(environ)
        self._usage.track(name, environ.get("REQUEST_METHOD", ""), status, seconds, user_id)


def _code(status: Any) -> int:
    """Give the number that a status line begins with, 0 if there is none."""
    try:
        return int(str(status)[:3])
    except ValueError:
        return 0
