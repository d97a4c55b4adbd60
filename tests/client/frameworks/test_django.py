"""The middleware for Django, under WSGI and under ASGI."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import django
import pytest
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.handlers.asgi import ASGIHandler
from django.core.handlers.wsgi import WSGIHandler
from django.http import FileResponse, Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.test import override_settings
from django.urls import include, path, re_path

from convoai_analytics_client import Analytics
from convoai_analytics_client.django import AnalyticsMiddleware
from tests.client.frameworks.serving import ask, leave, served, tracked, until, wsgi_served
from tests.servers.service import Running

NAME = "convoai_analytics_client.django.AnalyticsMiddleware"


def authenticate(get_response: Any) -> Any:
    """Set the user, as middleware for authentication does."""

    def middleware(request: HttpRequest) -> Any:
        request.person = request.headers.get("X-User")
        return get_response(request)

    return middleware


if not settings.configured:
    settings.configure(
        ALLOWED_HOSTS=["*"],
        LOGGING_CONFIG=None,
        MIDDLEWARE=[NAME, f"{__name__}.authenticate"],
        ROOT_URLCONF=__name__,
        SECRET_KEY="tests",
    )
    django.setup()


def hello(_: HttpRequest, **__: Any) -> HttpResponse:
    return HttpResponse("hello")


async def async_hello(_: HttpRequest, **__: Any) -> HttpResponse:
    return HttpResponse("hello")


def missing(_: HttpRequest, **__: Any) -> HttpResponse:
    raise Http404


def fail(_: HttpRequest, **__: Any) -> HttpResponse:
    raise RuntimeError("the view fails")


def stream(_: HttpRequest, **__: Any) -> StreamingHttpResponse:
    return StreamingHttpResponse(iter([b"one", b"two"]))


def file(_: HttpRequest, **__: Any) -> FileResponse:
    return FileResponse(Path(__file__).open("rb"))


def endless(_: HttpRequest, **__: Any) -> StreamingHttpResponse:
    return StreamingHttpResponse(iter(lambda: b"part" * 10_000, b""))


def fail_in_stream(_: HttpRequest, **__: Any) -> StreamingHttpResponse:
    def parts() -> Iterator[bytes]:
        yield b"part"
        raise RuntimeError("the stream fails")

    return StreamingHttpResponse(parts())


async def async_stream(_: HttpRequest, **__: Any) -> StreamingHttpResponse:
    async def parts() -> AsyncIterator[bytes]:
        yield b"one"
        yield b"two"

    return StreamingHttpResponse(parts())


async def async_endless(_: HttpRequest, **__: Any) -> StreamingHttpResponse:
    async def parts() -> AsyncIterator[bytes]:
        while True:
            yield b"part" * 1000
            await asyncio.sleep(0.005)

    return StreamingHttpResponse(parts())


urlpatterns = [
    path("conversations/<int:id>/", hello),
    path("async/<int:id>/", async_hello),
    path("users/<str:user>/", include([path("posts/<int:post>/", hello)])),
    re_path(r"^old/(?P<id>\d+)/$", hello),
    path("missing/<int:id>/", missing),
    path("fail/<int:id>/", fail),
    path("stream/<int:id>/", stream),
    path("file/<int:id>/", file),
    path("endless/<int:id>/", endless),
    path("fail-in-stream/<int:id>/", fail_in_stream),
    path("async-stream/<int:id>/", async_stream),
    path("async-endless/<int:id>/", async_endless),
    path("health", hello),
]


def person(request: HttpRequest) -> str | None:
    found: str | None = request.person
    return found


ASKED = {
    "GET /conversations/1/": ("/conversations/<int:id>/", "GET", 200, "ada"),
    "GET /async/1/": ("/async/<int:id>/", "GET", 200, "ada"),
    "GET /users/grace/posts/1/": ("/users/<str:user>/posts/<int:post>/", "GET", 200, "ada"),
    "GET /old/1/": (r"/^old/(?P<id>\d+)/$", "GET", 200, "ada"),
    "GET /missing/1/": ("/missing/<int:id>/", "GET", 404, "ada"),
    "GET /nothing/1/": ("(unmatched)", "GET", 404, "ada"),
    "GET /fail/1/": ("/fail/<int:id>/", "GET", 500, "ada"),
    "GET /file/1/": ("/file/<int:id>/", "GET", 200, "ada"),
    "GET /health": None,
}


async def test_endpoints_under_wsgi(running: Running, analytics: Analytics) -> None:
    """Under WSGI an endpoint is the route of its view; a stream is an event at its end."""
    asked = {**ASKED, "GET /stream/1/": ("/stream/<int:id>/", "GET", 200, "ada")}
    with override_settings(CONVOAI_ANALYTICS={"CLIENT": analytics, "USER": f"{__name__}.person"}):
        app = WSGIHandler()
    with wsgi_served(app) as url:
        await ask(url, *asked)
    assert await tracked(running, analytics) == [event for event in asked.values() if event]


async def test_endpoints_under_asgi(running: Running, analytics: Analytics) -> None:
    """Under ASGI the events are the same."""
    asked = {**ASKED, "GET /async-stream/1/": ("/async-stream/<int:id>/", "GET", 200, "ada")}
    # Django warns where it must read a file before it can send it.
    asked.pop("GET /file/1/")
    with override_settings(CONVOAI_ANALYTICS={"CLIENT": analytics, "USER": person}):
        app = ASGIHandler()
    async with served(app, lifespan="off") as url:
        await ask(url, *asked)
    assert await tracked(running, analytics) == [event for event in asked.values() if event]


async def test_streams_that_do_not_end_under_wsgi(running: Running, analytics: Analytics) -> None:
    """Under WSGI a stream whose client has left is 499, one that fails 500."""
    with override_settings(CONVOAI_ANALYTICS={"CLIENT": analytics}):
        app = WSGIHandler()
    with wsgi_served(app) as url:
        await leave(url, "/endless/1/")
        await until(lambda: analytics.stats().tracked == 1)
        await ask(url, "GET /fail-in-stream/1/")
        await until(lambda: analytics.stats().tracked == 2)
    assert await tracked(running, analytics) == [
        ("/endless/<int:id>/", "GET", 499, None),
        ("/fail-in-stream/<int:id>/", "GET", 500, None),
    ]


async def test_a_client_that_leaves_is_499_under_asgi(running: Running, analytics: Analytics) -> None:
    """Under ASGI a stream whose client has left is 499."""
    with override_settings(CONVOAI_ANALYTICS={"CLIENT": analytics}):
        app = ASGIHandler()
    async with served(app, lifespan="off") as url:
        await leave(url, "/async-endless/1/")
        await until(lambda: analytics.stats().tracked == 1)
    assert await tracked(running, analytics) == [("/async-endless/<int:id>/", "GET", 499, None)]


async def test_an_asynchronous_stream_that_fails_is_500(running: Running, analytics: Analytics) -> None:
    """Without a server, since Django's handler leaves a file open then: the exception goes on, and counts as 500."""

    async def parts() -> AsyncIterator[bytes]:
        yield b"part"
        raise RuntimeError("the stream fails")

    async def view(_: HttpRequest) -> StreamingHttpResponse:
        return StreamingHttpResponse(parts())

    with override_settings(CONVOAI_ANALYTICS={"CLIENT": analytics}):
        response = await AnalyticsMiddleware(view)(HttpRequest())
    with pytest.raises(RuntimeError, match="the stream fails"):
        assert [part async for part in response] == []
    assert await tracked(running, analytics) == [("(unmatched)", "OTHER", 500, None)]


