"""The built front end: the dashboard's page, its assets, and the script that other pages embed the panel by.

All files are read once, at the start, and gzipped once: they are small, and no path that a client sends ever reaches
the file system. Names of assets hold a hash of their content, so these are cached for good; page and script are asked
for again each time, with their ETag.
"""

import gzip
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import structlog
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from web.http.accept import takes_gzip
from web.http.etag import matches, weak

log = structlog.get_logger()

PATH = "/analytics"
FOLDER = Path(__file__).parent.parent / "static"
"""Where the build is."""

CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_AGAIN = {"Cache-Control": "no-cache"}
_FOR_GOOD = {"Cache-Control": "public, max-age=31536000, immutable"}
_PAGE = {
    "Content-Security-Policy": CSP,
    "Cross-Origin-Opener-Policy": "same-origin",
}
_OPEN = {
    "Access-Control-Allow-Origin": "*",
    "Cross-Origin-Resource-Policy": "cross-origin",
}
# Not from the machine's own tables, which differ.
_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".ico": "image/x-icon",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".map": "application/json",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".webp": "image/webp",
    ".woff2": "font/woff2",
}
_PACKED = {".ico", ".png", ".webp", ".woff2"}
"""What is compressed as it is."""
_MISSING = b"""<!doctype html><html lang="en"><meta charset="utf-8"><title>ConvoAI Analytics</title>
<h1>The dashboard is not built yet</h1>
<p>Start the service with <code>make run</code>, which builds it. Everything else works: see <a href="/docs">/docs</a>.
</html>"""


@dataclass(frozen=True)
class File:
    """A file as it is served: plain and, if that is worth it, gzipped."""

    body: bytes
    packed: bytes | None
    media: str
    etag: str
    headers: Mapping[str, str]

    def answer(self, request: Request) -> Response:
        """Answer a request for it."""
        headers = {**self.headers, "ETag": self.etag, "Vary": "Accept-Encoding"}
        if matches(request.headers.get("if-none-match", ""), self.etag):
            return Response(status_code=304, headers=headers)
        body = self.body
        if self.packed is not None and takes_gzip(request.headers.get("accept-encoding", "")):
            body, headers["Content-Encoding"] = self.packed, "gzip"
        return Response(body, headers={**headers, "Content-Type": self.media})


def read(path: Path, headers: Mapping[str, str]) -> File | None:
    """Read a file; None if it is not there."""
    try:
        body = path.read_bytes()
    except OSError:
        return None
    # Without the time of day in it, so that every start makes the same bytes.
    packed = None if path.suffix in _PACKED else gzip.compress(body, mtime=0)
    etag = weak(hashlib.sha256(body).hexdigest()[:20])
    smaller = packed if packed is not None and len(packed) < len(body) else None
    return File(body, smaller, _TYPES.get(path.suffix, "application/octet-stream"), etag, headers)


class Assets:
    """What a build left in a folder."""

    def __init__(self, folder: Path) -> None:
        self._page = read(folder / "index.html", {**_AGAIN, **_PAGE})
        self._script = read(folder / "panel.js", {**_AGAIN, **_OPEN})
        found = {path.name: read(path, {**_FOR_GOOD, **_OPEN}) for path in folder.glob("assets/*") if path.is_file()}
        self._files = {name: file for name, file in found.items() if file is not None}
        if self._page is None or self._script is None:
            log.warning("panel_not_built", folder=str(folder), advice="make run builds it")

    def routes(self) -> list[Route]:
        """List the routes."""
        return [
            Route(PATH, self._show),
            Route(f"{PATH}/", self._show),
            Route(f"{PATH}/panel.js", self._embed),
            Route(f"{PATH}/assets/{{name}}", self._give),
        ]

    async def _show(self, request: Request) -> Response:
        if self._page is None:
            headers = {**_PAGE, "Cache-Control": "no-store"}
            return Response(_MISSING, 503, headers, media_type="text/html")
        return self._page.answer(request)

    async def _embed(self, request: Request) -> Response:
        return _found(self._script).answer(request)

    async def _give(self, request: Request) -> Response:
        return _found(self._files.get(request.path_params["name"])).answer(request)


def _found(file: File | None) -> File:
    if file is None:
        raise HTTPException(404)
    return file
