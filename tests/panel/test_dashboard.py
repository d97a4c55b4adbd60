"""The full dashboard, as an admin uses it."""

import codecs
import csv
import io
import re
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest
from playwright.async_api import Locator, Page, expect

from storage.model import clock
from tests.panel.browser import Visitor
from tests.panel.served import Served
from tests.paths import API
from tests.samples.events import MESSAGE

pytestmark = pytest.mark.asyncio(loop_scope="module")

Visit = Callable[..., Awaitable[Visitor]]


async def opened(service: Served, visit: Visit, view: str) -> Page:
    page = await (await visit()).tab(service.link())
    await page.goto(f"{service.url}/analytics#{view}")
    await expect(page.locator("convoai-status[kind=live]").first).to_be_visible(timeout=15_000)
    return page


def logins(count: int) -> list[dict[str, Any]]:
    """Activities a minute apart, the newest first, of five users."""
    now = datetime.now(UTC)
    return [
        {
            "type": "activity",
            "user_id": f"u-{number % 5}",
            "username": f"User {number % 5}",
            "activity_type": "login" if number % 2 else "logout",
            "timestamp": clock.text(now - timedelta(minutes=number)),
        }
        for number in range(count)
    ]


def rows(page: Page) -> Locator:
    """The rows of a list, without the headings of its days."""
    return page.locator("dashboard-table tbody tr:not(.day)")


async def choose(page: Page, preset: str) -> None:
    """Choose a range from the menu at the top right."""
    await page.locator("dashboard-range #open").click()
    await page.get_by_role("dialog", name="Range").get_by_role("button", name=preset, exact=True).click()


async def test_the_chart_of_now_moves(service: Served, visit: Visit) -> None:
    """A chart of the last hour counts an event as soon as it is posted, and says the same as a table."""
    page = await opened(service, visit, "overview?range=1h&figure=messages")
    chart = page.locator("dashboard-chart.messages")
    await service.post("message-public", **MESSAGE)
    await expect(chart.locator(".total")).to_have_text("1")
    await service.post("message-public", **{**MESSAGE, "message_id": "m-2"})
    await expect(chart.locator(".total")).to_have_text("2")
    await chart.get_by_role("button", name="Show as a table").click()
    # The second column is the period before.
    cells = await chart.locator("tbody td:nth-child(2)").all_inner_texts()
    assert sum(int(cell) for cell in cells) == 2
    assert len(cells) in (60, 61)


@pytest.mark.parametrize(
    ("preset", "interval", "days"), [("24 hours", "hour", 1), ("7 days", "hour", 7), ("30 days", "day", 30)]
)
async def test_charts_show_what_the_service_counts(
    service: Served, visit: Visit, preset: str, interval: str, days: int
) -> None:
    """Whatever the range, a chart's total is the sum of the service's own points; and it moves when an event comes."""
    await service.post(
        "batch",
        [
            {**event, "timestamp": clock.text(datetime.now(UTC) - timedelta(hours=9 * number))}
            for number, event in enumerate(logins(40))
        ],
    )
    page = await opened(service, visit, "overview?figure=api")
    await choose(page, preset)
    calls = page.locator("dashboard-chart.api").locator(".total")
    await expect(calls).to_have_text("0")
    call = {"endpoint": "/chat", "method": "POST", "status_code": 500, "response_time": 0.2}
    await service.post("api-usage-public", **call)
    await expect(calls).to_have_text("1")
    begin = clock.text(datetime.now(UTC) - timedelta(days=days))
    points = await service.get("series", metrics="api_errors", interval=interval, **{"from": begin})
    assert sum(points["metrics"]["api_errors"]) == 1


