"""API usage by endpoint."""

import random
from collections import Counter
from typing import Any

import pytest
from sqlalchemy import text

from storage.engine.database import Database
from storage.model.metrics import LABELS, mean_seconds
from storage.model.rollups import ENDPOINTS
from storage.read.endpoints import endpoints
from storage.read.reports import Page
from storage.verify.comparison import verify
from tests.storage.databases import opened

pytestmark = pytest.mark.each_database

Json = dict[str, Any]


def call(endpoint: str, seconds: float = 0.1, status: int = 200, day: int = 1) -> Json:
    at = f"2026-03-{day:02d}T10:00:00.000Z"
    return {
        "type": "api_usage",
        "endpoint": endpoint,
        "method": "GET",
        "status_code": status,
        "response_time": seconds,
        "timestamp": at,
    }


async def listed(database: Database, page: Page) -> list[Json]:
    """All pages, one after another."""
    items: list[Json] = []
    async with database.read() as connection:
        while True:
            listing = await endpoints(connection, "default", database.days, page)
            items += listing.items
            if listing.next is None:
                return items
            page = Page(page.limit, listing.next, page.start, page.end)


async def test_endpoints_are_summed_over_days(database_url: str) -> None:
    """Count, errors and mean are exact, and the 95th percentile within 1.6 %, over all days of the range."""
    draw = random.Random(3)
    calls = [
        call(f"/{draw.randrange(4)}", draw.expovariate(5), draw.choice([200, 404, 500]), draw.randrange(1, 9))
        for _ in range(400)
    ]
    database = await opened(database_url, "UTC", calls)
    chosen = [fields for fields in calls if "2026-03-03" <= fields["timestamp"] < "2026-03-07"]
    items = await listed(database, Page(50, None, "2026-03-03T15:00:00.000Z", "2026-03-06T10:00:00.000Z"))
    await database.close()
    counts = Counter(fields["endpoint"] for fields in chosen)
    assert [(item["endpoint"], item["count"]) for item in items] == sorted(
        counts.items(), key=lambda pair: (-pair[1], pair[0])
    )
    for item in items:
        own = [fields for fields in chosen if fields["endpoint"] == item["endpoint"]]
        took = sorted(round(fields["response_time"] * 1e6) for fields in own)
        assert item["error_count"] == sum(fields["status_code"] >= 500 for fields in own)
        assert item["avg_response_time"] == mean_seconds(sum(took), len(took))
        exact = took[-(-95 * len(took) // 100) - 1] / 1e6
        assert abs(item["p95_response_time"] - exact) <= exact / 64


async def test_pages_neither_overlap_nor_leave_out(database_url: str) -> None:
    """Small pages give what one large page gives, also among endpoints with as many calls."""
    database = await opened(database_url, "UTC", [call(f"/{number % 7}") for number in range(25)])
    assert await listed(database, Page(2)) == await listed(database, Page(100))
    await database.close()


async def test_no_sender_makes_the_tables_grow_without_bound(database_url: str) -> None:
    """Beyond the first endpoints of a day and the first models all count together, and the recount agrees."""
    calls = [call(f"/{number % (ENDPOINTS + 30)}") for number in range(ENDPOINTS + 60)]
    messages = [
        {
            "type": "message",
            "message_id": f"m{number}",
            "conversation_id": "c",
            "user_id": "u",
            "role": "user",
            "token_count": 1,
            "model_used": f"model-{number % (LABELS + 5)}",
        }
        for number in range(3 * LABELS)
    ]
    database = await opened(database_url, "UTC", calls + messages)
    items = await listed(database, Page(1000))
    assert len(items) == ENDPOINTS + 1
    assert [item["count"] for item in items if item["endpoint"] is None] == [30]
    async with database.read() as connection:
        query = "SELECT metric FROM counters WHERE grain = 'total' AND metric LIKE 'model_messages:%'"
        models = set(await connection.scalars(text(query)))
        assert len(models) == LABELS + 1
        assert "model_messages:" in models
        assert (await verify(connection, database.days)).differences == []
    await database.close()
