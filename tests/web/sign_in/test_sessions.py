"""Sessions: what opens one, what it opens, and what ends it."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect

from realtime.protocol import SUBPROTOCOL
from storage import sessions as rows
from storage.credentials import Revocation, revoke
from storage.model import clock
from tests.paths import API, LIVE
from tests.servers.service import Running, start
from tests.web.sign_in.browser import SESSION, Browser

each_database = pytest.mark.each_database


@pytest.fixture
async def browser(running: Running) -> Browser:
    return Browser(running)


@pytest.fixture
async def two(tmp_path: Path, database_url: str, valkey: str) -> AsyncIterator[tuple[Running, Running]]:
    """Two processes on one database."""
    if database_url.startswith("sqlite"):
        pytest.skip("one process writes a file")
    found = [await start(tmp_path, DATABASE_URL=database_url, REDIS_URL=valkey) for _ in range(2)]
    yield found[0], found[1]
    for each in found:
        await each.drop()


async def follow(browser: Browser) -> ClientConnection:
    """Open the live endpoint as a page of the service does: by the cookie, with the origin that browsers add."""
    socket = await connect(
        browser.running.url.replace("http", "ws") + LIVE,
        additional_headers=browser.headers(),
        origin=browser.origin,  # type: ignore[arg-type]
        subprotocols=[SUBPROTOCOL],  # type: ignore[list-item]
    )
    await socket.send(json.dumps({"type": "subscribe", "topics": ["summary"]}))
    assert json.loads(await socket.recv())["type"] == "snapshot"
    return socket


async def closed(socket: ClientConnection) -> int | None:
    """The close code that a connection ends with."""
    async with asyncio.timeout(10):
        await socket.wait_closed()
    return socket.close_code


@each_database
async def test_a_token_becomes_a_session(running: Running, browser: Browser) -> None:
    """An exchanged token opens reports, lists, streams and WebSockets by the cookie; the cookie holds no token."""
    token = running.token(sub="ada", seconds=600)
    answer = await browser.sign_in(token)
    assert answer.status_code == 201, answer.text
    described = answer.json()
    assert (described["subject"], described["tenant"], described["roles"]) == ("ada", "default", ["admin"])
    assert abs(described["expires"] - time.time() - 600) < 5
    [secret] = browser.cookies.values()
    assert len(secret) == 43
    assert token not in answer.text + str(answer.headers)
    assert secret not in answer.text
    assert (await browser.ask("GET", f"{API}/summary")).status_code == 200
    assert (await browser.ask("GET", f"{API}/users/list")).status_code == 200
    assert (await browser.ask("GET", SESSION)).json() == described
    socket = await follow(browser)
    assert socket.subprotocol == SUBPROTOCOL
    await socket.close()
    stream = browser.headers(Accept="text/event-stream")
    async with running.http.stream("GET", LIVE, headers=stream) as response:
        assert response.status_code == 200


@pytest.mark.parametrize(
    ("origin", "name", "attributes"),
    [
        ("http://{host}", "convoai-analytics-{port}", {"path": "/api/v1/analytics"}),
        ("https://{host}", "__Host-convoai-analytics-{port}", {"path": "/", "secure": True}),
    ],
)
async def test_the_cookie_is_as_narrow_as_it_can_be(
    running: Running, origin: str, name: str, attributes: dict[str, Any]
) -> None:
    """HttpOnly, SameSite=Strict, until the token ends; over TLS Secure and __Host-, else the path of the API alone."""
    host = running.url.removeprefix("http://")
    browser = Browser(running, origin.format(host=host))
    await browser.sign_in(running.token(seconds=600))
    assert list(browser.cookies) == [name.format(port=host.partition(":")[2])]
    seconds = int(browser.attributes.pop("max-age"))
    assert 590 < seconds <= 600
    assert browser.attributes == {"httponly": True, "samesite": "Strict", **attributes}


async def test_a_host_without_a_port_has_a_cookie_without_one(running: Running) -> None:
    """Behind a proxy that ends TLS, and passes Host on, the cookie is one of that host."""
    browser = Browser(running, "https://analytics.example.com", "analytics.example.com")
    assert (await browser.sign_in(running.token())).status_code == 201
    assert list(browser.cookies) == ["__Host-convoai-analytics"]
    assert (await browser.ask("GET", f"{API}/summary")).status_code == 200


async def test_a_session_ends_with_its_token(running: Running, browser: Browser) -> None:
    """At the second the token ends, so do the session, its cookie, and its WebSocket with 4401."""
    await browser.sign_in(running.token(seconds=2))
    socket = await follow(browser)
    assert await closed(socket) == 4401
    answer = await browser.ask("GET", f"{API}/summary")
    assert (answer.status_code, answer.json()["detail"]) == (401, "the session has ended: sign in again")


@each_database
async def test_a_newer_token_renews_the_session(running: Running, browser: Browser) -> None:
    """A newer token of the same person renews the session for all tabs: same cookie, and open connections go on."""
    await browser.sign_in(running.token(seconds=2))
    before = dict(browser.cookies)
    socket = await follow(browser)
    answer = await browser.sign_in(running.token(seconds=600))
    assert answer.status_code == 200
    assert browser.cookies == before
    assert int(browser.attributes["max-age"]) > 500
    await asyncio.sleep(2.5)
    assert json.loads(await socket.recv())["type"] == "heartbeat"
    assert socket.close_code is None
    assert (await browser.ask("GET", f"{API}/summary")).status_code == 200
    await socket.close()


@each_database
async def test_signing_out_ends_all_tabs(running: Running, browser: Browser) -> None:
    """Signing out takes the cookie away, closes the connections of all tabs, and nobody gets in by the old cookie."""
    await browser.sign_in(running.token())
    stolen = Browser(running)
    stolen.cookies = dict(browser.cookies)
    tabs = [await follow(browser) for _ in range(3)]
    assert (await browser.ask("DELETE", SESSION)).status_code == 204
    assert browser.cookies == {}
    assert [await closed(tab) for tab in tabs] == [4401] * 3
    assert (await stolen.ask("GET", f"{API}/summary")).status_code == 401
    assert (await browser.ask("DELETE", SESSION)).status_code == 204


@each_database
async def test_every_process_knows_a_session_and_its_end(two: tuple[Running, Running]) -> None:
    """A session of one process is one of another; within a second of its end it opens nothing there either."""
    first, second = two
    browser = Browser(first)
    await browser.sign_in(first.token())
    other = Browser(second, first.url, first.url.removeprefix("http://"))
    other.cookies = browser.cookies
    assert (await other.ask("GET", f"{API}/summary")).status_code == 200
    tab = await follow(browser)
    await other.ask("DELETE", SESSION)
    assert await closed(tab) == 4401
    assert (await browser.ask("GET", f"{API}/summary")).status_code == 401


@pytest.mark.parametrize("kind", ["sub", "jti"])
async def test_a_session_is_revoked_with_its_token(running: Running, browser: Browser, kind: str) -> None:
    """To revoke a token, or a subject, ends its sessions and their connections."""
    opened = await browser.sign_in(running.token(sub="eve", seconds=600))
    tab = await follow(browser)
    principal = await running.service.sessions.find(next(iter(browser.cookies.values())), "test")
    value = {"sub": "eve", "jti": principal.token_id or ""}[kind]
    revocation = Revocation("default", kind, value, clock.now())
    await running.service.database.write(lambda connection: revoke(connection, "test", revocation))
    assert await closed(tab) == 4401
    answer = await browser.ask("GET", f"{API}/summary")
    assert (answer.status_code, answer.json()["detail"]) == (401, "the token of this session has been revoked")
    assert opened.status_code == 201


async def test_a_session_ends_with_the_key_of_its_token(tmp_path: Path) -> None:
    """With another secret no session of a token of the old one opens anything; with the same one, all do as before."""
    first = await start(tmp_path)
    browser = Browser(first)
    await browser.sign_in(first.token())
    await first.stop()
    for secret, status in (({}, 200), ({"JWT_SECRET": "another secret, which is long enough"}, 401)):
        second = await start(tmp_path, **secret)  # type: ignore[arg-type]
        later = Browser(second, browser.origin, browser.origin.removeprefix("http://"))
        later.cookies = browser.cookies
        assert (await later.ask("GET", f"{API}/summary")).status_code == status
        await second.stop()


async def test_the_bearer_token_comes_first(running: Running, browser: Browser) -> None:
    """With both, the token alone counts: a bad one is refused, another person's is that person."""
    await browser.sign_in(running.token())
    bad = await browser.ask("GET", f"{API}/summary", headers={"Authorization": "Bearer garbage"})
    assert bad.status_code == 401
    await running.post("activity-public", {"user_id": "u", "username": "u", "activity_type": "login"})
    acme = {"Authorization": f"Bearer {running.token('acme')}"}
    assert (await browser.ask("GET", f"{API}/summary", headers=acme)).json()["total_users"] == 0
    assert (await browser.ask("GET", f"{API}/summary")).json()["total_users"] == 1


