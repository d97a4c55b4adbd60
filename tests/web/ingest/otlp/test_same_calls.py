"""A call that several spans tell of counts once, however they arrive."""

import asyncio
import itertools
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storage.errors import StorageUnavailable
from tests.servers.service import Running, start
from tests.web.ingest.otlp.captured import calls, send, spans_by_outcome
from tests.web.ingest.otlp.made import PROTOBUF, TRACE, WRITERS, as_protobuf, chat, span
from web.ingest.otlp.calls import Call, outermost
from web.ingest.otlp.recent import RecentCalls
from web.ingest.otlp.spans import Span

Json = dict[str, Any]

each_database = pytest.mark.each_database

ANSWER = "chatcmpl-0123456789abcdef"
OTHER_TRACE = "ab" * 16


async def export(running: Running, *spans: Json) -> None:
    """Send spans in one request."""
    response = await running.http.post("/v1/traces", content=as_protobuf(*spans), headers={"Content-Type": PROTOBUF})
    assert (response.status_code, response.content) == (200, b"")


@each_database
async def test_three_instrumentations_at_once_count_once(running: Running) -> None:
    """Four calls that OpenInference, OpenTelemetry and Traceloop report at once are four calls, tokens once."""
    await send(running, "several")
    found = await running.get("summary")
    assert (found["total_llm_calls"], found["failed_llm_calls"]) == (4, 1)
    assert (found["total_input_tokens"], found["total_output_tokens"]) == (22, 22)
    assert spans_by_outcome(running) == {"call": 4, "same_call": 8}
    assert (await running.verdict()).differences == []


def openinference(number: int, parent: int) -> Json:
    """Make the span of a call in a dialect that tells no id of answers, but the user."""
    told = {
        "openinference.span.kind": "LLM",
        "llm.system": "openai",
        "llm.model_name": "gpt-4o",
        "llm.token_count.prompt": 100,
        "llm.token_count.completion": 10,
        "user.id": "u-1",
    }
    return span(number, parent, TRACE, told)


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
async def test_spans_within_a_call_are_that_call(running: Running, order: tuple[int, ...]) -> None:
    """Of spans within one another the outer one counts, in any order, and takes from the inner ones what it lacks."""
    spans = [chat(1), openinference(2, 1), openinference(3, 2)]
    await export(running, *(spans[place] for place in order))
    (call,) = await calls(running)
    assert (call["input_tokens"], call["output_tokens"], call["user_id"]) == (100, 10, "u-1")


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
async def test_requests_may_end_between_spans(running: Running, order: tuple[int, ...]) -> None:
    """Spans within one another are one call in requests of their own too, also sent again, unless the middle is last.

    Spans end from the inside out, and are sent in that order.
    """
    spans = [openinference(1, 9), chat(2, 1, gen_ai__response__id=ANSWER), openinference(3, 2)]
    for place in (*order, *order):
        await export(running, spans[place])
    found = await running.get("summary")
    # The outermost and the innermost have only the one between them in common.
    expected = 2 if order[2] == 1 else 1
    assert (found["total_llm_calls"], found["total_input_tokens"]) == (expected, 100 * expected)