async def test_the_active_users_of_a_range_are_distinct(service: Served, visit: Visit) -> None:
    """Whatever the range and its points, the figure counts each user once, as the service and the events do; it moves
    when another user comes.
    """
    active = {"ada": (0, 25, 49, 73), "bob": (25, 49), "cyd": (480,)}
    now = datetime.now(UTC)
    for user, hours in active.items():
        for ago in hours:
            await service.login(user, timestamp=clock.text(now - timedelta(hours=ago)))
    page = await opened(service, visit, "overview?figure=active_users")
    total = page.locator("dashboard-chart.active_users .total")
    for preset, days, users in (("7 days", 7, 2), ("30 days", 30, 3), ("24 hours", 1, 1), ("Last hour", 0, 1)):
        await choose(page, preset)
        await expect(total).to_have_text(str(users))
        begin = now - timedelta(days=days, hours=not days)
        counted = await service.get("active-users", **{"from": clock.text(begin)})
        assert counted["active_users"] == users
    for preset, users in (("Last hour", 2), ("7 days", 4)):
        await choose(page, preset)
        await service.login(f"new in {preset}")
        await expect(total).to_have_text(str(users), timeout=15_000)


async def test_one_range_is_that_of_every_view(service: Served, visit: Visit) -> None:
    """The range of the top right chooses what charts and lists show, stays through the views, and is in the address."""
    now = datetime.now(UTC)
    for user, days in (("today", 0), ("earlier", 3), ("long-ago", 20)):
        await service.login(user, timestamp=clock.text(now - timedelta(days=days)))
    page = await opened(service, visit, "users")
    await expect(rows(page)).to_have_count(2)
    await choose(page, "30 days")
    await expect(rows(page)).to_have_count(3)
    await page.get_by_role("link", name="Activity", exact=True).click()
    await expect(rows(page)).to_have_count(3)
    await choose(page, "24 hours")
    await expect(rows(page)).to_have_count(1)
    assert "?range=24h#activity" in page.url
    await page.get_by_role("link", name="Overview", exact=True).click()
    await expect(page.locator("dashboard-chart.active_users .total")).to_have_text("1")
    async with page.context.expect_page() as opening:
        await page.get_by_role("link", name="Daily statistics").click(modifiers=["ControlOrMeta"])
    assert (await opening.value).url.endswith("?range=24h#days")
    await page.go_back()
    await page.go_back()
    await expect(rows(page)).to_have_count(3)


async def test_steps_lead_to_the_period_before_and_back(service: Served, visit: Visit) -> None:
    """A step back shows the seven days before, one forward the seven days of now; there is no step into the future."""
    now = datetime.now(UTC)
    for user, days in (("this-week", 2), ("last-week", 8), ("last-week-too", 10)):
        await service.login(user, timestamp=clock.text(now - timedelta(days=days)))
    page = await opened(service, visit, "users")
    forward = page.get_by_role("button", name="Step forward")
    await expect(rows(page)).to_have_count(1)
    await expect(forward).to_be_disabled()
    await page.get_by_role("button", name="Step back").click()
    await expect(rows(page)).to_have_count(2)
    await forward.click()
    await expect(rows(page)).to_have_count(1)
    await expect(page.locator("dashboard-range #open")).to_contain_text("7 days")
    assert "from=" not in page.url


async def test_the_range_is_chosen_by_keyboard(service: Served, visit: Visit) -> None:
    """The menu opens with its current preset in focus; days can be typed; Escape closes it; the focus comes back."""
    page = await opened(service, visit, "overview")
    menu, button = page.get_by_role("dialog", name="Range"), page.locator("dashboard-range #open")
    await button.press("Enter")
    await expect(menu.get_by_role("button", name="7 days")).to_be_focused()
    await page.keyboard.press("Escape")
    await expect(menu).to_be_hidden()
    await expect(button).to_be_focused()
    await button.press("Enter")
    await menu.get_by_label("From").fill("2026-11-03")
    await menu.get_by_label("To", exact=True).fill("2026-11-01")
    await menu.get_by_label("To", exact=True).press("Enter")
    await expect(menu.get_by_role("alert")).to_have_text("From has to lie before to.")
    await menu.get_by_label("From").fill("2026-11-01")
    await menu.get_by_label("To", exact=True).fill("2026-11-03")
    await menu.get_by_label("To", exact=True).press("Enter")
    await expect(menu).to_be_hidden()
    await expect(button).to_contain_text(re.compile(r"Nov 1\W+3\b"))
    assert "from=2026-11-01T00%3A00%3A00.000Z&to=2026-11-04T00%3A00%3A00.000Z" in page.url