async def test_nobody_is_replaced_silently(running: Running, browser: Browser) -> None:
    """A token of somebody else changes nothing until replace is sent; then the session before is ended."""
    await browser.sign_in(running.token(sub="ada"))
    ada = dict(browser.cookies)
    answer = await browser.sign_in(running.token(sub="eve", tenant="acme"))
    assert answer.status_code == 409
    assert {key: answer.json()[key] for key in ("subject", "tenant")} == {"subject": "eve", "tenant": "acme"}
    assert browser.cookies == ada
    assert (await browser.ask("GET", SESSION)).json()["subject"] == "ada"
    assert (await browser.sign_in(running.token(sub="eve", tenant="acme"), replace=True)).status_code == 201
    assert (await browser.ask("GET", SESSION)).json()["subject"] == "eve"
    browser.cookies = ada
    assert (await browser.ask("GET", SESSION)).status_code == 204


async def test_the_reason_is_the_services_own(running: Running, browser: Browser) -> None:
    """A token that opens nothing is refused with the reason, and with the setting that decides."""
    refused = await browser.sign_in(running.token(roles=["user"]))
    assert refused.status_code == 403
    assert "ANALYTICS_JWT_ADMIN_ROLE" in refused.json()["detail"]
    assert browser.cookies == {}
    assert (await browser.sign_in("garbage")).status_code == 401


