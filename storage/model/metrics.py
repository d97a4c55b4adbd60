"""The metric catalogue: every figure's name, unit and meaning, in one place.

An **additive counter** is one entry in :data:`COUNTERS`: what one event adds, and how the raw table is
recounted. Writer, rollups, change log, live feed and ``verify`` follow from it. (After adding one to a
database that already holds events, ``verify`` shows what the past still lacks, and ``verify --repair`` fills it in.)

A **labelled counter** is kept once for each value of a label, under ``name:value``: messages by model. Only
the first :data:`LABELS` values of a tenant, in the order of their rows, have a counter of their own; what
comes beyond counts under ``name:``, so that no sender can make the tables grow without bound.

**First-seen and distinct** figures cannot be added up from events alone: they count the rows of rollups
(``counts`` in ``rollups.py``), and :data:`DERIVED` says what the counters mean in which they are kept.

A **figure** is what an admin reads, made from counters by a plain function below.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from storage.model.events import KIND_OF, Activity, AnyEvent, ApiUsage, LlmCall, Message
from storage.model.money import write_dollars

NANO_DOLLARS = "nano-dollars"
"""The unit of counters of money, which are answered as decimal text of US dollars."""


@dataclass(frozen=True)
class Counter:
    """A sum over events that is kept in total, by local day, by hour and by minute.

    ``amount`` says what one event of the kind ``event`` adds; ``recount`` is the same as SQL over the rows of that
    kind, written apart from it so that one proves the other.
    """

    name: str
    unit: str
    meaning: str
    event: type[AnyEvent]
    amount: Callable[[Any], int]
    recount: str


def one(_event: AnyEvent) -> int:
    """Count an event."""
    return 1


def _added(name: str, unit: str, meaning: str, event: type[AnyEvent], field: str) -> Counter:
    """Make a counter that adds up an optional field; None adds nothing."""
    column = KIND_OF[event].column(field)
    return Counter(name, unit, meaning, event, lambda found: getattr(found, field) or 0, f"COALESCE(SUM({column}), 0)")


def _having(name: str, unit: str, meaning: str, event: type[AnyEvent], field: str) -> Counter:
    """Make a counter of the events that have an optional field."""
    column = KIND_OF[event].column(field)
    return Counter(name, unit, meaning, event, lambda found: getattr(found, field) is not None, f"COUNT({column})")


def _tokens_of_unpriced(call: LlmCall) -> int:
    return 0 if call.cost is not None else (call.input_tokens or 0) + (call.output_tokens or 0)


def _is_timed(call: LlmCall) -> bool:
    return call.output_tokens is not None and call.response_time is not None


def _call_tokens(name: str, meaning: str) -> Counter:
    return _added(name, "tokens", f"{meaning}, where their number is known", LlmCall, name)


LLM_COUNTERS = (
    Counter("llm_calls", "calls", "Tracked LLM calls", LlmCall, one, "COUNT(*)"),
    _having("llm_errors", "calls", "LLM calls that name an error", LlmCall, "error_type"),
    _call_tokens("input_tokens", "Input tokens of LLM calls"),
    _call_tokens("cached_input_tokens", "Input tokens of LLM calls that came from a cache"),
    _call_tokens("cache_write_tokens", "Input tokens of LLM calls that were written to a cache"),
    _call_tokens("output_tokens", "Output tokens of LLM calls"),
    _call_tokens("reasoning_tokens", "Output tokens of LLM calls that are reasoning"),
    _added("llm_cost", NANO_DOLLARS, "Cost of the LLM calls whose cost is known", LlmCall, "cost"),
    Counter(
        "unpriced_calls",
        "calls",
        "LLM calls whose cost is not known",
        LlmCall,
        lambda call: call.cost is None,
        "SUM(CASE WHEN cost_nanodollars IS NULL THEN 1 ELSE 0 END)",
    ),
    Counter(
        "unpriced_tokens",
        "tokens",
        "Known input and output tokens of the LLM calls whose cost is not known",
        LlmCall,
        _tokens_of_unpriced,
        "COALESCE(SUM(CASE WHEN cost_nanodollars IS NULL "
        "THEN COALESCE(input_tokens, 0) + COALESCE(output_tokens, 0) END), 0)",
    ),
    _having("llm_responses", "calls", "LLM calls that carry a response time", LlmCall, "response_time"),
    _added("llm_response_time_us", "microseconds", "Sum of the LLM calls' response times", LlmCall, "response_time"),
    _having("first_tokens", "calls", "LLM calls that carry a time to first token", LlmCall, "time_to_first_token"),
    _added(
        "time_to_first_token_us",
        "microseconds",
        "Sum of the LLM calls' times to first token",
        LlmCall,
        "time_to_first_token",
    ),
    Counter(
        "timed_output_tokens",
        "tokens",
        "Output tokens of the LLM calls that carry a response time",
        LlmCall,
        lambda call: call.output_tokens if _is_timed(call) else 0,
        "COALESCE(SUM(CASE WHEN response_time_us IS NOT NULL THEN output_tokens END), 0)",
    ),
    Counter(
        "timed_output_us",
        "microseconds",
        "Sum of the response times of the LLM calls whose output tokens are known",
        LlmCall,
        lambda call: call.response_time if _is_timed(call) else 0,
        "COALESCE(SUM(CASE WHEN output_tokens IS NOT NULL THEN response_time_us END), 0)",
    ),
)
COUNTERS = (
    Counter("activities", "activities", "Tracked activities", Activity, one, "COUNT(*)"),
    Counter("messages", "messages", "Tracked messages", Message, one, "COUNT(*)"),
    Counter(
        "tokens",
        "tokens",
        "Tokens of all messages whose number of tokens is known",
        Message,
        lambda message: message.token_count or 0,
        "COALESCE(SUM(token_count), 0)",
    ),
    Counter(
        "responses",
        "messages",
        "Messages that carry a response time",
        Message,
        lambda message: message.response_time is not None,
        "COUNT(response_time_us)",
    ),
    Counter(
        "response_time_us",
        "microseconds",
        "Sum of the messages' response times",
        Message,
        lambda message: message.response_time or 0,
        "COALESCE(SUM(response_time_us), 0)",
    ),
    Counter("api_calls", "calls", "Tracked API calls", ApiUsage, one, "COUNT(*)"),
    Counter(
        "api_errors",
        "calls",
        "API calls with a status of 500 or more",
        ApiUsage,
        lambda call: call.status_code >= 500,
        "SUM(CASE WHEN status_code >= 500 THEN 1 ELSE 0 END)",
    ),
    Counter(
        "api_response_time_us",
        "microseconds",
        "Sum of the API calls' response times",
        ApiUsage,
        lambda call: call.response_time,
        "SUM(response_time_us)",
    ),
    *LLM_COUNTERS,
)
MONEY = frozenset(counter.name for counter in COUNTERS if counter.unit == NANO_DOLLARS)
"""The counters of money."""

LABELLED = (
    Counter(
        "model_messages",
        "messages",
        "Messages by the model that was used",
        Message,
        one,
        "COUNT(*)",
    ),
    Counter(
        "model_tokens",
        "tokens",
        "Tokens by the model that was used, where their number is known",
        Message,
        lambda message: message.token_count or 0,
        "COALESCE(SUM(token_count), 0)",
    ),
)
"""Counters whose label is the event's model; messages that name none are left out."""

