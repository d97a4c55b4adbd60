"""The extension for Flask: ``AnalyticsExtension(app)``, or ``init_app`` as extensions have it."""

from collections.abc import Iterable
from typing import Any

from flask import Flask, request

from convoai_analytics_client.analytics import Analytics
from convoai_analytics_client.capture.usage import EXCLUDED, Usage, UserOf
from convoai_analytics_client.wsgi import AnalyticsMiddleware

_SEEN = "convoai_analytics.seen"
"""Where the environ has what is known of a request at the end of its context: its endpoint and its user."""


class AnalyticsExtension:
    """Tracks the requests of a Flask application by the rules of their routes, such as ``/conversations/<id>``.

    The rule of an application below another one has the prefix of that (``SCRIPT_NAME``). The time of a request ends
    with the last part of the answer; see :class:`convoai_analytics_client.wsgi.AnalyticsMiddleware`.
    """

    def __init__(
        self,
        app: Flask | None = None,
        analytics: Analytics | None = None,
        *,
        user: UserOf | None = None,
        exclude: Iterable[str] = EXCLUDED,
    ) -> None:
        """Begin with *app*, or later with :meth:`init_app` if it is None.

        *analytics*: None stands for the client that the environment describes.
        *user*: gives the user id of a request (``flask.Request``), None for a caller who is not known. It is called at
        the end of the request's context, in it: ``session`` and ``g`` are there.
        *exclude*: paths that are not tracked; one that ends with ``/*`` stands for all below it.

        Raises ValueError or TypeError if an argument makes no sense.
        """
        self._analytics = analytics
        self._exclude = list(exclude) if not isinstance(exclude, str) else exclude
        self._usage = Usage(analytics, user, self._exclude)
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Flask) -> None:
        """Track the requests of *app*."""
        app.teardown_request(self._see)
        app.wsgi_app = AnalyticsMiddleware(  # type: ignore[method-assign]
            app.wsgi_app, self._analytics, user=_user, exclude=self._exclude, endpoint=_endpoint
        )

    def _see(self, _error: BaseException | None) -> None:
        """Keep what only the request's context knows; the answer may continue after that."""
        if self._usage.excludes(request.path):
            return
        rule = request.url_rule
        endpoint = None if rule is None else request.environ.get("SCRIPT_NAME", "").rstrip("/") + rule.rule
        request.environ[_SEEN] = endpoint, self._usage.user_of(request)


def _endpoint(environ: dict[str, Any]) -> str | None:
    seen: tuple[str | None, str | None] | None = environ.get(_SEEN)
    return None if seen is None else seen[0]


def _user(environ: dict[str, Any]) -> str | None:
    seen: tuple[str | None, str | None] | None = environ.get(_SEEN)
    return None if seen is None else seen[1]
