"""Live breakdowns: the rows that a panel shows are those of the list, after whatever happens."""

import asyncio
import time
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from realtime.subscriber_state import Json
from storage.errors import StorageUnavailable
from storage.model import clock
from storage.prices.own import Written, price_of, set_prices
from storage.retention.erasure import forget
from storage.retention.steps import Steps
from storage.write.reprice import reprice
from tests.samples.events import ACTIVITY, CALL, LLM_CALL, MESSAGE
from tests.servers.postgres import Postgres
from tests.servers.service import Running, start
from tests.subscribers.breakdowns import equals_list, shown
from tests.subscribers.live import LivePanel
from tests.subscribers.stream import StreamPanel

each_database = pytest.mark.each_database
BY_MODEL = {"metric": "cost", "by": "model"}


async def follow(running: Running, wanted: Json = BY_MODEL, **options: Any) -> LivePanel:
    """Connect a panel that shows a breakdown and nothing else."""
    panel = await running.panel(topics=options.pop("topics", ()), breakdown=wanted, **options)
    await panel.until(lambda: bool(panel.state.breakdown) or panel.closed is not None)
    return panel


async def spend(running: Running, model: str, cost: str | None = "0.5", **fields: Any) -> Any:
    return await running.post("llm-call-public", {**LLM_CALL, "model": model, "cost": cost, **fields})


def rows(panel: LivePanel) -> list[tuple[str, Any]]:
    return [(item["label"], item["value"]) for item in panel.state.breakdown["items"]]


async def until_followed(running: Running, number: int) -> None:
    """Wait until so many breakdowns are followed: the service has to notice that a panel has left."""
    async with asyncio.timeout(10):
        while running.service.node.breakdowns.followed != number:  # noqa: ASYNC110 - nothing tells of it
            await asyncio.sleep(0.01)


def has_rows(panel: LivePanel, wanted: list[tuple[str, Any]]) -> bool:
    return rows(panel) == wanted


def has_unpriced(panel: LivePanel, calls: int) -> bool:
    return bool(panel.state.breakdown["unpriced_calls"] == calls)


def parts(panel: LivePanel) -> list[Json]:
    """Give what the frames had of the breakdown."""
    return [frame["breakdown"] for frame in panel.frames if "breakdown" in frame]


@each_database
async def test_an_event_moves_a_row(running: Running) -> None:
    """A panel begins with the first rows of today, as the list has them; a call moves its row, and that row alone is
    sent."""
    await spend(running, "small", "0.5")
    await spend(running, "large", "0.25")
    panel = await follow(running)
    assert rows(panel) == [("small", "0.5"), ("large", "0.25")]
    assert (panel.state.breakdown["total"], panel.state.breakdown["unpriced_calls"]) == ("0.75", 0)
    await equals_list(running, panel)
    panel.frames.clear()
    receipt = await spend(running, "small", "0.000000001")
    await panel.until(lambda: rows(panel)[0] == ("small", "0.500000001"))
    assert panel.state.breakdown["position"] == receipt["position"]
    (part,) = parts(panel)
    assert [item["label"] for item in part["items"]] == ["small"]
    assert set(part) == {"position", "items", "total", "count", "digest"}
    await equals_list(running, panel)


@each_database
async def test_rows_change_places(running: Running) -> None:
    """With as many rows as were asked for, one comes in, and the one that falls behind it goes out."""
    for model, cost in (("small", "3"), ("large", "2"), ("huge", "1")):
        await spend(running, model, cost)
    panel = await follow(running, {**BY_MODEL, "limit": 2})
    assert rows(panel) == [("small", "3"), ("large", "2")]
    await spend(running, "huge", "5")
    await panel.until(lambda: rows(panel) == [("huge", "6"), ("small", "3")])
    assert parts(panel)[-1]["order"] == [["huge", None], ["small", None]]
    assert panel.state.breakdown["rows"] == 3
    await equals_list(running, panel)


