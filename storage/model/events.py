"""The tracked events: what a service may post, the limits of each field, and all that differs by kind of event.

A kind is declared once, in :data:`KINDS`. The writer, retention, settings, endpoints, ``verify`` and the documentation
iterate over it; ``storage/tables/schema.py`` has its table. ``parsing.py`` reads events from JSON.
"""

from dataclasses import dataclass
from typing import Annotated, Literal

from msgspec import Meta, Struct

MAX_AHEAD_SECONDS = 300
"""How far a timestamp may lie ahead of the service's clock."""
MAX_RESPONSE_SECONDS = 86_400
"""The longest response time: one day."""
MAX_COST_DOLLARS = 10_000
"""The highest cost of one LLM call."""
MAX_EXTRA_BYTES = 4096
"""The size of ``extra_data`` as compact JSON in UTF-8."""
MAX_EXTRA_DEPTH = 8
"""How deep ``extra_data`` may nest; the object itself is level 1."""
EARLIEST = "1970-01-01T00:00:00.000Z"
"""The earliest timestamp that is taken."""


class Timestamp(str):
    """A moment in UTC with milliseconds, ``2026-11-22T11:14:07.123Z``, so that text order is time order."""

    __slots__ = ()


class Microseconds(int):
    """A duration. Integers, because a sum of floats depends on the order in which events arrive."""

    __slots__ = ()


class NanoDollars(int):
    """An amount of money: billionths of a US dollar. Integers, for the reason that :class:`Microseconds` are."""

    __slots__ = ()


class ExtraData(str):
    """A JSON object in compact JSON text."""

    __slots__ = ()


Identifier = Annotated[str, Meta(min_length=1, max_length=255)]
Term = Annotated[str, Meta(min_length=1, max_length=100)]
"""A word of an open set."""
Tokens = Annotated[int, Meta(ge=0, le=2**31 - 1)]


class Contradiction(ValueError):
    """Two fields of an event contradict each other: ``field`` breaks the ``rule``."""

    def __init__(self, field: str, rule: str) -> None:
        super().__init__(f"{field}: {rule}")
        self.field = field
        self.rule = rule


class Event(Struct, forbid_unknown_fields=True, kw_only=True, gc=False):
    """What every event may carry: its own time (None: the time of arrival) and an idempotency key."""

    timestamp: Timestamp | None = None
    event_id: Identifier | None = None


class Activity(Event, tag="activity", tag_field="type"):
    """Something that a user did; ``activity_type`` is an open set (login, message_sent, api_call, ...)."""

    user_id: Identifier
    username: Identifier
    activity_type: Term
    ip_address: Annotated[str, Meta(min_length=1, max_length=45)] | None = None
    user_agent: Annotated[str, Meta(max_length=1024)] | None = None
    extra_data: ExtraData | None = None


class ApiUsage(Event, tag="api_usage", tag_field="type"):
    """One call of the platform's API; ``response_time`` is posted in seconds."""

    endpoint: Annotated[str, Meta(min_length=1, max_length=512)]
    method: Annotated[str, Meta(min_length=1, max_length=16)]
    status_code: Annotated[int, Meta(ge=100, le=599)]
    response_time: Microseconds
    user_id: Identifier | None = None


class Conversation(Event, tag="conversation", tag_field="type"):
    """A conversation was created or deleted."""

    conversation_id: Identifier
    user_id: Identifier
    action: Literal["created", "deleted"]


class Message(Event, tag="message", tag_field="type"):
    """One message of a conversation; ``message_id`` is its idempotency key too.

    ``token_count`` is None where it is not known, as when a model does not report it: it adds nothing to sums.
    ``response_time`` and ``time_to_first_token`` are posted in seconds; ``finish_reason`` is the model's own word.
    """

    message_id: Identifier
    conversation_id: Identifier
    user_id: Identifier
    role: Literal["user", "assistant", "system", "tool"]
    token_count: Tokens | None = None
    response_time: Microseconds | None = None
    model_used: Identifier | None = None
    time_to_first_token: Microseconds | None = None
    finish_reason: Term | None = None