async def test_the_path_that_a_server_mounts_is_part_of_endpoints(running: Running, analytics: Analytics) -> None:
    """What the server has taken from the path (SCRIPT_NAME) stands before the route."""
    with override_settings(CONVOAI_ANALYTICS={"CLIENT": analytics}):
        app = WSGIHandler()

    def below(environ: Any, start_response: Any) -> Any:
        environ["SCRIPT_NAME"], environ["PATH_INFO"] = "/chat", environ["PATH_INFO"].removeprefix("/chat")
        return app(environ, start_response)

    with wsgi_served(below) as url:
        await ask(url, "GET /chat/conversations/1/")
    assert await tracked(running, analytics) == [("/chat/conversations/<int:id>/", "GET", 200, None)]


async def test_settings_name_the_client(running: Running) -> None:
    """A URL in the settings makes one client for the process, whose key names the tenant."""
    with override_settings(CONVOAI_ANALYTICS={"URL": running.url, "KEY": "acme-key-0123456789"}):
        apps = [AnalyticsMiddleware(lambda _: HttpResponse()) for _ in range(2)]
        client = apps[0]._usage.analytics()
        assert apps[1]._usage.analytics() is client
    for app in apps:
        app(HttpRequest())
    assert await client.aflush()
    assert client.stats().recorded == 2
    assert len((await running.get("api-usage", "acme"))["items"]) == 2
    client.close(0)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"KEY": "key"}, "a KEY needs a URL"),
        ({"url": "http://127.0.0.1:8002"}, "expected a dictionary of CLIENT, EXCLUDE, KEY, URL, USER"),
        ({"URL": "127.0.0.1:8002"}, "url: expected the address of the service"),
        ({"USER": "nowhere.at_all"}, "CONVOAI_ANALYTICS"),
        ({"EXCLUDE": ["health"]}, "exclude: expected paths that begin with /"),
    ],
)
def test_settings_that_make_no_sense(given: dict[str, Any], message: str) -> None:
    """A wrong setting stops the start, by its name."""
    with override_settings(CONVOAI_ANALYTICS=given), pytest.raises(ImproperlyConfigured, match=message):
        AnalyticsMiddleware(lambda _: HttpResponse())