async def test_what_a_range_is_compared_with(service: Served, visit: Visit) -> None:
    """The period before, the year before, or nothing: the chart's second line follows, and so does the address."""
    await service.login("ada", timestamp=clock.text(datetime.now(UTC) - timedelta(days=364)))
    page = await opened(service, visit, "overview")
    chart = page.locator("dashboard-chart.active_users")
    await chart.get_by_role("button", name="Show as a table").click()
    before = chart.locator("tbody td:nth-child(3)")
    await expect(before.first).to_have_text("0")
    await page.locator("dashboard-range #open").click()
    await page.get_by_role("radio", name="The year before").check()
    await expect(before.filter(has_text="1")).to_have_count(1)
    await page.get_by_role("radio", name="Nothing").check()
    await expect(before).to_have_count(0)
    assert "compare=none" in page.url


async def test_empty_lists_agree_with_the_figures(service: Served, visit: Visit) -> None:
    """After one message a user was active today, and no list says that nobody was."""
    await service.post("message-public", **MESSAGE)
    page = await opened(service, visit, "overview")
    await expect(page.locator("dashboard-totals")).to_contain_text("Active users today 1")
    await expect(page.locator("convoai-ranking")).to_contain_text("Messages and API calls do not count here")
    await expect(page.get_by_role("main")).not_to_contain_text("Nobody has been active")


async def test_a_mean_is_a_line(service: Served, visit: Visit) -> None:
    """The course of a mean is drawn as a line, since bars would stand for amounts."""
    await service.login("ada")
    page = await opened(service, visit, "overview")
    await expect(page.locator("dashboard-strip .response_time convoai-sparkline svg.line")).to_be_visible()


async def test_a_point_of_a_chart_is_read_at_the_pointer(service: Served, visit: Visit) -> None:
    """At 1440 px a tooltip has full names and values, and the cursor stands at the point that it tells of."""
    await service.post("message-public", **{**MESSAGE, "token_count": 802_475})
    page = await opened(service, visit, "overview?range=24h&figure=tokens")
    chart = page.locator("dashboard-chart.tokens")
    plot = chart.locator(".u-over")
    await plot.scroll_into_view_if_needed()
    box = await plot.bounding_box()
    assert box is not None
    places: dict[str, set[str]] = {}
    for left in range(int(box["width"]) - 160, int(box["width"]), 8):
        await page.mouse.move(box["x"] + left, box["y"] + 60)
        line = chart.locator(".u-cursor-x")
        label = await chart.locator(".tooltip p").inner_text()
        places.setdefault(label, set()).add(await line.evaluate("line => line.style.transform"))
    assert len(places) > 2
    assert all(len(found) == 1 for found in places.values()), places
    tooltip = chart.locator(".tooltip")
    assert (await tooltip.locator("dt").all_inner_texts(), await tooltip.locator("dd").all_inner_texts()) == (
        ["Tokens", "Period before"],
        ["802,475", "0"],
    )
    cut = "all => all.some(one => one.scrollWidth > one.clientWidth)"
    assert not await tooltip.locator("dt, dd, bdi, p").evaluate_all(cut)
    await expect(page.locator("dashboard-chart .tooltip")).to_have_count(1)
    await page.mouse.move(0, 0)
    await expect(tooltip).to_have_count(0)