LABELS = 50
"""How many models of a tenant have counters of their own."""
OTHERS = ""
"""The label of all that come beyond a bound: models beyond :data:`LABELS`, endpoints of a day."""


def labelled(name: str, label: str) -> str:
    """Name the counter of one label: ``model_messages:gpt-4o``."""
    return f"{name}:{label}"


def label_bounds(name: str) -> tuple[str, str]:
    """Give the names between which those of all labels lie, the first one inclusive: ``;`` follows ``:``."""
    return f"{name}:", f"{name};"


DERIVED = {
    "users": "Distinct users in any event, counted where each was first seen",
    "active_users": "Distinct users with an event on a local day, counted where each was first active that day "
    "(not kept in total)",
    "conversations": "Distinct conversations, deleted ones too, counted where each was created",
    "deleted_conversations": "Conversations that were deleted (kept in total only)",
}

NAMES = tuple(counter.name for counter in COUNTERS) + tuple(DERIVED)

Totals = Mapping[str, int]
"""Counter name to its value over all time; a name that is absent is 0."""


def mean_seconds(total_us: int, count: int) -> float | None:
    """Make a mean in seconds, to the microsecond, of a sum in microseconds; None where nothing was counted.

    The one place in which means are made, so that the same sums always give the same figure.
    """
    return round(total_us / count) / 1_000_000 if count else None


