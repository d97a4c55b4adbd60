"""Middleware for Django, under WSGI and under ASGI.

In the settings: ``"convoai_analytics_client.django.AnalyticsMiddleware"`` first in ``MIDDLEWARE``, and, where the
environment does not describe the client, ``CONVOAI_ANALYTICS``, a dictionary of

- ``URL`` and ``KEY``: the service and the tracking key.
- ``CLIENT``: an :class:`Analytics` of your own instead.
- ``USER``: a function, or its dotted path, that gives the user id of a request, None for a caller who is not known.
- ``EXCLUDE``: paths that are not tracked; one that ends with ``/*`` stands for all below it.
"""

from time import perf_counter
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest
from django.utils.deprecation import MiddlewareMixin
from django.utils.module_loading import import_string

from convoai_analytics_client.analytics import Analytics
from convoai_analytics_client.capture.body import AsyncBody, Body
from convoai_analytics_client.capture.usage import CLIENT_LEFT, EXCLUDED, FAILED, Usage

_SETTING = "CONVOAI_ANALYTICS"
_NAMES = {"URL", "KEY", "CLIENT", "USER", "EXCLUDE"}
_clients: dict[tuple[str, "str | None"], Analytics] = {}


class AnalyticsMiddleware(MiddlewareMixin):  # type: ignore[misc]
    """Tracks requests by the routes of their views, such as ``/conversations/<int:id>/``.

    The time of a streamed answer ends with its last part, that of others when this middleware has them. The user is
    asked for before an answer is streamed.
    """

    def __init__(self, get_response: Any) -> None:
        """Read the settings; raises ImproperlyConfigured if one makes no sense."""
        super().__init__(get_response)
        self._usage = _usage()

    def __call__(self, request: HttpRequest) -> Any:
        """Serve a request."""
        if self.async_mode:
            return self.__acall__(request)
        start = perf_counter()
        try:
            response = self.get_response(request)
        except BaseException as error:
            self._track_request(request, FAILED if isinstance(error, Exception) else CLIENT_LEFT, start)
            raise
        return self._answered(request, response, start)

    async def __acall__(self, request: HttpRequest) -> Any:
        """Serve a request on the event loop."""
        start = perf_counter()
        try:
            response = await self.get_response(request)
        except BaseException as error:
            self._track_request(request, FAILED if isinstance(error, Exception) else CLIENT_LEFT, start)
            raise
        return self._answered(request, response, start)

    def _answered(self, request: HttpRequest, response: Any, start: float) -> Any:
        if self._usage.excludes(request.path_info):
            return response
        if not getattr(response, "streaming", False):
            self._track_request(request, response.status_code, start)
            return response
        user_id = self._usage.user_of(request)

        def end(status: int | None) -> None:
            if status == CLIENT_LEFT and request.method == "HEAD":
                # The body of an answer to HEAD is not needed: it is closed at once.
                status = None
            found = response.status_code if status is None else status
            self._track(request, found, perf_counter() - start, user_id)

        parts = response.streaming_content
        response.streaming_content = AsyncBody(parts, end) if response.is_async else Body(parts, end)
        return response

    def _track_request(self, request: HttpRequest, status: int, start: float) -> None:
        if not self._usage.excludes(request.path_info):
            self._track(request, status, perf_counter() - start, self._usage.user_of(request))

    def _track(self, request: HttpRequest, status: int, seconds: float, user_id: str | None) -> None:
        self._usage.track(self._usage.named(_endpoint, request), request.method or "", status, seconds, user_id)


def _endpoint(request: HttpRequest) -> str | None:
    """Give the route with the prefix that the server has put before it; None if no view took the request."""
    match = request.resolver_match
    if match is None:
        return None
    prefix = request.path[: len(request.path) - len(request.path_info)].rstrip("/")
    return f"{prefix}/{match.route}"


def _usage() -> Usage:
    given = getattr(settings, _SETTING, {})
    if not isinstance(given, dict) or not set(given) <= _NAMES:
        raise ImproperlyConfigured(f"{_SETTING}: expected a dictionary of {', '.join(sorted(_NAMES))}")
    if given.get("KEY") and not given.get("URL"):
        raise ImproperlyConfigured(f"{_SETTING}: a KEY needs a URL")
    user = given.get("USER")
    try:
        return Usage(
            given.get("CLIENT") or _client(given.get("URL"), given.get("KEY")),
            import_string(user) if isinstance(user, str) else user,
            given.get("EXCLUDE", EXCLUDED),
        )
    except (ValueError, TypeError, ImportError) as error:
        raise ImproperlyConfigured(f"{_SETTING}: {error}") from error


def _client(url: str | None, key: str | None) -> Analytics | None:
    """Give the client of these settings: one for a process, however often the middleware is made."""
    if url is None:
        return None
    if (url, key) not in _clients:
        _clients[url, key] = Analytics(url, key)
    return _clients[url, key]
