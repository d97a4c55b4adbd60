"""A dialect: how an instrumentation names what it tells of an LLM call, as a table, and how the table is read. Pure.

Values are read as they are named, and no user, conversation or number of tokens is made up. Our own attributes, which
the client's SpanProcessor writes, name user and conversation in every dialect.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from web.ingest.otlp.spans import Span, Value

USER, CONVERSATION = "convoai.user.id", "convoai.conversation.id"
"""The attributes of the client's SpanProcessor; client/convoai_analytics_client/opentelemetry.py writes them."""
OWN = {"user_id": (USER,), "conversation_id": (CONVERSATION,)}
FALLBACK_ERROR = "_OTHER"
"""The type of an error that has none (OpenTelemetry's semantic conventions, error.type)."""
UNKNOWN_PROVIDER = "unknown"

Names = tuple[str, ...]
"""Attributes of which the first one that is there counts: the newest name stands first."""
Fields = dict[str, Any]
"""What a call is made of, by the fields of :class:`storage.model.events.LlmCall`, and ``response_id``."""
NUMBERS = frozenset(("input_tokens", "cached_input_tokens", "cache_write_tokens", "output_tokens", "reasoning_tokens"))


@dataclass(frozen=True)
class Dialect:
    """One dialect.

    Its spans come from instrumentations whose name is one of *scopes*, or have one of the attributes *marks*.
    The attribute *operation* says what a span is; those in *operations* are calls, with our word for each, and all
    others are agents, tools, steps and chains, whose totals repeat what calls tell. *fields* says which attributes tell
    a field of a call. *others* are further attributes that *refine* reads; it corrects what the table cannot say.
    """

    name: str
    operation: Names
    operations: Mapping[str, str]
    fields: Mapping[str, Names]
    scopes: Names = ()
    marks: Names = ()
    others: Names = ()
    refine: Callable[[Span, Fields], None] = field(default=lambda _span, _fields: None)

    def speaks(self, span: Span) -> bool:
        """Say whether a span is of this dialect."""
        return span.scope in self.scopes or not self._marks.isdisjoint(span.attributes)

    def operation_of(self, span: Span) -> str | None:
        """Name the operation of a call; None if the span is none."""
        return self.operations.get(span.text(*self.operation) or "")

    def read(self, span: Span) -> Fields:
        """Read what the span of a call tells."""
        found: Fields = {}
        ranks: dict[str, int] = {}
        # The attributes of a span are fewer than the names of a dialect: that way round it takes half as long.
        for attribute, told in span.attributes.items():
            for name, rank in self._fields.get(attribute, ()):
                if rank < ranks.get(name, len(self._fields)) and (value := _read(told, name)) is not None:
                    found[name], ranks[name] = value, rank
        if span.first_token is not None and "time_to_first_token" not in found:
            found["time_to_first_token"] = (span.first_token - span.started) / 1e9
        if span.failed and "error_type" not in found:
            found["error_type"] = span.exception or FALLBACK_ERROR
        self.refine(span, found)
        return found

    @cached_property
    def _marks(self) -> frozenset[str]:
        return frozenset(self.marks)

    @cached_property
    def _fields(self) -> dict[str, list[tuple[str, int]]]:
        """Give the fields that an attribute tells, each with its rank among the attributes of that field."""
        found: dict[str, list[tuple[str, int]]] = {}
        for name, attributes in self.fields.items():
            for rank, attribute in enumerate(OWN.get(name, ()) + attributes):
                found.setdefault(attribute, []).append((name, rank))
        return found

    @property
    def wanted(self) -> frozenset[str]:
        """Name every attribute that matters."""
        named = {name for names in self.fields.values() for name in names}
        return frozenset({*named, *self.operation, *self.marks, *self.others, USER, CONVERSATION})


def _read(value: Value, name: str) -> Value | None:
    """Take a value of the type that a field has; what is empty, or of another type, says nothing."""
    if name in NUMBERS:
        return int(value) if isinstance(value, int | float) and not isinstance(value, bool) and value >= 0 else None
    if name == "time_to_first_token":
        return float(value) if isinstance(value, int | float) else None
    return value if isinstance(value, str) and value else None
