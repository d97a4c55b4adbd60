"""The first day: what a dashboard without events says, and that it changes the moment the first one arrives."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Literal

import pytest
from playwright.async_api import Page, expect

from tests.panel.browser import Visitor
from tests.panel.looks import faults, overflow, shoot
from tests.panel.served import Served, key
from tests.repository import ROOT
from tests.servers.process import COMMAND

pytestmark = pytest.mark.asyncio(loop_scope="module")

Visit = Callable[..., Awaitable[Visitor]]
BIN = Path(sys.executable).parent
PROGRAMS = {
    "Python": ("first.py", [sys.executable, "first.py"]),
    "Node": ("first.mjs", [str(BIN / "node"), "first.mjs"]),
    "curl": ("first.sh", ["bash", "first.sh"]),
}
FILLED_BY = {
    "activity": "track_user_activity",
    "users": "Each event that names a user",
    "conversations": "track_conversation",
    "api": "track_api_usage",
}


async def waiting(served: Served, visit: Visit, **options: object) -> Page:
    """The empty dashboard of somebody whose browser lets pages use the clipboard."""
    visitor = await visit(**options)
    await visitor.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page = await visitor.tab(served.link())
    await expect(page.locator("dashboard-first-steps")).to_be_visible(timeout=15_000)
    await expect(page.locator("convoai-status[kind=live]")).to_be_visible()
    return page


async def copied(page: Page, step: int) -> str:
    """What the button of a step copies."""
    part = page.locator("dashboard-first-steps li").nth(step)
    await part.get_by_role("button", name="Copy").click()
    await expect(part.get_by_role("button", name="Copied")).to_be_visible()
    text: str = await page.evaluate("navigator.clipboard.readText()")
    return text


async def run(folder: Path, command: list[str], **environment: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "PYTHONPATH": str(ROOT / "client"), **environment}
    return await asyncio.to_thread(
        subprocess.run, command, cwd=folder, env=env, capture_output=True, text=True, timeout=60, check=False
    )


@pytest.mark.parametrize("language", PROGRAMS)
async def test_the_first_event_is_seen_as_it_arrives(
    service: Served, visit: Visit, tmp_path: Path, language: str
) -> None:
    """Each program works as it is copied, and the page shows its event at once: it is pushed, nothing is asked for."""
    page = await waiting(service, visit)
    await expect(page.get_by_role("heading", name="Waiting for your first event")).to_be_visible()
    await expect(page.locator("dashboard-overview")).to_be_hidden()
    await page.get_by_role("button", name=language, exact=True).click()
    file, command = PROGRAMS[language]
    (tmp_path / file).write_text(await copied(page, 1))
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    done = await run(tmp_path, command, ANALYTICS_TRACKING_KEY=key(service.tenant))
    assert done.returncode == 0, done.stderr
    await expect(page.get_by_role("heading", name="Your first event has arrived")).to_be_visible()
    await expect(page.locator("dashboard-totals dd").first).to_have_text("1")
    assert not [url for url in asked if url.rpartition("/")[2] in ("summary", "snapshot")]
    await page.get_by_role("link", name="Activity", exact=True).click()
    await page.get_by_role("link", name="Overview", exact=True).click()
    await expect(page.locator("dashboard-overview")).to_be_visible()
    await expect(page.locator("dashboard-first-steps")).to_have_count(0)


async def test_the_key_of_the_first_step_opens_the_second(own_service: Served, visit: Visit, tmp_path: Path) -> None:
    """Who enters the command of the first step, and then that of the second, has posted an event with a new key."""
    page = await waiting(own_service, visit)
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    (tmp_path / ".venv" / "bin" / "convoai-analytics").symlink_to(COMMAND[0])
    await page.get_by_role("button", name="curl", exact=True).click()
    make_key, post = await copied(page, 0), await copied(page, 1)
    # A new key is known to every process within two seconds.
    script = f"{make_key}\nuntil {post.rstrip()} | grep recorded; do sleep 0.2; done"
    done = await run(tmp_path, ["bash", "-c", script], **own_service.environment)
    assert done.returncode == 0, done.stderr
    await expect(page.get_by_role("heading", name="Your first event has arrived")).to_be_visible()
    assert "first" in own_service.command("keys", "list").stdout


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_the_empty_dashboard_can_be_read(service: Served, visit: Visit, scheme: Literal["light", "dark"]) -> None:
    """In both languages and themes, on a phone and a desk: axe finds nothing, and nothing is wider than the window."""
    for locale in ("en-US", "de-DE"):
        page = await waiting(service, visit, color_scheme=scheme, locale=locale)
        for language in PROGRAMS:
            await page.get_by_role("button", name=language, exact=True).click()
            for device, width in (("phone", 360), ("desk", 1440)):
                await page.set_viewport_size({"width": width, "height": 900})
                await page.wait_for_timeout(200)
                await shoot(page, f"dashboard-first-{language}-{locale}-{scheme}-{device}", full_page=True)
                assert await overflow(page) == 0, (locale, language, device)
            assert await faults(page) == [], (locale, language)


async def test_each_empty_list_says_what_fills_it(service: Served, visit: Visit) -> None:
    """Before the first event every list names the call or the event that fills it."""
    page = await waiting(service, visit)
    for view, said in FILLED_BY.items():
        await page.goto(f"{service.url}/analytics#{view}")
        await expect(page.locator("dashboard-list .empty")).to_contain_text(said)


async def test_a_page_without_a_clipboard_selects_the_program(service: Served, visit: Visit) -> None:
    """Where the browser gives no clipboard, the text is selected, and the button says which keys copy it."""
    page = await waiting(service, visit)
    await page.evaluate("() => { navigator.clipboard.writeText = () => Promise.reject(new Error()) }")
    await page.locator("dashboard-first-steps li").nth(1).get_by_role("button", name="Copy").click()
    await expect(page.get_by_role("button", name="Selected: press Ctrl+C")).to_be_visible()
