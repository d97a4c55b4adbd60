"""The middleware for ASGI, on Starlette behind uvicorn: endpoints, users, and what is left out."""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.routing import Mount, Route

import convoai_analytics_client
from convoai_analytics_client import Analytics
from convoai_analytics_client.asgi import AnalyticsMiddleware, Scope
from tests.client.frameworks.asgi_application import application, hello, raw, receive, scope_of, send, user
from tests.client.frameworks.serving import ask, served, tracked
from tests.servers.service import Running


async def test_endpoints_are_templates(running: Running, analytics: Analytics) -> None:
    """An endpoint is the template of the route with those of its mounts: no value of a path is in it."""
    async with served(application(analytics=analytics)) as url:
        requests = ["/conversations/1", "/conversations/2", "/missing/1", "/files/a/b", "/admin/1", "/tenants/acme/1"]
        requests += ["/tenants/acme/missing/1", "/deep/of/of/7/end", "/raw/here", "/static/__init__.py"]
        await ask(url, *(f"GET {path}" for path in requests), "DELETE /conversations/1")
        async with httpx2.AsyncClient(base_url=url) as client:
            await client.get("/by-host/7/8", headers={"Host": "other.example"})
    assert await tracked(running, analytics) == [
        ("/conversations/{id}", "GET", 200, None),
        ("/conversations/{id}", "GET", 200, None),
        ("/missing/{id}", "GET", 404, None),
        ("/files/{rest}", "GET", 200, None),
        ("/admin/{item}", "GET", 200, None),
        ("/tenants/{tenant}/{item}", "GET", 200, None),
        ("/tenants/{tenant}/missing/{item}", "GET", 404, None),
        ("/deep/{item}/of/{item}/end", "GET", 200, None),
        ("/raw/{path}", "GET", 200, None),
        ("/static/{path}", "GET", 200, None),
        ("/conversations/{id}", "DELETE", 200, None),
        ("/by-host/{item}/{id}", "GET", 200, None),
    ]


async def test_what_no_route_takes_has_one_name(running: Running, analytics: Analytics) -> None:
    """Requests without a route share a name, and odd methods another; a wrong method has its route."""
    async with served(application(analytics=analytics), http="h11") as url:
        requests = ["GET /nothing/1", "GET /nothing/2", "GET /admin/1/2/3", "GET /raw/1", "GET /static/1"]
        await ask(url, *requests, "GET /conversations/1/", "POST /conversations/1", "A-VERY-LONG-METHOD-INDEED /x")
    assert await tracked(running, analytics) == [
        *[("(unmatched)", "GET", 404, None)] * 5,
        ("(unmatched)", "GET", 307, None),
        ("/conversations/{id}", "POST", 405, None),
        ("(unmatched)", "OTHER", 404, None),
    ]


async def test_the_root_path_is_part_of_an_endpoint(running: Running, analytics: Analytics) -> None:
    """An application that is served below a path has that in its endpoints, and excludes paths without it."""
    async with served(application(analytics=analytics), root_path="/chat") as url:
        await ask(url, "GET /conversations/1", "GET /tenants/acme/1", "GET /admin/1", "GET /admin/2", "GET /health")
    assert await tracked(running, analytics) == [
        ("/chat/conversations/{id}", "GET", 200, None),
        ("/chat/tenants/{tenant}/{item}", "GET", 200, None),
        ("/chat/admin/{item}", "GET", 200, None),
        ("/chat/admin/{item}", "GET", 200, None),
    ]


async def test_middleware_within_a_mount_knows_the_whole_template(running: Running, analytics: Analytics) -> None:
    """An application with the middleware that is mounted at a parameter does not take its value into endpoints."""
    app = Starlette(routes=[Mount("/at/{place}", app=application(analytics=analytics))])
    async with served(app) as url:
        await ask(url, "GET /at/paris/conversations/1")
    assert await tracked(running, analytics) == [("/at/{place}/conversations/{id}", "GET", 200, None)]


async def test_a_mount_that_cannot_be_explained_leaks_nothing(running: Running, analytics: Analytics) -> None:
    """Where the template of a mount is nowhere to be found, its part of the path stays out all the same."""

    async def app(scope: Scope, receive: Any, send: Any) -> None:
        scope.update(route=Route("/items/{id}", hello), app_root_path="", root_path="/tenants/acme")
        await raw(scope, receive, send)

    await AnalyticsMiddleware(app, analytics)(scope_of("/tenants/acme/items/1"), receive, send)
    assert await tracked(running, analytics) == [("/{mount}/items/{id}", "GET", 404, None)]


async def test_users_are_those_of_the_end(running: Running, analytics: Analytics) -> None:
    """The user is who authentication has found by the time that the answer ends."""
    async with served(application(analytics=analytics, user=user)) as url:
        await ask(url, "GET /conversations/1")
    assert await tracked(running, analytics) == [("/conversations/{id}", "GET", 200, "ada")]


async def test_excluded_paths_are_not_tracked(running: Running, analytics: Analytics) -> None:
    """Health checks are left out unless they are asked for; a pattern leaves out what is below it."""
    async with served(application(analytics=analytics)) as url:
        await ask(url, "GET /health")
    async with served(application(analytics=analytics, exclude=["/files/*"])) as url:
        await ask(url, "GET /health", "GET /files/a/b")
    assert await tracked(running, analytics) == [("/health", "GET", 200, None)]


async def test_the_lifespan_is_the_applications() -> None:
    """Start and stop of the application pass through, and are no requests."""
    seen: list[str] = []

    @asynccontextmanager
    async def lifespan(_: Any) -> AsyncIterator[None]:
        seen.append("start")
        yield
        seen.append("stop")

    analytics = Analytics(None)
    async with served(AnalyticsMiddleware(Starlette(lifespan=lifespan), analytics)):
        assert seen == ["start"]
    assert seen == ["start", "stop"]
    assert analytics.stats().tracked == 0


async def test_endpoints_of_other_frameworks(running: Running, analytics: Analytics) -> None:
    """A framework that keeps its templates elsewhere is read by a function."""

    def endpoint(scope: Scope) -> str | None:
        return "/here" if scope["path"].endswith("/here") else None

    app = AnalyticsMiddleware(raw, analytics, endpoint=endpoint)
    await app(scope_of("/1/here"), receive, send)
    await app(scope_of("/1/there"), receive, send)
    assert await tracked(running, analytics) == [("/here", "GET", 200, None), ("(unmatched)", "GET", 404, None)]


async def test_the_default_client(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a client, the one that the environment describes is made at the first request."""
    monkeypatch.setattr(sys.modules["convoai_analytics_client.environment"], "_client", None)
    app = AnalyticsMiddleware(raw)
    monkeypatch.setenv("ANALYTICS_URL", running.url)
    await app(scope_of("/here"), receive, send)
    client = convoai_analytics_client.default()
    assert await tracked(running, client) == [("(unmatched)", "GET", 200, None)]
    client.close(0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"exclude": ["health"]}, "exclude: expected paths that begin with /"),
        ({"user": "ada"}, "user: expected a function that is not a coroutine function"),
        ({"user": hello}, "user: expected a function that is not a coroutine function"),
    ],
)
def test_arguments_that_make_no_sense(options: dict[str, Any], message: str) -> None:
    """A wrong argument is refused by its name when the application is put together."""
    with pytest.raises((ValueError, TypeError), match=message):
        AnalyticsMiddleware(raw, Analytics(None), **options)
