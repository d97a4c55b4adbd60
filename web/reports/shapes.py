"""The JSON shapes of the reports, as OpenAPI tells them, and of the live frames (JSON Schema 2020-12)."""

from typing import get_args

from storage.annotations import Kind
from storage.model.changes import MINUTES
from storage.model.histogram import RELATIVE_ERROR
from storage.model.metrics import FIGURES
from storage.model.rollup import Rollup
from storage.model.rollups import CONVERSATIONS, ENDPOINTS, RESPONSE_LABELS, USERS
from storage.read.breakdowns.catalogue import DIMENSIONS, METRICS
from storage.read.response_times import PERCENTS, Of
from storage.read.series import BY_MODEL, Interval
from web.http.operations import JsonSchema

STRING: JsonSchema = {"type": "string"}
TIME: JsonSchema = {"type": "string", "format": "date-time"}
OPTIONAL: JsonSchema = {"type": ["string", "null"]}
COUNT: JsonSchema = {"type": "integer", "minimum": 0}
UNKNOWN: JsonSchema = {**COUNT, "type": ["integer", "null"], "description": "Null where it is not known."}
SECONDS: JsonSchema = {"type": ["number", "null"], "description": "Seconds; null where nothing was measured."}


def record(properties: JsonSchema) -> JsonSchema:
    """Describe an object that has all of these properties."""
    return {"type": "object", "required": list(properties), "properties": properties}


RECENT_ACTIVITY = record(
    {"id": COUNT, "user_id": STRING, "username": STRING, "activity_type": STRING, "timestamp": TIME}
)
ACTIVITY = record(
    {
        **RECENT_ACTIVITY["properties"],
        "ip_address": OPTIONAL,
        "user_agent": OPTIONAL,
        "extra_data": {"type": ["object", "null"]},
    }
)
TOP_USER = record({"user_id": STRING, "username": STRING, "activity_count": COUNT})
_TIMES = ("first_seen", "last_seen", "created_at", "updated_at")
_TEXTS = ("user_id", "conversation_id")
_MEANS = {"response_count": None, "response_time_us": "avg_response_time"}
"""Columns that a list turns into a mean; None: they are only its count."""


def _listed(rollup: Rollup, **special: JsonSchema) -> JsonSchema:
    """Describe the items of the list of a rollup: texts, times and means, the rest are counts."""
    properties: JsonSchema = {}
    for column in rollup.listed:
        name = _MEANS.get(column, column)
        if name in _TIMES:
            properties[name] = TIME
        elif name in _TEXTS:
            properties[name] = STRING
        elif name is not None:
            properties[name] = SECONDS if column in _MEANS else special.get(name, COUNT)
    return record(properties)