@each_database
@pytest.mark.parametrize(
    "wanted",
    [
        {"metric": "cost", "by": "user"},
        {"metric": "llm_calls", "by": "provider", "range": "hour"},
        {"metric": "active_users", "by": "model"},
        {"metric": "p95_llm_response_time", "by": "model", "range": "hour"},
        {"metric": "avg_response_time", "by": "model"},
        {"metric": "tokens", "by": "user"},
        {"metric": "cost", "by": "user,model", "limit": 50},
        {"metric": "api_errors", "by": "endpoint"},
        {"metric": "activities", "by": "activity_type", "limit": 1},
    ],
    ids=lambda wanted: f"{wanted['metric']} by {wanted['by']}",
)
async def test_every_kind_is_that_of_the_list(running: Running, wanted: Json) -> None:
    """Sums, distinct users, means and percentiles, of today and of the hour, by one dimension and by two."""
    panel = await follow(running, wanted)
    for number in range(4):
        user, took = f"u{number % 3}", 0.5 * number
        await spend(running, f"m{number % 2}", user_id=user, response_time=took, input_tokens=5)
        await running.post("activity-public", {**ACTIVITY, "user_id": user, "username": f"N{number}"})
        message = {**MESSAGE, "message_id": f"m{number}", "user_id": user, "response_time": took, "model_used": "m0"}
        await running.post("message-public", message)
        await running.post("api-usage-public", {**CALL, "status_code": 500, "response_time": took})
        await equals_list(running, panel)
    assert panel.state.breakdown["items"]


@each_database
async def test_a_panel_resumes(running: Running) -> None:
    """A panel that comes back with the position of the rows that are shown now gets none of them again; with an earlier
    one it gets all."""
    panel, other = await follow(running), await follow(running)
    await spend(running, "small")
    await panel.until(lambda: bool(rows(panel)))
    await other.until(lambda: bool(rows(other)))
    await panel.close()
    panel.frames.clear()
    await panel.resume()
    assert panel.frames[0]["type"] == "delta"
    assert set(panel.frames[0]["breakdown"]) == {"position", "digest"}
    await panel.close()
    await spend(running, "large")
    await other.until(lambda: len(rows(other)) == 2)
    panel.frames.clear()
    await panel.resume()
    assert panel.frames[0]["breakdown"]["order"] == [["large", None], ["small", None]]
    assert len(panel.frames[0]["breakdown"]["items"]) == 2
    await equals_list(running, panel)


async def test_a_subscription_replaces_the_breakdown(running: Running) -> None:
    """A second subscription follows another breakdown, or none; figures come beside it."""
    await spend(running, "small", user_id="u1")
    panel = await follow(running, topics=("summary",))
    assert panel.state.summary["total_cost"] == "0.5"
    panel.breakdown = {"metric": "llm_calls", "by": "user"}
    await panel.subscribe(None)
    await panel.until(lambda: panel.state.breakdown.get("metric") == "llm_calls")
    assert rows(panel) == [("u1", 1)]
    await equals_list(running, panel)
    panel.breakdown = None
    await panel.subscribe(panel.state.position)
    panel.frames.clear()
    await spend(running, "small", user_id="u1")
    await panel.until(lambda: panel.state.summary["total_cost"] == "1")
    await panel.until_position((await spend(running, "small"))["position"])
    assert parts(panel) == []


@pytest.mark.parametrize(
    ("topics", "wanted", "message"),
    [
        (["breakdown"], {"metric": "spend", "by": "model"}, "invalid field breakdown.metric: must be one of cost, "),
        (
            ["breakdown"],
            {"metric": "cost", "by": "role"},
            "invalid field breakdown.by: does not fit this metric: for it ",
        ),
        (
            ["breakdown"],
            {"metric": "cost", "by": "user", "range": "hour"},
            "invalid field breakdown.range: must be today",
        ),
        (["breakdown"], {"metric": "cost", "by": "model", "range": "week"}, "invalid field breakdown.range"),
        (["breakdown"], {"metric": "cost", "by": "model", "limit": 51}, "invalid field breakdown.limit"),
        (["breakdown"], {"metric": "cost"}, "invalid field breakdown"),
        (["breakdown"], None, "invalid field breakdown: goes with the topic breakdown"),
        (["summary"], BY_MODEL, "invalid field breakdown: goes with the topic breakdown"),
    ],
)
async def test_what_there_is_not_is_refused(running: Running, topics: list[str], wanted: Json, message: str) -> None:
    """An unknown or too wide breakdown is refused with the field and the reason, and the connection ends with 4400."""
    panel = await running.panel(subscribe=False)
    await panel.send(type="subscribe", topics=topics, position=None, breakdown=wanted)
    await panel.until(lambda: panel.closed is not None)
    assert panel.closed == (4400, "the message breaks the protocol")
    assert panel.frames[0]["message"].startswith(message)


