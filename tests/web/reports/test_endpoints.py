"""The admin's REST endpoints: their figures and their rows."""

import asyncio
import csv
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy.exc import OperationalError

from tests.paths import API
from tests.samples.events import ACTIVITY, CALL, LLM_CALL, MESSAGE, TALK
from tests.servers.service import Running, start
from tests.web.reports.samples import LISTS, REPORTS, at, fill

pytestmark = pytest.mark.each_database


async def test_the_summary_is_flat_and_exact(running: Running) -> None:
    """The summary has the six figures, further ones beside them, and the position."""
    await fill(running)
    summary = await running.get("summary")
    position = summary.pop("position")
    assert summary == {
        "total_users": 3,
        "active_users_today": 0,
        "total_conversations": 2,
        "total_messages": 4,
        "total_tokens": 67,
        "avg_response_time": 1.0,
        "deleted_conversations": 0,
        "total_activities": 5,
        "total_api_calls": 3,
        "total_api_errors": 2,
        "avg_api_response_time": 0.25,
        "total_llm_calls": 0,
        "failed_llm_calls": 0,
        "total_input_tokens": 0,
        "total_cached_input_tokens": 0,
        "total_output_tokens": 0,
        "total_reasoning_tokens": 0,
        "total_cost": "0",
        "unpriced_llm_calls": 0,
        "total_unpriced_tokens": 0,
        "avg_llm_response_time": None,
        "avg_time_to_first_token": None,
        "avg_tokens_per_second": None,
    }
    assert position == (await running.get("snapshot"))["position"]
    assert (await running.verdict()).differences == []


async def test_llm_calls_have_figures_of_their_own(running: Running) -> None:
    """Calls, failures, tokens by kind, cost and times of LLM calls are figures; what is not known adds nothing, and is
    counted as unpriced if it is the cost. A platform that sends only calls has users, conversations and tokens."""
    first = {"input_tokens": 100, "cached_input_tokens": 60, "output_tokens": 30, "reasoning_tokens": 10}
    names = {"user_id": "u1", "conversation_id": "c1"}
    times = {"response_time": 3, "time_to_first_token": 0.5}
    await running.post("llm-call-public", {**LLM_CALL, **names, **first, **times, "cost": "9999.123456789"})
    await running.post("llm-call-public", {**LLM_CALL, "input_tokens": 7, "response_time": 1, "cost": "0.1"})
    await running.post("llm-call-public", {**LLM_CALL, "output_tokens": 9, "error_type": "Timeout"})
    summary = await running.get("summary")
    assert {name: value for name, value in summary.items() if name != "position" and value not in (0, None)} == {
        "total_users": 1,
        "active_users_today": 1,
        "total_conversations": 1,
        "total_llm_calls": 3,
        "failed_llm_calls": 1,
        "total_input_tokens": 107,
        "total_cached_input_tokens": 60,
        "total_output_tokens": 39,
        "total_reasoning_tokens": 10,
        "total_cost": "9999.223456789",
        "unpriced_llm_calls": 1,
        "total_unpriced_tokens": 9,
        "avg_llm_response_time": 2.0,
        "avg_time_to_first_token": 0.5,
        "avg_tokens_per_second": 10.0,
    }
    (minute,) = [point for point in (await running.get("snapshot"))["series"] if point["llm_calls"]][:1]
    assert minute["llm_cost"].startswith(("9999.", "0."))
    assert (await running.verdict()).differences == []


