"""The whole platform as ``make platform`` runs it, and a person in a real Chromium before it."""

import itertools
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx2
import pytest
from playwright.async_api import Page, expect
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from examples.convoai.auth import TOKEN_SECONDS
from examples.convoai.grant import grant_admin
from examples.convoai.platform import Platform, Ports
from tests.panel.browser import Visitor
from tests.panel.screen import shown
from tests.paths import API
from tests.servers.ports import free_port
from tests.servers.program import spawn

pytestmark = pytest.mark.asyncio(loop_scope="module")

PASSWORD = "correct horse battery"
Visit = Callable[..., Awaitable[Visitor]]


class Run:
    """``python -m examples.convoai`` with its data in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ports = Ports(*(free_port() for _ in range(4)))
        self._output = folder / "output"
        self._process: subprocess.Popen[bytes] | None = None

    def launch(self) -> "subprocess.Popen[bytes]":
        options = [f"--{name}-port={getattr(self.ports, name)}" for name in Platform.names]
        command = [sys.executable, "-m", "examples.convoai", f"--data={self.folder / 'data'}", *options]
        with self._output.open("wb") as output:
            environment = {**os.environ, "CONVOAI_TOKENS_PER_SECOND": "200"}
            self._process = spawn(command, signal.SIGTERM, env=environment, stdout=output, stderr=output)
        return self._process

    def start(self) -> None:
        """Start it, and wait for what it prints."""
        process, deadline = self.launch(), time.monotonic() + 60
        while "Password" not in self.output():
            assert process.poll() is None, self.output()
            assert time.monotonic() < deadline, self.output()
            time.sleep(0.05)

    def stop(self) -> int:
        """End it by Ctrl-C, and give its exit code."""
        assert self._process is not None
        self._process.send_signal(signal.SIGINT)
        return self._process.wait(60)

    def output(self) -> str:
        return self._output.read_text()

    @property
    def url(self) -> str:
        return self.ports.url("page")

    @property
    def admin(self) -> tuple[str, str]:
        """Name and password as they were printed."""
        found = re.search(r"Sign in +(\S+)\n +Password +(\S+)\n", self.output())
        assert found is not None
        return found[1], found[2]

    async def token(self, username: str, password: str) -> str:
        """Sign in as a program does."""
        async with httpx2.AsyncClient(base_url=self.ports.url("auth")) as client:
            answer = await client.post("/auth/token", data={"username": username, "password": password})
        assert answer.status_code == 200, answer.text
        return str(answer.json()["access_token"])

    async def add(self, username: str) -> str:
        """Register somebody, and give their token."""
        async with httpx2.AsyncClient(base_url=self.ports.url("auth")) as client:
            await client.post("/users/", json={"username": username, "password": PASSWORD})
        return await self.token(username, PASSWORD)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    found = Run(tmp_path_factory.mktemp("run"))
    found.start()
    yield found
    assert found.stop() == 0, found.output()
    for name in Platform.names:
        with socket.socket() as probe:
            assert probe.connect_ex(("127.0.0.1", getattr(found.ports, name))) != 0, f"{name} has stayed behind"


async def sign_in(page: Page, username: str, password: str) -> None:
    await page.get_by_label("Username").fill(username)
    await page.get_by_label("Password").fill(password)
    await page.get_by_role("button", name="Sign in", exact=True).click()
    await expect(page.get_by_role("button", name="Sign out")).to_be_visible()


async def say(page: Page, text: str) -> None:
    """Send a message, and wait for all of the answer."""
    before = await page.locator(".facts").count()
    await page.get_by_label("Message", exact=True).fill(text)
    await page.get_by_label("Message", exact=True).press("Enter")
    await expect(page.locator(".facts")).to_have_count(before + 1)


async def test_a_newcomer_meets_analytics_in_a_chat(run: Run, visit: Visit) -> None:
    """Register, chat, become admin, see one's own message counted in the panel, open the dashboard signed in."""
    page = await (await visit()).tab(run.url)
    await page.get_by_role("button", name="Create an account").click()
    await page.get_by_label("Username").fill("ada")
    await page.get_by_label("Password").fill(PASSWORD)
    await page.get_by_role("button", name="Create account").click()
    await say(page, "How do I plan a garden?")
    await expect(page.locator(".facts")).to_contain_text("convoai-offline-1")
    await expect(page.get_by_role("button", name="How do I plan a garden?", exact=True)).to_be_visible()
    # A user sees no button, and has not even the panel's script.
    await expect(page.get_by_role("button", name="Analytics")).to_have_count(0)
    assert await page.evaluate("customElements.get('convoai-analytics-panel') === undefined")
    async with httpx2.AsyncClient(base_url=run.url) as client:
        headers = {"Authorization": f"Bearer {await run.token('ada', PASSWORD)}"}
        assert (await client.get(f"{API}/summary", headers=headers)).status_code == 403

    grant_admin(run.folder / "data" / "auth.db", "ada")
    await page.get_by_role("button", name="Sign out").click()
    await sign_in(page, "ada", PASSWORD)
    await page.get_by_role("button", name="Analytics").click()
    panel = page.locator("convoai-analytics-panel")
    await expect(panel.locator("convoai-status[kind=live]")).to_be_visible()
    before = int((await shown(panel))["Total messages"])
    await page.get_by_label("Message", exact=True).fill("Hello!")
    began = time.monotonic()
    await page.get_by_label("Message", exact=True).press("Enter")
    await panel.locator("convoai-figure", has_text="Total messages").get_by_text(str(before + 1), exact=True).wait_for()
    print(f"one's own message was counted after {time.monotonic() - began:.2f} s")
    await expect(panel.locator("convoai-activities")).to_contain_text("ada")

    await page.get_by_role("link", name="Dashboard", exact=True).click()
    await expect(page.locator("convoai-status[kind=live]").first).to_be_visible()
    assert page.url == f"{run.url}/analytics"


