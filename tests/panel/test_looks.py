"""What an admin sees: nothing that axe finds fault with, nothing that overflows; and screenshots, for looking at."""

import base64
from collections.abc import Awaitable, Callable, Iterator
from typing import Literal

import pytest
import pytest_asyncio
from playwright.async_api import Locator, Page, expect

from tests.panel.browser import Visitor
from tests.panel.looks import faults, overflow, shoot
from tests.panel.served import Served
from tests.samples.events import MESSAGE

pytestmark = pytest.mark.asyncio(loop_scope="module")

Visit = Callable[..., Awaitable[Visitor]]
Scheme = Literal["light", "dark"]

VIEWS = ("overview", "costs", "explore", "activity", "users", "conversations", "api", "days")
WIDTHS = {"phone": 360, "tablet": 768, "desk": 1440}


async def ground(page: Page, element: Locator) -> str:
    """The colour of an element near its left edge, as it is painted: styles do not tell of forced colours."""
    picture = base64.b64encode(await element.screenshot()).decode()
    colour: str = await page.evaluate(
        """async picture => {
            const bytes = Uint8Array.from(atob(picture), character => character.charCodeAt(0));
            const image = await createImageBitmap(new Blob([bytes], {type: "image/png"}));
            const drawing = new OffscreenCanvas(image.width, image.height).getContext("2d");
            drawing.drawImage(image, 0, 0);
            return drawing.getImageData(6, Math.floor(image.height / 2), 1, 1).data.join();
        }""",
        picture,
    )
    return colour


async def live(page: Page) -> None:
    await expect(page.locator("convoai-status[kind=live]").first).to_be_visible(timeout=15_000)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def busy(shared: tuple[Served, Iterator[int]]) -> Served:
    """The service with an hour of traffic, and LLM calls."""
    served = shared[0].of("acme")
    await served.fill()
    return served


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_every_view_of_the_dashboard(busy: Served, visit: Visit, scheme: Scheme) -> None:
    """Every view, on a phone, a tablet and a desk: axe finds nothing, and nothing is wider than the window."""
    visitor = await visit(color_scheme=scheme)
    page = await visitor.tab(busy.link())
    await live(page)
    for view in VIEWS:
        await page.goto(f"{busy.url}/analytics#{view}")
        settled = page.locator("dashboard-chart .total" if view == "overview" else "dashboard-table tbody tr th, td")
        await expect(settled.first).to_be_visible()
        for device, width in WIDTHS.items():
            await page.set_viewport_size({"width": width, "height": 900})
            await page.wait_for_timeout(250)
            await shoot(page, f"dashboard-{view}-{scheme}-{device}")
            assert await overflow(page) == 0, (view, device)
        assert await faults(page) == [], view


async def test_large_numbers_stay_in_their_places(service: Served, visit: Visit) -> None:
    """Billions of tokens leave no key figure and no total at any width; the full number is in the title."""
    largest = 2**31 - 1
    body = [{"type": "message", **MESSAGE, "message_id": f"m-{n}", "token_count": largest} for n in range(100)]
    await service.post("batch", body)
    page = await (await visit()).tab(service.link())
    await live(page)
    await expect(page.locator("dashboard-strip .tokens .value")).to_have_attribute("title", f"{100 * largest:,}")
    for width in (360, 560, 640, 768, 1020, 1366, 1440):
        await page.set_viewport_size({"width": width, "height": 900})
        await page.wait_for_timeout(100)
        for box, values in ((".figure", ".value, .change [aria-hidden]"), ("dashboard-totals", "dd")):
            beyond = await page.locator(f"dashboard-overview {box}").evaluate_all(
                """(boxes, values) => boxes.flatMap(box => {
                    const inside = box.getBoundingClientRect().right - parseFloat(getComputedStyle(box).paddingRight);
                    return [...(box.shadowRoot ?? box).querySelectorAll(values)]
                        .filter(value => {
                            const range = document.createRange();
                            range.selectNodeContents(value);
                            return range.getBoundingClientRect().right > inside + 0.5;
                        })
                        .map(value => value.textContent);
                })""",
                values,
            )
            assert beyond == [], (width, box)