async def test_tokens_that_are_not_known_are_null(running: Running) -> None:
    """A message without tokens counts as a message, adds nothing to any sum of tokens, and is listed with null, not 0;
    so does one with null."""
    talk = {**MESSAGE, "conversation_id": "c1", "model_used": "small", "timestamp": at(1)}
    bare = {name: value for name, value in talk.items() if name != "token_count"}
    await running.post("message-public", {**talk, "message_id": "m0", "token_count": 5})
    await running.post("message-public", {**bare, "message_id": "m1"})
    await running.post("message-public", {**talk, "message_id": "m2", "token_count": None})
    await running.post("message-public", {**bare, "message_id": "m3", "conversation_id": "c2", "model_used": "new"})
    summary = await running.get("summary")
    assert (summary["total_messages"], summary["total_tokens"]) == (4, 5)
    found = {item["message_id"]: item["token_count"] for item in (await running.get("messages"))["items"]}
    assert found == {"m0": 5, "m1": None, "m2": None, "m3": None}
    talks = {item["conversation_id"]: item for item in (await running.get("conversations"))["items"]}
    assert [(talks[name]["message_count"], talks[name]["total_tokens"]) for name in ("c1", "c2")] == [(3, 5), (1, 0)]
    wanted = {"metrics": "model_messages,model_tokens", "interval": "day", "from": "2026-03-01", "to": "2026-03-02"}
    metrics = (await running.get("series", **wanted))["metrics"]
    assert (metrics["model_messages:small"], metrics["model_messages:new"]) == ([3], [1])
    assert (metrics["model_tokens:small"], metrics.get("model_tokens:new", [0])) == ([5], [0])
    answer = await running.http.get(f"{API}/messages", headers={**running.admin(), "Accept": "text/csv"})
    assert [row["token_count"] for row in csv.DictReader(answer.text.splitlines())] == ["", "", "", "5"]
    assert (await running.verdict()).differences == []


async def test_an_empty_tenant_is_zeros(running: Running) -> None:
    """A tenant nobody knows has zeros and empty lists, not an error; no mean is null."""
    summary = await running.get("summary", "nobody")
    assert summary["total_users"] == 0
    assert summary["avg_response_time"] is None
    for name in LISTS[:-1]:
        body = await running.get(name, "nobody")
        assert (body["items"], body["next"]) == ([], None)


async def test_means_are_null_or_exact(running: Running) -> None:
    """A message without a response time does not weigh on the mean; one of 0 does."""
    await running.post("message-public", {**MESSAGE, "message_id": "a"})
    assert (await running.get("summary"))["avg_response_time"] is None
    for number, seconds in enumerate((0, 0.1, 0.2)):
        await running.post("message-public", {**MESSAGE, "message_id": f"b{number}", "response_time": seconds})
    assert (await running.get("summary"))["avg_response_time"] == 0.1


async def test_the_snapshot_has_what_a_panel_shows(running: Running) -> None:
    """The snapshot has the fields of the live one: summary, the last ten activities, the first five users."""
    for number in range(12):
        user = f"u{number % 6}"
        await running.post("activity-public", {**ACTIVITY, "user_id": user, "timestamp": at(1, minute=number)})
    await running.post("activity-public", {**ACTIVITY, "user_id": "u5", "timestamp": at(1)})
    snapshot = await running.get("snapshot")
    assert [item["timestamp"] for item in snapshot["activities"]] == [at(1, minute=n) for n in range(11, 1, -1)]
    assert [(item["user_id"], item["activity_count"]) for item in snapshot["top_users"]] == [
        ("u5", 3), ("u0", 2), ("u1", 2), ("u2", 2), ("u3", 2),
    ]  # fmt: skip
    assert snapshot["summary"]["total_users"] == 6


async def test_activities_carry_their_columns(running: Running) -> None:
    """An activity is listed with all its columns, extra_data as the object that was posted."""
    extra = {"a": [1, {"b": None}], "ü": "\\u0000 as text"}
    posted = {**ACTIVITY, "ip_address": "10.0.0.1", "user_agent": "test", "extra_data": extra, "timestamp": at(1)}
    await running.post("activity-public", posted)
    item = (await running.get("users/activities"))["items"][0]
    assert isinstance(item.pop("id"), int)
    assert item == posted


async def test_a_conversation_sums_its_messages(running: Running) -> None:
    """A conversation has its messages' count, tokens and mean; one that nobody created has its first message's user."""
    await fill(running)
    second, first = (await running.get("conversations"))["items"]
    assert (first["conversation_id"], first["message_count"], first["total_tokens"]) == ("c1", 3, 60)
    assert (first["avg_response_time"], first["status"], first["updated_at"]) == (1.0, "active", at(2))
    assert (second["conversation_id"], second["user_id"], second["created_at"]) == ("c2", "bob", at(2))


