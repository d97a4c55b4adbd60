"""Middleware for aiohttp's server: ``web.Application(middlewares=[analytics_middleware()])``."""

from collections.abc import Iterable
from time import perf_counter

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from convoai_analytics_client.analytics import Analytics
from convoai_analytics_client.capture.usage import CLIENT_LEFT, EXCLUDED, FAILED, WEBSOCKET, Usage, UserOf


def analytics_middleware(
    analytics: Analytics | None = None,
    *,
    user: UserOf | None = None,
    exclude: Iterable[str] = EXCLUDED,
    websockets: bool = False,
) -> Middleware:
    """Make middleware that tracks requests by the resources of their routes, such as ``/conversations/{id}``.

    It belongs first into the application's ``middlewares``. The time of an answer that its handler streams ends with
    the last part; that of others when their handler has returned, since aiohttp sends them after that.

    *analytics*: None stands for the client that the environment describes.
    *user*: gives the user id of a request when its handler has ended, None for a caller who is not known.
    *exclude*: paths that are not tracked; one that ends with ``/*`` stands for all below it.
    *websockets*: track WebSockets too, one event when each closes, with the method ``WEBSOCKET`` and the status 101,
    or that of the refusal.

    Raises ValueError or TypeError if an argument makes no sense.
    """
    usage = Usage(analytics, user, exclude)

    @web.middleware
    async def track(request: web.Request, handler: Handler) -> web.StreamResponse:
        start = perf_counter()
        status = FAILED
        is_websocket = request.headers.get("Upgrade", "").lower() == "websocket"
        try:
            response = await handler(request)
            status = response.status
            return response
        except web.HTTPException as answer:
            # An answer that aiohttp lets handlers raise.
            status = answer.status
            raise
        except BaseException as error:
            status = _status(request, error)
            raise
        finally:
            if not usage.excludes(request.path) and (websockets or not is_websocket):
                seconds = perf_counter() - start
                method = WEBSOCKET if is_websocket else request.method
                usage.track(usage.named(_endpoint, request), method, status, seconds, usage.user_of(request))

    return track


def _endpoint(request: web.Request) -> str | None:
    """Give the resource's path with its parameters' names, and the prefixes of applications around; None without."""
    resource = request.match_info.route.resource
    return None if resource is None else resource.canonical


def _status(request: web.Request, error: BaseException) -> int:
    if not isinstance(error, Exception):
        return CLIENT_LEFT
    has_left = request.transport is None or request.transport.is_closing()
    return CLIENT_LEFT if has_left and isinstance(error, ConnectionError) else FAILED