def tokens_per_second(tokens: int, us: int) -> float | None:
    """Make a rate, to a thousandth, of tokens and the microseconds that they took; None where none was measured."""
    return round(tokens * 1_000_000_000 / us) / 1000 if us else None


Value = int | float | str | None
"""A figure: money is decimal text, since it may have more digits than a JSON number keeps."""


@dataclass(frozen=True)
class Figure:
    """One figure of the summary. ``needs`` are the counters it is made from; a change of one may move it."""

    name: str
    unit: str
    meaning: str
    needs: tuple[str, ...]
    value: Callable[[Totals], Value]


def _total(name: str, unit: str, meaning: str, counter: str) -> Figure:
    return Figure(name, unit, meaning, (counter,), lambda totals: totals.get(counter, 0))


def _ratio(
    name: str, unit: str, meaning: str, needs: tuple[str, str], make: Callable[[int, int], float | None]
) -> Figure:
    above, below = needs
    return Figure(name, unit, meaning, needs, lambda totals: make(totals.get(above, 0), totals.get(below, 0)))


def _mean(name: str, meaning: str, total: str, count: str) -> Figure:
    return _ratio(name, "seconds", meaning, (total, count), mean_seconds)


def _dollars(name: str, meaning: str, counter: str) -> Figure:
    return Figure(name, "US dollars", meaning, (counter,), lambda totals: write_dollars(totals.get(counter, 0)))


ACTIVE_USERS_TODAY = "active_users_today"
"""The one figure of the summary that belongs to a day: it is made from ``active_users`` of today."""

FIGURES = (
    _total("total_users", "users", "Distinct user ids in any event", "users"),
    _total(ACTIVE_USERS_TODAY, "users", "Distinct user ids with an event today, in the tenant's zone", "active_users"),
    _total("total_conversations", "conversations", "Conversations ever seen, deleted ones too", "conversations"),
    _total("total_messages", "messages", "Messages tracked", "messages"),
    _total("total_tokens", "tokens", "Tokens of all messages whose number of tokens is known", "tokens"),
    _mean(
        "avg_response_time",
        "Mean over the messages that carry a response time; null where none does",
        "response_time_us",
        "responses",
    ),
    _total("deleted_conversations", "conversations", "Conversations that were deleted", "deleted_conversations"),
    _total("total_activities", "activities", "Activities tracked", "activities"),
    _total("total_api_calls", "calls", "API calls tracked", "api_calls"),
    _total("total_api_errors", "calls", "API calls with a status of 500 or more", "api_errors"),
    _mean(
        "avg_api_response_time",
        "Mean over all API calls; null where there is none",
        "api_response_time_us",
        "api_calls",
    ),
    _total("total_llm_calls", "calls", "LLM calls tracked", "llm_calls"),
    _total("failed_llm_calls", "calls", "LLM calls that name an error", "llm_errors"),
    _total("total_input_tokens", "tokens", "Input tokens of all LLM calls, cached ones too", "input_tokens"),
    _total("total_cached_input_tokens", "tokens", "Input tokens that came from a cache", "cached_input_tokens"),
    _total("total_output_tokens", "tokens", "Output tokens of all LLM calls, reasoning too", "output_tokens"),
    _total("total_reasoning_tokens", "tokens", "Output tokens that are reasoning", "reasoning_tokens"),
    _dollars("total_cost", "Cost of the LLM calls whose cost is known, as decimal text", "llm_cost"),
    _total("unpriced_llm_calls", "calls", "LLM calls whose cost is not known", "unpriced_calls"),
    _total(
        "total_unpriced_tokens", "tokens", "Known tokens of the LLM calls whose cost is not known", "unpriced_tokens"
    ),
    _mean(
        "avg_llm_response_time",
        "Mean over the LLM calls that carry a response time; null where none does",
        "llm_response_time_us",
        "llm_responses",
    ),
    _mean(
        "avg_time_to_first_token",
        "Mean over the LLM calls that carry a time to first token; null where none does",
        "time_to_first_token_us",
        "first_tokens",
    ),
    _ratio(
        "avg_tokens_per_second",
        "tokens a second",
        "Output tokens over response time of the LLM calls that carry both; null where none does",
        ("timed_output_tokens", "timed_output_us"),
        tokens_per_second,
    ),
)


def summary(totals: Totals, active_today: int) -> dict[str, Value]:
    """Make every figure of the summary from the counters' totals and the active users of today."""
    known = {**totals, "active_users": active_today}
    return {figure.name: figure.value(known) for figure in FIGURES}