async def test_a_key_figure_chooses_the_chart(service: Served, visit: Visit) -> None:
    """Each key figure says the same as its chart, which one opens by choosing it; the address brings it back."""
    await service.post("message-public", **{**MESSAGE, "token_count": 7, "response_time": 0.25, "role": "assistant"})
    call = {"endpoint": "/chat", "method": "POST", "status_code": 500, "response_time": 0.2}
    await service.post("api-usage-public", **call)
    page = await opened(service, visit, "overview")
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    times = await service.get("response-times", interval="hour", **{"from": clock.text(today - timedelta(days=6))})
    expected = {
        "active_users": "1",
        "new_users": "1",
        "conversations": "1",
        "messages": "1",
        "tokens": "7",
        "response_time": f"{times['total']['p95_response_time'] * 1000:.0f} ms",
        "api": "1",
        "api_errors": "1",
    }
    for name, value in expected.items():
        figure = page.locator(f"dashboard-strip .{name}")
        await figure.click()
        await expect(figure).to_have_attribute("aria-pressed", "true")
        await expect(figure.locator(".value")).to_have_attribute("title", value)
        await expect(page.locator(f"dashboard-chart.{name} .total")).to_have_text(value)
    await page.reload()
    await expect(page.locator("dashboard-chart.api_errors .total")).to_have_text("1")


async def test_a_drag_or_a_finger_zooms(service: Served, visit: Visit) -> None:
    """A drag across the chart by mouse or by finger zooms all figures in; "Reset zoom" takes it back."""
    await service.post("batch", logins(30))
    page = await opened(service, visit, "overview?range=24h")
    over = page.locator("dashboard-chart .u-over")
    reset = page.get_by_role("button", name="Reset zoom")
    box = await over.bounding_box()
    assert box is not None
    middle = box["y"] + box["height"] / 2
    ends = [box["x"] + box["width"] * part for part in (0.25, 0.5)]
    await page.mouse.move(ends[0], middle)
    await page.mouse.down()
    await page.mouse.move(ends[1], middle, steps=5)
    await page.mouse.up()
    await expect(reset).to_be_visible()
    assert "from=" in page.url
    await expect(page.locator("dashboard-strip .active_users .value")).to_have_text("0")
    await reset.click()
    await expect(page.locator("dashboard-strip .active_users .value")).to_have_text("5")
    touch = await page.context.new_cdp_session(page)
    for kind, points in (
        ("touchStart", [{"x": ends[0], "y": middle}]),
        *(("touchMove", [{"x": ends[0] + (ends[1] - ends[0]) * part / 5, "y": middle}]) for part in range(1, 6)),
        ("touchEnd", []),
    ):
        await touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
    await expect(reset).to_be_visible()
    assert "from=" in page.url


async def test_a_chart_is_saved_as_csv_and_as_a_picture(service: Served, visit: Visit, tmp_path: Path) -> None:
    """The CSV has the points of the chart, as the service gives them; the picture is a PNG of more than the plot."""
    await service.post("batch", logins(30))
    page = await opened(service, visit, "overview?range=30d")
    async with page.expect_download() as download:
        await page.get_by_role("button", name="Download as CSV").click()
    await (await download.value).save_as(tmp_path / "chart.csv")
    text = (tmp_path / "chart.csv").read_text("utf-8-sig")
    found = list(csv.DictReader(io.StringIO(text)))
    begin = found[0]["Time"]
    points = await service.get("series", metrics="active_users", interval="day", **{"from": begin})
    assert [int(row["Active users"]) for row in found] == points["metrics"]["active_users"]
    assert [row["Time"] for row in found] == [start[:10] for start in points["start"]]
    async with page.expect_download() as download:
        await page.get_by_role("button", name="Download as a picture (PNG)").click()
    await (await download.value).save_as(tmp_path / "chart.png")
    picture = (tmp_path / "chart.png").read_bytes()
    assert picture.startswith(b"\x89PNG")
    plot = await page.locator("dashboard-chart canvas").bounding_box()
    assert plot is not None
    assert int.from_bytes(picture[20:24]) > plot["height"]


