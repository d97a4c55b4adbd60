"""What a page looks like: what axe finds, how far it overflows, and screenshots."""

from typing import Any

from playwright.async_api import Page

from tests.repository import ROOT

AXE = (ROOT / "web" / "frontend" / "node_modules" / "axe-core" / "axe.min.js").read_text()
FOLDER = ROOT / "screenshots"


async def faults(page: Page) -> list[str]:
    """All that axe finds, one line each."""
    await page.evaluate(AXE)
    found: dict[str, Any] = await page.evaluate("axe.run(document)")
    return [
        f"{violation['id']}: {node['target']} {node['failureSummary']}"
        for violation in found["violations"]
        for node in violation["nodes"]
    ]


async def shoot(page: Page, name: str, *, full_page: bool = False) -> None:
    FOLDER.mkdir(exist_ok=True)
    # Between two seconds nothing moves.
    await page.screenshot(path=FOLDER / f"{name}.png", animations="disabled", full_page=full_page)


async def overflow(page: Page) -> int:
    """By how many pixels the page is wider than its window."""
    width: int = await page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    return width
