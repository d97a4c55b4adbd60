"""Annotations as marks on the chart of the overview."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest
from playwright.async_api import Page, expect

from storage.model import clock
from tests.panel.browser import Visitor
from tests.panel.looks import faults, overflow, shoot
from tests.panel.served import Served
from tests.paths import API

pytestmark = pytest.mark.asyncio(loop_scope="module")

Visit = Callable[..., Awaitable[Visitor]]


DEPLOY = "138,58,185"
"""The colour of deploys in the light scheme: red, green, blue."""
PAINTED = """(canvas, colour) => {
  const copy = new OffscreenCanvas(canvas.width, canvas.height).getContext("2d");
  copy.drawImage(canvas, 0, 0);
  const { data } = copy.getImageData(0, 0, canvas.width, canvas.height);
  let count = 0;
  for (let at = 0; at < data.length; at += 4) if (data.slice(at, at + 3).join() === colour) count++;
  return count;
}"""


def ago(hours: float) -> str:
    return clock.text(datetime.now(UTC) - timedelta(hours=hours))


async def annotate(service: Served, text: str, **fields: Any) -> None:
    headers = {"Authorization": f"Bearer {service.token()}"}
    async with httpx2.AsyncClient(base_url=service.url, headers=headers) as client:
        answer = await client.post(f"{API}/annotations", json={"text": text, **fields})
    assert answer.status_code == 201, answer.text


async def painted(page: Page, colour: str) -> int:
    """How many pixels of the chart have a colour."""
    count: int = await page.locator("dashboard-chart canvas").evaluate(PAINTED, colour)
    return count


@pytest.mark.parametrize("scheme", ["light", "dark", "forced"])
async def test_deploys_and_incidents_are_marked(service: Served, visit: Visit, scheme: str) -> None:
    """Annotations are listed beneath the chart and told at its cursor; a new one appears at once; axe is content."""
    for number in range(8):
        await service.login(f"u-{number}", timestamp=ago(number / 2))
    await annotate(service, "v2.4.1", kind="deploy", at=ago(0), link="https://ci.example.org/1")
    await annotate(service, "Answers are slow", kind="incident", at=ago(60), until=ago(40))
    options = {"forced_colors": "active"} if scheme == "forced" else {"color_scheme": scheme}
    page = await (await visit(**options)).tab(service.link())
    marks = page.locator("dashboard-mark-list li")
    await expect(marks).to_have_count(2, timeout=15_000)
    await expect(marks.first).to_contain_text("Deploy")
    await expect(marks.last).to_contain_text("Answers are slow")
    link = marks.first.get_by_role("link", name="ci.example.org")
    await expect(link).to_have_attribute("href", "https://ci.example.org/1")
    await expect(link).to_have_attribute("rel", "noopener noreferrer")

    plot = page.locator("dashboard-chart .plot")
    await plot.focus()
    await plot.press("ArrowLeft")
    tooltip = page.locator("dashboard-chart .tooltip")
    await expect(tooltip).to_contain_text("v2.4.1")
    await expect(tooltip).to_contain_text("https://ci.example.org/1")
    await expect(page.locator("dashboard-chart [role=status]")).to_contain_text("Deploy v2.4.1")
    await annotate(service, "Newsletter")
    await expect(marks).to_have_count(3)
    await expect(tooltip).to_contain_text("2 marks")
    await expect(tooltip).to_contain_text("Newsletter")
    await shoot(page, f"dashboard-marks-{scheme}")
    assert await overflow(page) == 0
    assert await faults(page) == []


async def test_many_marks_are_counted(service: Served, visit: Visit) -> None:
    """Each of many is drawn; the latest are listed, and the others are counted; another range shows its own."""
    await service.login("ada")
    for number in range(7):
        await annotate(service, f"v{number}", kind="deploy", at=ago(48 + number))
    page = await (await visit()).tab(service.link())
    marks = page.locator("dashboard-mark-list")
    await expect(marks.locator("li")).to_have_count(5, timeout=15_000)
    await expect(marks).to_contain_text("and 2 more")
    # A dot has a radius of 4 pixels.
    assert await painted(page, DEPLOY) > 7 * 30
    await page.goto(f"{service.url}/analytics#overview?range=24h")
    await expect(marks).to_have_count(0)
    assert await painted(page, DEPLOY) == 0
