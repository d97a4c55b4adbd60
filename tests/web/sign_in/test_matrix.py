"""Every route that a session opens, with every kind of session and every origin of the page that asks."""

import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from realtime.protocol import SUBPROTOCOL
from storage.credentials import Revocation, revoke
from storage.model import clock
from tests.servers.service import Running, start
from tests.web.auth.routes import ADMINS, CODES, DETAILS, LIVE, OWN_PAGES, RENEWALS, STREAM, WRITES
from tests.web.sign_in.browser import SESSION, Browser

ALLOWED = "https://platform.example.com"
NEVER = "https://evil.example.com"

OWN_ORIGINS: dict[str, dict[str, str]] = {
    "named by the page": {"X-Page-Origin": "{own}"},
    "named by the browser": {"Origin": "{own}"},
    "named by both": {"X-Page-Origin": "{own}", "Origin": "{own}"},
    "confirmed by the browser": {"Origin": "{own}", "Sec-Fetch-Site": "same-origin"},
}
"""As pages of the service ask, in one browser or another."""
OTHER_ORIGINS: dict[str, dict[str, str]] = {
    "none": {},
    "an allowed one": {"Origin": ALLOWED},
    "another one": {"Origin": NEVER},
    "no origin at all": {"Origin": "null"},
    "another port": {"Origin": "http://127.0.0.1:1"},
    "another name of this machine": {"Origin": "http://localhost:{port}"},
    "another name, as the page says": {"X-Page-Origin": "http://localhost:{port}"},
    "an allowed one that names ours": {"Origin": ALLOWED, "X-Page-Origin": "{own}"},
    "ours, but the browser says no": {"X-Page-Origin": "{own}", "Sec-Fetch-Site": "same-site"},
    "ours, but from another site": {"Origin": "{own}", "Sec-Fetch-Site": "cross-site"},
    "a navigation": {"Sec-Fetch-Site": "none", "Sec-Fetch-Mode": "navigate"},
    "ours twice": {"Origin": "{own}, {own}"},
    "ours with a user": {"Origin": "http://x@127.0.0.1:{port}"},
    "ours with another scheme": {"Origin": "https://127.0.0.1:{port}"},
    "ours with a path": {"X-Page-Origin": "{own}/"},
}
"""The last but one names the cookie of a page over TLS, which is not here."""

ENDED = ("expired", "signed out", "revoked subject", "never there", "empty", "two of one name")


@pytest.fixture
async def running(tmp_path: Path) -> AsyncIterator[Running]:
    found = await start(tmp_path, ALLOWED_ORIGINS=ALLOWED)
    yield found
    await found.drop()


def filled(headers: dict[str, str], running: Running) -> dict[str, str]:
    return {name: value.format(own=running.url, port=running.service.settings.port) for name, value in headers.items()}


async def status(running: Running, endpoint: str, headers: dict[str, str]) -> int:
    """Ask an endpoint, and tell the status."""
    method, _, path = endpoint.partition(" ")
    if method == "WS":
        options: Any = {"additional_headers": headers, "subprotocols": [SUBPROTOCOL]}
        try:
            async with connect(running.url.replace("http", "ws") + path, **options):
                return 101
        except InvalidStatus as error:
            return error.response.status_code
    headers = {**headers, **({"Accept": "text/event-stream"} if endpoint == STREAM else {})}
    body = {"code": "x" * 43} if endpoint == RENEWALS else None
    async with running.http.stream(method, path, headers=headers, json=body) as answer:
        return answer.status_code


def cookie(browser: Browser) -> str:
    return "; ".join(f"{name}={value}" for name, value in browser.cookies.items())