async def test_a_link_leads_to_exactly_this_view(service: Served, visit: Visit) -> None:
    """The copied link opens the same view, figure and filters, with the range of now as two times."""
    await service.post("batch", logins(30))
    visitor = await visit(permissions=["clipboard-read", "clipboard-write"])
    page = await visitor.tab(service.link())
    await page.goto(f"{service.url}/analytics?range=24h#overview?figure=messages")
    await expect(page.locator("dashboard-chart.messages")).to_be_visible()
    await page.get_by_role("button", name="Copy a link to this view").click()
    await expect(page.get_by_role("status").filter(has_text="Link copied")).to_have_count(1)
    link = await page.evaluate("navigator.clipboard.readText()")
    assert re.search(r"/analytics\?from=.+&to=.+#overview\?figure=messages$", link)
    label = await page.locator("dashboard-range .span").inner_text()
    await page.goto(link)
    await expect(page.locator("dashboard-chart.messages")).to_be_visible()
    await expect(page.locator("dashboard-range .span")).to_have_text(label)


async def test_the_lists_of_the_overview_follow_the_range(service: Served, visit: Visit) -> None:
    """The most active users and the newest activities are those of the range; new ones come while it moves."""
    now = datetime.now(UTC)
    await service.login("yesterday", timestamp=clock.text(now - timedelta(days=1)))
    await service.login("long-ago", timestamp=clock.text(now - timedelta(days=20)))
    page = await opened(service, visit, "overview")
    top, recent = page.locator("dashboard-top-users li"), page.locator("dashboard-recent li")
    await expect(top).to_have_count(1)
    await expect(recent).to_have_count(1)
    await choose(page, "30 days")
    await expect(top).to_have_count(2)
    await expect(recent).to_have_count(2)
    await service.login("newcomer")
    await expect(recent.first).to_contain_text("newcomer")
    await expect(top).to_have_count(3, timeout=15_000)
    await page.get_by_role("button", name="Step back").click()
    await expect(top).to_have_count(0)
    await expect(recent).to_have_count(0)


async def test_the_keyboard_zooms(service: Served, visit: Visit) -> None:
    """A chart in focus is read, zoomed and moved with keys; Escape takes it back."""
    await service.post("batch", logins(30))
    page = await opened(service, visit, "overview")
    plot = page.locator("dashboard-chart.active_users .plot")
    await plot.focus()
    await page.keyboard.press("ArrowLeft")
    await expect(page.locator("dashboard-chart.active_users [role=status]")).not_to_be_empty()
    await page.keyboard.press("+")
    await expect(page.get_by_role("button", name="Reset zoom")).to_be_visible()
    assert "from=" in page.url
    await plot.focus()
    await page.keyboard.press("Escape")
    await expect(page.get_by_role("button", name="Reset zoom")).to_have_count(0)


async def test_the_log_is_live_and_goes_back(service: Served, visit: Visit) -> None:
    """New activities come on top by themselves; older ones are loaded on the way down, until the last."""
    await service.post("batch", logins(130))
    page = await opened(service, visit, "activity")
    await expect(rows(page).first).to_contain_text("User 0")
    await service.login("newcomer")
    await expect(rows(page).first).to_contain_text("newcomer")
    for _ in range(6):
        await rows(page).last.scroll_into_view_if_needed()
        await page.wait_for_timeout(200)
    await expect(rows(page)).to_have_count(131)
    await expect(page.locator("dashboard-table")).to_contain_text("131 in all")


async def test_the_log_is_divided_by_days(service: Served, visit: Visit) -> None:
    """Each day has a heading, below which activities have only their time of day; the full time is in the title."""
    for day in ("2026-11-02", "2026-11-01"):
        for hour in (15, 14):
            await service.login(f"at-{hour}", timestamp=f"{day}T{hour}:55:07.000Z")
    page = await opened(service, visit, "activity?from=2026-11-01T00:00:00Z&to=2026-11-03T00:00:00Z")
    await expect(rows(page)).to_have_count(4)
    await expect(page.locator("tr.day")).to_have_text(["Monday, November 2", "Sunday, November 1"])
    await expect(rows(page).locator("time")).to_have_text(["3:55 PM", "2:55 PM"] * 2)
    await expect(rows(page).locator("time").last).to_have_attribute("title", "Nov 1, 2026, 2:55:07 PM")


