"""PostHog's batches: a captured one of its SDK, the key in the body, and events that break rules."""

import gzip
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.repository import ROOT
from tests.servers.service import Running, start

CAPTURED = ROOT / "tests" / "web" / "ingest" / "otlp" / "requests" / "posthog.json"
KEY = "acme-key-0123456789"
"""The key of the captured batch."""
Json = dict[str, Any]

each_database = pytest.mark.each_database


@pytest.fixture
async def keyed(tmp_path: Path, database_url: str) -> AsyncIterator[Running]:
    """A service that knows the key of the captured batch as one of another tenant."""
    found = await start(tmp_path, DATABASE_URL=database_url, TRACKING_KEYS=f"acme:{KEY}")
    yield found
    await found.drop()


async def post(running: Running, body: bytes | Json, **headers: str) -> httpx2.Response:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return await running.http.post("/batch/", content=content, headers={"Content-Type": "application/json", **headers})


def generation(**properties: Any) -> Json:
    told = {"$ai_provider": "openai", "$ai_model": "gpt-4o", "$ai_input_tokens": 100, "$ai_output_tokens": 10}
    return {"event": "$ai_generation", "distinct_id": "u-1", "properties": {**told, **properties}}


async def calls(running: Running, tenant: str = "default") -> list[Json]:
    items: list[Json] = (await running.get("llm-calls", tenant))["items"]
    return items[::-1]


@each_database
@pytest.mark.parametrize("squeeze", [False, True])
async def test_what_the_sdk_posts_is_taken(keyed: Running, squeeze: bool) -> None:
    """Generations are LLM calls with the tokens that the server told, other events activities, of the key's tenant."""
    body = CAPTURED.read_bytes()
    headers = {"Content-Encoding": "gzip"} if squeeze else {}
    for recorded, duplicates in ((5, 0), (0, 5)):
        answer = await post(keyed, gzip.compress(body) if squeeze else body, **headers)
        assert answer.status_code == 200
        assert (answer.json()["recorded"], answer.json()["duplicates"]) == (recorded, duplicates)
    found = await calls(keyed, "acme")
    tokens = {"input_tokens": 11, "cached_input_tokens": 4, "output_tokens": 11, "reasoning_tokens": 3}
    for call in found[:3]:
        assert {name: call[name] for name in tokens} == tokens
        assert (call["user_id"], call["conversation_id"], call["finish_reason"]) == ("u-1", "c-1", "stop")
    assert (found[3]["model"], found[3]["error_type"]) == ("no-such-model", "404")
    (activity,) = (await keyed.get("users/activities", "acme"))["items"]
    assert (activity["user_id"], activity["activity_type"]) == ("u-2", "signed_up")
    assert activity["extra_data"] == {"plan": "free"}
    assert (await keyed.get("summary"))["total_llm_calls"] == 0
    assert (await keyed.verdict()).differences == []


async def test_no_text_of_prompts_is_kept(keyed: Running, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Neither the database nor the log holds what was asked or answered, or the key."""
    await post(keyed, CAPTURED.read_bytes())
    kept = contents(tmp_path) + "".join(capfd.readouterr()).encode()
    for text in (b"the text of the prompt", b"this is a streamed answer", KEY.encode()):
        assert text in CAPTURED.read_bytes()
        assert text not in kept


def contents(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.iterdir() if path.is_file())


@pytest.mark.parametrize("key", ["none", "", 7, None, "x" * 5000, "\0"])
async def test_a_wrong_key_is_401(keyed: Running, key: Any) -> None:
    """A key that is not known, or no text, is a 401 as everywhere; an empty one is as good as none."""
    response = await post(keyed, {"api_key": key, "batch": [generation()]})
    assert response.status_code == (200 if key == "" else 401)
    assert "x" * 100 not in response.text


async def test_bad_events_lose_no_good_ones(running: Running) -> None:
    """Events that break a rule are listed with their place and field; all others are recorded."""
    bad = [
        5,
        {"event": "x"},
        {"distinct_id": "u-1"},
        generation(**{"$ai_input_tokens": "many"}),
        generation(**{"$ai_model": ""}),
        {**generation(), "timestamp": "yesterday"},
        {"event": "x" * 200, "distinct_id": "u-1"},
    ]
    answer = (await post(running, {"batch": [generation(), *bad, generation()]})).json()
    assert answer["recorded"] == 2
    fields = ["", "user_id", "", "input_tokens", "model", "timestamp", "activity_type"]
    assert [(item["index"], item["field"]) for item in answer["rejected"]] == list(enumerate(fields, 1))


async def test_a_number_beyond_all_floats_loses_no_good_event(running: Running) -> None:
    """A cost that no float can hold is listed as wrong, and the other events of the batch are recorded."""
    body = json.dumps({"batch": [generation(), generation(**{"$ai_total_cost_usd": 10**400})]})
    answer = await post(running, body.encode())
    assert answer.status_code == 200
    assert (answer.json()["recorded"], [item["index"] for item in answer.json()["rejected"]]) == (1, [1])


async def test_what_the_sdk_says_of_itself_is_understood(running: Running) -> None:
    """Anthropic's input excludes cached tokens; a cost is the sender's word; without a user a trace stands for one."""
    exclusive = {
        "$ai_cache_reporting_exclusive": True,
        "$ai_cache_read_input_tokens": 900,
        "$ai_cache_creation_input_tokens": 50,
    }
    await post(running, {"batch": [generation(**exclusive), generation(**{"$ai_total_cost_usd": 1e-05})]})
    await post(running, {"batch": [{**generation(**{"$ai_trace_id": "t-1"}), "distinct_id": "t-1"}]})
    first, second, third = await calls(running)
    assert (first["input_tokens"], first["cached_input_tokens"], first["cache_write_tokens"]) == (1050, 900, 50)
    assert second["cost"] == "0.00001"
    assert third["user_id"] is None


async def test_large_properties_stay_away(running: Running) -> None:
    """Properties that are too large or too deep to be kept do not keep the event away."""
    deep: Any = 1
    for _ in range(20):
        deep = [deep]
    events = [{"event": "e", "distinct_id": "u", "properties": {"p": value}} for value in ("x" * 5000, deep, "\0", 7)]
    assert (await post(running, {"batch": events})).json()["recorded"] == 4
    items = (await running.get("users/activities"))["items"]
    assert [item["extra_data"] for item in items if item["extra_data"]] == [{"p": 7}]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"[]", 400),
        (b'{"batch":[}', 400),
        (b'{"batch":[1]', 400),
        (b'{"batch":7}', 200),
        (b'{"batch":[' + b"1," * 10_000 + b"1]}", 413),
        (b'{"batch":[' + b" " * (16 << 20) + b"]}", 413),
        (b'{"batch":[{"event":' + b"[" * 100_000, 400),
    ],
)
async def test_a_body_that_is_no_batch(running: Running, body: bytes, status: int) -> None:
    """What is no such object is a 400, more than may be is a 413, and nothing stays held."""
    response = await post(running, body)
    assert response.status_code == status
    assert len(response.content) < 500
    assert running.service.memory.used == 0
