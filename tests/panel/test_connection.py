"""What an admin sees when the way to the service is long, broken, shared or forbidden."""

import asyncio
import random
from collections.abc import Awaitable, Callable

import pytest
from playwright.async_api import expect

from tests.panel.browser import Visitor
from tests.panel.proxy import Proxy
from tests.panel.screen import SECONDS, equal_snapshot, shown, status, total, until_equal
from tests.panel.served import Served
from tests.samples.events import MESSAGE

pytestmark = pytest.mark.asyncio(loop_scope="module")

Visit = Callable[..., Awaitable[Visitor]]


async def test_an_event_is_on_screen_at_once(service: Served, visit: Visit) -> None:
    """A message that a service posts is counted on the open dashboard, without anybody's doing."""
    page = await (await visit()).tab(service.link())
    await status(page, "live")
    await service.post("message-public", **MESSAGE)
    await expect(total(page, "Total messages")).to_have_text("1", timeout=5000)
    await equal_snapshot(page, service)


async def test_a_killed_service_comes_back_exact(own_service: Served, visit: Visit) -> None:
    """While the service is gone the page says that it reconnects; when it is back, the figures are exact again."""
    page = await (await visit()).tab(own_service.link())
    await status(page, "live")
    # The code of the chart, which comes with the first event, cannot be fetched at first.
    await page.route("**/assets/chart-*.js", lambda route: route.abort(), times=1)
    await own_service.login("before")
    own_service.kill()
    await status(page, "reconnecting")
    await expect(page.locator("convoai-status").first).to_contain_text("Reconnecting")
    await own_service.start()
    for number in range(5):
        await own_service.login(f"after-{number}")
    await status(page, "live")
    await equal_snapshot(page, own_service)
    # It was fetched when the service was back.
    await expect(page.locator("dashboard-chart canvas").first).to_be_visible()
    assert await page.evaluate("performance.getEntriesByType('navigation').length") == 1


async def test_a_cut_network_makes_figures_stale(service: Served, visit: Visit) -> None:
    """When nothing comes any more, and nobody says why, the figures are told to be stale; then they catch up."""
    async with Proxy(service.port) as network:
        page = await (await visit()).tab(service.link(url=network.url))
        await status(page, "live")
        network.cut()
        await expect(page.locator("convoai-status").first).to_contain_text(
            "stale since", ignore_case=True, timeout=SECONDS
        )
        await service.login("meanwhile")
        network.mend()
        await status(page, "live")
        await equal_snapshot(page, service)


async def test_where_websockets_are_blocked_it_streams(own_service: Served, visit: Visit) -> None:
    """In a network that knows HTTP alone the figures come over an event stream, as live as ever."""
    async with Proxy(own_service.port) as network:
        network.refuses_upgrades = True
        page = await (await visit()).tab(own_service.link(url=network.url))
        await status(page, "live")
        await own_service.post("message-public", **MESSAGE)
        await expect(total(page, "Total messages")).to_have_text("1", timeout=5000)
        await equal_snapshot(page, own_service)
        own_service.kill()
        await status(page, "reconnecting")
        await own_service.start()
        await own_service.login("after the restart")
        await status(page, "live")
        await equal_snapshot(page, own_service)
        assert await own_service.metric("convoai_panels") == 1


async def test_a_stream_gets_its_new_tokens(own_service: Served, visit: Visit) -> None:
    """Over event streams, too, a panel whose tokens last four seconds stays live: each is replaced in time."""
    async with Proxy(own_service.port) as network:
        network.refuses_upgrades = True
        with own_service.site(seconds=4, url=network.url) as site:
            page = await (await visit()).tab(site.origin)
            await page.get_by_role("button", name="📊 Analytics").click()
            await status(page, "live")
            asked = site.tokens
            async with asyncio.timeout(30):
                while site.tokens < asked + 3:
                    await asyncio.sleep(0.1)
                    assert await page.locator("convoai-status[kind=live]").count() == 1
            assert await own_service.metric("convoai_panel_closes_total") == 0
            await own_service.login("still here")
            await expect(page.locator("convoai-activities")).to_contain_text("still here")