@pytest.mark.parametrize("origin", [*OWN_ORIGINS, *OTHER_ORIGINS])
async def test_only_own_pages_get_in_by_the_cookie(running: Running, origin: str) -> None:
    """The cookie opens what admins read and write, for pages of this service alone: for no other origin, allowed or
    not."""
    is_own = origin in OWN_ORIGINS
    headers = filled(OWN_ORIGINS.get(origin) or OTHER_ORIGINS.get(origin, {}), running)
    browser = Browser(running)
    await browser.sign_in(running.token())
    headers["Cookie"] = cookie(browser)
    for endpoint in [*ADMINS, STREAM]:
        found = await status(running, endpoint, headers)
        # The live endpoint refuses a page that is not allowed before it looks at who asks.
        assert found == 200 if is_own else found in (401, 403 if endpoint == STREAM else 401), (endpoint, found)
    for endpoint in [*DETAILS, *WRITES]:
        assert await status(running, endpoint, headers) == (WRITES.get(endpoint, 404) if is_own else 401), endpoint
    assert await status(running, LIVE, headers) in ((101,) if is_own else (401, 403))
    assert await status(running, f"GET {SESSION}", headers) in ((200,) if is_own else (204, 403))
    assert await status(running, CODES, headers) == 401
    assert await status(running, RENEWALS, headers) == 401
    assert await status(running, f"POST {SESSION}", headers) in ((401,) if is_own else (401, 403))
    assert (await browser.ask("GET", SESSION)).status_code == 200
    assert await status(running, f"DELETE {SESSION}", headers) in ((204,) if is_own else (204, 403))
    is_out = (await browser.ask("GET", SESSION)).status_code == 204
    assert is_out == is_own


@pytest.mark.parametrize("kind", ENDED)
async def test_what_is_no_session_opens_nothing(running: Running, kind: str) -> None:
    """A session that has ended, or never was, opens no route, for pages of the service either."""
    browser = Browser(running)
    await browser.sign_in(running.token(sub="eve", seconds=1 if kind == "expired" else 600))
    [(name, secret)] = browser.cookies.items()
    headers = {**browser.headers(), "Cookie": f"{name}={secret}"}
    match kind:
        case "expired":
            time.sleep(1.1)  # noqa: ASYNC251 - nothing else runs
        case "signed out":
            await browser.ask("DELETE", SESSION)
        case "revoked subject":
            revocation = Revocation("default", "sub", "eve", clock.now())
            await running.service.database.write(lambda connection: revoke(connection, "test", revocation))
            await running.service.credentials._read()
        case "never there":
            headers["Cookie"] = f"{name}={'x' * 43}"
        case "empty":
            headers["Cookie"] = f"{name}="
        case "two of one name":
            headers["Cookie"] = f"{name}={secret}; {name}={'x' * 43}"
    for endpoint in [*ADMINS, *DETAILS, *WRITES, STREAM, LIVE]:
        assert await status(running, endpoint, headers) == 401, endpoint
    assert await status(running, f"GET {SESSION}", headers) == 204


async def test_a_token_opens_whatever_the_origin_and_the_cookie(running: Running) -> None:
    """With a bearer token each route answers as before, whatever the origin, and beside a good or a bad cookie."""
    browser = Browser(running)
    await browser.sign_in(running.token(sub="eve"))
    [(name, secret)] = browser.cookies.items()
    for cookies in ({}, {"Cookie": f"{name}={secret}"}, {"Cookie": f"{name}={'x' * 43}"}):
        for origin in ({}, {"Origin": ALLOWED}, {"Origin": running.url}):
            headers = {"Authorization": f"Bearer {running.token()}", **cookies, **origin}
            for endpoint in [*ADMINS, STREAM]:
                assert await status(running, endpoint, headers) == 200, (endpoint, headers)
            assert await status(running, LIVE, headers) == 101
            assert await status(running, CODES, headers) == 201
            bad = {**headers, "Authorization": "Bearer garbage"}
            for endpoint in [*ADMINS, STREAM, LIVE]:
                assert await status(running, endpoint, bad) == 401, (endpoint, bad)


async def test_pages_of_other_origins_may_not_even_try(running: Running) -> None:
    """A browser asks before it sends X-Page-Origin for another origin, an allowed one too: it is told no."""
    for method, header in (("GET", "x-page-origin"), ("DELETE", "x-page-origin"), ("POST", "x-page-origin")):
        ask = {
            "Origin": ALLOWED,
            "Access-Control-Request-Method": method,
            "Access-Control-Request-Headers": header,
        }
        answer = await running.http.options(OWN_PAGES[0].partition(" ")[2], headers=ask)
        assert answer.status_code == 400
    plain = await running.http.get(SESSION, headers={"Origin": ALLOWED})
    assert "access-control-allow-credentials" not in plain.headers
