"""Langfuse's SDKs: langfuse.com/docs/opentelemetry, and ``LangfuseOtelSpanAttributes`` of langfuse-python.

Usage and cost are JSON. Usage comes in two forms: OpenAI's, whose prompt tokens include cached ones, and Langfuse's
own, whose names begin with ``input`` or ``output`` and add up, so that ``input`` excludes cached ones. A provider is
not told: it follows from the beginning of the model's name where that is the maker's own.
"""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec

from web.ingest.otlp.dialects.dialect import FALLBACK_ERROR, UNKNOWN_PROVIDER, Dialect, Fields
from web.ingest.otlp.spans import Span

_TYPE = "langfuse.observation.type"
_LEVEL = "langfuse.observation.level"
_USAGE = "langfuse.observation.usage_details"
_COST = "langfuse.observation.cost_details"
_FIRST = "langfuse.observation.completion_start_time"
_FINISH = "langfuse.observation.metadata.finish_reason"

PROVIDERS = {
    "gpt-": "openai",
    "chatgpt-": "openai",
    "o1": "openai",
    "o3": "openai",
    "o4-": "openai",
    "text-embedding-": "openai",
    "claude-": "anthropic",
    "gemini-": "google",
    "mistral-": "mistral",
    "codestral-": "mistral",
    "command-": "cohere",
    "deepseek-": "deepseek",
    "grok-": "x-ai",
}
"""What the names of models begin with, and who makes these."""
_OPEN_AI = {
    "input_tokens": ("prompt_tokens", "input_tokens"),
    "output_tokens": ("completion_tokens", "output_tokens"),
}
_CACHED = ("input_cached_tokens", "input_cache_read", "cache_read_input_tokens", "input_cached")
_WRITTEN = ("input_cache_creation", "cache_creation_input_tokens", "input_cache_write")
_REASONING = ("output_reasoning", "output_reasoning_tokens")

Numbers = Mapping[str, Any]


def _refine(span: Span, fields: Fields) -> None:
    fields.setdefault("provider", provider_of(fields.get("model", "")))
    fields.update(read_usage(_object(span.text(_USAGE))))
    if (cost := read_cost(_object(span.text(_COST)))) is not None:
        fields["cost"] = cost
    if (first := _moment(span.text(_FIRST))) is not None:
        fields["time_to_first_token"] = first - span.started / 1e9
    if (finish := span.text(_FINISH)) is not None:
        fields["finish_reason"] = finish.strip('"')
    if span.text(_LEVEL) == "ERROR":
        fields.setdefault("error_type", FALLBACK_ERROR)


def provider_of(model: str) -> str:
    """Name the maker of a model by how its name begins; ``unknown`` if that says nothing."""
    found = (maker for beginning, maker in PROVIDERS.items() if model.lower().startswith(beginning))
    return next(found, UNKNOWN_PROVIDER)


def read_usage(usage: Numbers) -> Fields:
    """Read the tokens of a call in either form; what is not told is left out."""
    if any(name in usage for name in ("prompt_tokens", "completion_tokens", "input_tokens_details")):
        return _of_open_ai(usage)
    cached, written, reasoning = (_first(usage, names) for names in (_CACHED, _WRITTEN, _REASONING))
    found = {
        "input_tokens": _sum(usage, "input", (*_CACHED, *_WRITTEN)),
        "cached_input_tokens": cached,
        "cache_write_tokens": written,
        "output_tokens": _sum(usage, "output", _REASONING),
        "reasoning_tokens": reasoning,
    }
    return {name: value for name, value in found.items() if value is not None}


def read_cost(cost: Numbers) -> str | None:
    """Read what the application says that a call cost, in US dollars as decimal text; None if it does not."""
    told = [cost["total"]] if "total" in cost else list(cost.values())
    if not told or not all(map(_is_number, told)):
        return None
    return f"{sum(Decimal(str(part)) for part in told):.20f}"


def _of_open_ai(usage: Numbers) -> Fields:
    found = {name: _first(usage, names) for name, names in _OPEN_AI.items()}
    for part, field, name in (
        ("prompt_tokens_details", "cached_input_tokens", "cached_tokens"),
        ("input_tokens_details", "cached_input_tokens", "cached_tokens"),
        ("completion_tokens_details", "reasoning_tokens", "reasoning_tokens"),
        ("output_tokens_details", "reasoning_tokens", "reasoning_tokens"),
    ):
        details = usage.get(part)
        if isinstance(details, Mapping) and (value := _first(details, (name,))) is not None:
            found[field] = value
    return {name: value for name, value in found.items() if value is not None}


def _sum(usage: Numbers, beginning: str, parts: tuple[str, ...]) -> int | None:
    """Add up what is told of a side: Langfuse's names of each part of it; None if nothing is."""
    told = [value for name, value in usage.items() if name.startswith(beginning) or name in parts]
    return sum(told) if told and all(map(_is_count, told)) else None


def _first(usage: Numbers, names: tuple[str, ...]) -> int | None:
    return next((usage[name] for name in names if _is_count(usage.get(name))), None)


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _object(text: str | None) -> Mapping[str, Any]:
    """Read an attribute that is a JSON object; empty if it is none."""
    try:
        value = msgspec.json.decode(text or "{}")
    except (msgspec.MsgspecError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _moment(text: str | None) -> float | None:
    try:
        return None if text is None else datetime.fromisoformat(text.strip('"')).timestamp()
    except (ValueError, OverflowError):
        return None


LANGFUSE = Dialect(
    name="langfuse",
    operation=(_TYPE,),
    operations={"generation": "chat", "embedding": "embedding"},
    fields={
        "provider": ("gen_ai.provider.name", "gen_ai.system"),
        "model": ("langfuse.observation.model.name",),
        "error_type": ("error.type",),
        "user_id": ("user.id", "langfuse.user.id"),
        "conversation_id": ("session.id", "langfuse.session.id"),
        "response_id": ("gen_ai.response.id",),
    },
    marks=(_TYPE,),
    others=(_LEVEL, _USAGE, _COST, _FIRST, _FINISH),
    refine=_refine,
)
