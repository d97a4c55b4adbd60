"""From a figure to what it is made of: pages about one thing, filters that stay, the search, and saved views."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from playwright.async_api import Locator, Page, expect

from storage.model import clock
from tests.panel.browser import Visitor
from tests.panel.looks import faults, overflow, shoot
from tests.panel.served import Served

pytestmark = pytest.mark.asyncio(loop_scope="module")

Visit = Callable[..., Awaitable[Visitor]]
Json = dict[str, Any]

PAGES = ("user?id=ada", "conversation?id=c-1", "endpoint?id=/v1/chat", "model?id=large")


def ago(minutes: float) -> str:
    return clock.text(datetime.now(UTC) - timedelta(minutes=minutes))


async def fill(service: Served) -> None:
    """A conversation of three messages with a gap of an hour, and calls of which some fail, by two users."""
    message = {"type": "message", "conversation_id": "c-1", "user_id": "ada", "token_count": 10}
    events: list[Json] = [
        {"type": "activity", "user_id": "ada", "username": "Ada L.", "activity_type": "login", "timestamp": ago(130)},
        {"type": "activity", "user_id": "bob", "username": "Bob", "activity_type": "login", "timestamp": ago(130)},
        {**message, "message_id": "m-1", "role": "user", "timestamp": ago(125)},
        {
            **message,
            "message_id": "m-2",
            "role": "assistant",
            "response_time": 2,
            "model_used": "large",
            "timestamp": ago(124.5),
        },
        {**message, "message_id": "m-3", "role": "user", "timestamp": ago(64.5)},
    ]
    for number, status in enumerate((200, 200, 404, 500, 503)):
        call = {"endpoint": "/v1/chat", "method": "POST", "response_time": 0.1, "user_id": "ada"}
        events.append({"type": "api_usage", **call, "status_code": status, "timestamp": ago(120 + number)})
    await service.post("batch", events)


async def opened(service: Served, visit: Visit, view: str, **options: Any) -> Page:
    page = await (await visit(**options)).tab(service.link())
    await expect(page.locator("convoai-status[kind=live]").first).to_be_visible(timeout=15_000)
    await page.goto(f"{service.url}/analytics#{view}")
    return page


async def figures(page: Page) -> dict[str, str]:
    """The figures of a page as they are on screen."""
    tiles = page.locator("detail-trend .figure")
    await expect(tiles.first).to_be_visible()
    names, values = await tiles.locator(".name").all_inner_texts(), await tiles.locator(".value").all_inner_texts()
    return dict(zip(names, [value.split()[0] if "%" in value else value for value in values], strict=True))


def heading(page: Page) -> Locator:
    return page.locator("main h2").first


async def test_everything_that_is_named_leads_to_its_page(service: Served, visit: Visit) -> None:
    """From a user to a conversation, to its model, and to an endpoint, by links alone; the way back leads back."""
    await fill(service)
    page = await opened(service, visit, "users")
    await page.get_by_role("link", name="ada", exact=True).click()
    await expect(heading(page)).to_have_text("Ada L.")
    await page.get_by_role("link", name="c-1").click()
    await expect(heading(page)).to_have_text("c-1")
    await page.locator("detail-conversation ol").get_by_role("link", name="large").click()
    await expect(heading(page)).to_have_text("large")
    await page.go_back()
    await page.go_back()
    await page.locator("detail-breakdown").get_by_role("link", name="/v1/chat").click()
    await expect(heading(page)).to_have_text("/v1/chat")
    await page.locator("detail-breakdown").get_by_role("link", name="503").click()
    await expect(page.locator("dashboard-list tbody tr:not(.day)")).to_have_count(1)
    assert page.url.endswith("?endpoint=%2Fv1%2Fchat&status=503#calls")


async def test_each_figure_is_the_services(service: Served, visit: Visit) -> None:
    """The figures of each page are those that the service's reports and lists have."""
    await fill(service)
    page = await opened(service, visit, "user?id=ada")
    user = (await service.get("users/detail", user_id="ada", interval="hour"))["figures"]
    calls = (await service.get("api-usage", user_id="ada", status="5xx"))["stats"]
    shown = await figures(page)
    assert (shown["Messages"], shown["Tokens"], shown["Conversations"]) == ("3", "30", "1")
    assert (shown["API calls"], shown["Failed calls"]) == (str(user["api_calls"]), str(calls["count"]))
    assert (shown["Activities"], shown["Mean response"]) == (str(user["activities"]), "2.00 s")
    await page.goto(f"{service.url}/analytics#endpoint?id=/v1/chat")
    await expect(heading(page)).to_have_text("/v1/chat")
    times = (await service.get("response-times", of="api_calls", endpoint="/v1/chat", interval="hour"))["total"]
    shown = await figures(page)
    assert (shown["API calls"], shown["Failed calls"], shown["Mean of calls"]) == ("5", "2", "100 ms")
    await expect(page.locator("detail-trend .figure").nth(4)).to_contain_text(
        f"{times['p95_response_time'] * 1000:.0f} ms"
    )
    await page.goto(f"{service.url}/analytics#model?id=large")
    await expect(heading(page)).to_have_text("large")
    shown = await figures(page)
    assert (shown["Messages"], shown["Tokens"], shown["Mean response"]) == ("1", "10", "2.00 s")
    await page.goto(f"{service.url}/analytics#conversation?id=c-1")
    totals = page.locator("detail-conversation .totals dd")
    await expect(totals.first).to_have_text("3")
    assert (await totals.all_inner_texts())[:4] == ["3", "30", "2.00 s", "1 hr 1 min"]


