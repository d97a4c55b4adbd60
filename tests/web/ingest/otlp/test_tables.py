"""What no captured request has: other forms of the same dialects, and what none of them may say."""

from typing import Any

import pytest

from tests.web.ingest.otlp.made import TRACE
from web.ingest.otlp.calls import NO_MODEL, NOT_A_CALL, Call, read_call
from web.ingest.otlp.dialects.known import DIALECTS, WANTED
from web.ingest.otlp.dialects.langfuse import provider_of, read_cost, read_usage
from web.ingest.otlp.spans import Span

Json = dict[str, Any]

SECOND = 1_000_000_000


def span(scope: str = "tests", **more: Any) -> Span:
    """Make a span of one second."""
    return Span(TRACE, "1" * 16, "", 100 * SECOND, 101 * SECOND, False, scope, **more)


def read(attributes: Json, scope: str = "tests") -> Json | str:
    """Read the fields of a call, or why there is none."""
    found = read_call(span(scope, attributes=attributes))
    return found.fields if isinstance(found, Call) else found


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        (
            {"input": 60, "input_cached_tokens": 40, "output": 5, "output_reasoning_tokens": 7, "total": 112},
            (100, 40, None, 12, 7),
        ),
        ({"input": 60, "input_cache_read": 30, "input_cache_creation": 10, "output": 5}, (100, 30, 10, 5, None)),
        (
            {"input_tokens": 60, "cache_read_input_tokens": 30, "cache_creation_input_tokens": 10, "output_tokens": 5},
            (100, 30, 10, 5, None),
        ),
        (
            {
                "input_tokens": 100,
                "input_tokens_details": {"cached_tokens": 40},
                "output_tokens": 12,
                "output_tokens_details": {"reasoning_tokens": 7},
            },
            (100, 40, None, 12, 7),
        ),
        ({"prompt_tokens": 100, "completion_tokens": 5, "prompt_tokens_details": None}, (100, None, None, 5, None)),
        ({"total": 100}, (None, None, None, None, None)),
        ({"input": "many", "output": -1}, (None, None, None, None, None)),
        ({}, (None, None, None, None, None)),
    ],
)
def test_langfuse_tells_usage_in_two_forms(usage: Json, expected: tuple[int | None, ...]) -> None:
    """Langfuse's own names add up, OpenAI's are whole; what is not told is unknown."""
    found = read_usage(usage)
    names = ("input_tokens", "cached_input_tokens", "cache_write_tokens", "output_tokens", "reasoning_tokens")
    assert tuple(found.get(name) for name in names) == expected


def test_langfuse_tells_costs() -> None:
    """A cost is the total, or the sum of its parts; without any it is unknown."""
    assert read_cost({"input": 1, "total": 0.5}) == "0.50000000000000000000"
    assert read_cost({"input": 0.1, "output": 0.2}) == "0.30000000000000000000"
    assert read_cost({"total": 1e-20}) == "0.00000000000000000001"
    assert [read_cost(told) for told in ({}, {"total": "1"}, {"input": None})] == [None, None, None]


def test_langfuse_names_no_provider() -> None:
    """The maker of a model follows from the beginning of its name, where that is the maker's own."""
    assert provider_of("gpt-4o") == provider_of("o3-mini") == "openai"
    assert provider_of("Claude-sonnet-4-5") == "anthropic"
    assert provider_of("llama-3") == provider_of("") == "unknown"


@pytest.mark.parametrize("text", ["", "{", "[]", "7", '{"input": NaN}', "[" * 10_000])
def test_what_is_no_json_says_nothing(text: str) -> None:
    """Attributes that should be JSON and are not keep no call away."""
    told = {"langfuse.observation.type": "generation", "langfuse.observation.model.name": "gpt-4o"}
    assert read({**told, "langfuse.observation.usage_details": text}) == {
        "operation": "chat",
        "model": "gpt-4o",
        "provider": "openai",
    }
    assert read({"openinference.span.kind": "LLM", "llm.invocation_parameters": text}) == {"operation": "chat"}


