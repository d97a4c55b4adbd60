"""The dialects, each by a captured request of a real emitter: what becomes of its spans."""

from pathlib import Path
from typing import Any

import pytest

from tests.servers.service import Running
from tests.web.ingest.otlp.captured import calls, send, spans_by_outcome

Json = dict[str, Any]

each_database = pytest.mark.each_database

PROMPT, ANSWER = "the text of the prompt", "this is a streamed answer"
TOKENS = {"input_tokens": 11, "cached_input_tokens": 4, "output_tokens": 11, "reasoning_tokens": 3}
"""What the server of the tests told of each call that tells its tokens."""
WITHOUT_REASONING = {**TOKENS, "reasoning_tokens": None}
ONLY_TOTALS = {**WITHOUT_REASONING, "cached_input_tokens": None}
UNKNOWN = dict.fromkeys(TOKENS)
ERROR = {**UNKNOWN, "model": "no-such-model"}
OF_A_USER = {"user_id": "u-1", "conversation_id": "c-1"}
NOBODY = {"user_id": None, "conversation_id": None}

CAPTURED: dict[str, tuple[Json, list[Json], dict[str, int]]] = {
    "open_telemetry": (
        NOBODY,
        [TOKENS, TOKENS, UNKNOWN, {**ERROR, "error_type": "openai.NotFoundError"}],
        {"call": 4, "no_model": 1},
    ),
    "old_open_telemetry": (
        NOBODY,
        [ONLY_TOTALS, ONLY_TOTALS, UNKNOWN, {**ERROR, "error_type": "NotFoundError"}],
        {"call": 4},
    ),
    "open_inference": (
        OF_A_USER,
        [TOKENS, TOKENS, UNKNOWN, {**ERROR, "error_type": "openai.NotFoundError"}],
        {"call": 4},
    ),
    "traceloop": (
        NOBODY,
        [TOKENS, WITHOUT_REASONING, UNKNOWN, {**ERROR, "error_type": "NotFoundError"}],
        {"call": 4},
    ),
    # This version tells no tokens of streams, and nothing of failures.
    "old_traceloop": (NOBODY, [ONLY_TOTALS, UNKNOWN, UNKNOWN], {"call": 3}),
    "vercel": (
        NOBODY,
        [WITHOUT_REASONING, WITHOUT_REASONING, {**ERROR, "error_type": "AI_APICallError"}],
        {"call": 3, "not_a_call": 6},
    ),
    "pydantic_ai_agent": (NOBODY, [TOKENS, TOKENS], {"call": 2, "not_a_call": 2}),
    "langfuse": (
        OF_A_USER,
        [TOKENS, TOKENS, UNKNOWN, {**ERROR, "error_type": "_OTHER", "cost": "0"}],
        {"call": 4, "not_a_call": 1},
    ),
}
"""By emitter: whose its calls are, what each of them tells, and the outcomes of its spans."""


@each_database
@pytest.mark.parametrize("name", CAPTURED)
async def test_calls_are_what_the_emitter_said(running: Running, name: str) -> None:
    """Each call of a model is recorded once, with the tokens that the server told; totals of agents are not."""
    whose, expected, outcomes = CAPTURED[name]
    response = await send(running, name)
    assert (response.status_code, response.content) == (200, b"{}" if name == "vercel" else b"")
    found = await calls(running)
    usual = {"provider": "openai", "model": "gpt-of-the-tests-2026-11-01", "operation": "chat", "error_type": None}
    for call, told in zip(found, expected, strict=True):
        # Langfuse tells no provider, and nothing follows from the name of a model that nobody has.
        provider = {"provider": "unknown"} if name == "langfuse" and "model" in told else {}
        wanted = {**usual, **whose, **told, **provider}
        assert {field: call[field] for field in wanted} == wanted
        assert 0 < float(str(call["response_time"])) < 5
    assert spans_by_outcome(running) == outcomes
    assert (await running.verdict()).differences == []


@pytest.mark.parametrize("name", CAPTURED)
async def test_the_same_traffic_adds_nothing(running: Running, name: str) -> None:
    """What an exporter sends again is known: no figure moves."""
    await send(running, name)
    before = await running.get("summary")
    assert (await send(running, name)).status_code == 200
    assert await running.get("summary") == before


def contents(folder: Path) -> bytes:
    """Read all files of a service's database."""
    return b"".join(path.read_bytes() for path in folder.iterdir() if path.is_file())


@pytest.mark.parametrize("name", CAPTURED)
async def test_no_text_of_prompts_is_kept(
    running: Running, name: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Neither the database nor the log holds what was asked or answered."""
    await send(running, name)
    kept = contents(tmp_path)
    written = "".join(capfd.readouterr())
    assert b"gpt-of-the-tests" in kept
    for text in (PROMPT, ANSWER):
        assert text.encode() not in kept
        assert text not in written


@pytest.mark.parametrize("name", ["open_telemetry", "traceloop", "open_inference", "vercel", "langfuse"])
async def test_the_time_to_the_first_token_is_told(running: Running, name: str) -> None:
    """Streams tell when their first part came, within their response time; whole answers do not."""
    await send(running, name)
    whole, streamed, *_ = await calls(running)
    assert whole["time_to_first_token"] is None
    assert 0 < float(str(streamed["time_to_first_token"])) <= float(str(streamed["response_time"]))


async def test_langfuse_finds_its_path(running: Running) -> None:
    """The path of langfuse's SDK takes the same requests."""
    assert (await send(running, "langfuse", "/api/public/otel/v1/traces")).status_code == 200
    assert len(await calls(running)) == 4