async def test_a_conversation_is_told_in_its_order(service: Served, visit: Visit) -> None:
    """Messages come oldest first, with the gap of an hour between them, tokens, model and response time."""
    await fill(service)
    page = await opened(service, visit, "conversation?id=c-1")
    messages = page.locator("detail-conversation li.message")
    await expect(messages).to_have_count(3)
    assert [await item.get_attribute("title") for item in await messages.all()] == ["m-1", "m-2", "m-3"]
    await expect(page.locator("detail-conversation li.gap")).to_have_text("1 hr later")
    assert (await messages.nth(1).inner_text()).split("\n")[1:] == ["assistant", "large", "10 tokens", "2.00 s"]
    for view, text in (("conversation?id=none", "There is no conversation"), ("user?id=none", "There is no user")):
        await page.goto(f"{service.url}/analytics#{view}")
        await expect(page.get_by_text(text)).to_be_visible()


async def test_filters_stay_through_the_views(service: Served, visit: Visit) -> None:
    """A filter is a chip and in the address of each view, says where it has no effect, and is removed by keyboard."""
    await fill(service)
    page = await opened(service, visit, "messages?user_id=bob&model_used=large")
    chips = page.locator("dashboard-chips .chip")
    await expect(chips).to_have_count(2)
    await expect(page.locator("dashboard-list").get_by_text("Nothing matches")).to_be_visible()
    await page.get_by_role("navigation").get_by_role("link", name="Activity").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("Activity")
    await expect(chips).to_have_count(2)
    await expect(page.locator("dashboard-chips .chip.unused")).to_contain_text("not used here")
    await expect(page.locator("dashboard-list tbody tr:not(.day)")).to_have_count(1)
    assert "?user_id=bob&model_used=large#activity" in page.url
    await page.get_by_role("button", name="Remove the filter User bob").press("Enter")
    await expect(page.locator("dashboard-list tbody tr:not(.day)")).to_have_count(2)
    assert page.url.endswith("?model_used=large#activity")


async def test_the_search_needs_only_the_keyboard(service: Served, visit: Visit) -> None:
    """Ctrl-K opens the search; what is typed is found by id, name or part; arrow keys and Enter open it; Escape closes
    it, and the focus is where it was."""
    await fill(service)
    page = await opened(service, visit, "users")
    await expect(page.get_by_role("link", name="ada", exact=True)).to_be_visible()
    search = page.get_by_role("combobox", name="Go to a view")
    for typed, down, title in (("L.", 0, "Ada L."), ("c-", 0, "c-1"), ("chat", 0, "/v1/chat"), ("larg", 0, "large")):
        await page.keyboard.press("Control+k")
        await expect(search).to_be_focused()
        await page.keyboard.type(typed)
        await expect(page.locator("dashboard-palette").get_by_role("option").nth(down)).to_contain_text(title)
        await page.keyboard.press("Enter")
        await expect(heading(page)).to_have_text(title)
    await page.keyboard.press("Control+k")
    await page.keyboard.press("ArrowDown")
    await page.keyboard.press("ArrowDown")
    await expect(page.locator("dashboard-palette").get_by_role("option", selected=True)).to_have_text("Explore")
    assert await faults(page) == []
    await page.keyboard.press("Escape")
    await expect(search).not_to_be_visible()
    for keys, title in (("gc", "Conversations"), ("gl", "API calls"), ("go", "Overview")):
        await page.keyboard.type(keys)
        await expect(page.get_by_role("heading", level=1)).to_have_text(title)
    await page.keyboard.press("?")
    await expect(page.get_by_role("dialog", name="Keyboard shortcuts")).to_be_visible()
    assert await faults(page) == []
    await page.keyboard.press("Escape")
    await expect(page.get_by_role("dialog", name="Keyboard shortcuts")).not_to_be_visible()