async def test_a_subject_has_so_many_sessions(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond a number of sessions of one subject the oldest ends, and those of others stay."""
    monkeypatch.setattr(rows, "MAX_SESSIONS", 3)
    browsers = [Browser(running) for _ in range(5)]
    stranger = Browser(running)
    await stranger.sign_in(running.token(sub="eve"))
    for browser in browsers:
        await browser.sign_in(running.token())
        await asyncio.sleep(0.002)
    await asyncio.sleep(1.5)
    statuses = [(await browser.ask("GET", SESSION)).status_code for browser in (*browsers, stranger)]
    assert statuses == [204, 204, 200, 200, 200, 200]


async def test_a_subject_that_asks_too_often_waits(running: Running) -> None:
    """Each session writes to the database: who asks for many gets 429, and others go on."""
    statuses = [(await Browser(running).sign_in(running.token())).status_code for _ in range(62)]
    assert statuses[:60] == [201] * 60
    assert statuses[-1] == 429
    assert (await Browser(running).sign_in(running.token(sub="eve"))).status_code == 201


@pytest.mark.parametrize("body", [b"[]", b'{"code": 1}', b'{"cod": "x"}', b"{", b"[" * 600, b'{"replace": "yes"}'])
async def test_a_body_of_another_shape_is_refused(running: Running, browser: Browser, body: bytes) -> None:
    """What is no such body is refused, and opens nothing."""
    headers = {"Authorization": f"Bearer {running.token()}"}
    assert (await browser.ask("POST", SESSION, content=body, headers=headers)).status_code == 422
    assert (await browser.ask("POST", SESSION, content=b" " * 2000, headers=headers)).status_code == 413
    assert browser.cookies == {}
