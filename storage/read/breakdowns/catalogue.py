"""What breakdowns there are: which metric by which dimensions, and the rollup that answers. Pure; no I/O."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from storage.model.rollup import Rollup
from storage.model.rollups import (
    ACTIVITY_TYPE,
    ENDPOINT,
    ENDPOINT_DAYS,
    ERROR_TYPE,
    EVENT_DAYS,
    FINISH_REASON,
    LLM_CONVERSATION_DAYS,
    LLM_MODEL,
    LLM_MODEL_DAYS,
    LLM_MODEL_HOURS,
    LLM_OUTCOME_DAYS,
    LLM_USER_DAYS,
    MODEL,
    RESPONSE_DAYS,
    RESPONSE_HOURS,
    ROLE,
    USER_DAYS,
)

DIMENSIONS = (
    MODEL,
    "provider",
    "user",
    "conversation",
    ENDPOINT,
    ACTIVITY_TYPE,
    ROLE,
    FINISH_REASON,
    ERROR_TYPE,
)
Grain = Literal["hour", "day"]
Place = Literal["whole", "first", "rest"]
"""Where a dimension stands in its column: it is all of it, or a part of a label."""


@dataclass(frozen=True)
class Metric:
    """Something that is broken down. ``counter`` has its total over time (None: a sum of counters does not give it).

    ``events`` names the counter of the events behind it. A ``percent`` is that of a histogram, ``mean`` the mean.
    """

    name: str
    unit: str
    meaning: str
    counter: str | None
    events: str
    percent: int | None = None
    is_mean: bool = False

    @property
    def has_histogram(self) -> bool:
        """Whether its rows hold durations."""
        return self.is_mean or self.percent is not None


def _durations(prefix: str, of: str, events: str) -> tuple[Metric, ...]:
    percents = (
        Metric(
            f"p{percent}_{prefix}response_time",
            "seconds",
            f"The {percent}th percentile of the response times of {of}, at most 1.6 % off",
            None,
            events,
            percent,
        )
        for percent in (50, 95, 99)
    )
    mean = f"Mean response time of {of}"
    return (Metric(f"avg_{prefix}response_time", "seconds", mean, None, events, is_mean=True), *percents)


COST = Metric("cost", "US dollars", "Cost of the LLM calls whose cost is known", "llm_cost", "llm_calls")
ACTIVE_USERS = Metric("active_users", "users", "Distinct users with an LLM call", None, "llm_calls")
_OF_CALLS = {
    "llm_calls": ("calls", "calls", "LLM calls"),
    "llm_errors": ("failed_calls", "calls", "LLM calls that name an error"),
    "input_tokens": ("input_tokens", "tokens", "Input tokens of LLM calls, cached ones too"),
    "cached_input_tokens": ("cached_input_tokens", "tokens", "Input tokens that came from a cache"),
    "cache_write_tokens": ("cache_write_tokens", "tokens", "Input tokens that were written to a cache"),
    "output_tokens": ("output_tokens", "tokens", "Output tokens of LLM calls, reasoning too"),
    "reasoning_tokens": ("reasoning_tokens", "tokens", "Output tokens that are reasoning"),
    "unpriced_calls": ("unpriced_calls", "calls", "LLM calls whose cost is not known"),
    "unpriced_tokens": ("unpriced_tokens", "tokens", "Known tokens of the LLM calls whose cost is not known"),
}
"""Metrics of LLM calls that are sums: column, unit and meaning."""
METRICS: Mapping[str, Metric] = {
    metric.name: metric
    for metric in (
        COST,
        *(Metric(name, unit, meaning, name, "llm_calls") for name, (_, unit, meaning) in _OF_CALLS.items()),
        *_durations("llm_", "LLM calls", "llm_responses"),
        ACTIVE_USERS,
        Metric("messages", "messages", "Messages", "messages", "messages"),
        Metric("tokens", "tokens", "Tokens of messages, where their number is known", "tokens", "messages"),
        *_durations("", "messages", "responses"),
        Metric("api_calls", "calls", "API calls", "api_calls", "api_calls"),
        Metric("api_errors", "calls", "API calls with a status of 500 or more", "api_errors", "api_calls"),
        *_durations("api_", "API calls", "api_calls"),
        Metric("activities", "activities", "Activities", "activities", "activities"),
    )
}


@dataclass(frozen=True)
class Source:
    """A rollup, or a scope of one, that answers.

    ``dimensions`` say in which column, and where in it, each dimension stands; ``columns`` which column has each
    metric, ``counts`` which one the number of events behind it. ``whole`` is the scope of all labels together.
    """

    rollup: Rollup
    dimensions: Mapping[str, tuple[str, Place]]
    columns: Mapping[str, str]
    counts: Mapping[str, str] = field(default_factory=dict)
    scope: str | None = None
    whole: str | None = None

    @property
    def start(self) -> str:
        """Its column with the hour or the day."""
        return self.rollup.key[0]

    @property
    def grain(self) -> Grain:
        """What its rows are of."""
        return "hour" if self.start == "hour" else "day"

    def answers(self, metric: str, by: Sequence[str]) -> bool:
        """Say whether it has the metric by these dimensions."""
        return metric in self.columns and all(name in self.dimensions for name in by)


def _llm(rollup: Rollup, dimensions: Mapping[str, tuple[str, Place]], scope: str | None = None) -> Source:
    columns = {name: column for name, (column, _, _) in _OF_CALLS.items()} | {COST.name: "cost_nanodollars"}
    return Source(rollup, dimensions, columns, dict.fromkeys(columns, "calls"), scope)


def _labelled(scope: str, columns: Mapping[str, str], dimensions: Mapping[str, tuple[str, Place]]) -> Source:
    return Source(EVENT_DAYS, dimensions, columns, dict.fromkeys(columns, "count"), scope)


def _with_model(name: str) -> dict[str, tuple[str, Place]]:
    return {name: ("label", "first"), MODEL: ("label", "rest")}


def _of_times(
    rollup: Rollup, prefix: str, dimensions: Mapping[str, tuple[str, Place]], scope: str | None, whole: str | None
) -> Source:
    columns = dict.fromkeys((metric.name for metric in _durations(prefix, "", "")), "buckets")
    more = {"api_calls": "count", "api_errors": "error_count"} if prefix == "api_" else {}
    columns |= more
    return Source(rollup, dimensions, columns, dict.fromkeys(columns, "count"), scope, whole)


_PROVIDER_AND_MODEL: dict[str, tuple[str, Place]] = {"provider": ("model", "first"), MODEL: ("model", "rest")}
_LABEL_OF_CALL: dict[str, tuple[str, Place]] = {"provider": ("label", "first"), MODEL: ("label", "rest")}
_USER: tuple[str, Place] = ("user_id", "whole")
_OF_MESSAGES = {"messages": "count", "tokens": "tokens"}
# What is smaller stands before what is larger: the first one that answers is read.
SOURCES = (
    _llm(LLM_MODEL_DAYS, _PROVIDER_AND_MODEL),
    _labelled(ROLE, _OF_MESSAGES, _with_model(ROLE)),
    _labelled(FINISH_REASON, _OF_MESSAGES, _with_model(FINISH_REASON)),
    _labelled(ACTIVITY_TYPE, {"activities": "count"}, {ACTIVITY_TYPE: ("label", "whole")}),
    _of_times(ENDPOINT_DAYS, "api_", {ENDPOINT: ("endpoint", "whole")}, None, "api_calls"),
    _of_times(RESPONSE_DAYS, "", {MODEL: ("label", "whole")}, MODEL, "messages"),
    _of_times(RESPONSE_DAYS, "llm_", _LABEL_OF_CALL, LLM_MODEL, "llm_calls"),
    _llm(LLM_OUTCOME_DAYS, _with_model(FINISH_REASON), FINISH_REASON),
    _llm(LLM_OUTCOME_DAYS, _with_model(ERROR_TYPE), ERROR_TYPE),
    Source(LLM_USER_DAYS, {MODEL: ("model", "whole")}, {ACTIVE_USERS.name: "user_id"}, {ACTIVE_USERS.name: "calls"}),
    _llm(LLM_USER_DAYS, {"user": _USER, MODEL: ("model", "whole")}),
    _llm(LLM_CONVERSATION_DAYS, {"conversation": ("conversation_id", "whole")}),
    Source(
        USER_DAYS,
        {"user": _USER},
        {"messages": "messages", "tokens": "tokens"},
        {"messages": "messages", "tokens": "messages"},
    ),
    _llm(LLM_MODEL_HOURS, _PROVIDER_AND_MODEL),
    _of_times(RESPONSE_HOURS, "api_", {ENDPOINT: ("label", "whole")}, ENDPOINT, "api_calls"),
    _of_times(RESPONSE_HOURS, "", {MODEL: ("label", "whole")}, MODEL, "messages"),
    _of_times(RESPONSE_HOURS, "llm_", _LABEL_OF_CALL, LLM_MODEL, "llm_calls"),
)


def find(metric: str, by: Sequence[str], grain: Grain) -> Source | None:
    """Give what answers; None: nothing does."""
    return next((source for source in SOURCES if source.grain == grain and source.answers(metric, by)), None)


class NoBreakdown(ValueError):
    """There is no such breakdown; ``field`` names what is at fault, and the text says what there is."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


def choose(metric: str, by: Sequence[str], grain: Grain) -> Source:
    """Give what answers; raises :exc:`NoBreakdown`, which names ``metric``, ``by`` or ``interval``."""
    if metric not in METRICS:
        raise NoBreakdown("metric", f"must be one of {', '.join(METRICS)}")
    source = find(metric, by, grain)
    if source is not None:
        return source
    there_is = ", ".join(dimensions_of(metric, grain)) or "nothing"
    if find(metric, by, "day") is not None:
        raise NoBreakdown("interval", f"must be day for this metric and these dimensions: by hour there is {there_is}")
    raise NoBreakdown("by", f"does not fit this metric: for it there is {there_is}")


def dimensions_of(metric: str, grain: Grain) -> tuple[str, ...]:
    """Name all that a metric can be broken down by: single dimensions, and pairs with a comma between them."""
    singles = [name for name in DIMENSIONS if find(metric, (name,), grain)]
    pairs = [
        f"{one},{other}"
        for place, one in enumerate(singles)
        for other in singles[place + 1 :]
        if find(metric, (one, other), grain)
    ]
    return (*singles, *pairs)
