"""What track_openai makes of streams, over real connections, however they end."""

import asyncio
import gc
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx2
import pytest

from convoai_analytics_client.openai import AsyncTrackedStream, TrackedStream, track_openai
from tests.client.openai_streams import (
    WHO,
    AsyncStream,
    Failed,
    Json,
    Noted,
    Stream,
    as_object,
    astream_of,
    body,
    completions,
    stream_of,
)
from tests.servers.openai_server import Answer, OpenAIServer, chunks


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