async def test_rows_are_bounded(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """A breakdown of more users than may be added up at each change is refused with the reason, also when the users
    come later; bounded rollups are not concerned."""
    monkeypatch.setattr("storage.read.breakdowns.live.MAX_ROWS", 2)
    for number in range(2):
        await spend(running, f"m{number}", user_id=f"u{number}")
    panel = await follow(running, {"metric": "cost", "by": "user"})
    by_model = await follow(running)
    assert panel.socket.close_code is None
    await spend(running, "m2", user_id="u2")
    await panel.until(lambda: panel.closed is not None)
    assert panel.closed == (4400, "the message breaks the protocol")
    assert panel.frames[-1]["message"].startswith("breakdown.by: there are more than 2 rows today")
    late = await running.panel(topics=(), breakdown={"metric": "cost", "by": "user"})
    await late.until(lambda: late.closed is not None)
    assert late.frames[-1]["message"].startswith("breakdown.by: there are more than 2 rows today")
    await by_model.until(lambda: len(rows(by_model)) == 3)


async def test_a_tenant_follows_so_many(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """A tenant follows only so many different breakdowns, and all tenants together so many; panels with the same one
    count once, and one that leaves makes room."""
    monkeypatch.setattr("realtime.breakdowns.breakdowns.OF_TENANT", 2)
    monkeypatch.setattr("realtime.breakdowns.breakdowns.OF_PROCESS", 3)
    panels = [await follow(running, {"metric": metric, "by": "model"}) for metric in ("cost", "cost", "llm_calls")]
    beyond = await follow(running, {"metric": "llm_errors", "by": "model"})
    assert beyond.closed == (1013, "too many connections")
    assert beyond.frames[-1]["message"] == "breakdown: this tenant follows 2 different ones, which is the most"
    acme = await follow(running, tenant="acme")
    other = await follow(running, {"metric": "llm_calls", "by": "model"}, tenant="acme")
    assert acme.closed is None
    assert other.frames[-1]["message"] == "breakdown: this process follows 3 different ones, which is the most"
    await panels[2].close()
    await until_followed(running, 2)
    again = await follow(running, {"metric": "llm_errors", "by": "model"})
    assert again.closed is None


async def test_events_of_another_kind_read_nothing(running: Running) -> None:
    """Rows are read again only for what can change them: a message is not for the cost of models."""
    panel = await follow(running)
    before = panel.state.breakdown["position"]
    receipt = await running.post("message-public", MESSAGE)
    await panel.until_position(receipt["position"])
    receipt = await spend(running, "small")
    await panel.until(lambda: bool(rows(panel)))
    assert [part["position"] for part in parts(panel)] == [before, receipt["position"]]


@each_database
async def test_midnight_begins_a_new_day(tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """At midnight in the tenant's zone a breakdown of today begins anew, without an event, and one of the hour at each
    hour."""
    shift = datetime(2026, 3, 9, 3, 30, tzinfo=UTC).timestamp() - time.time()
    monkeypatch.setattr(clock, "unix", lambda: time.time() + shift)
    running = await start(tmp_path, DATABASE_URL=database_url, TIMEZONE="America/New_York")
    token = running.token(seconds=10**9)
    await spend(running, "small")
    today = await follow(running, token=token)
    hour = await follow(running, {**BY_MODEL, "range": "hour"}, token=token)
    assert today.state.breakdown["from"] == "2026-03-08T05:00:00.000Z"
    assert hour.state.breakdown["from"] == "2026-03-09T03:00:00.000Z"
    assert rows(today) == rows(hour) == [("small", "0.5")]
    shift += 3600
    for panel in (today, hour):
        await panel.until(partial(has_rows, panel, []))
        assert panel.state.breakdown["from"] == "2026-03-09T04:00:00.000Z"
    # One of the day before arrives late.
    await spend(running, "small", timestamp="2026-03-09T03:10:00Z")
    await spend(running, "large", timestamp="2026-03-09T04:10:00Z")
    for panel in (today, hour):
        await panel.until(partial(has_rows, panel, [("large", "0.5")]))
        await equals_list(running, panel)
    await running.drop()


@each_database
async def test_what_is_repriced_or_erased(running: Running) -> None:
    """Prices that change, and users who are erased, change the rows as they change the list's."""
    database = running.service.database
    for model, user in (("small", "u1"), ("small", "u2"), ("large", "u2")):
        await spend(running, model, None, user_id=user, input_tokens=1000, output_tokens=10)
    by_model, by_user = await follow(running), await follow(running, {"metric": "cost", "by": "user"})
    assert by_model.state.breakdown["unpriced_calls"] == 3
    price = price_of(Written("openai", model="small", input="3", output="9"))
    await database.write(lambda connection: set_prices(connection, "default", [price]))
    await reprice(database, "default", "2026-01-01T00:00:00.000Z", "2100-01-01T00:00:00.000Z", 1000, is_dry=False)
    for panel in (by_model, by_user):
        await panel.until(partial(has_unpriced, panel, 1))
        await equals_list(running, panel)
    await forget(Steps(database, 1000, rest=0), "default", "u2")
    for panel in (by_model, by_user):
        await equals_list(running, panel)
    assert [label for label, _ in rows(by_user)] == ["u1"]


@each_database
async def test_a_panel_that_does_not_read(running: Running) -> None:
    """A panel that was slow gets one difference between the rows that it holds and those of now."""
    await spend(running, "small", "1")
    panel, other = await follow(running, {**BY_MODEL, "limit": 3}), await follow(running, {**BY_MODEL, "limit": 3})
    panel.stall()
    for number in range(40):
        await spend(running, f"m{number % 7}", str(number))
    await other.until(lambda: other.state.breakdown["count"] == 41)
    panel.go_on()
    await panel.until(lambda: panel.state.breakdown["count"] == 41)
    assert shown(panel.state.breakdown) == shown(other.state.breakdown)
    await equals_list(running, panel)


async def test_two_processes_show_the_same(tmp_path: Path, postgres: Postgres, valkey: str) -> None:
    """An event that one process commits moves the rows of panels at the other; panels change from one to the other."""
    database = postgres.create()
    options: dict[str, Any] = {"DATABASE_URL": postgres.url(database), "REDIS_URL": valkey}
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    one, two = [await start(tmp_path / name, **options) for name in ("one", "two")]
    here, there = await follow(one), await follow(two)
    for number in range(6):
        await spend((one, two)[number % 2], f"m{number % 3}", str(number))
        await equals_list(one, here)
        await equals_list(two, there)
    await here.close()
    here.url = there.url
    await spend(one, "m9", "100")
    await here.resume()
    await equals_list(two, here)
    assert rows(here)[0] == ("m9", "100")
    await one.drop()
    await two.drop()
    postgres.drop(database)


@each_database
async def test_streams_follow_too(running: Running) -> None:
    """An event stream follows a breakdown by parameters, and is told by name what is wrong with them."""
    panel = StreamPanel(running.url, running.token(), topics="breakdown", metric="cost", by="model", limit="1")
    running.panels.append(panel)
    await panel.open()
    await panel.until(lambda: bool(panel.state.breakdown))
    await spend(running, "small")
    await panel.until(lambda: bool(panel.state.breakdown["items"]))
    await equals_list(running, panel)
    for wrong, field in (
        ({"metric": "spend", "by": "model"}, "metric"),
        ({"metric": "cost"}, "by"),
        ({"metric": "cost", "by": "role"}, "by"),
        ({"metric": "cost", "by": "user", "range": "hour"}, "range"),
        ({"metric": "cost", "by": "model", "limit": "51"}, "limit"),
    ):
        headers = {**running.admin(), "Accept": "text/event-stream"}
        query = {"topics": "breakdown", **wrong}
        answer = await running.http.get("/api/v1/analytics/live", params=query, headers=headers)
        assert answer.status_code == 422, answer.text
        assert answer.json()["field"] == field


async def test_old_rows_say_so(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows that can have changed but cannot be read say since when they may be old, until they are read again."""
    monkeypatch.setattr("realtime.breakdowns.followed.STALE_SECONDS", 0.0)
    panel = await follow(running)
    with monkeypatch.context() as broken:
        broken.setattr("realtime.breakdowns.followed.Followed.read", fail)
        await spend(running, "small")
        await panel.until(lambda: panel.state.breakdown["stale_since"] is not None)
        assert rows(panel) == []
    await panel.until(lambda: panel.state.breakdown["stale_since"] is None)
    await equals_list(running, panel)
    assert rows(panel) == [("small", "0.5")]


async def fail(_followed: Any) -> None:
    raise StorageUnavailable("the database cannot be read just now")
