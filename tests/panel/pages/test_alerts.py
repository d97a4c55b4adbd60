"""The view of alerts, and the badges of dashboard and panel."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from playwright.async_api import expect

from tests.panel.browser import Visitor
from tests.panel.looks import faults, overflow, shoot
from tests.panel.served import Served

pytestmark = pytest.mark.asyncio(loop_scope="module")

Visit = Callable[..., Awaitable[Visitor]]


async def spend(service: Served, dollars: str, user: str) -> None:
    call = {"provider": "openai", "model": "gpt-5", "operation": "chat", "user_id": user, "cost": dollars}
    await service.post("llm-call-public", call)


@pytest.mark.parametrize(
    ("options", "texts"),
    [
        ({"color_scheme": "light"}, ("Alerts", "New rule", "Create rule", "I have seen it", "User")),
        (
            {"color_scheme": "dark", "locale": "de-AT"},
            ("Alarme", "Neue Regel", "Regel anlegen", "Gesehen", "Nutzer"),
        ),
    ],
    ids=["English", "German"],
)
async def test_a_budget_of_a_dollar_takes_a_few_clicks(
    service: Served, visit: Visit, options: dict[str, Any], texts: tuple[str, ...]
) -> None:
    """An admin sets a budget of a dollar for a user; the call that reaches it shows in the badge and in the list; what
    was seen leaves the badge."""
    view, new, create, seen, user = texts
    await service.login("u7")
    page = await (await visit(**options)).tab(service.link())
    link = page.get_by_role("link", name=view, exact=True)
    await link.click()
    await page.get_by_role("button", name=new).click()
    await page.get_by_label(user, exact=True).fill("u7")
    await page.locator("dashboard-rule-form [name=address]").fill("https://hooks.example.org/alerts?token=1")
    await shoot(page, f"alerts-form-{options['color_scheme']}")
    assert await faults(page) == []
    await page.get_by_role("button", name=create).click()
    await expect(page.locator("dashboard-alerts code")).to_contain_text("whsec_")
    await expect(page.locator("dashboard-alerts")).to_contain_text("https://hooks.example.org")
    await expect(page.locator("dashboard-alerts")).not_to_contain_text("token=1")
    await spend(service, "0.85", "u7")
    await expect(page.locator("nav .badge")).to_contain_text("2")
    await expect(page.locator("dashboard-alerts .alert")).to_contain_text("u7 (80 %)")
    await shoot(page, f"alerts-{options['color_scheme']}")
    assert await overflow(page) == 0
    assert await faults(page) == []
    await page.get_by_role("button", name=seen).click()
    await expect(page.locator("nav .badge")).to_have_count(0)
