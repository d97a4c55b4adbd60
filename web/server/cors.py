"""Who else's pages may read: the cross-origin headers of the API (Fetch standard)."""

from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.exceptions import ExceptionMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from web.auth.ingest import KEY_HEADER
from web.http.problems import handle_bug
from web.site import assets


class Cors:
    """Lets the pages of some origins call the API. What the panel is made of is open to all, and says so itself."""

    def __init__(self, app: ASGIApp, origins: tuple[str, ...]) -> None:
        self._app = app
        # Starlette answers bugs outside of all middleware, where the answer would lack these headers.
        answered = ExceptionMiddleware(app, handlers={Exception: handle_bug})
        self._shared = CORSMiddleware(
            answered,
            allow_origins=origins,
            allow_methods=["GET", "POST", "PATCH", "DELETE"],
            allow_headers=["Authorization", "Content-Type", "If-None-Match", "Last-Event-ID", KEY_HEADER],
            expose_headers=["Content-Disposition", "ETag", "Retry-After"],
            max_age=600,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        of_the_api = scope["type"] == "http" and not scope["path"].startswith(f"{assets.PATH}/")
        await (self._shared if of_the_api else self._app)(scope, receive, send)
