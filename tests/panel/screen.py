"""What is on screen: figures and status, and what they must be."""

from playwright.async_api import Page, expect

from tests.panel.conftest import Served, until_equal

SECONDS = 15_000


async def status(page: Page, kind: str, milliseconds: float = SECONDS) -> None:
    """Wait until the status pill is of this kind."""
    await expect(page.locator(f"convoai-status[kind={kind}]").first).to_be_visible(timeout=milliseconds)


async def figures(page: Page) -> dict[str, str]:
    """The six figures of the dashboard as they are on screen."""
    cards = page.locator("dashboard-cards section.card")
    names, values = await cards.locator("h3").all_inner_texts(), await cards.locator(".value").all_inner_texts()
    return dict(zip(names, values, strict=True))


async def equal_snapshot(page: Page, service: Served) -> None:
    """Wait until what is on screen is the service's own snapshot."""
    await until_equal(lambda: figures(page), service)
