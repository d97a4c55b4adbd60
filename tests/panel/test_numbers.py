"""Numbers on the page that mean the same are the same: key figure, chart, list, REST, and a recount of the events."""

import random
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from playwright.async_api import Page, expect

from storage.model import clock
from tests.panel.browser import Visitor
from tests.panel.served import Served

pytestmark = pytest.mark.asyncio(loop_scope="module")

Visit = Callable[..., Awaitable[Visitor]]
Event = dict[str, Any]
MODELS = ("large", "small", None)


def history(seed: int, now: datetime) -> list[Event]:
    """Three weeks of events of a few users, who are active on several days."""
    draw = random.Random(seed)
    events: list[Event] = []
    for number in range(240):
        user, role = f"u-{draw.randrange(9)}", draw.choice(["user", "assistant"])
        at = clock.text(now - timedelta(seconds=draw.randrange(60, 20 * 86_400)))
        message = {"message_id": f"m-{number}", "conversation_id": f"c-{number // 4}", "role": role}
        model = draw.choice(MODELS) if role == "assistant" else None
        took = None if model is None else draw.randrange(100, 9000) / 1000
        more = {"token_count": draw.randrange(2000), "model_used": model, "response_time": took}
        login = {"user_id": user, "username": user.upper(), "activity_type": "login"}
        status = draw.choice([200, 200, 500])
        call = {"endpoint": "/chat", "method": "POST", "status_code": status, "response_time": 0.5, "user_id": user}
        events += [
            {"type": "message", "timestamp": at, "user_id": user, **message, **more},
            {"type": "activity", "timestamp": at, **login},
            {"type": "api_usage", "timestamp": at, **call},
        ]
    return events


def recount(events: list[Event], begin: str, end: str) -> dict[str, int]:
    """What the key figures must say of the events from one timestamp up to another."""
    chosen = [event for event in events if begin <= event["timestamp"] < end]
    messages = [event for event in chosen if event["type"] == "message"]
    calls = [event for event in chosen if event["type"] == "api_usage"]
    return {
        "active_users": len({event["user_id"] for event in chosen}),
        "messages": len(messages),
        "tokens": sum(event["token_count"] for event in messages),
        "api": len(calls),
        "api_errors": sum(event["status_code"] >= 500 for event in calls),
    }


async def shown(page: Page, figure: str) -> str:
    """The full value of a key figure."""
    return await page.locator(f"dashboard-strip .{figure} .value").get_attribute("title") or ""


async def chart_total(page: Page, figure: str) -> str:
    """The same, as its chart says it."""
    await page.locator(f"dashboard-strip .{figure}").click()
    return await page.locator(f"dashboard-chart.{figure} .total").inner_text()


@pytest.mark.parametrize("seed", [1, 2])
async def test_what_means_the_same_is_the_same(service: Served, visit: Visit, seed: int) -> None:
    """For any range, key figures, charts, rankings and lists show what REST and a recount of the events give."""
    now = datetime.now(UTC)
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    tomorrow = midnight + timedelta(days=1)
    events = history(seed, now)
    await service.post("batch", events)
    page = await (await visit()).tab(service.link())
    # Until it is signed in it must not be sent to another address.
    await expect(page.locator("convoai-status[kind=live]")).to_be_visible()
    draw = random.Random(seed)
    first = midnight - timedelta(days=draw.randrange(6, 18))
    chosen = (first, first + timedelta(days=draw.randrange(1, 5)))
    hours = (first + timedelta(hours=draw.randrange(1, 12)), first + timedelta(hours=draw.randrange(21, 60)))
    for begin, end, address in (
        (midnight - timedelta(days=6), tomorrow, "range=7d"),
        (midnight - timedelta(days=29), tomorrow, "range=30d"),
        *((begin, end, f"from={clock.text(begin)}&to={clock.text(end)}") for begin, end in (chosen, hours)),
    ):
        bounds = {"from": clock.text(begin), "to": clock.text(end)}
        expected = recount(events, *bounds.values())
        await page.goto(f"{service.url}/analytics?{address}#overview")
        await expect(page.locator("dashboard-strip .messages .value")).to_have_attribute(
            "title", f"{expected['messages']:,}", timeout=15_000
        )
        for figure, value in expected.items():
            assert await shown(page, figure) == f"{value:,}", (address, figure)
            assert await chart_total(page, figure) == f"{value:,}", (address, figure)
        users = await service.get("active-users", **bounds)
        assert users["active_users"] == expected["active_users"], address
        series = await service.get("series", metrics="messages,tokens,api_calls,api_errors", interval="hour", **bounds)
        sums = [sum(column) for column in series["metrics"].values()]
        assert sums == [expected[name] for name in ("messages", "tokens", "api", "api_errors")], address
        models = await page.locator("dashboard-models td:nth-child(2)").all_inner_texts()
        assert sum(int(cell.replace(",", "")) for cell in models) == expected["messages"], address
        logins = Counter(
            event["user_id"]
            for event in events
            if event["type"] == "activity" and bounds["from"] <= event["timestamp"] < bounds["to"]
        )
        top = page.locator("dashboard-top-users .count")
        counts = sorted(logins.values(), reverse=True)[:5]
        await expect(top).to_have_text([str(count) for count in counts])
        times = await service.get("response-times", interval="hour", **bounds)
        p95 = times["total"]["p95_response_time"]
        written = "–" if p95 is None else f"{p95 * 1000:,.0f} ms" if p95 < 0.9995 else f"{p95:,.2f} s"  # noqa: RUF001
        assert await shown(page, "response_time") == written, address
