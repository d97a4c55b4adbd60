"""The JSON shapes of alerts, as OpenAPI tells them."""

from typing import Any, get_args

import msgspec

from storage.alerts.rule import Kind, Rule, Severity
from web.http.operations import Answer, JsonSchema
from web.http.problems import MEDIA_TYPE, PROBLEM
from web.reports.shapes import COUNT, OPTIONAL, STRING, TIME, record

OPTIONAL_TIME: JsonSchema = {**TIME, "type": ["string", "null"]}


def body(kind: type[msgspec.Struct]) -> JsonSchema:
    """Describe a body in one piece."""
    schema = msgspec.json.schema(kind)
    schemas = schema.pop("$defs")

    def resolve(value: Any) -> Any:
        if isinstance(value, dict):
            if "$ref" in value:
                return resolve(schemas[value["$ref"].rpartition("/")[2]])
            return {name: resolve(inner) for name, inner in value.items()}
        return [resolve(inner) for inner in value] if isinstance(value, list) else value

    return dict(resolve(schema))


def _rule() -> JsonSchema:
    found = body(Rule)
    found["properties"]["kind"] = {"enum": list(get_args(Kind))}
    found["properties"]["severity"] = {"enum": list(get_args(Severity))}
    return found


RULE = _rule()
SET_RULE = record({"id": STRING, "rule": RULE})
STATE = record(
    {
        "level": {"type": ["integer", "null"], "description": "Percent of a budget; null for other rules."},
        "status": {"enum": ["ok", "pending", "firing", "resolved"]},
        "since": TIME,
        "value": {**OPTIONAL, "description": "The figure then, as decimal text."},
        "window_start": {
            **OPTIONAL,
            "description": "The hour, day or month that was looked at; null: the last minutes.",
        },
        "acknowledged_at": OPTIONAL_TIME,
        "acknowledged_by": OPTIONAL,
    }
)
KEPT_RULE = record(
    {
        "id": STRING,
        "rule": RULE,
        "author": STRING,
        "updated_at": TIME,
        "states": {"type": "array", "items": STATE},
        "silenced_until": {**OPTIONAL_TIME, "description": "Until then nobody is told; null: they are."},
    }
)
RULES = record({"items": {"type": "array", "items": KEPT_RULE}, "position": STRING})
USUAL = record({"least": STRING, "greatest": STRING, "hours": COUNT})
PAST = record(
    {
        "items": {
            "type": "array",
            "items": record(
                {
                    "at": {**TIME, "description": "When the hour began."},
                    "value": {**STRING, "description": "The figure in that hour, as decimal text."},
                    "direction": {"enum": ["up", "down"]},
                    "usual": {**USUAL, "description": "What the hours like it had."},
                    "until": {**OPTIONAL_TIME, "description": "The hour that would have resolved it; null: none yet."},
                }
            ),
        },
        "since": {
            **OPTIONAL_TIME,
            "description": "The first hour that was judged; null: too little is known for any.",
        },
    }
)
DELIVERY = record(
    {
        "id": STRING,
        "message_id": {**STRING, "description": "The transition's id, or that of the message that it was sent in."},
        "target": STRING,
        "status": {"enum": ["waiting", "delivered", "failed", "gone"]},
        "attempts": COUNT,
        "created_at": TIME,
        "due_at": TIME,
        "last_at": OPTIONAL_TIME,
        "error": OPTIONAL,
    }
)
TRANSITION = record(
    {
        "id": STRING,
        "at": TIME,
        "rule": STRING,
        "level": {"type": ["integer", "null"]},
        "status": {"enum": ["firing", "resolved"]},
        "value": OPTIONAL,
        "held": {**OPTIONAL, "description": "silenced or inhibited: nobody was told; null: they were."},
        "message": {"type": "object", "description": "What was sent."},
        "deliveries": {"type": "array", "items": DELIVERY},
    }
)
HISTORY = record({"items": {"type": "array", "items": TRANSITION}, "next": OPTIONAL})
TARGET = record(
    {
        "id": STRING,
        "kind": {"enum": ["webhook", "email", "apprise"]},
        "address": {**STRING, "description": "What may be shown of it: of a webhook scheme and host alone."},
        "author": STRING,
        "updated_at": TIME,
        "ended_at": {**OPTIONAL_TIME, "description": "When it said that it wants no more messages (410)."},
    }
)
TARGETS = record({"items": {"type": "array", "items": TARGET}})
NEW_TARGET = record({**TARGET["properties"], "secret": {**OPTIONAL, "description": "Shown this once."}})
TRIAL = record({"delivered": {"type": "boolean"}, "error": OPTIONAL})
SILENCE = record({"id": STRING, "matcher": {"type": "object"}, "until": TIME, "author": STRING, "created_at": TIME})
SILENCES = record({"items": {"type": "array", "items": SILENCE}})


def problem(meaning: str) -> Answer:
    """Describe an answer that says what went wrong."""
    return Answer(meaning, PROBLEM, MEDIA_TYPE)


BODY_PROBLEMS = {
    400: problem("The body is not JSON."),
    413: problem("The body is too large."),
    415: problem("The body is not sent as application/json."),
}
