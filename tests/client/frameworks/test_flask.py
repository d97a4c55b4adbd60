"""The extension for Flask, behind Werkzeug's server."""

import contextlib
import threading
from collections import Counter
from collections.abc import Iterator
from typing import Any

from flask import Blueprint, Flask, Response, g, request, stream_with_context
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.serving import WSGIRequestHandler, make_server

from convoai_analytics_client import Analytics
from convoai_analytics_client.flask import AnalyticsExtension
from tests.client.frameworks.serving import ask, leave, tracked, until
from tests.servers.service import Running


class Quiet(WSGIRequestHandler):
    def log(self, *_: Any, **__: Any) -> None:
        return


@contextlib.contextmanager
def served(app: Any) -> Iterator[str]:
    server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=Quiet)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def application() -> Flask:
    app = Flask("application", static_folder=None)
    users = Blueprint("users", __name__, url_prefix="/users/<int:user>")

    @app.before_request
    def authenticate() -> tuple[str, int] | None:
        g.user = request.headers.get("X-User")
        return ("go away", 401) if request.path.startswith("/closed") else None

    @app.get("/conversations/<id>")
    def conversation(id: str) -> str:
        return id

    @app.get("/closed/<id>")
    def closed(id: str) -> str:
        return id

    @users.get("/posts/<post>")
    def post(user: int, post: str) -> str:
        return f"{user} {post}"

    @app.get("/health")
    def health() -> str:
        return "well"

    @app.get("/fail/<id>")
    def fail(id: str) -> str:
        raise RuntimeError("the view fails")

    @app.get("/endless/<id>")
    def endless(id: str) -> Response:
        def parts() -> Iterator[bytes]:
            while True:
                yield b"part" * 10_000

        return Response(stream_with_context(parts()))

    @app.get("/stream/<id>")
    def stream(id: str) -> Response:
        return Response(stream_with_context(iter([b"one", b"two"])))

    app.register_blueprint(users)
    return app


def user(_: Any) -> str | None:
    found: str | None = g.user
    return found


async def test_endpoints_are_rules(running: Running, analytics: Analytics) -> None:
    """An endpoint is the rule of its route, with its user and its status, whoever answers the request."""
    app = application()
    AnalyticsExtension(app, analytics, user=user)
    with served(app) as url:
        requests = ["GET /conversations/1", "GET /users/7/posts/8", "GET /closed/1", "GET /stream/1", "GET /nothing"]
        statuses = await ask(url, *requests, "POST /conversations/1", "GET /health", "HEAD /stream/1", "GET /fail/1")
        assert statuses == [200, 200, 401, 200, 404, 405, 200, 200, 500]
    # A request is tracked after its answer was sent, when the next one may be on its way already.
    assert Counter(await tracked(running, analytics)) == Counter(
        [
            ("/conversations/<id>", "GET", 200, "ada"),
            ("/users/<int:user>/posts/<post>", "GET", 200, "ada"),
            ("/closed/<id>", "GET", 401, "ada"),
            ("/stream/<id>", "GET", 200, "ada"),
            ("(unmatched)", "GET", 404, "ada"),
            ("(unmatched)", "POST", 405, "ada"),
            ("/stream/<id>", "HEAD", 200, "ada"),
            ("/fail/<id>", "GET", 500, "ada"),
        ]
    )


async def test_exceptions_go_on(running: Running, analytics: Analytics) -> None:
    """An exception that Flask hands on, as while developing, goes on to the server, and counts as 500."""
    app = application()
    app.config["PROPAGATE_EXCEPTIONS"] = True
    AnalyticsExtension(analytics=analytics).init_app(app)
    with served(app) as url:
        assert await ask(url, "GET /fail/1") == [500]
    assert await tracked(running, analytics) == [("/fail/<id>", "GET", 500, None)]


async def test_a_client_that_leaves_is_499(running: Running, analytics: Analytics) -> None:
    """A stream that its client did not wait for counts as 499, with its rule."""
    app = application()
    AnalyticsExtension(app, analytics)
    with served(app) as url:
        await leave(url, "/endless/1")
        await until(lambda: analytics.stats().tracked == 1)
    assert await tracked(running, analytics) == [("/endless/<id>", "GET", 499, None)]


async def test_applications_below_others(running: Running, analytics: Analytics) -> None:
    """The path that an application is mounted at is part of its endpoints."""
    app = application()
    AnalyticsExtension(app, analytics)
    with served(DispatcherMiddleware(Flask("outer"), {"/chat": app})) as url:
        await ask(url, "GET /chat/conversations/1")
    assert await tracked(running, analytics) == [("/chat/conversations/<id>", "GET", 200, None)]
