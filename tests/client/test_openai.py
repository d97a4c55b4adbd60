"""What track_openai makes of answers and streams, over real connections, and what it leaves alone."""

import asyncio
import gc
import json
import time
from collections.abc import AsyncIterator, Callable, Iterator
from types import SimpleNamespace
from typing import Any

import httpx2
import pytest

from convoai_analytics_client import Analytics, openai
from convoai_analytics_client.openai import AsyncTrackedStream, TrackedStream, track_openai
from tests.servers.openai_server import ANSWERED_BY, KEY, MODEL, Answer, OpenAIServer, chunks
from tests.servers.responses_server import Ending, responses_server
from tests.servers.service import Running

WHO: dict[str, Any] = {"conversation_id": "c-1", "user_id": "u-1"}
HEADERS = {"Authorization": f"Bearer {KEY}"}
Json = dict[str, Any]


class Failed(Exception):
    """What the readers here raise for an error in a stream."""


class Noted:
    """A client of no service, which keeps what it would post."""

    def __init__(self) -> None:
        self.events: list[Json] = []
        self.analytics = Analytics("http://127.0.0.1:9", before_send=self._note, flush_seconds=0)

    def _note(self, event: Json) -> None:
        self.events.append(event)

    def messages(self) -> list[Json]:
        """Give the messages that were tracked so far."""
        assert self.analytics.flush()
        return self.events

    def message(self) -> Json:
        """Give the only message."""
        (message,) = self.messages()
        assert message["type"] == "message"
        assert message["role"] == "assistant"
        assert (message["conversation_id"], message["user_id"]) == ("c-1", "u-1")
        return message


@pytest.fixture
def noted() -> Iterator[Noted]:
    found = Noted()
    yield found
    found.analytics.close()


@pytest.fixture
def server() -> Iterator[OpenAIServer]:
    with OpenAIServer() as found:
        yield found


def body(*, stream: bool, usage: bool = True) -> Json:
    return {"model": MODEL, "messages": [], "stream": stream, "stream_options": {"include_usage": usage}}


def as_object(value: Json) -> Any:
    return json.loads(json.dumps(value), object_hook=lambda fields: SimpleNamespace(**fields))


def data_of(line: str) -> Json | None:
    """Read a line of server-sent events; None if it holds no document."""
    if not line.startswith("data: ") or line == "data: [DONE]":
        return None
    document: Json = json.loads(line.removeprefix("data: "))
    if "error" in document:
        raise Failed
    return document


def stream_of(url: str, asked: Json) -> Iterator[Json]:
    with httpx2.stream("POST", url, json=asked, headers=HEADERS, timeout=30) as response:
        response.raise_for_status()
        for line in response.iter_lines():
            if (document := data_of(line)) is not None:
                yield document


async def astream_of(url: str, asked: Json) -> AsyncIterator[Json]:
    async with (
        httpx2.AsyncClient(timeout=30) as client,
        client.stream("POST", url, json=asked, headers=HEADERS) as response,
    ):
        async for line in response.aiter_lines():
            if (document := data_of(line)) is not None:
                yield document


def completions(server: OpenAIServer) -> str:
    return f"{server.base_url}/chat/completions"


class Stream:
    """A stream in the shape of the openai package's."""

    def __init__(self, parts: Iterator[Any]) -> None:
        self.response = SimpleNamespace(status_code=200)
        self.is_closed = False
        self._parts = parts

    def __iter__(self) -> Iterator[Any]:
        yield from self._parts

    def __next__(self) -> Any:
        return next(self._parts)

    def __enter__(self) -> "Stream":
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def close(self) -> None:
        self.is_closed = True


class AsyncStream:
    """The same for ``async for``."""

    def __init__(self, parts: AsyncIterator[Any]) -> None:
        self.is_closed = False
        self._parts = parts

    async def __aiter__(self) -> AsyncIterator[Any]:
        async for part in self._parts:
            yield part

    async def __anext__(self) -> Any:
        return await anext(self._parts)

    async def __aenter__(self) -> "AsyncStream":
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self.close()

    async def close(self) -> None:
        self.is_closed = True


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


@pytest.mark.parametrize("form", [lambda document: document, as_object], ids=["dictionaries", "objects"])
def test_a_stream_is_passed_on_unchanged(server: OpenAIServer, noted: Noted, form: Callable[[Json], Any]) -> None:
    """The parts are those of the stream itself, in their order; the time to the first token is kept."""
    parts = [form(part) for part in stream_of(completions(server), body(stream=True))]
    stream = track_openai(iter(parts), **WHO, analytics=noted.analytics)
    assert isinstance(stream, TrackedStream)
    assert next(stream) is parts[0]
    before = stream.time_to_first_token
    assert before is None, "the first chunk names the role alone"
    assert all(found is part for found, part in zip(stream, parts[1:], strict=True))
    message = noted.message()
    assert message["token_count"] == server.answer.completion_tokens
    first = stream.time_to_first_token
    assert first is not None
    assert 0 < first <= message["response_time"]


@pytest.mark.parametrize(("usage", "tokens"), [("asked", None), ("never", None), ("always", 11), ("continuous", 11)])
def test_tokens_are_those_that_are_named(server: OpenAIServer, noted: Noted, usage: Any, tokens: int | None) -> None:
    """Without usage the tokens are unknown, not 0; sums so far that each chunk names count once."""
    server.answer = Answer(usage=usage)
    for _ in track_openai(
        stream_of(completions(server), body(stream=True, usage=False)), **WHO, analytics=noted.analytics
    ):
        pass
    assert noted.message().get("token_count") == tokens


