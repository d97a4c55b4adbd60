"""Events from those of PostHog: generations of models become LLM calls, all others activities. Pure.

posthog.com/docs/llm-analytics/manual-capture has the properties. Inputs and outputs of models are never read, nor is
any property of an event whose name begins with ``$``.
"""

import math
from collections.abc import Mapping
from typing import Any

import msgspec

from storage.model.events import MAX_EXTRA_BYTES, Activity, AnyEvent, LlmCall
from storage.model.parsing import InvalidEvent, convert

MAX_ITEM = 1 << 20
"""Bytes of an event: PostHog's own limit, and to read one of that size takes some milliseconds."""
CALLS = {"$ai_generation": "chat", "$ai_embedding": "embedding"}
"""The events that are calls of a model, with our word for each."""
FALLBACK_ERROR, UNKNOWN_PROVIDER = "_OTHER", "unknown"

_TEXTS = {
    "provider": "$ai_provider",
    "model": "$ai_model",
    "conversation_id": "$ai_session_id",
    "finish_reason": "$ai_stop_reason",
    "service_tier": "$ai_service_tier",
}
_TOKENS = {
    "input_tokens": "$ai_input_tokens",
    "cached_input_tokens": "$ai_cache_read_input_tokens",
    "cache_write_tokens": "$ai_cache_creation_input_tokens",
    "output_tokens": "$ai_output_tokens",
    "reasoning_tokens": "$ai_reasoning_tokens",
}
_SECONDS = {"response_time": "$ai_latency", "time_to_first_token": "$ai_time_to_first_token"}
_COST, _TRACE = "$ai_total_cost_usd", "$ai_trace_id"
_IS_ERROR, _ERROR_TYPE, _STATUS = "$ai_is_error", "$ai_error_type", "$ai_http_status"
_EXCLUSIVE = "$ai_cache_reporting_exclusive"
"""Says whether input tokens exclude cached ones, as Anthropic reports them."""

Fields = dict[str, Any]
Properties = Mapping[str, Any]


class _Item(msgspec.Struct):
    """An event as it is posted; properties stay text until it is known which of them are read."""

    event: str
    distinct_id: str | int = ""
    uuid: str | None = None
    timestamp: str | None = None
    properties: dict[str, msgspec.Raw] = {}


_ITEM = msgspec.json.Decoder(_Item)


def read_event(item: bytes | bytearray) -> AnyEvent:
    """Read one event; raises :exc:`InvalidEvent`."""
    if len(item) > MAX_ITEM:
        raise InvalidEvent("", f"is larger than {MAX_ITEM} bytes of JSON")
    try:
        found = _ITEM.decode(item)
        return _read_call(found) if found.event in CALLS else _read_activity(found)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, OverflowError):
        # Whole numbers of JSON may be larger than any float.
        raise InvalidEvent("", "is not an event as PostHog's SDKs post it") from None


def _read_call(item: _Item) -> AnyEvent:
    names = (*_TEXTS.values(), *_TOKENS.values(), *_SECONDS.values(), _COST, _TRACE, _IS_ERROR, _ERROR_TYPE, _STATUS)
    told = {
        name: msgspec.json.decode(item.properties[name]) for name in (*names, _EXCLUSIVE) if name in item.properties
    }
    found: Fields = {name: told[name_] for name, name_ in _TEXTS.items() if _is_text(told.get(name_))}
    found |= {name: told[name_] for name, name_ in _TOKENS.items() if told.get(name_) is not None}
    found |= {name: told[name_] for name, name_ in _SECONDS.items() if told.get(name_) is not None}
    if told.get(_EXCLUSIVE) is True and "input_tokens" in found:
        parts = [found.get(name, 0) for name in ("input_tokens", "cached_input_tokens", "cache_write_tokens")]
        if all(map(_is_number, parts)):
            found["input_tokens"] = sum(parts)
    user = str(item.distinct_id)
    # Without a user the SDK names the trace in its place.
    if user and user != told.get(_TRACE):
        found["user_id"] = user
    if _is_number(told.get(_COST)) and math.isfinite(told[_COST]):
        found["cost"] = f"{told[_COST]:.20f}"
    if told.get(_IS_ERROR) is True:
        found["error_type"] = _error(told)
    return convert({**_ids(item), "provider": UNKNOWN_PROVIDER, "operation": CALLS[item.event], **found}, LlmCall)


def _error(told: Properties) -> str:
    """Name an error by its type, or by its status, as OpenTelemetry does; never by its text."""
    if _is_text(told.get(_ERROR_TYPE)):
        return str(told[_ERROR_TYPE])
    status = told.get(_STATUS)
    return str(status) if isinstance(status, int) and status >= 400 else FALLBACK_ERROR


def _read_activity(item: _Item) -> AnyEvent:
    """Make an activity; its own properties stay away if they are too large or too deep to be kept."""
    user = str(item.distinct_id)
    fields: Fields = {**_ids(item), "user_id": user, "username": user, "activity_type": item.event}
    extra = {} if item.event.startswith("$") else _extra(item.properties)
    try:
        return convert({**fields, "extra_data": extra or None}, Activity)
    except InvalidEvent as error:
        if error.field != "extra_data":
            raise
        return convert(fields, Activity)


def _extra(properties: Mapping[str, msgspec.Raw]) -> Fields:
    """Take the event's own properties, without those that the SDK adds."""
    own = {name: value for name, value in properties.items() if not name.startswith("$")}
    if sum(len(name) + len(bytes(value)) for name, value in own.items()) > MAX_EXTRA_BYTES:
        return {}
    return {name: msgspec.json.decode(value) for name, value in own.items()}


def _ids(item: _Item) -> Fields:
    return {"event_id": item.uuid, "timestamp": item.timestamp}


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and value != ""


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