async def test_what_failed_is_not_remembered(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """A call whose commit failed counts when it is sent again, or when another span tells of it."""

    async def fail(*_arguments: object) -> None:
        raise StorageUnavailable("the database cannot be written")

    with monkeypatch.context() as patch:
        patch.setattr(running.service.ingest.writer, "write", fail)
        body = as_protobuf(openinference(2, 1))
        answer = await running.http.post("/v1/traces", content=body, headers={"Content-Type": PROTOBUF})
        assert answer.status_code == 503
    await export(running, chat(1))
    await export(running, openinference(2, 1))
    assert len(await calls(running)) == 1


def test_memory_of_calls_is_bounded() -> None:
    """Of many calls only the last ones are remembered."""
    recent = RecentCalls(most=10)
    many = [[Call(Span(TRACE, f"{number:016x}", "f" * 16, 0, 1, False, ""), {})] for number in range(1, 100)]
    for group in many:
        recent.add("acme", [group])
    within = [[Call(Span(TRACE, "e" * 16, group[0].span.span_id, 0, 1, False, ""), {})] for group in many]
    assert [recent.has("acme", group) for group in within] == [False] * 89 + [True] * 10
    assert not any(recent.has("globex", group) for group in within)


async def test_calls_of_an_agent_are_all_counted(running: Running) -> None:
    """Calls beside one another count each, with equal tokens too; only a call within a call is the same."""
    agent = span(9, 0, TRACE, {"gen_ai.operation.name": "invoke_agent"})
    tool = span(8, 1, TRACE, {"gen_ai.operation.name": "execute_tool"})
    await export(running, agent, chat(1, 9), chat(2, 9), tool, chat(3, 8))
    assert len(await calls(running)) == 3


@each_database
async def test_one_answer_is_one_call_across_requests(running: Running) -> None:
    """Spans of a trace with the same answer's id and tokens are one call, also in different requests at once."""
    asked: Json = {"gen_ai__response__id": ANSWER}
    await asyncio.gather(*(export(running, chat(number, **asked)) for number in range(1, 9)))
    assert len(await calls(running)) == 1
    await export(running, chat(9, **asked, gen_ai__usage__output_tokens=11))
    await export(running, chat(1, 0, OTHER_TRACE, **asked))
    assert len(await calls(running)) == 3
    assert (await running.verdict()).differences == []


async def test_short_ids_are_not_unique(running: Running) -> None:
    """Two calls of a trace that were given one short id, as Ollama does, count twice."""
    await export(running, chat(1, gen_ai__response__id="chatcmpl-71"), chat(2, gen_ai__response__id="chatcmpl-71"))
    assert len(await calls(running)) == 2


async def test_a_restart_forgets_nothing(tmp_path: Path) -> None:
    """What was recorded before a restart is known after it."""
    for _ in range(2):
        found = await start(tmp_path)
        await export(found, chat(1), chat(2, gen_ai__response__id=ANSWER))
        assert (await found.get("summary"))["total_llm_calls"] == 2
        await found.stop()


async def test_tenants_share_no_ids(tmp_path: Path) -> None:
    """The same span of two tenants is a call of each."""
    found = await start(tmp_path, TRACKING_KEYS="acme:acme-key-0123456789,globex:globex-key-0123456")
    body = as_protobuf(chat(1))
    for key in ("acme-key-0123456789", "globex-key-0123456"):
        headers = {"Content-Type": PROTOBUF, "Authorization": f"Bearer {key}"}
        assert (await found.http.post("/v1/traces", content=body, headers=headers)).status_code == 200
    for tenant in ("acme", "globex"):
        assert (await found.get("summary", tenant))["total_llm_calls"] == 1
    await found.stop()


@pytest.mark.parametrize("media", WRITERS)
async def test_a_span_twice_in_a_request_counts_once(running: Running, media: str) -> None:
    """A request that repeats a span records it once."""
    response = await running.http.post(
        "/v1/traces", content=WRITERS[media](chat(1), chat(1)), headers={"Content-Type": media}
    )
    assert response.status_code == 200
    assert len(await calls(running)) == 1


@given(st.lists(st.tuples(st.integers(1, 12), st.integers(0, 12)), max_size=12, unique_by=lambda pair: pair[0]))
@settings(max_examples=300, deadline=None)
def test_every_call_is_in_one_group(pairs: list[tuple[int, int]]) -> None:
    """Whatever spans say of their parents, circles too: each call is in exactly one group, once."""
    found = [Call(Span(TRACE, f"{own:016x}", f"{parent:016x}", 0, 1, False, ""), {}) for own, parent in pairs]
    grouped = [call.span.key for group in outermost({call.span.key: call for call in found}) for call in group]
    assert sorted(grouped) == sorted(call.span.key for call in found)


async def test_a_span_that_was_refused_hides_no_call(running: Running) -> None:
    """A call within a span that was refused counts, also in a later request: only what is recorded is the same."""
    refused = chat(1, gen_ai__response__model=None)
    body = as_protobuf(refused)
    response = await running.http.post("/v1/traces", content=body, headers={"Content-Type": PROTOBUF})
    assert (response.status_code, response.content) != (200, b"")
    await export(running, openinference(2, 1))
    (call,) = await calls(running)
    assert call["user_id"] == "u-1"
