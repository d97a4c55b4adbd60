"""A real Chromium before the real service."""

import asyncio
import copy
import itertools
import re
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import httpx2
import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, ConsoleMessage, Locator, Page, async_playwright

from tests.conftest import API, SECRET, TRACK, free_port
from tests.panel.site import Site
from tests.process import Process
from web.auth.tokens import ADMIN, make_token

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


TENANTS = 60
"""As many tests of one file can have a tenant of their own."""


class Served(Process):
    """The service, and what a person and a service post and ask of it, as those of one tenant."""

    tenant = "default"
    site_port = 0

    def site(self, page: str | None = None, seconds: float = 3600, url: str | None = None) -> Site:
        """A site whose pages the service (at *url*) allows; its tokens last so many *seconds*."""
        return Site(url or self.url, lambda: self.token(seconds), self.site_port, page)

    @property
    def port(self) -> int:
        return int(self.environment["ANALYTICS_PORT"])

    def of(self, tenant: str) -> Self:
        """The same service, for another tenant."""
        other = copy.copy(self)
        other.tenant = tenant
        return other

    def token(self, seconds: float = 3600, sub: str = "ada", **claims: Any) -> str:
        return make_token(SECRET, sub, claims.pop("roles", [ADMIN]), claims.pop("tenant", self.tenant), seconds)

    def link(self, seconds: float = 3600, url: str | None = None) -> str:
        """The dashboard's address, with a token in its fragment."""
        return f"{url or self.url}/analytics#token={self.token(seconds)}"

    async def post(self, name: str, body: Any = None, **event: Any) -> Json:
        async with httpx2.AsyncClient(base_url=self.url, headers={"X-Tracking-Key": key(self.tenant)}) as client:
            answer = await client.post(f"{TRACK}/{name}", json=event if body is None else body)
        assert answer.status_code == 201, answer.text
        found: Json = answer.json()
        return found

    async def get(self, path: str, **params: Any) -> Json:
        headers = {"Authorization": f"Bearer {self.token()}"}
        async with httpx2.AsyncClient(base_url=self.url, headers=headers) as client:
            answer = await client.get(f"{API}/{path}", params=params)
        assert answer.status_code == 200, answer.text
        found: Json = answer.json()
        return found

    async def metric(self, name: str) -> float:
        """The value of one of the service's own metrics, summed over its labels."""
        async with httpx2.AsyncClient(base_url=self.url) as client:
            text = (await client.get("/metrics")).text
        return sum(float(line.rpartition(" ")[2]) for line in text.splitlines() if re.match(rf"{name}[ {{]", line))

    async def login(self, user: str, **fields: Any) -> Json:
        return await self.post("activity-public", user_id=user, username=user, activity_type="login", **fields)

    async def replay(self, seed: int) -> None:
        """Post an hour of made-up traffic at once."""
        arguments = ("replay", "--sample", "--speed", "0", "--seed", str(seed), "--url", self.url, "--key-file", "-")
        replayed = await asyncio.to_thread(self.command, *arguments, text=key(self.tenant))
        assert replayed.returncode == 0, replayed.stderr


def key(tenant: str) -> str:
    return f"key-of-{tenant}-0123456789"


async def started(folder: Path) -> Served:
    tenants = ["default", "acme", *(f"t{number}" for number in range(TENANTS))]
    keys = ",".join(f"{tenant}:{key(tenant)}" for tenant in tenants)
    site_port = free_port()
    origin = f"http://127.0.0.1:{site_port}"
    served = Served(folder, HEARTBEAT_SECONDS="1", TRACKING_KEYS=keys, ALLOWED_ORIGINS=origin)
    served.site_port = site_port
    await served.start()
    return served


@pytest_asyncio.fixture(loop_scope="module")
async def own_service(tmp_path: Path) -> AsyncIterator[Served]:
    """The service on an empty database, for a test that ends it, or starts it anew."""
    served = await started(tmp_path)
    yield served
    served.stop_if_running()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[Served, Iterator[int]]]:
    """A service that the tests of a file share."""
    served = await started(tmp_path_factory.mktemp("shared"))
    yield served, itertools.count()
    served.stop_if_running()


@pytest.fixture
def service(shared: tuple[Served, Iterator[int]]) -> Served:
    """The shared service, for a tenant that no other test has."""
    served, numbers = shared
    return served.of(f"t{next(numbers)}")


async def until_equal(read: Callable[[], Awaitable[dict[str, str]]], service: Served) -> None:
    """Wait until what *read* takes from the screen is the service's own snapshot; none was found wrong before."""
    async with asyncio.timeout(15):
        while await read() != written((await service.get("snapshot"))["summary"]):  # noqa: ASYNC110
            await asyncio.sleep(0.1)
    assert await service.metric("convoai_panel_disagreements_total") == 0
    assert await service.metric("convoai_feed_disagreements_total") == 0


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
