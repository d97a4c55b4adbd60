"""The tracking endpoints: what is recorded, what counts once, whose it is, and which fields are refused."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.paths import TRACK
from tests.samples.events import ACTIVITY, BATCH, EVENTS, LLM_CALL, MESSAGE
from tests.servers.service import Running, start

each_database = pytest.mark.each_database


@each_database
@pytest.mark.parametrize("name", EVENTS)
async def test_an_event_is_recorded(running: Running, name: str) -> None:
    """Each endpoint records an event and answers with counts and a position."""
    answer = await running.post(name, EVENTS[name])
    assert (answer["recorded"], answer["duplicates"]) == (1, 0)
    assert set(answer["position"]) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._~-")


@each_database
@pytest.mark.parametrize("name", EVENTS)
async def test_an_event_id_counts_once(running: Running, name: str) -> None:
    """An event that is posted again with the same event_id counts once, also at the same moment."""
    event = {**EVENTS[name], "event_id": "e1"}
    answers = await asyncio.gather(*(running.post(name, event) for _ in range(8)))
    assert sorted(answer["recorded"] for answer in answers) == [0] * 7 + [1]
    assert len({answer["position"] for answer in answers}) == 1
    assert (await running.verdict()).differences == []


@each_database
async def test_event_ids_are_apart_by_kind_and_tenant(running: Running) -> None:
    """The same event_id in another kind or another tenant is another event."""
    for name, event in EVENTS.items():
        assert (await running.post(name, {**event, "event_id": "same"}))["recorded"] == 1
    assert (await running.post("activity-public", {**ACTIVITY, "event_id": "same"}, "acme-key-0123456789"))[
        "recorded"
    ] == 1


@each_database
async def test_a_message_id_counts_once(running: Running) -> None:
    """A message that is posted again counts once, and the first one stands, whatever the event_id."""
    await running.post("message-public", {**MESSAGE, "event_id": "e1"})
    again = await running.post("message-public", {**MESSAGE, "token_count": 99, "event_id": "e2"})
    assert again["duplicates"] == 1
    assert (await running.get("summary"))["total_tokens"] == 7


BAD: list[tuple[str, dict[str, Any], str]] = [
    ("activity-public", {"user_id": None}, "user_id"),
    ("activity-public", {"user_id": ""}, "user_id"),
    ("activity-public", {"user_id": 5}, "user_id"),
    ("activity-public", {"user_id": "x" * 256}, "user_id"),
    ("activity-public", {"user_id": "a\0b"}, "user_id"),
    ("activity-public", {"user_id": "a\ud800"}, "user_id"),
    ("activity-public", {"username": "\udfff"}, "username"),
    ("activity-public", {"colour": "red"}, "colour"),
    ("activity-public", {"extra_data": "text"}, "extra_data"),
    ("activity-public", {"extra_data": {"a": "x" * 5000}}, "extra_data"),
    ("activity-public", {"extra_data": {"a": {"b": {"c": {"d": {"e": {"f": {"g": {"h": {}}}}}}}}}}, "extra_data"),
    ("activity-public", {"extra_data": {"a": ["\0"]}}, "extra_data"),
    ("activity-public", {"extra_data": {"a\ud800": 1}}, "extra_data"),
    ("activity-public", {"timestamp": "yesterday"}, "timestamp"),
    ("activity-public", {"timestamp": "2026-01-01T00:00:00"}, "timestamp"),
    ("activity-public", {"timestamp": 1700000000}, "timestamp"),
    ("activity-public", {"timestamp": "0001-01-01T00:00:00+14:00"}, "timestamp"),
    ("activity-public", {"timestamp": "1969-12-31T23:59:59Z"}, "timestamp"),
    ("activity-public", {"timestamp": "9999-12-31T23:59:59-12:00"}, "timestamp"),
    ("activity-public", {"event_id": ""}, "event_id"),
    ("activity-public", {"type": "message"}, "type"),
    ("api-usage-public", {"status_code": 99}, "status_code"),
    ("api-usage-public", {"status_code": "200"}, "status_code"),
    ("api-usage-public", {"response_time": -0.1}, "response_time"),
    ("api-usage-public", {"response_time": 86400.1}, "response_time"),
    ("api-usage-public", {"response_time": "1"}, "response_time"),
    ("api-usage-public", {"response_time": True}, "response_time"),
    ("api-usage-public", {"response_time": None}, "response_time"),
    ("conversation-public", {"action": "archived"}, "action"),
    ("message-public", {"role": "robot"}, "role"),
    ("message-public", {"token_count": -1}, "token_count"),
    ("message-public", {"token_count": 2**31}, "token_count"),
    ("message-public", {"token_count": 1.5}, "token_count"),
    ("message-public", {"token_count": 10**40}, "token_count"),
    ("message-public", {"message_id": "x" * 256}, "message_id"),
    ("message-public", {"time_to_first_token": -1}, "time_to_first_token"),
    ("llm-call-public", {"prompt": "hello"}, "prompt"),
    ("llm-call-public", {"input_tokens": 2**31}, "input_tokens"),
    ("llm-call-public", {"input_tokens": 9, "cached_input_tokens": 10}, "cached_input_tokens"),
    ("llm-call-public", {"input_tokens": 9, "cached_input_tokens": 5, "cache_write_tokens": 5}, "cache_write_tokens"),
    ("llm-call-public", {"output_tokens": 0, "reasoning_tokens": 1}, "reasoning_tokens"),
    ("llm-call-public", {"cost": 0.5}, "cost"),
    ("llm-call-public", {"cost": "-0.5"}, "cost"),
    ("llm-call-public", {"cost": "1e-3"}, "cost"),
    ("llm-call-public", {"cost": "10000.000000001"}, "cost"),
    ("llm-call-public", {"cost": "٣"}, "cost"),
    ("llm-call-public", {"finish_reason": "x" * 101}, "finish_reason"),
]


@pytest.mark.parametrize(("name", "change", "field"), BAD)
async def test_a_bad_field_is_named(running: Running, name: str, change: dict[str, Any], field: str) -> None:
    """A field that breaks a rule is a 422 that names it, in the single endpoint and in a batch alike."""
    response = await running.http.post(
        f"{TRACK}/{name}", content=json.dumps({**EVENTS[name], **change}), headers={"Content-Type": "application/json"}
    )
    assert response.status_code == 422, response.text
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["field"] == field
    kind = {name: item["type"] for name, item in zip(EVENTS, BATCH, strict=True)}[name]
    batch = json.dumps([{"type": kind, **EVENTS[name], **change}, BATCH[0]])
    response = await running.http.post(f"{TRACK}/batch", content=batch, headers={"Content-Type": "application/json"})
    if "type" not in change:
        assert [item["field"] for item in response.json()["rejected"]] == [field], response.text
        assert response.json()["recorded"] == 1


@pytest.mark.parametrize("name", EVENTS)
async def test_an_unknown_field_lists_the_known_ones(running: Running, name: str) -> None:
    """The error for an unknown field lists the fields of that kind, in the single endpoint and in a batch alike."""
    kind = {name: item["type"] for name, item in zip(EVENTS, BATCH, strict=True)}[name]
    event = {"type": kind, **EVENTS[name], "colour": "red"}
    single = (await running.http.post(f"{TRACK}/{name}", json=event)).json()["detail"]
    (rejected,) = (await running.http.post(f"{TRACK}/batch", json=[event])).json()["rejected"]
    listed = rejected["error"].partition("known fields: ")[2].split(", ")
    assert single.endswith(rejected["error"])
    assert {"type", "timestamp", "event_id", *EVENTS[name]} <= set(listed)
    assert ("provider" in listed, "role" in listed) == (kind == "llm_call", kind == "message")


@each_database
async def test_an_llm_call_is_listed_as_it_was_posted(running: Running) -> None:
    """What is known of a call comes back from its list; tokens that are not known are null, never 0, and a cost has
    nine decimals, half to even."""
    whole = {"input_tokens": 9, "cached_input_tokens": 5, "cache_write_tokens": 4, "output_tokens": 3}
    times = {"response_time": 2.5, "time_to_first_token": 0.25}
    names = {"user_id": "u1", "conversation_id": "c1", "message_id": "m1"}
    words = {"finish_reason": "stop", "error_type": "RateLimitError", "service_tier": "batch"}
    full = {**LLM_CALL, **whole, "reasoning_tokens": 3, **times, **names, **words, "cost": "12.3400000005"}
    await running.post("llm-call-public", full)
    await running.post("llm-call-public", {**LLM_CALL, "cached_input_tokens": 5, "cost": "0.0000000015"})
    later, first = (await running.get("llm-calls"))["items"]
    assert {name: first[name] for name in full} == {**full, "cost": "12.34"}
    unknown = ("input_tokens", "output_tokens", "user_id", "conversation_id", "response_time", "error_type")
    assert {later[name] for name in unknown} == {None}
    assert (later["cached_input_tokens"], later["cost"]) == (5, "0.000000002")
    assert (await running.get("llm-calls", user_id="u1"))["items"] == [first]


@each_database
async def test_users_and_conversations_of_llm_calls_count(running: Running) -> None:
    """Users and conversations that only LLM calls name are counted; figures of messages do not see the calls. A
    conversation's owner is the user of its earliest call that has one, until a message names another."""
    calls = [{"conversation_id": "c1"}, {"conversation_id": "c1", "user_id": "u1"}, {"conversation_id": "c2"}, {}]
    for call in calls:
        await running.post("llm-call-public", {**LLM_CALL, **call, "input_tokens": 7, "output_tokens": 7})
    summary = await running.get("summary")
    counts = ("total_users", "active_users_today", "total_conversations", "total_messages", "total_tokens")
    assert [summary[name] for name in counts] == [1, 1, 2, 0, 0]
    owners = {item["conversation_id"]: item["user_id"] for item in (await running.get("conversations"))["items"]}
    assert owners == {"c1": "u1", "c2": ""}
    await running.post("message-public", {**MESSAGE, "user_id": "u2"})
    owners = {item["conversation_id"]: item["user_id"] for item in (await running.get("conversations"))["items"]}
    assert owners["c1"] == "u2"
    assert (await running.verdict()).differences == []