def test_vercel_before_version_7() -> None:
    """Only the spans of single calls count, and milliseconds become seconds."""
    told = {
        "ai.model.provider": "openai.chat",
        "ai.model.id": "gpt-4o",
        "ai.response.model": "gpt-4o-2024-08-06",
        "ai.usage.promptTokens": 100,
        "ai.usage.completionTokens": 10,
        "ai.response.finishReason": "stop",
        "ai.response.msToFirstChunk": 250.0,
        "ai.response.id": "chatcmpl-0123456789abcdef",
        "ai.telemetry.metadata.userId": "u-1",
        "ai.telemetry.metadata.sessionId": "c-1",
    }
    assert read({**told, "ai.operationId": "ai.streamText"}, "ai") == NOT_A_CALL
    assert read({**told, "ai.operationId": "ai.streamText.doStream"}, "ai") == {
        "operation": "chat",
        "provider": "openai",
        "model": "gpt-4o-2024-08-06",
        "input_tokens": 100,
        "output_tokens": 10,
        "finish_reason": "stop",
        "time_to_first_token": 0.25,
        "response_id": "chatcmpl-0123456789abcdef",
        "user_id": "u-1",
        "conversation_id": "c-1",
    }


@pytest.mark.parametrize(
    ("conversation", "expected"),
    [("01a22b98-a032-772d-a975-9fe0d92c6d94", None), ("c-1", "c-1"), ("7c9e6679-7425-40de-944b-e07fc1f90ae7",) * 2],
)
def test_pydantic_ai_makes_up_conversations(conversation: str, expected: str | None) -> None:
    """A UUID of version 7 is one of a run; any other is the application's own."""
    told = {"gen_ai.operation.name": "chat", "gen_ai.conversation.id": conversation}
    found = read(told, "pydantic-ai")
    assert isinstance(found, dict)
    assert found.get("conversation_id") == expected


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.name)
def test_our_own_attributes_come_first(dialect: Any) -> None:
    """In every dialect the client's span processor names user and conversation, whatever else does."""
    operation = next(iter(dialect.operations))
    told: Json = {dialect.operation[0]: operation, **dict.fromkeys(dialect.marks, operation)}
    for field in ("user_id", "conversation_id"):
        told |= dict.fromkeys(dialect.fields[field], "another")
    told |= {"convoai.user.id": "u-1", "convoai.conversation.id": "01a22b98-a032-772d-a975-9fe0d92c6d94"}
    found = read(told, (*dialect.scopes, "tests")[0])
    assert isinstance(found, dict)
    assert (found["user_id"], found["conversation_id"]) == ("u-1", "01a22b98-a032-772d-a975-9fe0d92c6d94")


def test_new_names_come_before_old_ones() -> None:
    """Of two names of one thing the newer one counts, in any order."""
    told = {
        "gen_ai.operation.name": "chat",
        "gen_ai.usage.prompt_tokens": 1,
        "gen_ai.usage.input_tokens": 2,
        "gen_ai.provider.name": "new",
        "gen_ai.system": "old",
    }
    for attributes in (told, dict(reversed(told.items()))):
        assert read(attributes) == {"operation": "chat", "input_tokens": 2, "provider": "new"}


@pytest.mark.parametrize("value", ["many", -1, True, ""])
def test_tokens_of_another_type_are_unknown(value: Any) -> None:
    """A number that is none says nothing."""
    assert read({"gen_ai.operation.name": "chat", "gen_ai.usage.input_tokens": value}) == {"operation": "chat"}


def test_a_span_without_a_model_is_of_no_dialect() -> None:
    """What no dialect names tells of no call."""
    assert read({"http.request.method": "POST"}) == NO_MODEL
    assert read({"gen_ai.provider.name": "openai"}) == NOT_A_CALL


def test_no_dialect_reads_texts() -> None:
    """No attribute that is read holds prompts or answers."""
    texts = ("messages", "content", "input", "output", "prompt", "value", "instructions", "arguments", "result")
    assert {name for name in WANTED if name.endswith(texts)} == {"llm.token_count.prompt"}