async def test_the_dashboard_asks_to_sign_in(run: Run, visit: Visit) -> None:
    """Whoever is not signed in comes to the chat's own door, which says what is wrong, and then to the dashboard."""
    page = await (await visit()).tab(f"{run.url}/analytics")
    username, password = run.admin
    await page.get_by_label("Username").fill(username)
    await page.get_by_label("Password").fill("wrong")
    await page.get_by_role("button", name="Sign in", exact=True).click()
    await expect(page.get_by_role("alert")).to_have_text("Username or password is wrong.")
    await page.get_by_label("Password").fill(password)
    await page.get_by_role("button", name="Sign in", exact=True).click()
    await page.wait_for_url(f"{run.url}/analytics")
    await expect(page.locator("convoai-status[kind=live]").first).to_be_visible()


async def test_a_user_is_sent_back_from_the_dashboard(run: Run, visit: Visit) -> None:
    """Whoever is no admin comes back to the chat."""
    await run.add("grace")
    visitor = await visit()
    await sign_in(await visitor.tab(run.url), "grace", PASSWORD)
    page = await visitor.tab(f"{run.url}/analytics")
    await page.wait_for_url(f"{run.url}/")
    await expect(page.get_by_role("button", name="New chat")).to_be_visible()


async def test_all_tabs_are_of_one_person(run: Run, visit: Visit) -> None:
    """Other tabs, the dashboard's too, open signed in; signed out, no figures and no messages stay on any screen."""
    visitor = await visit()
    chat = await visitor.tab(run.url)
    await sign_in(chat, *run.admin)
    other, dashboard = await visitor.tab(run.url), await visitor.tab(f"{run.url}/analytics")
    await expect(other.get_by_role("button", name="New chat")).to_be_visible()
    await expect(dashboard.locator("convoai-status[kind=live]").first).to_be_visible()
    await chat.get_by_role("button", name="Sign out").click()
    for page in (chat, other, dashboard):
        await expect(page.get_by_label("Username")).to_be_visible()
    await chat.reload()
    await expect(chat.get_by_label("Username")).to_be_visible()


async def test_a_session_goes_on_by_itself(run: Run, visit: Visit) -> None:
    """Before a token ends the page gets the next one, without a word to the person; so does the dashboard's page."""
    visitor = await visit()
    await sign_in(await visitor.tab(run.url), *run.admin)
    for path in ("/", "/analytics"):
        page = await visitor.context.new_page()
        await page.clock.install()
        async with page.expect_response(lambda answer: answer.url.endswith("/auth/refresh")):
            await page.goto(run.url + path)
        await page.wait_for_function("sessionStorage.getItem('convoai-analytics.token') !== null")
        before = await page.evaluate("sessionStorage.getItem('convoai-analytics.token')")
        await page.clock.fast_forward(TOKEN_SECONDS * 700)
        await page.wait_for_function(
            "(token) => sessionStorage.getItem('convoai-analytics.token') !== token", arg=before
        )
        await page.close()