REQUIRED = [(name, field) for name, event in EVENTS.items() for field in event if field != "token_count"]


@pytest.mark.parametrize(("name", "field"), REQUIRED)
async def test_a_missing_field_is_named(running: Running, name: str, field: str) -> None:
    """A required field that is absent is a 422 that names it."""
    event = {key: value for key, value in EVENTS[name].items() if key != field}
    response = await running.http.post(f"{TRACK}/{name}", json=event)
    assert (response.status_code, response.json()["field"]) == (422, field)


async def test_errors_do_not_echo(running: Running) -> None:
    """An error never repeats the value that it is about."""
    secret = "hunter2-is-my-secret"
    for field in ("role", "token_count", "message_id", "timestamp", "response_time", "model_used"):
        value: Any = [secret] if field in ("message_id", "model_used") else secret
        response = await running.http.post(f"{TRACK}/message-public", json={**MESSAGE, field: value})
        assert response.status_code == 422
        assert secret not in response.text


async def test_the_future_begins_in_five_minutes(running: Running) -> None:
    """A timestamp 4 minutes ahead is taken, one 6 minutes ahead is a 422."""
    for minutes, status in ((4, 201), (6, 422)):
        ahead = (datetime.now(UTC) + timedelta(minutes=minutes)).isoformat()
        response = await running.http.post(f"{TRACK}/activity-public", json={**ACTIVITY, "timestamp": ahead})
        assert response.status_code == status


