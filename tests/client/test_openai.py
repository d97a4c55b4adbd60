"""What track_openai makes of answers, over real connections, and what it leaves alone."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

import httpx2
import pytest

from convoai_analytics_client import Analytics, openai
from convoai_analytics_client.openai import track_openai
from tests.client.openai_streams import (
    HEADERS,
    WHO,
    Failed,
    Json,
    Noted,
    as_object,
    astream_of,
    body,
    completions,
    stream_of,
)
from tests.servers.openai_server import ANSWERED_BY, Answer, OpenAIServer
from tests.servers.responses_server import Ending, responses_server
from tests.servers.service import Running


async def test_the_panel_counts_a_streamed_answer(running: Running, server: OpenAIServer) -> None:
    """A stream that was read adds one message with the tokens and the model it named, and its response time."""
    analytics = Analytics(running.url)
    async for _ in track_openai(astream_of(completions(server), body(stream=True)), **WHO, analytics=analytics):
        pass
    assert await analytics.aflush()
    (item,) = (await running.get("messages", conversation_id="c-1"))["items"]
    assert (item["message_id"], item["user_id"], item["role"]) == ("chatcmpl-of-the-tests", "u-1", "assistant")
    assert (item["token_count"], item["model_used"]) == (server.answer.completion_tokens, ANSWERED_BY)
    assert item["response_time"] > 0
    summary = await running.get("summary")
    assert (summary["total_messages"], summary["total_tokens"]) == (1, server.answer.completion_tokens)
    await asyncio.to_thread(analytics.close)


async def test_an_answer_is_a_message_and_its_call(running: Running, server: OpenAIServer) -> None:
    """A streamed answer is one message and one LLM call with the message's id, and no figure counts it twice."""
    analytics = Analytics(running.url)
    async for _ in track_openai(astream_of(completions(server), body(stream=True)), **WHO, analytics=analytics):
        pass
    assert await analytics.aflush()
    (message,) = (await running.get("messages"))["items"]
    (call,) = (await running.get("llm-calls"))["items"]
    written = server.answer.completion_tokens
    tokens = {"input_tokens": 11, "cached_input_tokens": 4, "output_tokens": written, "reasoning_tokens": 3}
    assert {name: call[name] for name in tokens} == tokens
    assert (call["provider"], call["model"], call["operation"]) == ("openai", ANSWERED_BY, "chat")
    assert (call["message_id"], call["conversation_id"], call["user_id"]) == (message["message_id"], "c-1", "u-1")
    for item in (message, call):
        assert item["finish_reason"] == "stop"
        assert 0 < item["time_to_first_token"] <= item["response_time"]
    summary = await running.get("summary")
    counted = ("total_messages", "total_tokens", "total_llm_calls", "total_output_tokens", "total_users")
    assert [summary[name] for name in counted] == [1, written, 1, written, 1]
    assert (await running.verdict()).differences == []
    await asyncio.to_thread(analytics.close)


def test_a_call_that_fails(server: OpenAIServer, noted: Noted) -> None:
    """An error is an LLM call with the error's name and no message, if the model is known: it was given, or named."""
    server.answer = Answer(status=429)

    def ask() -> None:
        httpx2.post(completions(server), json=body(stream=False), headers=HEADERS).raise_for_status()

    for model in (None, "small"):
        with pytest.raises(httpx2.HTTPStatusError):
            track_openai(ask, **WHO, analytics=noted.analytics, model=model, provider="local")
    server.answer = Answer(error_after=1)
    with pytest.raises(Failed):
        list(track_openai(stream_of(completions(server), body(stream=True)), **WHO, analytics=noted.analytics))
    given, named = noted.calls()
    assert (given["provider"], given["model"], given["error_type"]) == ("local", "small", "HTTPStatusError")
    assert not {"message_id", "input_tokens", "output_tokens"} & given.keys()
    assert (named["model"], named["error_type"]) == (ANSWERED_BY, "Failed")
    assert named["message_id"] == noted.message()["message_id"]


@pytest.mark.parametrize("form", [lambda document: document, as_object], ids=["dictionary", "object"])
def test_a_whole_answer_is_given_back_itself(server: OpenAIServer, noted: Noted, form: Callable[[Json], Any]) -> None:
    """What is given back is the very answer; its time is unknown, since the call began when it was there."""
    answer = form(httpx2.post(completions(server), json=body(stream=False), headers=HEADERS).json())
    assert track_openai(answer, **WHO, analytics=noted.analytics) is answer
    message = noted.message()
    assert (message["token_count"], message["model_used"]) == (server.answer.completion_tokens, ANSWERED_BY)
    assert "response_time" not in message