async def test_views_are_saved_for_all_admins(service: Served, visit: Visit) -> None:
    """A view is saved, opened by another admin, renamed and deleted, by keyboard; what it shows is the same page with
    its filters and range."""
    await fill(service)
    page = await opened(service, visit, "calls?user_id=ada&status=5xx&range=30d")
    await expect(page.locator("dashboard-list tbody tr:not(.day)")).to_have_count(2)
    await page.keyboard.press("s")
    await page.get_by_role("button", name="Save this view").press("Enter")
    await page.keyboard.type("Failures of Ada")
    await page.keyboard.press("Enter")
    menu = page.get_by_role("dialog", name="Saved views")
    await expect(menu.get_by_role("link")).to_have_text("Failures of Ada")
    assert await faults(page) == []
    (saved,) = (await service.get("views"))["items"]
    assert (saved["page"], saved["range"], saved["filters"]["user_id"], saved["filters"]["status"]) == (
        "calls", "30d", "ada", "5xx",
    )  # fmt: skip
    other = await opened(service, visit, "overview")
    await other.keyboard.press("s")
    await other.get_by_role("link", name="Failures of Ada").press("Enter")
    await expect(other.locator("dashboard-list tbody tr:not(.day)")).to_have_count(2)
    assert other.url.endswith("?range=30d&user_id=ada&status=5xx#calls")
    await page.get_by_role("button", name="Rename Failures of Ada").press("Enter")
    await page.keyboard.press("Control+a")
    await page.keyboard.type("Failed")
    await page.keyboard.press("Enter")
    await expect(menu.get_by_role("link")).to_have_text("Failed")
    await page.get_by_role("button", name="Delete Failed").press("Enter")
    await page.keyboard.press("Enter")
    await expect(menu.get_by_text("No view is saved yet.")).to_be_visible()
    assert (await service.get("views"))["items"] == []


async def test_a_point_leads_to_its_events(service: Served, visit: Visit) -> None:
    """Enter on a point of a chart opens the list of the events that it counts, in the time of that point."""
    await fill(service)
    page = await opened(service, visit, "user?id=ada&figure=messages")
    chart = page.locator("detail-trend dashboard-chart .plot")
    await expect(chart.locator("canvas")).to_be_visible()
    found = await service.get("users/detail", user_id="ada", interval="hour")
    behind = len(found["start"]) - max(place for place, count in enumerate(found["metrics"]["messages"]) if count)
    count = found["metrics"]["messages"][-behind]
    await chart.focus()
    for _ in range(behind):
        await page.keyboard.press("ArrowLeft")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", level=1)).to_have_text("Messages")
    await expect(page.locator("dashboard-list tbody tr:not(.day)")).to_have_count(count)
    assert "user_id=ada" in page.url


@pytest.mark.parametrize("scheme", ["light", "dark", "forced"])
async def test_every_page_can_be_read(service: Served, visit: Visit, scheme: str) -> None:
    """Each page, on a phone, a laptop and a wide screen: axe finds nothing, and nothing is wider than the window."""
    await fill(service)
    options = {"forced_colors": "active"} if scheme == "forced" else {"color_scheme": scheme}
    page = await opened(service, visit, "overview", **options)
    for view in (*PAGES, "messages?user_id=ada", "calls?status=5xx"):
        await page.goto(f"{service.url}/analytics#{view}")
        await expect(page.locator("detail-trend .figure, detail-conversation li.message, td").first).to_be_visible()
        for width in (360, 1366, 2560):
            await page.set_viewport_size({"width": width, "height": 900})
            await page.wait_for_timeout(250)
            await shoot(page, f"{view.partition('?')[0]}-{scheme}-{width}")
            assert await overflow(page) == 0, (view, width)
        assert await faults(page) == [], view


async def test_a_forgotten_user_has_no_page(own_service: Served, visit: Visit) -> None:
    """After an erasure the page says that there is no such user, its saved view is gone, and no search finds it."""
    service = own_service
    await fill(service)
    page = await opened(service, visit, "user?id=ada")
    await expect(heading(page)).to_have_text("Ada L.")
    await page.keyboard.press("s")
    await page.get_by_role("button", name="Save this view").press("Enter")
    await page.keyboard.type("Ada")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("dialog", name="Saved views").get_by_role("link")).to_have_text("Ada")
    assert service.command("forget", "ada").returncode == 0
    await page.reload()
    await expect(page.get_by_text("There is no user with the id ada")).to_be_visible()
    assert (await service.get("views"))["items"] == []
    await page.keyboard.press("Control+k")
    await page.keyboard.type("ada")
    await expect(page.get_by_text("Nothing found")).to_be_visible()
