"""How an admin gets in, in every tab, and out of all of them."""

import re
from collections.abc import Awaitable, Callable

import pytest
from playwright.async_api import Page, expect

from tests.panel.browser import Visitor
from tests.panel.screen import equal_snapshot, status
from tests.panel.served import Served

pytestmark = pytest.mark.asyncio(loop_scope="module")

Visit = Callable[..., Awaitable[Visitor]]


async def test_every_tab_is_signed_in(service: Served, visit: Visit) -> None:
    """A second tab, and a user that is opened in a new tab by the middle button, need no token."""
    await service.login("Grace")
    visitor = await visit()
    first = await visitor.tab(service.link())
    await status(first, "live")
    second = await visitor.tab(f"{service.url}/analytics#users")
    await status(second, "live")
    link = second.get_by_role("link", name="Grace").first
    async with visitor.context.expect_page() as opened:
        await link.click(button="middle")
    tab = await opened.value
    await status(tab, "live")
    await expect(tab.get_by_role("main")).to_contain_text("Grace")


async def test_signing_out_signs_out_all_tabs(service: Served, visit: Visit) -> None:
    """Signed out in one tab, no tab shows a figure any more; signed in again in one, all are."""
    await service.login("Grace")
    visitor = await visit()
    tabs = [await visitor.tab(service.link()), *[await visitor.tab(f"{service.url}/analytics") for _ in range(2)]]
    for tab in tabs:
        await tab.bring_to_front()
        await status(tab, "live")
    await tabs[1].get_by_role("button", name="Sign out").click()
    for tab in tabs:
        await tab.bring_to_front()
        await status(tab, "signed-out")
        await expect(tab.get_by_role("main")).not_to_contain_text("Grace")
    await sign_in(tabs[0], service.token())
    for tab in tabs:
        await tab.bring_to_front()
        await status(tab, "live")
        await equal_snapshot(tab, service)


async def sign_in(page: Page, token: str) -> None:
    await page.get_by_label("Token").fill(token)
    await page.get_by_role("button", name="Sign in", exact=True).click()


async def test_the_page_says_the_services_reason(service: Served, visit: Visit) -> None:
    """A token that is refused stays on the page's form, with the service's own reason and the setting's name."""
    page = await (await visit()).tab(f"{service.url}/analytics")
    await status(page, "signed-out")
    for token, reason, setting in (
        (service.token(roles=["user"]), "does not have the role admin", "ANALYTICS_JWT_ADMIN_ROLE"),
        ("garbage", "the token is not valid", None),
        (service.token(seconds=-60), "the token has expired", None),
    ):
        await sign_in(page, token)
        alert = page.get_by_role("alert")
        await expect(alert).to_contain_text(reason)
        if setting:
            await expect(alert.get_by_text(setting)).to_have_js_property("tagName", "CODE")
        await expect(page.get_by_label("Token")).to_be_focused()
    await page.get_by_label("Token").fill("")
    await page.get_by_role("button", name="Sign in", exact=True).click()
    await expect(page.get_by_role("alert")).to_contain_text("Paste a token first")
    await sign_in(page, service.token())
    await status(page, "live")


async def test_a_link_that_cannot_sign_in_says_why(service: Served, visit: Visit) -> None:
    """An expired link says so: on the form to who is signed out, above the figures to who is signed in."""
    page = await (await visit()).tab(service.link(seconds=-60))
    await expect(page.get_by_role("alert")).to_contain_text("the token has expired")
    await page.goto("about:blank")
    await page.goto(service.link())
    await status(page, "live")
    await page.goto(service.link(seconds=-60))
    notice = page.get_by_role("alert").filter(has_text="The link could not sign you in: the token has expired")
    await expect(notice).to_be_visible()
    await page.get_by_role("button", name="Close").click()
    await expect(notice).to_have_count(0)
    await status(page, "live")


@pytest.mark.parametrize("button", ["left", "middle"])
async def test_the_panel_hands_its_reader_over(service: Served, visit: Visit, button: str) -> None:
    """The panel of another origin opens the dashboard signed in; the code has left the address, and works once."""
    await service.login("Grace")
    with service.site() as site:
        visitor = await visit()
        host = await visitor.tab(site.origin)
        await host.get_by_role("button", name="📊 Analytics").click()
        await status(host, "live")
        codes: list[str] = []
        visitor.context.on("request", lambda request: codes.extend(re.findall("code=([^&]+)", request.url)))
        async with visitor.context.expect_page() as opened:
            await host.get_by_label("Open the full dashboard").click(button=button)  # type: ignore[arg-type]
        tab = await opened.value
        await status(tab, "live")
        assert tab.url == f"{service.url}/analytics"
        assert await tab.evaluate("window.opener") is None
        await equal_snapshot(tab, service)
        used = (await host.evaluate("performance.getEntriesByType('resource').map((entry) => entry.name)"))[-1]
        assert "session/codes" in used


async def test_the_panel_renews_what_it_handed_over(service: Served, visit: Visit) -> None:
    """The dashboard outlives the token that it was opened with, for as long as the panel's page has newer ones."""
    with service.site(seconds=6) as site:
        visitor = await visit()
        host = await visitor.tab(site.origin)
        await host.get_by_role("button", name="📊 Analytics").click()
        await status(host, "live")
        async with visitor.context.expect_page() as opened:
            await host.get_by_label("Open the full dashboard").click()
        tab = await opened.value
        await status(tab, "live")
        await tab.wait_for_timeout(10_000)
        await status(tab, "live")
        await host.close()
        await tab.bring_to_front()
        await status(tab, "signed-out")


async def test_without_cookies_the_token_stays_in_its_tab(service: Served, visit: Visit) -> None:
    """Where no cookie is kept, a token opens this tab alone, as it did before there were sessions."""
    visitor = await visit()

    # Taken out of the answer, as a browser does that blocks cookies.
    async def without_cookies(route) -> None:  # type: ignore[no-untyped-def]
        answer = await route.fetch()
        headers = {name: value for name, value in answer.headers.items() if name != "set-cookie"}
        await visitor.context.clear_cookies()
        await route.fulfill(response=answer, headers=headers)

    await visitor.context.route("**/api/v1/analytics/session", without_cookies)
    page = await visitor.tab(service.link())
    await status(page, "live")
    await page.reload()
    await status(page, "live")
    await page.get_by_role("button", name="Sign out").click()
    await status(page, "signed-out")