async def test_filters_choose_and_are_in_the_address(service: Served, visit: Visit) -> None:
    """The log holds what user and type choose; the address brings back the same."""
    await service.post("batch", logins(40))
    page = await opened(service, visit, "activity")
    await page.get_by_label("User id").fill("u-1")
    await page.get_by_label("User id").press("Enter")
    await expect(rows(page)).to_have_count(8)
    await page.get_by_label("Type", exact=True).fill("login")
    await page.get_by_label("Type", exact=True).press("Enter")
    await expect(rows(page)).to_have_count(4)
    await page.reload()
    await expect(rows(page)).to_have_count(4)
    await expect(page.get_by_label("User id")).to_have_value("u-1")


async def test_users_are_sorted_and_found(service: Served, visit: Visit) -> None:
    """A column's head sorts by it, and the search finds a part of a name."""
    await service.post("batch", logins(40))
    await service.login("ada")
    page = await opened(service, visit, "users")
    await expect(rows(page)).to_have_count(6)
    await page.get_by_role("button", name="User id").click()
    await expect(rows(page).first).to_contain_text("ada")
    await page.get_by_role("button", name="Activities").click()
    await expect(rows(page).last).to_contain_text("ada")
    await page.get_by_label("Search").fill("aD")
    await expect(rows(page)).to_have_count(1)


async def test_a_conversation_opens(service: Served, visit: Visit) -> None:
    """A conversation leads to its messages and back, and deleted ones can be told apart."""
    await service.post("message-public", **{**MESSAGE, "conversation_id": "open", "model_used": "small"})
    await service.post("conversation-public", conversation_id="gone", user_id="u", action="deleted")
    page = await opened(service, visit, "conversations")
    await page.locator("select[name=status]").select_option("deleted")
    await expect(rows(page)).to_have_count(1)
    await expect(rows(page).first).to_contain_text("gone")
    await page.locator("select[name=status]").select_option("active")
    await page.get_by_role("link", name="open", exact=True).click()
    await expect(page.locator("detail-conversation li.message")).to_contain_text("small")
    await page.go_back()
    await expect(rows(page).first).to_contain_text("open")


async def test_an_unknown_conversation_is_told(service: Served, visit: Visit) -> None:
    """A link to a conversation that does not exist says so, with its id."""
    page = await opened(service, visit, "conversations?id=c-404")
    await expect(page.get_by_role("main")).to_contain_text("There is no conversation with the id c-404")


async def test_endpoints_and_days(service: Served, visit: Visit) -> None:
    """API usage shows count, errors, mean and 95th percentile of an endpoint; the days show today."""
    for status in (200, 500):
        call = {"endpoint": "/chat", "method": "POST", "status_code": status, "response_time": 0.25}
        await service.post("api-usage-public", **call)
    page = await opened(service, visit, "api")
    await expect(rows(page)).to_have_count(1)
    cells = await rows(page).locator("th, td").all_inner_texts()
    assert cells[:5] == ["/chat", "2", "1", "50.0%", "250 ms"]
    assert 246 <= int(cells[5].removesuffix(" ms")) <= 254
    await page.get_by_role("link", name="Daily statistics").click()
    await expect(rows(page).first).to_contain_text("2")


