"""The panel in a page of somebody else, on another origin, under a strict policy."""

import re
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from playwright.async_api import expect

from storage.model import clock
from tests.panel.browser import Visitor
from tests.panel.screen import shown, until_equal
from tests.panel.served import Served
from tests.panel.site import Site
from tests.samples.events import MESSAGE

pytestmark = pytest.mark.asyncio(loop_scope="module")

DOCUMENT = (Path(__file__).parent.parent.parent / "docs" / "embedding.md").read_text()
Visit = Callable[..., Awaitable[Visitor]]


@pytest.fixture
def site(service: Served) -> Iterator[Site]:
    with service.site() as site:
        yield site


async def test_the_panel_lives_on_another_origin(service: Served, site: Site, visit: Visit) -> None:
    """One script and one tag: the host's button opens the panel, its figures are exact and move by themselves."""
    page = await (await visit()).tab(site.origin)
    panel = page.locator("convoai-analytics-panel")
    await expect(panel.get_by_role("dialog")).not_to_be_visible()
    await page.get_by_role("button", name="📊 Analytics").click()
    await expect(panel.locator("convoai-status[kind=live]")).to_be_visible()
    await service.post("message-public", **{**MESSAGE, "response_time": 1.5})
    await service.login("Grace", timestamp=clock.text(datetime.now(UTC) - timedelta(minutes=5)))
    await until_equal(lambda: shown(panel), service)
    await expect(panel.locator("convoai-activities")).to_contain_text("Grace")
    await expect(panel.locator("convoai-activities")).to_contain_text("5m ago")
    await expect(panel.locator("convoai-ranking")).to_contain_text("Grace")


async def test_an_empty_page_has_the_panel(service: Served, visit: Visit) -> None:
    """The page that docs/embedding.md gives to try shows the panel, live."""
    page = re.findall(r"```html\n(<!doctype.*?)```", DOCUMENT, re.DOTALL)[0].replace(
        "http://127.0.0.1:8002", service.url
    )
    with service.site(page) as site:
        visitor = await visit()
        visitor.context.on("dialog", lambda dialog: dialog.accept(service.token()))
        tab = await visitor.tab(site.origin)
        await expect(tab.locator("convoai-status[kind=live]")).to_be_visible(timeout=15_000)
        await service.login("Grace")
        await until_equal(lambda: shown(tab), service)


async def test_an_origin_that_is_not_listed_gets_nothing(service: Served, visit: Visit) -> None:
    """A page of an origin that is not allowed shows no figure, and says which setting with which origin allows it."""
    with Site(service.url, service.token) as stranger:
        await service.login("secret")
        visitor = await visit()
        page = await visitor.tab(stranger.origin)
        await page.get_by_role("button", name="📊 Analytics").click()
        await expect(page.locator("convoai-analytics-panel")).to_contain_text("does not allow this page")
        await expect(page.locator("convoai-analytics-panel")).to_contain_text(
            f"ANALYTICS_ALLOWED_ORIGINS={stranger.origin}"
        )
        await expect(page.locator("convoai-figure")).to_have_count(0)
        # The browser says so in its console, as it should.
        visitor.failures.clear()


async def test_a_service_that_is_gone_is_no_refusal(own_service: Served, visit: Visit) -> None:
    """Without the service the panel says that it cannot be reached, and names no setting."""
    with own_service.site() as site:
        page = await (await visit()).tab(site.origin)
        own_service.kill()
        await page.get_by_role("button", name="📊 Analytics").click()
        await expect(page.locator("convoai-analytics-panel")).to_contain_text("cannot be reached")
        await expect(page.locator("convoai-analytics-panel")).not_to_contain_text("ANALYTICS_ALLOWED_ORIGINS")


async def test_a_page_without_a_token_is_told(service: Served, visit: Visit) -> None:
    """A script and a tag alone show a button that says what is missing, and one warning; a token ends both."""
    page = f"""<!doctype html><title>Shop</title><script src="{service.url}/analytics/panel.js"></script>
        <convoai-analytics-panel own-button></convoai-analytics-panel>"""
    with service.site(page) as site:
        visitor = await visit()
        tab = await visitor.tab(site.origin)
        await tab.get_by_role("button", name="Analytics: no token").click()
        await expect(tab.get_by_role("dialog")).to_contain_text("getToken")
        assert [failure for failure in visitor.failures if "getToken" in failure] == visitor.failures
        assert len(visitor.failures) == 1
        visitor.failures.clear()
        await tab.evaluate(
            "token => { document.querySelector('convoai-analytics-panel').getToken = () => token }", service.token()
        )
        await expect(tab.locator("convoai-status[kind=live]")).to_be_visible()
        await expect(tab.get_by_role("dialog")).not_to_contain_text("getToken")


async def test_escape_closes_and_focus_goes_back(site: Site, visit: Visit) -> None:
    """The keyboard alone opens the panel, walks through it, and closes it; the focus returns to the button."""
    page = await (await visit()).tab(site.origin)
    button = page.get_by_role("button", name="📊 Analytics")
    await button.focus()
    await page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog")
    await expect(dialog).to_be_visible()
    await expect(dialog.get_by_role("heading", level=2)).to_be_focused()
    await page.keyboard.press("Tab")
    await expect(dialog.get_by_role("button", name="Refresh now")).to_be_focused()
    await page.keyboard.press("Escape")
    await expect(dialog).not_to_be_visible()
    await expect(button).to_be_focused()


async def test_it_remembers_that_it_was_open(site: Site, visit: Visit) -> None:
    """On the next page the panel is as it was left: open for an admin who left it open."""
    page = await (await visit()).tab(site.origin)
    await page.get_by_role("button", name="📊 Analytics").click()
    await expect(page.get_by_role("dialog")).to_be_visible()
    await page.reload()
    await expect(page.get_by_role("dialog")).to_be_visible()
    await page.keyboard.press("Escape")
    await page.reload()
    await expect(page.locator("convoai-analytics-panel")).to_be_attached()
    await expect(page.get_by_role("dialog")).not_to_be_visible()


async def test_only_admins_see_its_own_button(service: Served, site: Site, visit: Visit) -> None:
    """The panel's own button is there for a token with the role admin, and for no other."""
    page = await (await visit()).tab(site.origin)
    own = page.locator("convoai-analytics-panel").get_by_role("button", name="Analytics", exact=True)
    await page.evaluate(
        "token => { panel.getToken = () => token; panel.ownButton = true }", service.token(roles=["user"])
    )
    await page.wait_for_timeout(300)
    await expect(own).to_have_count(0)
    await page.evaluate("token => { panel.getToken = () => token }", service.token())
    await own.click()
    await expect(page.get_by_role("dialog")).to_be_visible()


async def test_someone_who_is_no_admin_is_told(service: Served, site: Site, visit: Visit) -> None:
    """A token without the role shows no figure, and says why."""
    page = await (await visit()).tab(site.origin)
    await page.evaluate("token => { panel.getToken = () => token; panel.show() }", service.token(roles=["user"]))
    await expect(page.get_by_role("dialog")).to_contain_text("For admins only")
    await expect(page.locator("convoai-figure")).to_have_count(0)