async def test_deleted_is_final(running: Running) -> None:
    """A deleted conversation stays so and counted, though its creation arrives late; the creator then owns it."""
    await running.post("conversation-public", {**TALK, "action": "deleted", "user_id": "x", "timestamp": at(3)})
    await running.post("message-public", {**MESSAGE, "user_id": "y", "timestamp": at(1)})
    assert (await running.get("conversations"))["items"][0]["user_id"] == "y"
    await running.post("conversation-public", {**TALK, "user_id": "z", "timestamp": at(2)})
    item = (await running.get("conversations"))["items"][0]
    assert (item["status"], item["user_id"], item["created_at"]) == ("deleted", "z", at(2))
    summary = await running.get("summary")
    assert (summary["total_conversations"], summary["deleted_conversations"]) == (1, 1)
    assert (await running.verdict()).differences == []


async def test_users_are_listed(running: Running) -> None:
    """users/list has first and last sight, and with active_only those with an event today."""
    await fill(running)
    await running.post("message-public", {**MESSAGE, "message_id": "now", "user_id": "zoe"})
    items = (await running.get("users/list"))["items"]
    assert [item["user_id"] for item in items] == ["ada", "bob", "cyd", "zoe"]
    assert items[0] == {
        "user_id": "ada", "username": "Ada", "first_seen": at(1), "last_seen": at(3), "activity_count": 3,
    }  # fmt: skip
    assert items[3]["username"] is None
    active = (await running.get("users/list", active_only="true"))["items"]
    assert [item["user_id"] for item in active] == ["zoe"]
    assert (await running.get("summary"))["active_users_today"] == 1


async def test_daily_stats_fill_the_gaps(running: Running) -> None:
    """daily-stats lists every day, newest first and today included, with total_users cumulative."""
    await fill(running)
    body = await running.get("daily-stats", **{"from": "2026-02-28", "to": "2026-03-05"})
    days = {item["date"]: item for item in body["items"]}
    assert list(days) == ["2026-03-04", "2026-03-03", "2026-03-02", "2026-03-01", "2026-02-28"]
    assert [item["total_users"] for item in body["items"]] == [3, 3, 2, 2, 0]
    assert [item["new_users"] for item in body["items"]] == [0, 1, 0, 2, 0]
    assert [item["active_users"] for item in body["items"]] == [0, 2, 2, 2, 0]
    second = days["2026-03-02"]
    assert (second["total_messages"], second["total_api_calls"], second["error_count"]) == (3, 2, 2)
    assert (second["total_conversations"], second["avg_response_time"]) == (1, 1.5)
    recent = (await running.get("daily-stats", days=3))["items"]
    today = datetime.now(UTC).date()
    assert [item["date"] for item in recent] == [(today - timedelta(days=n)).isoformat() for n in range(3)]
    assert recent[0]["total_users"] == 3
    assert len((await running.get("daily-stats"))["items"]) == 30


async def test_a_late_event_moves_the_first_sight(running: Running) -> None:
    """An earlier event that arrives late moves the user's first day, and with it every total between."""
    await running.post("activity-public", {**ACTIVITY, "timestamp": at(3)})
    await running.post("activity-public", {**ACTIVITY, "timestamp": at(1)})
    body = await running.get("daily-stats", **{"from": "2026-03-01", "to": "2026-03-04"})
    assert [(item["total_users"], item["new_users"]) for item in body["items"]] == [(1, 0), (1, 0), (1, 1)]


