"""OpenTelemetry: whose LLM calls spans tell of.

OpenTelemetry has no attribute for the user of a call, and most instrumentations know neither user nor conversation. The
processor here writes both into every span that begins within :func:`calls_of`::

    provider.add_span_processor(AnalyticsSpanProcessor())

    with calls_of(user_id="u-1", conversation_id="c-1"):
        client.chat.completions.create(...)
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from opentelemetry.context import Context
from opentelemetry.sdk.trace import Span, SpanProcessor

USER, CONVERSATION = "convoai.user.id", "convoai.conversation.id"
"""The attributes, which the service looks for before all others."""

_whose: "ContextVar[dict[str, str]]" = ContextVar("convoai_analytics_calls_of", default={})  # noqa: B039 - never changed


@contextmanager
def calls_of(*, user_id: Any = None, conversation_id: Any = None) -> Iterator[None]:
    """Say whose the LLM calls are that are made within: in this thread, this task, and what it starts.

    None: as it was outside.
    """
    named = {USER: user_id, CONVERSATION: conversation_id}
    told = {name: str(value) for name, value in named.items() if value is not None}
    token = _whose.set({**_whose.get(), **told})
    try:
        yield
    finally:
        _whose.reset(token)


class AnalyticsSpanProcessor(SpanProcessor):
    """Writes user and conversation of :func:`calls_of` into spans when these begin; it exports nothing itself."""

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Write them."""
        for name, value in _whose.get().items():
            span.set_attribute(name, value)
