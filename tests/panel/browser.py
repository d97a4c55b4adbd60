"""A real Chromium, and the people before it."""

import re
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, ConsoleMessage, Page, async_playwright

# What a browser logs when the network or the service goes away, as it does in some of these tests.
EXPECTED = re.compile(
    r"WebSocket connection to|"
    r"Failed to load resource: (net::|the server responded with a status of (401|403|404|409|503))"
)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    """Debian's Chromium where there is one, else the one that Playwright installed."""
    async with async_playwright() as playwright:
        found = shutil.which("chromium")
        browser = await playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield browser
        await browser.close()


@dataclass
class Visitor:
    """One person at a browser: tabs of one profile, and all that went wrong in them."""

    context: BrowserContext
    failures: list[str] = field(default_factory=list)

    async def tab(self, url: str) -> Page:
        page = await self.context.new_page()
        page.on("console", self._note)
        page.on("pageerror", lambda error: self.failures.append(str(error)))
        await page.goto(url)
        return page

    def _note(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and not EXPECTED.search(message.text):
            self.failures.append(message.text)


@pytest_asyncio.fixture(loop_scope="module")
async def visit(browser: Browser) -> AsyncIterator[Callable[..., Awaitable[Visitor]]]:
    """Opens profiles; at the end nothing unexpected may stand in any console, such as a breach of the page's policy."""
    visitors: list[Visitor] = []

    async def open_profile(**options: Any) -> Visitor:
        options.setdefault("viewport", {"width": 1440, "height": 900})
        context = await browser.new_context(**{"locale": "en-US", "timezone_id": "UTC", **options})
        context.set_default_timeout(20_000)
        visitors.append(Visitor(context))
        return visitors[-1]

    yield open_profile
    for visitor in visitors:
        await visitor.context.close()
    assert [failure for visitor in visitors for failure in visitor.failures] == []
