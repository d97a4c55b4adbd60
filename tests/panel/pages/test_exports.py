"""The dashboard's export menu: PDFs, and reports that are sent by e-mail."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from playwright.async_api import expect

from tests.panel.browser import Visitor
from tests.panel.looks import faults, overflow, shoot
from tests.panel.served import Served
from tests.web.pdf.pages import Structure, text

pytestmark = pytest.mark.asyncio(loop_scope="module")

Visit = Callable[..., Awaitable[Visitor]]


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_a_view_is_saved_as_pdf_and_sent_each_week(service: Served, visit: Visit, scheme: str) -> None:
    """The menu saves the view on screen as PDF; a report is scheduled, listed and deleted there; axe is content."""
    await service.login("ada")
    page = await (await visit(color_scheme=scheme)).tab(service.link())
    await page.get_by_role("link", name="Users").first.click()
    await page.get_by_role("button", name="Export", exact=True).click()
    async with page.expect_download() as started:
        await page.get_by_role("button", name="This view as PDF").click()
    saved = await started.value
    assert saved.suggested_filename == "users.pdf"
    pdf = await asyncio.to_thread(Path(await saved.path()).read_bytes)
    assert "ada" in text(pdf)
    assert Structure(pdf).title == "Users"
    await page.get_by_role("button", name="Send a report by e-mail").click()
    await page.get_by_label("Subject").fill("Week")
    await page.get_by_label("How often").select_option("monthly")
    await page.get_by_label("Day of the month").fill("31")
    await page.get_by_label("E-mail addresses").fill("ada@example.com")
    assert await faults(page) == []
    await shoot(page, f"exports-{scheme}")
    await page.get_by_role("button", name="Save", exact=True).click()
    await expect(page.get_by_text("Every month, ada@example.com.")).to_be_visible()
    [schedule] = (await service.get("report-schedules"))["items"]
    shown = {name: schedule[name] for name in ("name", "every", "on", "report")}
    assert shown == {"name": "Week", "every": "monthly", "on": 31, "report": "overview"}
    change = page.get_by_role("button", name="Change Week")
    await change.focus()
    await page.keyboard.press("Enter")
    await expect(page.get_by_label("Subject")).to_be_focused()
    await expect(page.get_by_label("Subject")).to_have_value("Week")
    await expect(page.get_by_label("Day of the month")).to_have_value("31")
    await expect(page.get_by_label("E-mail addresses")).to_have_value("ada@example.com")
    assert await faults(page) == []
    await shoot(page, f"exports-change-{scheme}")
    await page.get_by_label("How often").select_option("weekly")
    await page.get_by_label("Day of the week").select_option("Friday")
    await page.get_by_label("E-mail addresses").fill("ada@example.com, bob@example.com")
    await page.keyboard.press("Enter")
    await expect(page.get_by_text("Every week, ada@example.com, bob@example.com.")).to_be_visible()
    await expect(change).to_be_focused()
    [changed] = (await service.get("report-schedules"))["items"]
    wanted = {"every": "weekly", "on": 5, "recipients": ["ada@example.com", "bob@example.com"]}
    assert changed == {**schedule, **wanted, "next_at": changed["next_at"]}
    await page.get_by_role("button", name="Delete Week").click()
    await expect(page.get_by_text("No report is sent by e-mail yet.")).to_be_visible()
    assert await overflow(page) == 0