@each_database
async def test_timestamps_become_utc_milliseconds(running: Running) -> None:
    """A timestamp with an offset is kept as UTC with three decimals, the rest cut off."""
    await running.post("activity-public", {**ACTIVITY, "timestamp": "2026-03-01T01:30:00.1239+02:00"})
    assert (await running.get("users/activities"))["items"][0]["timestamp"] == "2026-02-28T23:30:00.123Z"


@each_database
async def test_a_key_names_the_tenant(running: Running) -> None:
    """A tracking key, in either header, decides to which tenant an event goes."""
    await running.post("activity-public", ACTIVITY, "acme-key-0123456789")
    bearer = {"Authorization": "Bearer globex-key-0123456789"}
    assert (await running.http.post(f"{TRACK}/activity-public", json=ACTIVITY, headers=bearer)).status_code == 201
    for tenant, count in (("acme", 1), ("globex", 1), ("default", 0)):
        assert (await running.get("summary", tenant))["total_activities"] == count


@pytest.mark.parametrize(
    "headers",
    [
        {"X-Tracking-Key": "wrong"},
        {"X-Tracking-Key": ""},
        {"Authorization": "Bearer wrong"},
        {"Authorization": "Basic abc"},
        {"Origin": "http://127.0.0.1"},
        {"X-Forwarded-For": "127.0.0.1"},
        {"X-Forwarded-Proto": "https"},
        {"X-Forwarded-Server": "balancer"},
        {"X-Forwarded-Prefix": "/api"},
        {"Forwarded": "for=127.0.0.1"},
    ],
)
async def test_ingest_authentication_refuses(running: Running, headers: dict[str, str]) -> None:
    """A wrong key, a browser's page, or a request that a proxy passed on is a 401, even from loopback."""
    response = await running.http.post(f"{TRACK}/activity-public", json=ACTIVITY, headers=headers)
    assert response.status_code == 401
    assert response.headers["www-authenticate"] == "Bearer"


