"""The chat page: its files, and beside them the dashboard."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from examples.convoai.gateway import Gateway
from examples.convoai.service import application, run
from examples.convoai.settings import Settings

PORT = 3000
STATIC = Path(__file__).parent / "static"


class Policy:
    """Middleware: answers that have no policy of their own get the page's, which lets in only what it needs."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        policy = (
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
            f"connect-src 'self' {settings.auth_url} {settings.chatbot_url}; "
            "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        )
        # Asked for again each time, with the ETag: a page and its scripts are of one version.
        self._headers = {b"content-security-policy": policy.encode(), b"cache-control": b"no-cache"}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request."""

        async def add(message: Message) -> None:
            if message["type"] == "http.response.start":
                named = {name.lower() for name, _ in message["headers"]}
                added = [(name, value) for name, value in self._headers.items() if name not in named]
                message["headers"] = [*message["headers"], *added]
            await send(message)

        await self._app(scope, receive, add)


def app(settings: Settings) -> Starlette:
    """Make the page's application."""
    gateway = Gateway(settings.analytics_url, settings.page_url, settings.auth_url, "/static/dashboard.js")
    places = json.dumps({"auth": settings.auth_url, "chatbot": settings.chatbot_url})

    async def page(_request: Request) -> Response:
        """Show the chat."""
        return FileResponse(STATIC / "index.html")

    async def config(_request: Request) -> Response:
        """Tell the page's scripts where the other services are."""
        body = f"export const services = {places};\n"
        return Response(body, media_type="text/javascript")

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        yield
        await gateway.close()

    routes = [
        Route("/", page, methods=["GET"]),
        Route("/config.js", config, methods=["GET"]),
        Mount("/static", StaticFiles(directory=STATIC)),
        *gateway.routes(),
    ]
    return application("ConvoAI chat page", routes, [Middleware(Policy, settings=settings)], lifespan)


if __name__ == "__main__":
    run(app, PORT)
