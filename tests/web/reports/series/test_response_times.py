"""The endpoint of response times."""

from typing import Any

import pytest

from tests.paths import API
from tests.samples.events import CALL, MESSAGE
from tests.servers.service import Running

pytestmark = pytest.mark.each_database

RANGE = {"from": "2026-03-01T09:10:00Z", "to": "2026-03-01T12:00:00Z"}


async def post(running: Running, key: str = "") -> None:
    """Four messages of two models, and an API call that failed, in one hour."""
    at = {"timestamp": "2026-03-01T10:30:00Z"}
    for number, (model, seconds) in enumerate((("large", 2.0), ("large", 4.0), ("small", 0.5), (None, 1.0))):
        message = {**MESSAGE, **at, "message_id": f"t{number}", "model_used": model, "response_time": seconds}
        await running.post("message-public", message, **({"key": key} if key else {}))
    call = {**CALL, **at, "status_code": 503}
    await running.post("api-usage-public", call, **({"key": key} if key else {}))


async def test_percentiles_over_time(running: Running) -> None:
    """Each point and the whole range have count, mean and percentiles, of all and of each model, most first."""
    await post(running)
    found = await running.get("response-times", by="model", **RANGE)
    assert found["start"] == [f"2026-03-01T{hour:02d}:00:00.000Z" for hour in (9, 10, 11)]
    assert (found["of"], found["interval"], found["timezone"]) == ("messages", "hour", "UTC")
    assert found["points"]["count"] == [0, 4, 0]
    assert found["points"]["avg_response_time"] == [None, 1.875, None]
    assert found["points"]["p95_response_time"] == [None, pytest.approx(4, rel=found["relative_error"]), None]
    assert found["total"]["p50_response_time"] == pytest.approx(1, rel=found["relative_error"])
    assert [(item["label"], item["total"]["count"]) for item in found["items"]] == [("large", 2), ("small", 1)]
    assert found["items"][0]["total"]["p50_response_time"] == pytest.approx(2, rel=found["relative_error"])
    assert found["others"] == {"beyond_limit": 0, "beyond_bound": 0, "without_label": 1}
    assert found["unknown"] == 0
    assert found["position"] == (await running.get("summary"))["position"]


async def test_one_model_and_one_endpoint(running: Running) -> None:
    """A filter gives the figures of one model or endpoint; errors are counted of API calls; an unknown one has none."""
    await post(running)
    small = await running.get("response-times", model="small", interval="day", **RANGE)
    assert (small["total"]["count"], small["total"]["avg_response_time"]) == (1, 0.5)
    chat = await running.get("response-times", of="api_calls", endpoint=CALL["endpoint"], **RANGE)
    assert (chat["total"]["count"], chat["total"]["error_count"]) == (1, 1)
    none = await running.get("response-times", of="api_calls", endpoint="/none", **RANGE)
    assert none["total"] == {
        "count": 0,
        "error_count": 0,
        "avg_response_time": None,
        "p50_response_time": None,
        "p95_response_time": None,
        "p99_response_time": None,
    }


async def test_response_times_are_of_one_tenant(running: Running) -> None:
    """A tenant sees neither response times nor models of another."""
    await post(running, key="acme-key-0123456789")
    own = await running.get("response-times", by="model", **RANGE)
    theirs = await running.get("response-times", "acme", by="model", **RANGE)
    assert (own["total"]["count"], own["items"]) == (0, [])
    assert theirs["total"]["count"] == 4


@pytest.mark.no_database
@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("of=users", "of"),
        ("by=endpoint", "by"),
        ("of=api_calls&by=model", "by"),
        ("endpoint=/chat", "endpoint"),
        ("of=api_calls&model=small", "model"),
        ("by=model&model=small", "by"),
        ("model=", "model"),
        ("by=model&limit=0", "limit"),
        ("interval=minute", "interval"),
        ("interval=hour&from=2024-01-01&to=2026-01-01", "interval"),
        ("by=model&limit=50&from=2026-01-01&to=2026-03-01", "interval"),
        ("from=2026-03-02&to=2026-03-01", "to"),
        ("from=2026-03-01&to=2026-03-01", "to"),
        ("from=yesterday", "from"),
    ],
)
async def test_what_makes_no_percentiles_is_refused(running: Running, query: str, field: str) -> None:
    """A query that cannot be served is a 422 that names the field."""
    answer = await running.http.get(f"{API}/response-times?{query}", headers=running.admin())
    assert answer.status_code == 422
    problem: dict[str, Any] = answer.json()
    assert problem["field"] == field