async def test_an_admin_token_is_no_tracking_key(running: Running) -> None:
    """An admin's token does not open the tracking endpoints."""
    response = await running.http.post(f"{TRACK}/activity-public", json=ACTIVITY, headers=running.admin())
    assert response.status_code == 401


async def test_a_named_proxy_is_believed(tmp_path: Path) -> None:
    """Behind a named proxy the forwarded address decides; a client cannot forge it by adding hops in front."""
    found = await start(tmp_path, TRUSTED_PROXIES="127.0.0.1", TRUSTED_NETWORKS="10.1.0.0/16")
    try:
        for forwarded, status in (
            ("10.1.2.3", 201),
            ("8.8.8.8, 10.1.2.3", 201),
            ("10.1.2.3, 8.8.8.8", 401),
            ("10.1.2.3, nonsense", 401),
            ("10.1.2.3, 127.0.0.1", 201),
        ):
            headers = {"X-Forwarded-For": forwarded}
            response = await found.http.post(f"{TRACK}/activity-public", json=ACTIVITY, headers=headers)
            assert response.status_code == status, forwarded
        assert (await found.http.post(f"{TRACK}/activity-public", json=ACTIVITY)).status_code == 401
    finally:
        await found.stop()


@each_database
async def test_overload_is_503_and_loses_nothing(tmp_path: Path, database_url: str) -> None:
    """With a full queue a post is a 503 with Retry-After; what got a 201 is there, what got a 503 is not."""
    found = await start(tmp_path, DATABASE_URL=database_url, QUEUE_EVENTS="20")
    try:
        body = json.dumps([BATCH[0]] * 15)
        answers = await asyncio.gather(*(found.http.post(f"{TRACK}/batch", content=body) for _ in range(30)))
        counts = [answer.status_code for answer in answers]
        assert set(counts) == {201, 503}
        assert all(answer.headers["retry-after"] == "1" for answer in answers if answer.status_code == 503)
        assert (await found.get("summary"))["total_activities"] == 15 * counts.count(201)
    finally:
        await found.stop()