@pytest.mark.parametrize("interruption", ["cut_after", "error_after"])
@pytest.mark.parametrize(("pieces", "messages"), [(0, 0), (3, 1)])
def test_a_stream_that_breaks(
    server: OpenAIServer, noted: Noted, interruption: str, pieces: int, messages: int
) -> None:
    """The error reaches the caller; what was delivered before is a message, and nothing before that is none."""
    setattr(server.answer, interruption, pieces)
    with pytest.raises((Failed, httpx2.TransportError)):
        list(track_openai(stream_of(completions(server), body(stream=True)), **WHO, analytics=noted.analytics))
    assert len(noted.messages()) == messages
    assert all("token_count" not in message for message in noted.messages())


def test_an_answer_that_never_came(server: OpenAIServer, noted: Noted) -> None:
    """The error of a call reaches the caller, and is no message."""
    server.answer = Answer(status=429)

    def ask() -> None:
        httpx2.post(completions(server), json=body(stream=False), headers=HEADERS).raise_for_status()

    with pytest.raises(httpx2.HTTPStatusError):
        track_openai(ask, **WHO, analytics=noted.analytics)
    assert noted.messages() == []


def test_a_stream_is_closed_early(noted: Noted) -> None:
    """Closed, left by its context or no longer used: what was delivered is one message."""
    tracked = {**WHO, "analytics": noted.analytics}
    stream = Stream(chunks(Answer(), True))
    wrapped: Any = track_openai(stream, **tracked)
    next(wrapped), next(wrapped)
    wrapped.close()
    assert stream.is_closed
    assert len(noted.messages()) == 1
    stream = Stream(chunks(Answer(), True))
    with track_openai(stream, **tracked) as entered:
        next(entered), next(entered)
    assert stream.is_closed
    assert len(noted.messages()) == 2
    for number, _ in enumerate(track_openai(Stream(chunks(Answer(), True)), **tracked)):
        if number == 1:
            break
    gc.collect()
    assert len(noted.messages()) == 3
    for part in (wrapped, entered):
        assert list(part), "what is left can be read"
    del wrapped, entered, part
    gc.collect()
    assert len(noted.messages()) == 3


async def test_an_asynchronous_stream_is_closed_early(noted: Noted) -> None:
    """The same for ``async with`` and ``close()``."""

    async def parts() -> AsyncIterator[Json]:
        for part in chunks(Answer(), True):
            yield part

    tracked = {**WHO, "analytics": noted.analytics}
    stream = AsyncStream(parts())
    async with track_openai(stream, **tracked) as entered:
        assert isinstance(entered, AsyncTrackedStream)
        await anext(entered), await anext(entered)
    assert stream.is_closed
    assert len(noted.messages()) == 1
    stream = AsyncStream(parts())
    wrapped: Any = track_openai(stream, **tracked)
    await anext(wrapped), await anext(wrapped)
    await wrapped.close()
    assert stream.is_closed
    generator: Any = track_openai(parts(), **tracked)
    await anext(generator), await anext(generator)
    await generator.aclose()
    assert len(noted.messages()) == 3


async def test_a_stream_for_either_loop(noted: Noted) -> None:
    """A stream that may be read both ways, as some libraries have them, is tracked by either."""

    class Either(Stream):
        def __aiter__(self) -> "Either":
            return self

        async def __anext__(self) -> Any:
            try:
                return next(self)
            except StopIteration:
                raise StopAsyncIteration from None

    for part in track_openai(Either(chunks(Answer(), True)), **WHO, analytics=noted.analytics):
        assert part["choices"] or part["usage"]
    async for part in track_openai(Either(chunks(Answer(), True)), **WHO, analytics=noted.analytics):
        assert part["choices"] or part["usage"]
    assert [message["token_count"] for message in noted.messages()] == [11, 11]


async def test_a_cancelled_stream(server: OpenAIServer, noted: Noted) -> None:
    """A cancellation goes through; what was delivered before it is a message."""
    server.answer = Answer(wait_after=3)
    came = asyncio.Event()

    async def read() -> None:
        stream = track_openai(astream_of(completions(server), body(stream=True)), **WHO, analytics=noted.analytics)
        number = 0
        async for _ in stream:
            number += 1
            if number == 4:
                came.set()

    task = asyncio.create_task(read())
    await came.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert "token_count" not in noted.message()


def test_a_stream_looks_like_the_one_that_it_wraps(noted: Noted) -> None:
    """Attributes are read from and written to the stream, and it is of its type to ``isinstance``."""
    stream = Stream(chunks(Answer(), True))
    wrapped = track_openai(stream, **WHO, analytics=noted.analytics)
    assert isinstance(wrapped, Stream)
    assert wrapped.response.status_code == 200
    wrapped.note = "mine"  # type: ignore[attr-defined]
    assert stream.note == "mine"  # type: ignore[attr-defined]
    assert repr(wrapped) == repr(stream)
    with pytest.raises(AttributeError):
        wrapped.nothing  # type: ignore[attr-defined]  # noqa: B018


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
    monkeypatch.setattr(openai, "_told", set())
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
