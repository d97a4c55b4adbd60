"""The JSON shapes of the reports about one thing, as OpenAPI tells them (JSON Schema 2020-12)."""

from web.http.operations import JsonSchema
from web.reports import shapes
from web.reports.shapes import COUNT, OPTIONAL, SECONDS, STRING, record

_MAYBE_TIME: JsonSchema = {"type": ["string", "null"], "format": "date-time"}
_KEPT_FROM: JsonSchema = {
    **_MAYBE_TIME,
    "description": "Rows from before have been removed, and are missing in what is counted from rows; null: none are.",
}
_MESSAGES: JsonSchema = {"message_count": COUNT, "total_tokens": COUNT, "avg_response_time": SECONDS}
_CALLS: JsonSchema = {"count": COUNT, "error_count": COUNT, "avg_response_time": SECONDS}
_USERNAME = {"username": OPTIONAL}
_MODEL_USED = {"model_used": {**OPTIONAL, "description": "Null: messages that name no model."}}


TYPE_COUNT = record({"activity_type": STRING, "count": COUNT})
MODEL_SUMS = record({**_MODEL_USED, **_MESSAGES})
ENDPOINT_SUMS = record({"endpoint": STRING, **_CALLS})
STATUS_SUMS = record({"status_code": COUNT, **_CALLS})
METHOD_SUMS = record({"method": STRING, **_CALLS})
CALLER_SUMS = record({"user_id": STRING, **_USERNAME, **_CALLS})
AUTHOR_SUMS = record({"user_id": STRING, **_USERNAME, **_MESSAGES})
USER_FIGURES = record(
    {
        **dict.fromkeys(("activities", "conversations", "messages", "tokens", "api_calls", "api_errors"), COUNT),
        **dict.fromkeys(("avg_response_time", "avg_api_response_time"), SECONDS),
    }
)
ENDPOINT_FIGURES = record(_CALLS)
MODEL_FIGURES = record({"messages": COUNT, "tokens": COUNT, "avg_response_time": SECONDS})
FOUND_USER = record({"user_id": STRING, **_USERNAME})
FOUND_CONVERSATION = record({"conversation_id": STRING, "user_id": STRING})
FOUND_ENDPOINT = record({"endpoint": STRING})
FOUND_MODEL = record({"model_used": STRING})


def _list(item: JsonSchema) -> JsonSchema:
    return {"type": "array", "items": item}


def _ranged(**properties: JsonSchema) -> JsonSchema:
    """Describe a report that has points, as a series has, and these properties beside them."""
    series = shapes.SERIES["properties"]
    values = {"type": "array", "items": {"type": ["number", "null"]}}
    metrics = {"type": "object", "additionalProperties": values, "description": "A value for each point, by name."}
    points = {name: series[name] for name in ("interval", "timezone", "start")}
    return record({**points, **properties, "kept_from": _KEPT_FROM, "metrics": metrics, "position": STRING})


USER = _ranged(
    **shapes.USER["properties"],
    figures=USER_FIGURES,
    activity_types=_list(TYPE_COUNT),
    models=_list(MODEL_SUMS),
    endpoints=_list(ENDPOINT_SUMS),
)
CONVERSATION = record(
    {
        **shapes.CONVERSATION["properties"],
        **_USERNAME,
        "deleted_at": {**_MAYBE_TIME, "description": "Null: it was not deleted, or when is not kept any more."},
        "kept_messages": {**COUNT, "description": "Of `message_count`, those that have not been removed."},
        "first_message_at": _MAYBE_TIME,
        "last_message_at": _MAYBE_TIME,
        "models": _list(MODEL_SUMS),
        "authors": _list(AUTHOR_SUMS),
        "position": STRING,
    }
)
ENDPOINT = _ranged(
    endpoint=STRING,
    figures=ENDPOINT_FIGURES,
    status_codes=_list(STATUS_SUMS),
    methods=_list(METHOD_SUMS),
    users=_list(CALLER_SUMS),
)
MODEL = _ranged(
    model_used=STRING,
    figures=MODEL_FIGURES,
    users=_list(AUTHOR_SUMS),
)
FOUND = record(
    {
        "users": _list(FOUND_USER),
        "conversations": _list(FOUND_CONVERSATION),
        "endpoints": _list(FOUND_ENDPOINT),
        "models": _list(FOUND_MODEL),
        "position": STRING,
    }
)