USER = _listed(USERS, username={**OPTIONAL, "description": "Null for a user without an activity."})
CONVERSATION = _listed(CONVERSATIONS, status={"enum": ["active", "deleted"]})
MESSAGE = record(
    {
        "id": COUNT,
        "message_id": STRING,
        "conversation_id": STRING,
        "user_id": STRING,
        "role": STRING,
        "token_count": UNKNOWN,
        "response_time": SECONDS,
        "model_used": OPTIONAL,
        "created_at": TIME,
        "time_to_first_token": SECONDS,
        "finish_reason": OPTIONAL,
    }
)
LLM_CALL = record(
    {
        "id": COUNT,
        "provider": STRING,
        "model": STRING,
        "operation": STRING,
        "user_id": OPTIONAL,
        "conversation_id": OPTIONAL,
        "message_id": OPTIONAL,
        "input_tokens": UNKNOWN,
        "cached_input_tokens": UNKNOWN,
        "cache_write_tokens": UNKNOWN,
        "output_tokens": UNKNOWN,
        "reasoning_tokens": UNKNOWN,
        "response_time": SECONDS,
        "time_to_first_token": SECONDS,
        "finish_reason": OPTIONAL,
        "error_type": OPTIONAL,
        "service_tier": OPTIONAL,
        "timestamp": TIME,
        "cost": {**OPTIONAL, "description": "US dollars as decimal text; null where it is not known."},
        "price_id": {**OPTIONAL, "description": "The price that the cost was computed by; null: its sender told it."},
    }
)
API_CALL = record(
    {
        "id": COUNT,
        "endpoint": STRING,
        "method": STRING,
        "user_id": OPTIONAL,
        "status_code": {"type": "integer", "minimum": 100, "maximum": 599},
        "response_time": {"type": "number", "description": "Seconds."},
        "timestamp": TIME,
    }
)
DAY = record(
    {
        "id": {"type": "integer", "description": "The date as a number, such as 20261122."},
        "date": {"type": "string", "format": "date"},
        "total_users": {**COUNT, "description": "Users seen up to the end of the day."},
        "active_users": COUNT,
        "new_users": COUNT,
        "total_conversations": COUNT,
        "total_messages": COUNT,
        "total_api_calls": COUNT,
        "avg_response_time": SECONDS,
        "error_count": COUNT,
        "total_tokens": {**COUNT, "description": "Of the day's messages, where their number is known."},
    }
)
ENDPOINT = record(
    {
        "endpoint": {**OPTIONAL, "description": "Null: all endpoints beyond the bound of a day, together."},
        "count": COUNT,
        "error_count": COUNT,
        "avg_response_time": SECONDS,
        "p95_response_time": {**SECONDS, "description": "Seconds, at most 1.6 % off."},
    }
)
ANNOTATION = record(
    {
        "id": STRING,
        "kind": {"enum": list(get_args(Kind))},
        "text": STRING,
        "at": TIME,
        "until": {**TIME, "type": ["string", "null"], "description": "Null: it happened at once."},
        "link": {**OPTIONAL, "description": "A page about it: http or https."},
        "author": {**STRING, "description": "The subject of the token that added it."},
        "created_at": TIME,
    }
)
STATS = record({"count": COUNT, "error_count": COUNT, "avg_response_time": SECONDS})
_RATIO = ["number", "null"]
_TYPES_OF_FIGURES = {"seconds": _RATIO, "tokens a second": _RATIO, "US dollars": "string"}
FIGURES_OF_NOW: JsonSchema = {
    figure.name: {
        "type": _TYPES_OF_FIGURES.get(figure.unit, "integer"),
        "description": f"{figure.meaning}.",
    }
    for figure in FIGURES
}
SUMMARY = record({**FIGURES_OF_NOW, "position": STRING})
MINUTE: JsonSchema = {
    "type": "object",
    "required": ["start"],
    "properties": {"start": TIME},
    "additionalProperties": {"type": ["integer", "string"]},
    "description": "A minute of UTC: its counters that are not 0; money is decimal text.",
}
SERIES = record(
    {
        "interval": {"enum": list(get_args(Interval))},
        "timezone": {"type": "string", "description": "The tenant's zone, which cuts the days."},
        "start": {"type": "array", "items": TIME, "description": "When each point starts, without a gap."},
        "metrics": {
            "type": "object",
            "additionalProperties": {"type": "array", "items": {"type": ["number", "string", "null"]}},
            "description": f"A value for each point; of {' and '.join(BY_MODEL)} a column for each model. Money is "
            "decimal text.",
        },
        "position": STRING,
    }
)
_VALUE: JsonSchema = {
    "type": ["number", "string", "null"],
    "description": "Money is decimal text, times are seconds; null where nothing was measured.",
}
BREAKDOWN_ROW = record(
    {
        "label": STRING,
        "second": {**OPTIONAL, "description": "Of the second dimension; null: there is none."},
        "username": {**OPTIONAL, "description": "By user: the name; null for a user without an activity."},
        "value": _VALUE,
        "count": {**COUNT, "description": "The events behind it, such as calls or messages."},
        "unpriced_calls": {**UNKNOWN, "description": "Of cost: the calls whose cost is not known."},
        "points": {
            "type": ["array", "null"],
            "items": _VALUE,
            "description": "With `interval`: a value for each of `start`. In CSV the same as JSON.",
        },
    }
)
BREAKDOWN: JsonSchema = {
    "metric": {"enum": list(METRICS)},
    "by": {"type": "array", "items": {"enum": list(DIMENSIONS)}},
    "unit": STRING,
    "interval": {"enum": ["hour", "day", None]},
    "timezone": {"type": "string", "description": "The tenant's zone, which cuts the days."},
    "from": {**TIME, "description": "From when on it was counted: the beginning of a day or an hour."},
    "to": {**TIME, "description": "Until when: the end of one, exclusive."},
    "kept_from": {
        "type": ["string", "null"],
        "format": "date-time",
        "description": "Rows from before have been removed, so that it was not counted there; null: none are.",
    },
    "start": {
        "type": ["array", "null"],
        "items": TIME,
        "description": "With `interval`: when each point starts, without a gap.",
    },
    "total": {**_VALUE, "description": "Of the whole range, also of what no row has."},
    "count": {**COUNT, "description": "The events of the whole range."},
    "unpriced_calls": {**UNKNOWN, "description": "Of cost: the calls of the whole range whose cost is not known."},
    "rows": {**COUNT, "description": "How many rows there are on all pages."},
    "others": {
        "type": ["object", "null"],
        "required": ["beyond_bound", "without_label"],
        "properties": {"beyond_bound": _VALUE, "without_label": _VALUE},
        "description": "What no row has, in the unit of the metric, of response times in their number: of labels that "
        "came when an hour or a day had as many rows as it may have; and of events that name none, or of which it is "
        "not known any more, as of users who were erased. Null: it does not add up, as of distinct users.",
    },
}
_PERCENTILE = {**SECONDS, "description": f"Seconds, at most {RELATIVE_ERROR:.1%} off; null for none."}
_RESPONSE_FIGURES: JsonSchema = {
    "count": COUNT,
    "error_count": {**COUNT, "description": "API calls with a status of 500 or more; 0 of messages."},
    "avg_response_time": SECONDS,
    **{f"p{percent}_response_time": _PERCENTILE for percent in PERCENTS},
}
_RESPONSES: JsonSchema = {
    "total": {**record(_RESPONSE_FIGURES), "description": "Of the whole range."},
    "points": {
        **record({name: {"type": "array", "items": {"type": ["number", "null"]}} for name in _RESPONSE_FIGURES}),
        "description": "A value for each point; null where there is none, or where rows of that hour were removed.",
    },
}
RESPONSE_TIMES = record(
    {
        "of": {"enum": list(get_args(Of))},
        "interval": {"enum": ["hour", "day"]},
        "timezone": {"type": "string", "description": "The tenant's zone, which cuts the days."},
        "relative_error": {"type": "number", "description": "How far a percentile is off, at most, as a share of it."},
        "start": {"type": "array", "items": TIME, "description": "When each point starts, without a gap."},
        **_RESPONSES,
        "items": {
            "type": "array",
            "items": record({"label": STRING, **_RESPONSES}),
            "description": "With `by`: the models or endpoints, most response times first.",
        },
        "others": {
            **record({"beyond_limit": COUNT, "beyond_bound": COUNT, "without_label": COUNT}),
            "description": "How many response times no item has: of further models or endpoints; of those that came "
            f"when {RESPONSE_LABELS} of an hour or a day (endpoints of a day: {ENDPOINTS}) had a row of their own; "
            "of messages that name no model.",
        },
        "unknown": {
            **COUNT,
            "description": "How many were removed before histograms were kept: no percentile and no count has them.",
        },
        "position": STRING,
    }
)
ACTIVE_USERS = record(
    {
        "from": TIME,
        "to": TIME,
        "timezone": {"type": "string", "description": "The tenant's zone, which cuts the days."},
        "active_users": {**COUNT, "type": ["integer", "null"], "description": "Null where it cannot be known."},
        "position": STRING,
    }
)
ALERT_COUNTS = record(
    {
        "firing": {**COUNT, "description": "Alerts that fire: a budget at each of its levels."},
        "acknowledged": {**COUNT, "description": "Those of them that somebody has seen."},
    }
)
_TOPICS: JsonSchema = {
    "summary": record(FIGURES_OF_NOW),
    "activities": {"type": "array", "items": RECENT_ACTIVITY},
    "top_users": {"type": "array", "items": TOP_USER},
    "series": {"type": "array", "items": MINUTE, "description": f"The newest {MINUTES} minutes that have events."},
    "alerts": ALERT_COUNTS,
}
LIVE_BREAKDOWN: JsonSchema = {
    "type": "object",
    "required": ["position", "digest"],
    "properties": {
        "position": {**STRING, "description": "Of these rows; it may differ from that of the frame."},
        "items": {"type": "array", "items": BREAKDOWN_ROW, "description": "Rows that are new or have other values."},
        "order": {
            "type": "array",
            "items": {"type": "array", "items": OPTIONAL, "minItems": 2, "maxItems": 2},
            "description": "`label` and `second` of each row that is shown, in their order; absent: as before.",
        },
        "range": {"enum": ["today", "hour"]},
        "limit": {"type": "integer"},
        **BREAKDOWN,
        "stale_since": {**OPTIONAL, "description": "Since when the rows may be old; null: they are live."},
        "digest": {**STRING, "description": "Of the breakdown as it is held after this frame."},
    },
}
"""The breakdown in a frame: fields that did not change are absent."""
_SOME_FIGURES: JsonSchema = {"type": "object", "properties": FIGURES_OF_NOW}
_AT = {"position": STRING, "at": TIME}
_PACE: JsonSchema = {"heartbeat_seconds": {"type": "number"}}
SNAPSHOT = record({**_AT, **_PACE, **_TOPICS})


def _frame(kind: str, required: JsonSchema, optional: JsonSchema) -> JsonSchema:
    properties = {"type": {"const": kind}, **required}
    return {"type": "object", "required": list(properties), "properties": {**properties, **optional}}


FRAMES = {
    "snapshot": _frame("snapshot", {**_AT, **_PACE}, {**_TOPICS, "breakdown": LIVE_BREAKDOWN}),
    "delta": _frame(
        "delta",
        _AT,
        {
            **_PACE,
            **_TOPICS,
            "summary": _SOME_FIGURES,
            "series": {"type": "array", "items": MINUTE},
            "breakdown": LIVE_BREAKDOWN,
        },
    ),
    "heartbeat": _frame(
        "heartbeat",
        {**_AT, "stale_since": {**TIME, "type": ["string", "null"]}},
        {"digest": {**OPTIONAL, "description": "Of the summary at this position; null: not known."}},
    ),
    "error": _frame("error", {"code": STRING, "message": STRING}, {}),
}
"""What the live connection sends, by type; topics that were not subscribed to, or did not change, are absent."""
