"""What is on screen: figures and status, and what they must be."""

import asyncio
from collections.abc import Awaitable, Callable

from playwright.async_api import Locator, Page, expect

from tests.panel.served import Json, Served

SECONDS = 15_000
NOTHING = "\N{EN DASH}"


async def status(page: Page, kind: str, milliseconds: float = SECONDS) -> None:
    """Wait until the status pill is of this kind."""
    await expect(page.locator(f"convoai-status[kind={kind}]").first).to_be_visible(timeout=milliseconds)


async def figures(page: Page) -> dict[str, str]:
    """The six figures of all time of the dashboard as they are on screen."""
    totals = page.locator("dashboard-totals")
    names, values = await totals.locator("dt").all_inner_texts(), await totals.locator("dd").all_inner_texts()
    return dict(zip(names, values, strict=True))


def total(page: Page, name: str) -> Locator:
    """One of the figures of all time of the dashboard."""
    return page.locator("dashboard-totals div").filter(has_text=name).locator("dd")


async def equal_snapshot(page: Page, service: Served) -> None:
    """Wait until what is on screen is the service's own snapshot."""
    await until_equal(lambda: figures(page), service)


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
