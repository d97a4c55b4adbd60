"""The dashboard's page and its assets."""

import gzip
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest

from tests.servers.process import Process
from tests.servers.service import Running, start
from web.site.assets import FOLDER

PAGE = "<!doctype html><title>Dashboard</title><script type=module src=/analytics/assets/main-a1b2.js></script>"
SCRIPT = "customElements.define('a-b', class extends HTMLElement {});\n" * 50
HEADERS = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
}
ELSEWHERE = "https://shop.example.com"


@pytest.fixture
def built(tmp_path: Path) -> Path:
    """A build in small."""
    folder = tmp_path / "static"
    (folder / "assets").mkdir(parents=True)
    (folder / "index.html").write_text(PAGE)
    (folder / "panel.js").write_text(SCRIPT)
    (folder / "assets" / "main-a1b2.js").write_text(SCRIPT * 2)
    (folder / "assets" / "main-c3d4.css").write_text("a{color:red}")
    (folder / "assets" / "icon-e5f6.svg").write_text("<svg xmlns='http://www.w3.org/2000/svg'/>")
    (folder / "assets" / "font-0a1b.woff2").write_bytes(bytes(2000))
    (folder / "secret.txt").write_text("secret")
    return folder


@pytest.fixture(params=["", ELSEWHERE])
async def site(request: pytest.FixtureRequest, tmp_path: Path, built: Path) -> AsyncIterator[Running]:
    """A service with that build, without and with CORS."""
    found = await start(tmp_path, built, ALLOWED_ORIGINS=request.param)
    yield found
    await found.drop()


async def test_the_page_is_guarded(site: Running) -> None:
    """/analytics is the dashboard's page, with a strict policy; the browser asks for it anew each time."""
    for path in ("/analytics", "/analytics/"):
        response = await site.http.get(path)
        assert (response.status_code, response.text) == (200, PAGE)
        assert response.headers["content-type"] == "text/html; charset=utf-8"
        assert response.headers["cache-control"] == "no-cache"
        assert {name: response.headers[name] for name in HEADERS} == HEADERS
        assert "access-control-allow-origin" not in response.headers


async def test_assets_are_kept_for_good(site: Running) -> None:
    """Assets may be cached for a year, and have the media type of their name."""
    for name, media in (
        ("main-a1b2.js", "text/javascript; charset=utf-8"),
        ("main-c3d4.css", "text/css; charset=utf-8"),
        ("icon-e5f6.svg", "image/svg+xml"),
        ("font-0a1b.woff2", "font/woff2"),
    ):
        response = await site.http.get(f"/analytics/assets/{name}")
        assert (response.status_code, response.headers["content-type"]) == (200, media)
        assert response.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert response.headers["x-content-type-options"] == "nosniff"


async def test_other_pages_may_load_them(site: Running) -> None:
    """Assets and panel.js are open to every origin, whatever ANALYTICS_ALLOWED_ORIGINS says."""
    for path in ("/analytics/assets/main-a1b2.js", "/analytics/panel.js"):
        for headers in ({}, {"Origin": ELSEWHERE}, {"Origin": "https://other.example.com"}):
            response = await site.http.get(path, headers=headers)
            assert response.status_code == 200
            assert response.headers.get_list("access-control-allow-origin") == ["*"]
            assert response.headers["cross-origin-resource-policy"] == "cross-origin"
            assert response.headers["vary"] == "Accept-Encoding"


async def test_the_script_is_asked_for_again(site: Running) -> None:
    """Page and panel.js are not sent a second time: their ETag saves the body, also between encodings."""
    for path in ("/analytics", "/analytics/panel.js"):
        etags = set()
        for encoding in ("gzip", "identity"):
            first = await site.http.get(path, headers={"Accept-Encoding": encoding})
            assert first.headers["cache-control"] == "no-cache"
            etags.add(first.headers["etag"])
        etag = etags.pop()
        assert not etags
        again = await site.http.get(path, headers={"If-None-Match": etag})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", etag)
        changed = await site.http.get(path, headers={"If-None-Match": 'W/"other"'})
        assert changed.status_code == 200


async def test_text_is_gzipped_once(site: Running, built: Path) -> None:
    """Text is gzipped for those who take it, to the same bytes at every start; fonts are sent as they are."""
    url = "/analytics/assets/main-a1b2.js"
    async with site.http.stream("GET", url, headers={"Accept-Encoding": "br, gzip"}) as response:
        packed = b"".join([chunk async for chunk in response.aiter_raw()])
    assert response.headers["content-encoding"] == "gzip"
    assert int(response.headers["content-length"]) == len(packed) < 1000
    assert gzip.decompress(packed).decode() == SCRIPT * 2
    assert packed == gzip.compress((SCRIPT * 2).encode(), mtime=0)
    plain = await site.http.get(url, headers={"Accept-Encoding": "gzip;q=0"})
    assert "content-encoding" not in plain.headers
    assert plain.text == SCRIPT * 2
    font = await site.http.get("/analytics/assets/font-0a1b.woff2", headers={"Accept-Encoding": "gzip"})
    assert "content-encoding" not in font.headers