async def test_the_export_is_what_the_filters_select(service: Served, visit: Visit, tmp_path: Path) -> None:
    """The CSV has every row that the filters select, beyond the page on screen, just as the service gives it."""
    await service.post("batch", logins(300))
    page = await opened(service, visit, "activity")
    await page.get_by_label("Type", exact=True).fill("login")
    await page.get_by_label("Type", exact=True).press("Enter")
    await expect(rows(page).first).to_contain_text("Logged in")
    async with page.expect_download() as download:
        await page.get_by_role("button", name="Export CSV").click()
    await (await download.value).save_as(tmp_path / "export.csv")
    assert (tmp_path / "export.csv").read_bytes().startswith(codecs.BOM_UTF8)
    found = list(csv.DictReader(io.StringIO((tmp_path / "export.csv").read_text("utf-8-sig"))))
    assert len(found) == 150
    async with httpx2.AsyncClient(base_url=service.url) as client:
        headers = {"Authorization": f"Bearer {service.token()}", "Accept": "text/csv"}
        own = await client.get(f"{API}/users/activities?activity_type=login", headers=headers)
    assert found == list(csv.DictReader(io.StringIO(own.text)))


async def test_what_users_send_is_only_text(service: Served, visit: Visit) -> None:
    """Names and ids that look like markup are shown as they are, in every view."""
    name = "<img src=x onerror=alert(1)>"
    await service.post("activity-public", user_id=name, username=name, activity_type=name)
    await service.post("message-public", **{**MESSAGE, "conversation_id": name, "user_id": name, "model_used": name})
    page = await opened(service, visit, "overview")
    for view in ("Overview", "Activity", "Users", "Conversations"):
        await page.get_by_role("navigation").get_by_role("link", name=view, exact=True).click()
        await expect(page.get_by_role("main")).to_contain_text(name)
        assert await page.locator("img").count() == 0


async def test_a_failure_is_told_and_tried_again(own_service: Served, visit: Visit) -> None:
    """A list that cannot be loaded says why, and a button loads it when it can be; so does the service's return."""
    page = await opened(own_service, visit, "users")
    await page.route(f"**{API}/users/list**", lambda route: route.abort())
    await page.get_by_role("button", name="Refresh", exact=True).click()
    await expect(page.get_by_role("alert")).to_contain_text("could not be loaded")
    await page.unroute_all()
    await own_service.login("back")
    await page.get_by_role("button", name="Try again").click()
    await expect(rows(page).first).to_contain_text("back")
    own_service.kill()
    await page.get_by_role("button", name="Refresh", exact=True).click()
    await expect(page.get_by_role("alert")).to_contain_text("could not be loaded")
    await own_service.start()
    await own_service.login("again")
    await expect(page.get_by_role("alert")).to_have_count(0, timeout=30_000)
    await expect(rows(page).first).to_contain_text("again")


async def test_without_the_service_everything_stays_on_screen(own_service: Served, visit: Visit) -> None:
    """All views that were shown keep what they showed, and say since when it is; "Try now" reconnects at once."""
    await own_service.post("batch", logins(5))
    page = await opened(own_service, visit, "users")
    await expect(rows(page)).to_have_count(5)
    await page.get_by_role("link", name="Overview", exact=True).click()
    users = page.locator("dashboard-strip .active_users .value")
    await expect(users).to_have_text("5")
    await expect(page.locator("dashboard-chart.active_users .total")).to_have_text("5")
    own_service.kill()
    await expect(page.get_by_role("main")).to_contain_text("What you see is as of")
    await page.get_by_role("link", name="Users", exact=True).click()
    await expect(page.get_by_role("main")).to_contain_text("The connection is lost since")
    await expect(page.get_by_role("main")).to_contain_text("As of")
    await expect(rows(page)).to_have_count(5)
    await page.get_by_role("link", name="Overview", exact=True).click()
    await expect(users).to_have_text("5")
    await expect(page.locator("dashboard-chart.active_users .total")).to_have_text("5")
    # By then the next try of its own would be seconds away.
    await page.wait_for_timeout(6000)
    await own_service.start()
    await page.get_by_role("button", name="Try now").click()
    await expect(page.locator("convoai-status[kind=live]").first).to_be_visible(timeout=2000)
    await expect(page.get_by_role("button", name="Try now")).to_have_count(0)
