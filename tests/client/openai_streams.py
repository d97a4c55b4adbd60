"""Answers of OpenAI's protocol in the shapes that clients give them, and what is tracked of them."""

import json
from collections.abc import AsyncIterator, Iterator
from types import SimpleNamespace
from typing import Any

import httpx2

from convoai_analytics_client import Analytics
from tests.servers.openai_server import KEY, MODEL, OpenAIServer

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
        return self._of("message")

    def calls(self) -> list[Json]:
        """Give the LLM calls that were tracked so far."""
        return self._of("llm_call")

    def _of(self, kind: str) -> list[Json]:
        assert self.analytics.flush()
        return [event for event in self.events if event["type"] == kind]

    def message(self) -> Json:
        """Give the only message."""
        (message,) = self.messages()
        assert message["role"] == "assistant"
        assert (message["conversation_id"], message["user_id"]) == ("c-1", "u-1")
        return message


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