async def test_the_zone_cuts_the_days(tmp_path: Path, database_url: str) -> None:
    """ANALYTICS_TIMEZONE decides to which day an event belongs, and where a date begins."""
    found = await start(tmp_path, DATABASE_URL=database_url, TIMEZONE="Asia/Tokyo")
    try:
        await found.post("activity-public", {**ACTIVITY, "timestamp": "2026-03-01T14:59:00Z"})
        await found.post("activity-public", {**ACTIVITY, "timestamp": "2026-03-01T15:00:00Z"})
        body = await found.get("daily-stats", **{"from": "2026-03-01", "to": "2026-03-03"})
        assert [(item["date"], item["active_users"]) for item in body["items"]] == [
            ("2026-03-02", 1), ("2026-03-01", 1),
        ]  # fmt: skip
        day = await found.get("users/activities", **{"from": "2026-03-02"})
        assert len(day["items"]) == 1
        assert (await found.verdict()).differences == []
    finally:
        await found.stop()


async def test_messages_are_listed(running: Running) -> None:
    """messages lists the messages of one conversation or of all, newest first, with their columns."""
    await fill(running)
    items = (await running.get("messages", conversation_id="c1"))["items"]
    assert [item["message_id"] for item in items] == ["m2", "m1", "m0"]
    assert isinstance(items[0].pop("id"), int)
    assert items[0] == {
        "message_id": "m2", "conversation_id": "c1", "user_id": "ada", "role": MESSAGE["role"], "token_count": 30,
        "response_time": 2.0, "model_used": None, "created_at": at(2),
        "time_to_first_token": None, "finish_reason": None,
    }  # fmt: skip
    everything = (await running.get("messages"))["items"]
    assert [item["message_id"] for item in everything] == ["m9", "m2", "m1", "m0"]
    assert everything[0]["response_time"] is None
    assert (await running.get("messages", conversation_id="c3"))["items"] == []
    assert len((await running.get("messages", **{"from": at(2)}))["items"]) == 3


async def test_figures_and_position_are_of_one_moment(running: Running) -> None:
    """While others write, figures and position belong together: with one message a commit, they are equal."""
    done = False

    async def write() -> None:
        number = 0
        while not done:
            number += 1
            await running.post("message-public", {**MESSAGE, "message_id": f"w{number}", "token_count": 1})

    async def read() -> None:
        for _ in range(60):
            for name in ("snapshot", "summary"):
                body = await running.get(name)
                sequence = int(body["position"].split(".")[1])
                figures = body.get("summary", body)
                assert (figures["total_messages"], figures["total_tokens"]) == (sequence, sequence)

    writer = asyncio.create_task(write())
    await asyncio.gather(*(read() for _ in range(3)))
    done = True
    await writer


async def test_no_parameter_leads_to_another_tenant(running: Running) -> None:
    """Whatever is asked, each endpoint shows the token's tenant alone."""
    for key, user in (("acme-key-0123456789", "acme-user"), ("globex-key-0123456789", "globex-user")):
        await running.post("activity-public", {**ACTIVITY, "user_id": user}, key)
        await running.post("message-public", {**MESSAGE, "user_id": user}, key)
        await running.post("api-usage-public", {**CALL, "endpoint": f"/{user}"}, key)
    tricks: list[dict[str, str]] = [
        {},
        {"tenant": "globex"},
        {"tenant_id": "globex"},
        {"user_id": "globex-user"},
        {"endpoint": "/globex-user"},
        {"from": "1970-01-01"},
    ]
    for name in REPORTS:
        for params in tricks:
            response = await running.http.get(f"{API}/{name}", params=params, headers=running.admin("acme"))
            assert response.status_code == 200
            assert "globex" not in response.text
        theirs = (await running.get("users/activities", "globex", limit=1))["next"]
        assert theirs is None


async def test_a_database_that_cannot_be_read_is_503(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the database is out of reach a report is a 503 with Retry-After, without a word of what was asked."""

    async def fail(*_arguments: object) -> None:
        raise OperationalError("SELECT secret", {"user": "secret"}, OSError("disk"))

    monkeypatch.setattr("web.reports.endpoints.read_head", fail)
    response = await running.http.get(f"{API}/summary", headers=running.admin())
    assert (response.status_code, response.headers["retry-after"]) == (503, "1")
    assert "secret" not in response.text
