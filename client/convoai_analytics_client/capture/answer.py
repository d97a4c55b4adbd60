"""What an OpenAI-compatible answer says of itself, whole or in the parts of a stream. Pure.

Two APIs are known: chat completions and Responses. A part may be an object of the ``openai`` package or of another one,
or the dictionary that its JSON text stands for.
"""

from collections.abc import Mapping
from typing import Any

_CONTENT = ("content", "tool_calls", "refusal", "function_call", "audio", "reasoning_content", "reasoning")
"""What a message, or its growth, may bring; the last two are how many servers name the text of their reasoning."""
_FINISHED = ("completed", "incomplete")
"""States of a response that grows no more, and has not failed. An incomplete one has reached its most tokens."""
_TO_COME = ("queued", "in_progress")


class Answer:
    """What is known of one answer so far."""

    __slots__ = (
        "cached_tokens",
        "finish_reason",
        "has_content",
        "input_tokens",
        "is_finished",
        "is_known",
        "message_id",
        "model",
        "reasoning_tokens",
        "service_tier",
        "tokens",
    )

    def __init__(self) -> None:
        self.message_id: str | None = None
        """The first id that was named; None: none was."""
        self.model: str | None = None
        """The first model that was named, which may be another one than was asked for."""
        self.tokens: int | None = None
        """The output tokens that were named last: servers that name them in several parts name the sum so far."""
        self.input_tokens: int | None = None
        self.cached_tokens: int | None = None
        """Those of the input tokens that came from a cache."""
        self.reasoning_tokens: int | None = None
        """Those of the output tokens that are reasoning."""
        self.finish_reason: str | None = None
        """Why the answer ended, as it was named first; of an incomplete response the reason for that."""
        self.service_tier: str | None = None
        """The tier that was named last: servers name the one that was asked for before the one that was used."""
        self.has_content = False
        """Whether any of the answer was there: text, a refusal, reasoning, or a call of a tool."""
        self.is_finished = False
        """Whether the answer says that it is complete, or that its limit cut it off."""
        self.is_known = False
        """Whether anything was read that belongs to one of the two APIs."""

    def is_message(self) -> bool:
        """Say whether there is a message: some of it was there, or the answer says that this was all."""
        return self.has_content or self.is_finished

    def read_whole(self, answer: Any) -> None:
        """Read an answer that is not streamed."""
        choices = _get(answer, "choices")
        if choices is not None:
            self._read_names(answer)
            for choice in choices:
                self._read_choice(choice, _get(choice, "message"))
        elif _get(answer, "output") is not None and _get(answer, "status") not in _TO_COME:
            self._read_response(answer)
            self.has_content = self.has_content or bool(_get(answer, "output"))

    def read_part(self, part: Any) -> None:
        """Read a chunk of a chat completion, or an event of a response."""
        kind = _get(part, "type")
        if kind == "chunk":
            # From the openai package's own chat.completions.stream(), whose other events repeat what chunks say.
            part = _get(part, "chunk")
        choices = _get(part, "choices")
        if choices is not None:
            self._read_names(part)
            for choice in choices:
                self._read_choice(choice, _get(choice, "delta"))
        elif isinstance(kind, str) and kind.startswith("response."):
            self.is_known = True
            if (response := _get(part, "response")) is not None:
                self._read_response(response)
            if kind.endswith(".delta") and _get(part, "delta"):
                self.has_content = True

    def _read_choice(self, choice: Any, message: Any) -> None:
        if reason := _get(choice, "finish_reason"):
            self.is_finished = True
            self.finish_reason = self.finish_reason or _text(reason)
        if message is not None and not self.has_content:
            self.has_content = any(_get(message, name) for name in _CONTENT)

    def _read_response(self, response: Any) -> None:
        self._read_names(response)
        status = _get(response, "status")
        if status in _FINISHED:
            self.is_finished = True
            self.finish_reason = _text(_get(_get(response, "incomplete_details"), "reason")) or _text(status)

    def _read_names(self, thing: Any) -> None:
        self.is_known = True
        # Azure's first chunk names neither, by empty texts.
        self.message_id = self.message_id or _text(_get(thing, "id"))
        self.model = self.model or _text(_get(thing, "model"))
        self.service_tier = _text(_get(thing, "service_tier")) or self.service_tier
        usage = _get(thing, "usage")
        if usage is not None:
            self._read_usage(usage)

    def _read_usage(self, usage: Any) -> None:
        for whole, details in (("prompt_tokens", "prompt_tokens_details"), ("input_tokens", "input_tokens_details")):
            self.input_tokens = _count(usage, whole, self.input_tokens)
            self.cached_tokens = _count(_get(usage, details), "cached_tokens", self.cached_tokens)
        for whole, details in (
            ("completion_tokens", "completion_tokens_details"),
            ("output_tokens", "output_tokens_details"),
        ):
            self.tokens = _count(usage, whole, self.tokens)
            self.reasoning_tokens = _count(_get(usage, details), "reasoning_tokens", self.reasoning_tokens)


def _count(usage: Any, name: str, before: int | None) -> int | None:
    """Give a number of tokens, or the one *before* if it is not named."""
    tokens = _get(usage, name)
    return tokens if isinstance(tokens, int) and not isinstance(tokens, bool) and tokens >= 0 else before


def _get(thing: Any, name: str) -> Any:
    # The check for other mappings first would double the time of a part: 5 us instead of 2.3.
    if type(thing) is dict:
        return thing.get(name)
    if isinstance(thing, Mapping):
        return thing.get(name)
    return getattr(thing, name, None)


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None
