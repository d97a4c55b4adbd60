"""How an admin gets in with a certified OpenID provider, through its own login page."""

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Page, expect

from tests.panel.browser import Visitor
from tests.panel.screen import status
from tests.panel.served import Served
from tests.servers.settings import SECRET
from tests.web.sign_in.open_id.certified import Certified
from web.auth.tokens import own_token
from web.settings import Settings

pytestmark = pytest.mark.asyncio(loop_scope="module")

Visit = Callable[..., Awaitable[Visitor]]


@pytest_asyncio.fixture(loop_scope="module", params=["in the ID token", "at the userinfo endpoint", "by post"])
async def trusting(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[tuple[Served, Certified]]:
    """A service and its provider: with the claims in either place, and with either way to show the client's secret."""
    served = Served(tmp_path, HEARTBEAT_SECONDS="1")
    method = "client_secret_post" if request.param == "by post" else "client_secret_basic"
    callback = f"{served.url}/api/v1/analytics/sign-in/oidc/callback"
    provider = Certified([callback], is_thin=request.param == "at the userinfo endpoint", method=method)
    await provider.start()
    served.environment.update({f"ANALYTICS_{name}": value for name, value in provider.settings.items()})
    await served.start()
    yield served, provider
    served.stop_if_running()
    provider.stop()


async def log_in(visitor: Visitor, page: Page, provider: Certified, name: str) -> None:
    """Go through the provider's own pages, whose words in the console are not ours."""
    await page.get_by_role("button", name="Continue with Example").click()
    await page.wait_for_url(f"{provider.issuer}/**")
    await page.get_by_placeholder("Enter any login").fill(name)
    await page.get_by_placeholder("and password").fill("any")
    await page.get_by_role("button", name="Sign-in").click()
    await page.get_by_role("button", name="Continue").click()
    await page.wait_for_url(f"{provider.callback.partition('/api')[0]}/analytics**")
    visitor.failures.clear()


async def test_an_admin_gets_in(trusting: tuple[Served, Certified], visit: Visit) -> None:
    """Through the provider's login the dashboard shows the view that was asked for, in all tabs, until signed out."""
    served, provider = trusting
    visitor = await visit()
    page = await visitor.tab(f"{served.url}/analytics#users")
    await status(page, "signed-out")
    await expect(page.get_by_label("Token")).not_to_be_visible()
    await log_in(visitor, page, provider, "admin-ada")
    await status(page, "live")
    await expect(page.get_by_role("heading", level=1)).to_have_text("Users")
    assert re.search(r"code|state", page.url) is None
    second = await visitor.tab(f"{served.url}/analytics")
    await status(second, "live")
    await second.get_by_role("button", name="Sign out").click()
    for tab in (second, page):
        await tab.bring_to_front()
        await status(tab, "signed-out")


async def test_who_is_no_admin_is_told_why(trusting: tuple[Served, Certified], visit: Visit) -> None:
    """Somebody without the role sees the service's own reason, with the settings; the token box is under Advanced."""
    served, provider = trusting
    visitor = await visit()
    page = await visitor.tab(f"{served.url}/analytics")
    await log_in(visitor, page, provider, "bob")
    alert = page.get_by_role("alert")
    await expect(alert).to_contain_text("does not have the role admin")
    await expect(alert).to_contain_text("ANALYTICS_JWT_ADMIN_ROLE")
    await page.get_by_text("Advanced").click()
    token = own_token(Settings.read(served.environment), SECRET, "ada", "default", 600)
    await page.get_by_label("Token").fill(token)
    await page.get_by_role("button", name="Sign in", exact=True).click()
    await status(page, "live")


async def test_who_gives_up_is_told_so(trusting: tuple[Served, Certified], visit: Visit) -> None:
    """Who cancels at the provider comes back to the page, which says what the provider said."""
    served, provider = trusting
    visitor = await visit()
    page = await visitor.tab(f"{served.url}/analytics")
    await page.get_by_role("button", name="Continue with Example").click()
    await page.wait_for_url(f"{provider.issuer}/**")
    await page.get_by_role("link", name="Cancel").click()
    await expect(page.get_by_role("alert")).to_contain_text("the provider says: access_denied")
    visitor.failures.clear()