class LlmCall(Event, tag="llm_call", tag_field="type"):
    """One call of a language model; ``model`` is the one that answered. No text of prompts or answers is taken.

    ``operation`` is an open set (chat, completion, embedding, ...). Numbers of tokens are None where they are unknown.
    ``cached_input_tokens`` and ``cache_write_tokens`` are parts of ``input_tokens``, ``reasoning_tokens`` is one of
    ``output_tokens``. A call that failed names its ``error_type``. ``cost`` is what the sender says that the call cost,
    posted as decimal text in US dollars.
    """

    provider: Identifier
    model: Identifier
    operation: Term
    user_id: Identifier | None = None
    conversation_id: Identifier | None = None
    message_id: Identifier | None = None
    input_tokens: Tokens | None = None
    cached_input_tokens: Tokens | None = None
    cache_write_tokens: Tokens | None = None
    output_tokens: Tokens | None = None
    reasoning_tokens: Tokens | None = None
    response_time: Microseconds | None = None
    time_to_first_token: Microseconds | None = None
    finish_reason: Term | None = None
    error_type: Identifier | None = None
    service_tier: Term | None = None
    cost: NanoDollars | None = None

    def __post_init__(self) -> None:
        """Raise :exc:`Contradiction` if a part is more than the whole, where both are known."""
        cached = self.cached_input_tokens or 0
        if self.input_tokens is not None and cached + (self.cache_write_tokens or 0) > self.input_tokens:
            if cached > self.input_tokens:
                raise Contradiction("cached_input_tokens", "is a part of input_tokens, and must not be more")
            raise Contradiction(
                "cache_write_tokens", "is a part of input_tokens beside cached_input_tokens, and must not be more"
            )
        if self.output_tokens is not None and (self.reasoning_tokens or 0) > self.output_tokens:
            raise Contradiction("reasoning_tokens", "is a part of output_tokens, and must not be more")


AnyEvent = Activity | ApiUsage | Conversation | Message | LlmCall


@dataclass(frozen=True)
class Kind:
    """A kind of event. A batch names it in ``type``.

    ``table`` holds its rows, and ``time`` is that table's column for the event's timestamp. ``path`` is its endpoint's,
    behind ``track/``, ``summary`` says what that does, and ``noun`` names such events in the plural. ``ids`` are the
    fields that, as ``event_id`` does, identify an event: a second one with the same value is a duplicate.
    """

    event: type[AnyEvent]
    table: str
    time: str
    path: str
    summary: str
    noun: str
    ids: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The value of ``type``; a part of the names of settings."""
        return str(self.event.__struct_config__.tag)

    def column(self, field: str) -> str:
        """Name the column of the kind's table that holds a *field* of the event."""
        return self.time if field == "timestamp" else _COLUMNS.get(field, field)


_COLUMNS = {
    "response_time": "response_time_us",
    "time_to_first_token": "time_to_first_token_us",
    "cost": "cost_nanodollars",
}


KINDS = (
    Kind(Activity, "user_activity", "timestamp", "activity-public", "Track a user's activity", "activities"),
    Kind(
        Message, "message_metrics", "created_at", "message-public", "Track a message", "messages", ids=("message_id",)
    ),
    Kind(ApiUsage, "api_usage", "timestamp", "api-usage-public", "Track an API call", "API calls"),
    Kind(
        Conversation,
        "conversation_events",
        "timestamp",
        "conversation-public",
        "Track that a conversation was created or deleted",
        "the events of conversations",
    ),
    Kind(LlmCall, "llm_calls", "timestamp", "llm-call-public", "Track a call of a language model", "LLM calls"),
)
KIND_OF: dict[type[AnyEvent], Kind] = {kind.event: kind for kind in KINDS}
"""Each kind by the struct of its events."""