async def test_where_nothing_streams_it_polls(service: Served, visit: Visit) -> None:
    """In a network that keeps answers back until they end the figures are polled, and the page says so."""
    async with Proxy(service.port) as network:
        network.refuses_upgrades = network.gathers = True
        page = await (await visit()).tab(service.link(url=network.url))
        await status(page, "polling", 2 * SECONDS)
        await expect(page.locator("convoai-status").first).to_contain_text("Polling every 30 s")
        await service.login("polled")
        await page.get_by_role("button", name="Refresh now").first.click()
        await equal_snapshot(page, service)


@pytest.mark.parametrize("way", ["socket", "stream"])
async def test_wrong_figures_are_noticed_and_replaced(own_service: Served, visit: Visit, way: str) -> None:
    """A figure that came to the browser as another one is replaced at the next heartbeat, and the service counts it."""
    # Long enough for the wrong figure to be seen.
    own_service.terminate()
    own_service.environment["ANALYTICS_HEARTBEAT_SECONDS"] = "2"
    await own_service.start()
    async with Proxy(own_service.port) as network:
        network.refuses_upgrades, network.plain = way == "stream", True
        visitor = await visit()
        page = await visitor.tab(own_service.link(url=network.url))
        await status(page, "live")
        network.garbles = (b'"total_messages":1', b'"total_messages":7')
        await own_service.post("message-public", **MESSAGE)
        messages = total(page, "Total messages")
        await expect(messages).to_have_text("7", timeout=SECONDS)
        await expect(messages).to_have_text("1", timeout=SECONDS)
        await status(page, "live")
        assert await own_service.metric("convoai_panel_disagreements_total") == 1
        assert [failure for failure in visitor.failures if "were wrong" not in failure] == []
        visitor.failures.clear()


async def test_tabs_share_one_connection(own_service: Served, visit: Visit) -> None:
    """Two tabs cost the service one connection; when the one that leads is closed, the other goes on."""
    visitor = await visit()
    first = await visitor.tab(own_service.link())
    await status(first, "live")
    second = await visitor.tab(own_service.link())
    await status(second, "live")
    assert await own_service.metric("convoai_panels") == 1
    await own_service.login("for both")
    await equal_snapshot(first, own_service)
    await second.bring_to_front()
    await equal_snapshot(second, own_service)
    await first.close()
    await own_service.login("for one")
    await status(second, "live")
    await equal_snapshot(second, own_service)
    assert await own_service.metric("convoai_panels") == 1


async def test_all_tabs_are_of_one_person(own_service: Served, visit: Visit) -> None:
    """When somebody else, of another tenant, is signed in, all tabs of the browser show that person's figures."""
    visitor = await visit()
    first = await visitor.tab(own_service.link())
    await status(first, "live")
    await own_service.login("ours")
    await equal_snapshot(first, own_service)
    other = own_service.token(sub="eve", tenant="acme")
    second = await visitor.tab(f"{own_service.url}/analytics#token={other}")
    await second.get_by_role("button", name="Use the link").click()
    for tab in (second, first):
        await tab.bring_to_front()
        await expect(tab.locator("dashboard-first-steps")).to_be_visible()
    assert await own_service.metric("convoai_panels") == 1


async def test_a_frozen_tab_catches_up(service: Served, visit: Visit) -> None:
    """A tab that the browser froze shows the figures of now as soon as it is thawed."""
    visitor = await visit()
    page = await visitor.tab(service.link())
    await status(page, "live")
    devtools = await visitor.context.new_cdp_session(page)
    await devtools.send("Page.setWebLifecycleState", {"state": "frozen"})
    for number in range(30):
        await service.login(f"u{number % 7}")
    await devtools.send("Page.setWebLifecycleState", {"state": "active"})
    await status(page, "live")
    await equal_snapshot(page, service)


