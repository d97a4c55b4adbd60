"""The list of breakdowns, from the real service."""

import csv
import io
from typing import Any

import pytest

from storage.read.breakdowns.catalogue import METRICS, dimensions_of
from tests.paths import API
from tests.samples.events import LLM_CALL
from tests.servers.service import Running
from tests.web.reports.samples import at, fill

COSTS = {"gpt-5-mini": "0.5", "small": "1.25", "large": None}
MARCH: dict[str, Any] = {"from": "2026-03-01", "to": "2026-03-04"}


async def spend(running: Running) -> None:
    await fill(running)
    for day, user in ((1, "ada"), (2, "ada"), (2, "bob")):
        for model, cost in COSTS.items():
            call = {**LLM_CALL, "provider": "local", "model": model, "input_tokens": 10, "user_id": user}
            await running.post("llm-call-public", {**call, "cost": cost, "timestamp": at(day)})


@pytest.mark.each_database
async def test_spend_by_model(running: Running) -> None:
    """Rows come largest first with the calls whose cost is not known beside each, and the answer says what all come
    to, which days were counted, and what no row has."""
    await spend(running)
    body = await running.get("breakdown", metric="cost", by="model", interval="day", **MARCH)
    assert [(item["label"], item["value"], item["count"], item["unpriced_calls"]) for item in body["items"]] == [
        ("small", "3.75", 3, 0),
        ("gpt-5-mini", "1.5", 3, 0),
        ("large", "0", 3, 3),
    ]
    assert body["items"][0]["points"] == ["1.25", "2.5", "0"]
    assert (body["total"], body["count"], body["unpriced_calls"], body["rows"]) == ("5.25", 9, 3, 3)
    assert body["others"] == {"beyond_bound": "0", "without_label": "0"}
    assert (body["from"], body["to"], body["kept_from"]) == (at(1, 0), at(4, 0), None)
    assert body["start"] == [at(1, 0), at(2, 0), at(3, 0)]
    users = await running.get("breakdown", metric="cost", by="user,model", limit=1, **MARCH)
    (first,) = users["items"]
    assert (first["label"], first["second"], first["username"], first["value"]) == ("ada", "small", "Ada", "2.5")
    assert users["rows"] == 6


async def test_a_range_is_widened_to_what_was_counted(running: Running) -> None:
    """A range that cuts a day or an hour is one of the whole ones, and the answer says so."""
    await spend(running)
    span = {"from": at(1, 23, 10), "to": at(2, 12, 5)}
    by_day = await running.get("breakdown", metric="llm_calls", by="provider", **span)
    assert (by_day["from"], by_day["to"], by_day["items"][0]["value"]) == (at(1, 0), at(3, 0), 9)
    by_hour = await running.get("breakdown", metric="llm_calls", by="provider", interval="hour", **span)
    assert (by_hour["from"], by_hour["to"], by_hour["items"][0]["value"]) == (at(1, 23), at(2, 13), 6)
    assert by_hour["items"][0]["points"] == [*[0] * 13, 6]


async def test_csv_has_the_same_rows(running: Running) -> None:
    """As CSV the list has the same rows and columns, with points as JSON in one cell."""
    await spend(running)
    params = {"metric": "cost", "by": "model", "interval": "day", "limit": 5, **MARCH}
    headers = {**running.admin(), "Accept": "text/csv"}
    answer = await running.http.get(f"{API}/breakdown", params=params, headers=headers)
    assert answer.status_code == 200, answer.text
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert [(row["label"], row["value"], row["points"]) for row in rows] == [
        ("small", "3.75", '["1.25","2.5","0"]'),
        ("gpt-5-mini", "1.5", '["0.5","1","0"]'),
        ("large", "0", '["0","0","0"]'),
    ]


REFUSED = [
    ({}, "metric", "cost"),
    ({"metric": "cost"}, "by", "model, provider, user, conversation"),
    ({"metric": "fun", "by": "model"}, "metric", "cost"),
    ({"metric": "cost", "by": "endpoint"}, "by", "model, provider, user, conversation"),
    ({"metric": "cost", "by": "user,conversation"}, "by", "model,user"),
    ({"metric": "cost", "by": "model,model"}, "by", "two of them"),
    ({"metric": "cost", "by": "model,user,provider"}, "by", "two of them"),
    ({"metric": "cost", "by": "user", "interval": "hour"}, "interval", "by hour there is model, provider"),
    ({"metric": "cost", "by": "model", "interval": "minute"}, "interval", "hour, day"),
    ({"metric": "messages", "by": "conversation"}, "by", "role"),
    ({"metric": "cost", "by": "model", "from": "2026-03-02", "to": "2026-03-02"}, "to", "after"),
    ({"metric": "cost", "by": "model", "from": "1970-01-02", "interval": "hour"}, "from", "later"),
    ({"metric": "cost", "by": "model", "interval": "day", "from": "2025-01-01", "limit": 1000}, "limit", "lower"),
    ({"metric": "cost", "by": "model", "cursor": "AAAA"}, "cursor", "cursor"),
]


@pytest.mark.parametrize(("params", "field", "part"), REFUSED)
async def test_what_is_not_kept_is_refused(running: Running, params: dict[str, str], field: str, part: str) -> None:
    """What no rollup answers is a 422 that names the parameter and lists what there is."""
    answer = await running.http.get(f"{API}/breakdown", params=params, headers=running.admin())
    assert (answer.status_code, answer.json()["field"]) == (422, field)
    assert part in answer.json()["detail"]


async def test_every_combination_answers(running: Running) -> None:
    """Every metric by every dimension that the errors list is answered, also of a tenant without events."""
    for metric in METRICS:
        for by in dimensions_of(metric, "day"):
            body = await running.get("breakdown", metric=metric, by=by)
            assert (body["items"], body["rows"], body["next"]) == ([], 0, None)