async def test_text_is_never_markup(run: Run, visit: Visit) -> None:
    """What people write is shown as it is, also on a phone; a conversation can be deleted there."""
    await run.add("eve")
    page = await (await visit(viewport={"width": 360, "height": 740})).tab(run.url)
    await sign_in(page, "eve", PASSWORD)
    await say(page, "<img src=x onerror=alert(1)> <b>bold</b>")
    await expect(page.locator(".message.user")).to_have_text("<img src=x onerror=alert(1)> <b>bold</b>")
    await say(page, "Explain caching to a beginner")
    await say(page, "Explain caching to a beginner")
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    edges = await page.locator(".message").evaluate_all(
        "all => all.map((one) => one.getBoundingClientRect()).map(({ top, bottom }) => [top, bottom])"
    )
    assert all(bottom < top for (_, bottom), (top, _) in itertools.pairwise(edges)), "messages overlap"
    await page.get_by_role("button", name="Conversations").click()
    await page.get_by_role("button", name=re.compile("^Delete")).click()
    await expect(page.locator("#list li")).to_have_count(0)


async def test_the_page_lets_nothing_else_in(run: Run) -> None:
    """Its policy names itself and the two services; the gateway passes on reads alone, and no cookies."""
    async with httpx2.AsyncClient(base_url=run.url) as client:
        for path in ("/", "/static/app.js", "/analytics"):
            policy = (await client.get(path)).headers["Content-Security-Policy"]
            assert "unsafe" not in policy
            assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self';")
        assert (await client.post(f"{API}/track/batch", json=[])).status_code == 405
        assert (await client.get(f"{API}/summary")).status_code == 401
        assert (await client.get("/static/../settings.py")).status_code == 404
        assert (await client.get("/static/%2e%2e/settings.py")).status_code == 404
        script = await client.get("/analytics/panel.js")
        again = await client.get("/analytics/panel.js", headers={"If-None-Match": script.headers["ETag"]})
        assert (script.status_code, again.status_code) == (200, 304)


async def test_the_live_connection_is_passed_on_as_it_is(run: Run) -> None:
    """Its protocol, frames, refusals and close codes are the service's own; pages of others get nothing."""
    live = run.url.replace("http", "ws", 1) + f"{API}/live"
    token = await run.token(*run.admin)

    def opened(token: str, origin: str | None = None) -> Any:
        offered: Any = ["analytics.v1", f"bearer.{token}"]
        return connect(live, subprotocols=offered, origin=origin, proxy=None)  # type: ignore[arg-type]

    async with opened(token, run.url) as socket:
        assert socket.subprotocol == "analytics.v1"
        await socket.send('{"type":"subscribe","topics":["summary"],"position":null}')
        assert '"type":"snapshot"' in await socket.recv()
        await socket.send("nonsense")
        with suppress(ConnectionClosed):
            while True:
                await socket.recv()
        assert socket.close_code == 4400
    for wrong, origin, status in (
        ("x", run.url, 401),
        (await run.add("mallory"), run.url, 403),
        (token, "https://evil.example", 403),
    ):
        with pytest.raises(InvalidStatus) as refused:
            await opened(wrong, origin).__aenter__()
        assert refused.value.response.status_code == status


async def test_it_keeps_what_it_has(run: Run) -> None:
    """A second start has the same admin and the same data; secrets are for their owner; no log has the password."""
    username, password = run.admin
    token = await run.token(username, password)
    assert run.stop() == 0
    run.start()
    assert run.admin == (username, password)
    async with httpx2.AsyncClient(base_url=run.url, headers={"Authorization": f"Bearer {token}"}) as client:
        assert (await client.get(f"{API}/summary")).json()["total_users"] >= 1
    data = run.folder / "data"
    assert data.stat().st_mode & 0o077 == 0
    secrets = ("admin.password", "tracking.key", "auth.key", "auth.db", "chatbot.db")
    assert all((data / name).stat().st_mode & 0o077 == 0 for name in secrets)
    assert not [log for log in data.glob("*.log") if password in log.read_text()]


async def test_a_port_in_use_is_reported(tmp_path: Path) -> None:
    """One line names the port and the option for another one; nothing stays behind."""
    run = Run(tmp_path)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", run.ports.auth))
        taken.listen()
        assert run.launch().wait(30) == 1
    assert run.output() == f"port {run.ports.auth} is in use; --auth-port names another\n"