def test_the_time_of_a_whole_answer(server: OpenAIServer, noted: Noted) -> None:
    """A function is called and timed, and a given start counts as well; one of another clock does not."""

    def ask() -> Json:
        answer: Json = httpx2.post(completions(server), json=body(stream=False), headers=HEADERS).json()
        return answer

    answer = track_openai(ask, **WHO, analytics=noted.analytics)
    for started in (time.perf_counter() - 5, time.time()):
        track_openai(answer, **WHO, analytics=noted.analytics, started=started)
    called, given, wrong = noted.messages()
    assert 0 < called["response_time"] < 5 < given["response_time"]
    assert "response_time" not in wrong


async def test_a_coroutine_is_awaited_and_timed(noted: Noted) -> None:
    """The time of an awaited answer begins before it is awaited."""

    async def ask() -> Json:
        await asyncio.sleep(0.01)
        return {"choices": [{"finish_reason": "stop"}]}

    assert await track_openai(ask(), **WHO, analytics=noted.analytics) == await ask()
    assert noted.message()["response_time"] >= 0.01


@pytest.mark.parametrize(("usage", "tokens"), [("asked", None), ("never", None), ("always", 11), ("continuous", 11)])
def test_tokens_are_those_that_are_named(server: OpenAIServer, noted: Noted, usage: Any, tokens: int | None) -> None:
    """Without usage the tokens are unknown, not 0; sums so far that each chunk names count once."""
    server.answer = Answer(usage=usage)
    for _ in track_openai(
        stream_of(completions(server), body(stream=True, usage=False)), **WHO, analytics=noted.analytics
    ):
        pass
    assert noted.message().get("token_count") == tokens


def test_an_answer_that_never_came(server: OpenAIServer, noted: Noted) -> None:
    """The error of a call reaches the caller, and is no message."""
    server.answer = Answer(status=429)

    def ask() -> None:
        httpx2.post(completions(server), json=body(stream=False), headers=HEADERS).raise_for_status()

    with pytest.raises(httpx2.HTTPStatusError):
        track_openai(ask, **WHO, analytics=noted.analytics)
    assert noted.messages() == []


@pytest.mark.parametrize(
    ("ending", "deltas", "tokens"),
    [("completed", 2, [7]), ("completed", 0, [7]), ("incomplete", 2, [7]), ("failed", 2, [None]), ("failed", 0, [])],
)
def test_a_streamed_response(noted: Noted, ending: Ending, deltas: int, tokens: list[int | None]) -> None:
    """The Responses API's streams are read as well: one message, none if it failed before there was anything."""
    with responses_server(ending, deltas) as url:
        list(track_openai(stream_of(f"{url}/responses", {"stream": True}), **WHO, analytics=noted.analytics))
    assert [message.get("token_count") for message in noted.messages()] == tokens
    assert all(message["message_id"] == "resp_of-the-tests" for message in noted.messages())


def test_a_whole_response(noted: Noted) -> None:
    """A whole answer of the Responses API is a message; one that is not there yet is none."""
    with responses_server() as url:
        track_openai(httpx2.post(f"{url}/responses", json={}).json(), **WHO, analytics=noted.analytics)
    track_openai({"id": "resp_0", "status": "queued", "output": []}, **WHO, analytics=noted.analytics)
    assert noted.message()["token_count"] == 7


def test_the_id_of_a_message(noted: Noted) -> None:
    """An id of one's own comes first; without one, short ids, which a server uses again, are replaced by new ones."""
    answer = {"id": "chatcmpl-123", "choices": [{"finish_reason": "stop"}]}
    for message_id in (42, None, None):
        track_openai(answer, **WHO, analytics=noted.analytics, message_id=message_id)
    own, first, second = [message["message_id"] for message in noted.messages()]
    assert own == "42"
    assert len({"chatcmpl-123", first, second}) == 3


def test_what_is_no_answer_goes_through(
    noted: Noted, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What cannot be read is given back, is no message, and is said once in the log, without its content."""
    monkeypatch.setattr(openai, "_logged", set())
    for _ in range(2):
        assert track_openai({"secret": 1}, **WHO, analytics=noted.analytics) == {"secret": 1}
        assert list(track_openai(iter([{"choices": 7}, "secret"]), **WHO, analytics=noted.analytics))
    assert noted.messages() == []
    assert len(caplog.messages) == 2, caplog.messages
    assert "secret" not in caplog.text


def test_a_client_that_fails_is_not_noticed(caplog: pytest.LogCaptureFixture) -> None:
    """Whatever tracking raises stays here."""
    answer = {"id": "chatcmpl-of-the-tests", "choices": [{"finish_reason": "stop"}]}
    broken: Any = object()
    assert track_openai(answer, **WHO, analytics=broken) is answer
    assert list(track_openai(iter([answer]), **WHO, analytics=broken)) == [answer]