async def test_head_is_get_without_a_body(site: Running) -> None:
    """HEAD has the headers of GET."""
    for path in ("/analytics", "/analytics/panel.js", "/analytics/assets/main-a1b2.js"):
        found = await site.http.get(path)
        head = await site.http.head(path)
        assert (head.status_code, head.content) == (200, b"")
        for name in ("etag", "content-type", "content-length", "cache-control"):
            assert head.headers[name] == found.headers[name]


OUTSIDE = [
    "/analytics/assets/none.js",
    "/analytics/assets/",
    "/analytics/assets/../index.html",
    "/analytics/assets/..%2findex.html",
    "/analytics/assets/..%2f..%2fapp.py",
    "/analytics/assets/%2e%2e/secret.txt",
    "/analytics/assets/..%5csecret.txt",
    "/analytics/assets/%00",
    "/analytics/secret.txt",
    "/analytics/../secret.txt",
    "/analytics/index.html",
    "/analytics/panel.js/",
    "//analytics/secret.txt",
]


@pytest.mark.parametrize("path", OUTSIDE)
async def test_nothing_else_is_served(site: Running, path: str) -> None:
    """Every other name is a 404 with a problem document, also where it leads out of the folder."""
    # httpx2 would take the dots out.
    target = httpx2.URL(site.url).copy_with(raw_path=path.encode())
    response = await site.http.send(httpx2.Request("GET", target, extensions={"target": path.encode()}))
    assert response.status_code in (404, 307), response.text
    assert "secret" not in response.text
    assert "<!doctype" not in response.text
    assert (await site.http.post("/analytics")).status_code == 405


async def test_the_log_has_templates(site: Running) -> None:
    """The metrics name the route, never the name that was asked for."""
    await site.http.get("/analytics/assets/private-name.js")
    metrics = (await site.http.get("/metrics")).text
    assert 'route="/analytics/assets/{name}"' in metrics
    assert "private-name" not in metrics


async def test_without_a_build_the_rest_works(tmp_path: Path) -> None:
    """Where nothing is built, /analytics says what to do, and the API serves all the same."""
    found = await start(tmp_path, tmp_path / "none")
    try:
        response = await found.http.get("/analytics")
        assert (response.status_code, response.headers["content-type"]) == (503, "text/html; charset=utf-8")
        assert "make run" in response.text
        assert response.headers["content-security-policy"] == HEADERS["content-security-policy"]
        assert (await found.http.get("/analytics/panel.js")).status_code == 404
        assert (await found.http.get("/analytics/assets/a.js")).status_code == 404
        await found.get("summary")
    finally:
        await found.drop()


_SERVE = """
import asyncio, os, pathlib, sys
from web.ops import logs
from web.server.app import Service
from web.settings import Settings

async def main():
    logs.configure("info", "json")
    service = Service(Settings.read(os.environ), pathlib.Path(sys.argv[1]))
    await service.open()
    await service.close()

asyncio.run(main())
"""


def test_a_missing_build_is_warned_about(tmp_path: Path, built: Path) -> None:
    """The log of a start says that the build is missing, and nothing where it is there."""
    environment = Process(tmp_path).environment
    for folder, lines in ((tmp_path / "none", 1), (built, 0)):
        done = subprocess.run(
            [sys.executable, "-c", _SERVE, folder], env=environment, capture_output=True, text=True, check=True
        )
        assert done.stderr.count("panel_not_built") == lines, done.stderr


@pytest.mark.skipif(not (FOLDER / "index.html").exists(), reason="the panel is not built")
async def test_the_real_build_is_whole(running: Running) -> None:
    """The page that was built names only assets that are served, and has neither inline script nor inline style."""
    page = (await running.http.get("/analytics")).text
    names = [part.partition('"')[0] for part in page.split('"/analytics/')[1:]]
    assert names
    for name in names:
        response = await running.http.get(f"/analytics/{name}")
        assert response.status_code == 200, name
    assert "<style" not in page
    assert "style=" not in page
    assert all("src=" in tag.partition(">")[0] for tag in page.split("<script")[1:])
    assert (await running.http.get("/analytics/panel.js")).status_code == 200
