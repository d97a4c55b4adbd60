"""The language of dashboard and panel: one for all texts, numbers and dates of a page."""

import re
from collections.abc import Awaitable, Callable, Iterator

import pytest
import pytest_asyncio
from playwright.async_api import expect

from tests.panel.browser import Visitor
from tests.panel.looks import faults, overflow, shoot
from tests.panel.served import Served

pytestmark = pytest.mark.asyncio(loop_scope="module")

Visit = Callable[..., Awaitable[Visitor]]
VIEWS = {
    "overview": "Übersicht",
    "costs": "Kosten",
    "explore": "Erkunden",
    "activity": "Aktivität",
    "users": "Nutzer",
    "conversations": "Unterhaltungen",
    "api": "API-Nutzung",
    "days": "Tagesstatistik",
}
ENGLISH = re.compile(
    r"\b(the|and|of|is|are|to|with|by|no|not|all|users?|messages?|activit(y|ies)|conversations?|calls?|errors?|days?|hours?|"
    r"minutes?|mean|range|show|load(ing)?|refresh|sign|last|most|ago|now|overview|Mon|Tue|Wed|Thu|Fri|Sat|Sun|Oct|Dec|[ap]m)\b",
    re.IGNORECASE,
)
"""Words of the page in English that are no German words."""
DATA = re.compile(r"[\w/.-]*(user|assistant|system|/v1/|u-\d|c-\d)[\w/.-]*|[A-Z]\w+ (Ito|Park)")
"""What the events hold, which is never translated."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def busy(shared: tuple[Served, Iterator[int]]) -> Served:
    """The service with an hour of traffic, and LLM calls."""
    served = shared[0].of("acme")
    await served.fill()
    return served


async def test_a_german_browser_has_a_german_page(busy: Served, visit: Visit) -> None:
    """In a German browser no view has an English word, axe finds nothing, and nothing is wider than the window."""
    page = await (await visit(locale="de-DE")).tab(busy.link())
    await expect(page.locator("convoai-status[kind=live]")).to_be_visible()
    assert await page.locator("html").get_attribute("lang") == "de-DE"
    for view, title in VIEWS.items():
        await page.goto(f"{busy.url}/analytics#{view}")
        await expect(page.get_by_role("heading", level=1)).to_have_text(title)
        settled = page.locator("dashboard-chart .total" if view == "overview" else "dashboard-table tbody tr th, td")
        await expect(settled.first).to_be_visible()
        for device, width in (("phone", 360), ("desk", 1440)):
            await page.set_viewport_size({"width": width, "height": 900})
            await page.wait_for_timeout(250)
            await shoot(page, f"dashboard-{view}-german-{device}")
            assert await overflow(page) == 0, (view, device)
        text = DATA.sub("", await page.locator("convoai-dashboard").inner_text())
        assert ENGLISH.findall(text) == [], view
        assert await faults(page) == [], view


async def test_dates_and_numbers_are_german_too(service: Served, visit: Visit) -> None:
    """A date, a time and a number of a German page are written as in Germany, those of an English one as in English."""
    await service.login("ada", timestamp="2026-10-26T14:05:00.000Z")
    for locale, day, written, full in (
        ("de-DE", "Montag, 26. Oktober", "14:05", "26.10.2026, 14:05:00"),
        ("fr-FR", "Monday, October 26", "2:05 PM", "Oct 26, 2026, 2:05:00 PM"),
    ):
        page = await (await visit(locale=locale)).tab(service.link())
        await page.goto(f"{service.url}/analytics#activity?range=90d")
        await expect(page.locator("dashboard-table .day")).to_have_text(day)
        await expect(page.locator("dashboard-table tbody time")).to_have_text(written)
        await expect(page.locator("dashboard-table tbody time")).to_have_attribute("title", full)


async def test_an_attribute_chooses_the_language_of_the_panel(service: Served, visit: Visit) -> None:
    """The panel follows `lang` of its element, else of the page, at once when either changes; else the browser."""
    with service.site() as site:
        await service.login("ada")
        page = await (await visit(locale="de-DE")).tab(site.origin)
        await page.evaluate("panel.show()")
        dialog = page.get_by_role("dialog")
        for attributes, title in (
            ("panel.lang = 'de'", "Aktivste Nutzer"),
            ("panel.removeAttribute('lang')", "Most active users"),
            ("document.documentElement.lang = 'de-AT'", "Aktivste Nutzer"),
            ("document.documentElement.lang = 'en-GB'", "Most active users"),
            ("document.documentElement.removeAttribute('lang')", "Aktivste Nutzer"),
            ("document.documentElement.lang = 'no language'", "Aktivste Nutzer"),
        ):
            await page.evaluate(attributes)
            await expect(dialog.get_by_role("heading", name=title)).to_be_visible()
        assert await dialog.get_attribute("lang") == "de-DE"
        assert ENGLISH.findall(DATA.sub("", await dialog.inner_text())) == []


async def test_german_texts_are_loaded_by_those_who_read_them(service: Served, visit: Visit) -> None:
    """An English page does not load the German texts, and a German one loads them once."""
    loaded = {}
    for locale in ("en-US", "de-DE"):
        page = await (await visit(locale=locale)).tab(service.link())
        await expect(page.locator("convoai-status[kind=live]")).to_be_visible()
        names = await page.evaluate("performance.getEntriesByType('resource').map(entry => entry.name)")
        loaded[locale] = [name for name in names if "german" in name]
    assert loaded["en-US"] == []
    assert len(loaded["de-DE"]) == len(set(loaded["de-DE"])) > 0