async def test_a_token_is_renewed_before_it_ends(own_service: Served, visit: Visit) -> None:
    """A panel whose tokens last four seconds stays live on one connection: each is replaced in time."""
    with own_service.site(seconds=4) as site:
        page = await (await visit()).tab(site.origin)
        await page.get_by_role("button", name="📊 Analytics").click()
        await status(page, "live")
        asked = site.tokens
        async with asyncio.timeout(30):
            while site.tokens < asked + 4:
                await asyncio.sleep(0.1)
                assert await page.locator("convoai-status[kind=live]").count() == 1
        assert await own_service.metric("convoai_panel_closes_total") == 0
        await own_service.login("still here")
        await expect(page.locator("convoai-activities")).to_contain_text("still here")


async def test_an_expired_token_signs_out(service: Served, visit: Visit) -> None:
    """When the token ends and there is no other, the page says so and how to get one; a pasted one goes on."""
    page = await (await visit()).tab(service.link(seconds=8))
    await status(page, "live")
    await status(page, "signed-out")
    await expect(page.get_by_role("main")).to_contain_text("convoai-analytics token")
    await expect(page.locator("dashboard-totals")).to_have_count(0)
    await page.get_by_label("Token").fill(service.token())
    await page.get_by_role("button", name="Sign in").click()
    await status(page, "live")
    await equal_snapshot(page, service)


async def test_the_token_leaves_the_address(service: Served, visit: Visit) -> None:
    """The fragment's token is erased from address and history at once, and no script can read what takes its place."""
    page = await (await visit()).tab(service.link())
    await status(page, "live")
    assert "token" not in page.url
    await page.reload()
    await status(page, "live")
    assert await page.evaluate("JSON.stringify([localStorage, sessionStorage, document.cookie])") == '[{},{},""]'


async def test_a_link_asks_before_it_signs_in_somebody_else(service: Served, visit: Visit) -> None:
    """A link with another person's token changes nothing until it is allowed to, and leaves the address at once."""
    page = await (await visit()).tab(service.link())
    await status(page, "live")
    link = f"{service.url}/analytics#view=users&token={service.token(sub='eve')}"
    asked = page.get_by_role("alert").filter(has_text="This link signs you in as eve. You are signed in as ada.")
    for anew in (False, True):
        if anew:
            # From another page, so that it is loaded, which it is not for a change of the fragment.
            await page.goto("about:blank")
        await page.goto(link)
        await expect(asked).to_be_visible()
        assert "token" not in page.url
        await status(page, "live")
        await page.get_by_role("button", name="Stay").click()
        await expect(asked).to_have_count(0)
    await page.goto(link)
    async with page.expect_event("load"):
        await page.get_by_role("button", name="Use the link").click()
    await status(page, "live")
    await expect(asked).to_have_count(0)
    session = "fetch('/api/v1/analytics/session', {headers: {'X-Page-Origin': location.origin}})"
    assert await page.evaluate(f"{session}.then((answer) => answer.json()).then((found) => found.subject)") == "eve"


async def test_the_figures_are_the_snapshot_after_an_hour_of_traffic(own_service: Served, visit: Visit) -> None:
    """After a random hour of traffic at once, what dashboard and panel show is the service's snapshot."""
    with own_service.site() as site:
        visitor = await visit()
        page, host = await visitor.tab(own_service.link()), await visitor.tab(site.origin)
        await host.get_by_role("button", name="📊 Analytics").click()
        await status(page, "live")
        await status(host, "live")
        seed = random.randrange(1_000_000)
        await own_service.replay(seed)
        await equal_snapshot(page, own_service)
        await host.bring_to_front()
        await until_equal(lambda: shown(host), own_service)
