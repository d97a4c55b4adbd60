"""The view of alerts, and the badges of dashboard and panel."""

import random
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest
from playwright.async_api import expect

from tests.panel.browser import Visitor
from tests.panel.looks import faults, overflow, shoot
from tests.panel.served import Served
from tests.paths import API

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
    await page.locator("[name=grouped]").check()
    await page.get_by_role("button", name=create).click()
    await expect(page.locator("dashboard-alerts code")).to_contain_text("whsec_")
    await expect(page.locator("dashboard-alerts")).to_contain_text("https://hooks.example.org")
    await expect(page.locator("dashboard-alerts")).not_to_contain_text("token=1")
    assert (await service.get("alerts"))["items"][0]["rule"]["grouped"] is True
    await spend(service, "0.85", "u7")
    await expect(page.locator("nav .badge")).to_contain_text("2")
    await expect(page.locator("dashboard-alerts .alert")).to_contain_text("u7 (80 %)")
    await shoot(page, f"alerts-{options['color_scheme']}")
    assert await overflow(page) == 0
    assert await faults(page) == []
    await page.get_by_role("button", name=seen).click()
    await expect(page.locator("nav .badge")).to_have_count(0)


async def put(service: Served, path: str, body: dict[str, Any]) -> None:
    async with httpx2.AsyncClient(base_url=service.url) as client:
        headers = {"Authorization": f"Bearer {service.token()}"}
        assert (await client.put(f"{API}/alerts/{path}", json=body, headers=headers)).status_code == 200


BUDGET = {
    "name": "Spend",
    "kind": "budget",
    "window": "today",
    "limit": "1",
    "levels": [50, 90],
    "user_id": "u7",
    "severity": "critical",
    "grouped": True,
    "targets": ["ops", "gone"],
}


@pytest.mark.parametrize(
    ("options", "texts"),
    [
        (
            {"color_scheme": "light"},
            ("Alerts", "Change Spend", "Amount in US dollars", "Name", "Save rule", "Switched on", "switched off"),
        ),
        (
            {"color_scheme": "dark", "locale": "de-AT"},
            (
                "Alarme",
                "Ändern: Spend",
                "Betrag in US-Dollar",
                "Name",
                "Regel speichern",
                "Eingeschaltet",
                "ausgeschaltet",
            ),
        ),
    ],
    ids=["English", "German"],
)
async def test_a_rule_is_changed_where_it_is_listed(
    service: Served, visit: Visit, options: dict[str, Any], texts: tuple[str, ...]
) -> None:
    """The form opens with a rule's values, by keyboard alone, and saves them: what it has no field for stays, and what
    fires goes on firing, since when it did."""
    view, change, limit, name, save, on, off = texts
    await put(service, "targets/ops", {"kind": "email", "address": "ops@example.org"})
    await put(service, "rules/spend", BUDGET)
    await spend(service, "0.6", "u7")
    before = (await service.get("alerts"))["items"][0]
    visitor = await visit(**options)
    page = await visitor.tab(service.link())
    await page.get_by_role("link", name=view, exact=True).click()
    opener, form = page.get_by_role("button", name=change), page.locator("dashboard-rule-form")
    await opener.focus()
    await page.keyboard.press("Enter")
    await expect(form.get_by_label(name, exact=True)).to_be_focused()
    await page.keyboard.press("Escape")
    await expect(form).to_have_count(0)
    await expect(opener).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(form.get_by_label(limit)).to_have_value("1")
    await expect(form.locator("[name=window]")).to_have_value("today")
    await expect(form.locator("[name=user_id]")).to_have_value("u7")
    await expect(form.get_by_role("checkbox", name="ops (ops@example.org)")).to_be_checked()
    await form.get_by_role("checkbox", name="gone").uncheck()
    await form.get_by_label(limit).fill("nothing")
    await form.get_by_role("button", name=save).click()
    await expect(form.get_by_role("alert")).to_contain_text("limit")
    assert all("422" in failure for failure in visitor.failures)
    visitor.failures.clear()
    await shoot(page, f"alerts-change-{options['color_scheme']}")
    assert await overflow(page) == 0
    assert await faults(page) == []
    await form.get_by_label(limit).fill("1.10")
    await page.keyboard.press("Enter")
    await expect(page.locator("dashboard-alerts")).to_contain_text("$1.10")
    await expect(opener).to_be_focused()
    after = (await service.get("alerts"))["items"][0]
    assert after["rule"] == {**BUDGET, "limit": "1.10", "targets": ["ops"]}
    assert after["states"] == before["states"]
    await page.keyboard.press("Enter")
    await form.get_by_label(on).uncheck()
    await form.get_by_role("button", name=save).click()
    await expect(page.locator("dashboard-alerts")).to_contain_text(off)
    await expect(page.locator("nav .badge")).to_have_count(0)


async def post_hours(service: Served) -> None:
    """Make days of usual traffic, with one hour that is not."""
    this, draw = datetime.now(UTC).replace(minute=0, second=0, microsecond=0), random.Random(2)
    hours = {ago: 60 if ago == 30 else draw.randrange(3, 6) for ago in range(16 * 24, 0, -1)}
    events = [
        {
            "type": "message",
            "message_id": f"{ago}-{number}",
            "conversation_id": "c",
            "user_id": "u",
            "role": "user",
            "timestamp": (this - timedelta(hours=ago) + timedelta(milliseconds=number)).isoformat(),
        }
        for ago, count in hours.items()
        for number in range(count)
    ]
    for first in range(0, len(events), 400):
        await service.post("batch", events[first : first + 400])


@pytest.mark.parametrize(
    ("options", "texts"),
    [
        (
            {"color_scheme": "light"},
            (
                "Alerts",
                "New rule",
                "Unusual",
                "Create rule",
                "it would have fired 1 time.",
                "60 in an hour; the 42 hours like it had 3 to 5",
            ),
        ),
        (
            {"color_scheme": "dark", "locale": "de-AT"},
            (
                "Alarme",
                "Neue Regel",
                "Ungewöhnlich",
                "Regel anlegen",
                "wäre sie 1 Mal ausgelöst worden.",
                "60 in einer Stunde; die 42 Stunden wie diese hatten 3 bis 5",
            ),
        ),
    ],
    ids=["English", "German"],
)
async def test_an_unusual_rule_shows_what_it_would_have_fired(
    service: Served, visit: Visit, options: dict[str, Any], texts: tuple[str, ...]
) -> None:
    """Where a rule about what is unusual is made, one sees what it would have fired, and why."""
    view, new, kind, create, fired, why = texts
    await post_hours(service)
    page = await (await visit(**options)).tab(service.link())
    await page.get_by_role("link", name=view, exact=True).click()
    await page.get_by_role("button", name=new).click()
    await page.get_by_role("button", name=kind, exact=True).click()
    form = page.locator("dashboard-rule-form")
    await form.locator("[name=figure]").select_option("messages")
    await expect(form).to_contain_text(fired)
    await expect(form).to_contain_text(why)
    await shoot(page, f"alerts-unusual-{options['color_scheme']}")
    assert await overflow(page) == 0
    assert await faults(page) == []
    await page.get_by_role("button", name=create).click()
    await expect(page.locator("dashboard-alerts")).to_contain_text(kind)
