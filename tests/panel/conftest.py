"""A real Chromium before the real service."""

import asyncio
import re
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, ConsoleMessage, Locator, Page, async_playwright

from tests.conftest import API, SECRET, TRACK
from tests.process import Process
from web.auth import ADMIN, make_token

Json = dict[str, Any]

NOTHING = "\N{EN DASH}"

# What a browser logs when the network or the service goes away, as it does in some of these tests.
EXPECTED = re.compile(
    r"WebSocket connection to|Failed to load resource: (net::|the server responded with a status of (401|403|503))"
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


class Served(Process):
    """The service, and what a person and a service post and ask of it."""

    @property
    def port(self) -> int:
        return int(self.environment["ANALYTICS_PORT"])

    async def restart(self, **settings: str) -> None:
        """Start anew with other settings, on the same database."""
        self.stop_if_running()
        self.environment.update({f"ANALYTICS_{name}": value for name, value in settings.items()})
        await self.start()

    def token(self, seconds: float = 3600, sub: str = "ada", **claims: Any) -> str:
        return make_token(SECRET, sub, claims.pop("roles", [ADMIN]), claims.pop("tenant", "default"), seconds)

    def link(self, seconds: float = 3600, url: str | None = None) -> str:
        """The dashboard's address, with a token in its fragment."""
        return f"{url or self.url}/analytics#token={self.token(seconds)}"

    async def post(self, name: str, **event: Any) -> Json:
        async with httpx.AsyncClient(base_url=self.url) as client:
            answer = await client.post(f"{TRACK}/{name}", json=event)
        assert answer.status_code == 201, answer.text
        found: Json = answer.json()
        return found

    async def get(self, path: str, **params: Any) -> Json:
        headers = {"Authorization": f"Bearer {self.token()}"}
        async with httpx.AsyncClient(base_url=self.url, headers=headers) as client:
            answer = await client.get(f"{API}/{path}", params=params)
        assert answer.status_code == 200, answer.text
        found: Json = answer.json()
        return found

    async def metric(self, name: str) -> float:
        """The value of one of the service's own metrics, summed over its labels."""
        async with httpx.AsyncClient(base_url=self.url) as client:
            text = (await client.get("/metrics")).text
        return sum(float(line.rpartition(" ")[2]) for line in text.splitlines() if re.match(rf"{name}[ {{]", line))

    async def login(self, user: str, **fields: Any) -> Json:
        return await self.post("activity-public", user_id=user, username=user, activity_type="login", **fields)


@pytest_asyncio.fixture(loop_scope="module")
async def service(tmp_path: Path) -> AsyncIterator[Served]:
    """The service as a process of its own, on an empty database."""
    served = Served(tmp_path, HEARTBEAT_SECONDS="0.5")
    await served.start()
    yield served
    served.stop_if_running()


async def until_equal(read: Callable[[], Awaitable[dict[str, str]]], service: Served) -> None:
    """Wait until the figures that *read* takes from the screen are those of the service's own snapshot."""
    async with asyncio.timeout(15):
        while await read() != written((await service.get("snapshot"))["summary"]):  # noqa: ASYNC110
            await asyncio.sleep(0.1)


async def shown(place: Page | Locator) -> dict[str, str]:
    """The six figures of the panel as they are on screen: name to text."""
    cards = place.locator("convoai-figure")
    names, values = await cards.locator(".name").all_inner_texts(), await cards.locator(".value").all_inner_texts()
    return dict(zip(names, values, strict=True))


def written(summary: Json) -> dict[str, str]:
    """The same figures as they must be on screen, from the service's own snapshot."""
    mean = summary["avg_response_time"]
    seconds = NOTHING if mean is None else f"{mean * 1000:,.0f} ms" if mean < 0.9995 else f"{mean:,.2f} s"
    return {
        "Total users": f"{summary['total_users']:,}",
        "Active users today": f"{summary['active_users_today']:,}",
        "Total conversations": f"{summary['total_conversations']:,}",
        "Total messages": f"{summary['total_messages']:,}",
        "Total tokens": f"{summary['total_tokens']:,}",
        "Average response time": seconds,
    }