@pytest.mark.parametrize(("width", "height", "screens"), [(1440, 900, 1), (1366, 768, 1), (360, 740, 2)])
async def test_the_chart_is_seen_without_searching(
    busy: Served, visit: Visit, width: int, height: int, screens: int
) -> None:
    """On a desk the whole chart is on the first screen below the key figures, on a phone within the first two."""
    page = await (await visit(viewport={"width": width, "height": height})).tab(busy.link())
    await live(page)
    chart = page.locator("dashboard-chart .plot .u-over")
    await expect(chart).to_be_visible()
    box = await page.locator("dashboard-chart").bounding_box()
    assert box is not None
    assert box["y"] + box["height"] <= screens * height
    for figure in await page.locator("dashboard-strip .figure").all():
        cell = await figure.bounding_box()
        assert cell is not None
        assert cell["height"] == 90


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_the_question_of_a_link(busy: Served, visit: Visit, scheme: Scheme) -> None:
    """The bar that asks whether a link may sign in somebody else: axe finds nothing, long names overflow nothing."""
    page = await (await visit(color_scheme=scheme)).tab(busy.link())
    await live(page)
    await page.goto(f"{busy.url}/analytics#token={busy.token(sub='x' * 255, tenant='y' * 255)}")
    await expect(page.get_by_role("button", name="Use the link")).to_be_visible()
    for device, width in WIDTHS.items():
        await page.set_viewport_size({"width": width, "height": 900})
        await page.wait_for_timeout(250)
        await shoot(page, f"dashboard-link-{scheme}-{device}")
        assert await overflow(page) == 0, device
    assert await faults(page) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_the_panel(busy: Served, visit: Visit, scheme: Scheme) -> None:
    """The panel in a page of somebody else, on a desk and on a phone: axe finds nothing, nothing overflows."""
    with busy.site() as site:
        page = await (await visit(color_scheme=scheme)).tab(site.origin)
        await page.get_by_role("button", name="📊 Analytics").click()
        await live(page)
        await page.wait_for_timeout(400)
        for device in ("phone", "desk"):
            await page.set_viewport_size({"width": WIDTHS[device], "height": 900})
            await page.wait_for_timeout(250)
            await shoot(page, f"panel-{scheme}-{device}")
            assert await overflow(page) == 0
        assert [fault for fault in await faults(page) if "convoai" in fault] == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_what_is_shown_without_figures(own_service: Served, visit: Visit, scheme: Scheme) -> None:
    """Empty, signed out and unreachable are drawn too, and axe finds nothing in them."""
    visitor = await visit(color_scheme=scheme)
    page = await visitor.tab(own_service.link())
    await live(page)
    for view in VIEWS:
        await page.goto(f"{own_service.url}/analytics#{view}")
        await page.wait_for_timeout(300)
        await shoot(page, f"dashboard-{view}-{scheme}-empty")
        assert await faults(page) == [], view
    await page.get_by_role("button", name="Sign out").click()
    await expect(page.get_by_label("Token")).to_be_visible()
    await shoot(page, f"dashboard-{scheme}-signed-out")
    assert await faults(page) == []
    page = await visitor.tab(own_service.link())
    await live(page)
    own_service.kill()
    await expect(page.locator("convoai-status[kind=reconnecting]").first).to_be_visible()
    await shoot(page, f"dashboard-{scheme}-reconnecting")
    assert await faults(page) == []


async def test_forced_colours_show_what_is_selected(busy: Served, visit: Visit) -> None:
    """With forced colours the current view and the chosen range have another background than the others."""
    page = await (await visit(forced_colors="active")).tab(busy.link())
    await live(page)
    await page.locator("dashboard-range #open").click()
    ranges = page.get_by_role("dialog", name="Range").get_by_role("group", name="Range")
    await expect(ranges).to_be_visible()
    for group, chosen in (
        (page.locator("nav a"), "aria-current=page"),
        (ranges.locator("button"), "aria-pressed=true"),
    ):
        own = await ground(page, group.and_(page.locator(f"[{chosen}]")))
        assert own != await ground(page, group.and_(page.locator(f":not([{chosen}])")).last)
    await shoot(page, "dashboard-overview-forced-desk")
    assert await faults(page) == []


async def test_a_printed_page_is_only_what_is_read(busy: Served, visit: Visit) -> None:
    """On paper of 180 mm, also from a dark screen, no button and no navigation is printed, and no column is cut."""
    page = await (await visit(color_scheme="dark")).tab(busy.link())
    await live(page)
    await page.emulate_media(media="print", color_scheme="dark")
    await page.set_viewport_size({"width": 680, "height": 960})
    for view in VIEWS:
        await page.goto(f"{busy.url}/analytics#{view}")
        settled = page.locator("dashboard-chart .total" if view == "overview" else "dashboard-table tbody tr th, td")
        await expect(settled.first).to_be_visible()
        await page.wait_for_timeout(250)
        await shoot(page, f"dashboard-{view}-print", full_page=True)
        controls = page.locator(".button, .icon-button, nav, dashboard-range button")
        assert await controls.filter(visible=True).count() == 0, view
        assert await overflow(page) == 0, view
        cut = (
            "all => all.filter(one => one.scrollWidth > one.clientWidth || one.scrollHeight > one.clientHeight).length"
        )
        assert await page.locator("dashboard-table .box").evaluate_all(cut) == 0, view
    await expect(page.get_by_role("banner")).to_contain_text("As of")


async def test_reduced_motion_is_respected(busy: Served, visit: Visit) -> None:
    """Who asks for less motion sees none: no animation or transition lasts longer than a blink."""
    page = await (await visit(reduced_motion="reduce")).tab(busy.link())
    await live(page)
    moving = await page.evaluate(
        """() => {
            const all = [];
            const walk = root => root.querySelectorAll("*").forEach(element => {
                const style = getComputedStyle(element);
                for (const time of [style.animationDuration, style.transitionDuration])
                    if (time.split(",").some(part => parseFloat(part) > 0.01)) all.push(element.localName + " " + time);
                if (element.shadowRoot) walk(element.shadowRoot);
            });
            walk(document);
            return all.concat(document.getAnimations().map(animation => animation.constructor.name));
        }"""
    )
    assert moving == []
