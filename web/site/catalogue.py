"""What the front end has to know of the service, written as TypeScript: ``python -m web.site.catalogue``.

Figures, counters, frames, close codes and the rows of lists are declared once, in Python. The output is checked in, so
that the front end builds without Python; a test fails while it is not what this module writes.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, get_args

from realtime.protocol import BEARER, CLOSES, SUBPROTOCOL, TOPICS, Action
from storage.model.changes import MINUTES, RECENT, TOP
from storage.model.metrics import FIGURES, LABELLED, MONEY
from storage.read.breakdowns.catalogue import DIMENSIONS, dimensions_of
from storage.read.breakdowns.catalogue import METRICS as BREAKDOWNS
from storage.read.series import AMOUNTS, Interval
from web.auth.claims import ADMIN
from web.http.operations import JsonSchema
from web.reports import shapes
from web.reports.details import shapes as details
from web.reports.endpoints import PREFIX
from web.reports.lists import DEFAULT_LIMIT, MAX_LIMIT
from web.saved_views import VIEW, VIEW_FILTERS
from web.settings import Settings

COMMAND = "make catalogue"
"""Writes the file again."""
OUTPUT = Path(__file__).parent.parent / "frontend" / "src" / "client" / "catalogue.ts"

SHAPES = {
    "Summary": shapes.record(shapes.FIGURES_OF_NOW),
    "RecentActivity": shapes.RECENT_ACTIVITY,
    "Activity": shapes.ACTIVITY,
    "TopUser": shapes.TOP_USER,
    "AlertCounts": shapes.ALERT_COUNTS,
    "User": shapes.USER,
    "Conversation": shapes.CONVERSATION,
    "Message": shapes.MESSAGE,
    "DailyStatistics": shapes.DAY,
    "ApiCall": shapes.API_CALL,
    "EndpointUsage": shapes.ENDPOINT,
    "Series": shapes.SERIES,
    "ActiveUsers": shapes.ACTIVE_USERS,
    "TypeCount": details.TYPE_COUNT,
    "ModelSums": details.MODEL_SUMS,
    "EndpointSums": details.ENDPOINT_SUMS,
    "StatusSums": details.STATUS_SUMS,
    "MethodSums": details.METHOD_SUMS,
    "CallerSums": details.CALLER_SUMS,
    "AuthorSums": details.AUTHOR_SUMS,
    "UserFigures": details.USER_FIGURES,
    "EndpointFigures": details.ENDPOINT_FIGURES,
    "ModelFigures": details.MODEL_FIGURES,
    "UserDetail": details.USER,
    "ConversationDetail": details.CONVERSATION,
    "EndpointDetail": details.ENDPOINT,
    "ModelDetail": details.MODEL,
    "FoundUser": details.FOUND_USER,
    "FoundConversation": details.FOUND_CONVERSATION,
    "FoundEndpoint": details.FOUND_ENDPOINT,
    "FoundModel": details.FOUND_MODEL,
    "Found": details.FOUND,
    "BreakdownRow": shapes.BREAKDOWN_ROW,
    "Breakdown": shapes.record(
        {"items": {"type": "array", "items": shapes.BREAKDOWN_ROW}, **shapes.BREAKDOWN, "position": shapes.STRING}
    ),
    "LiveBreakdown": shapes.LIVE_BREAKDOWN,
    "ViewFilters": VIEW_FILTERS,
    "SavedView": VIEW,
}
"""The rows of lists, reports and their parts, and the parts of frames, by the name of their TypeScript interface."""
FRAMES = {
    "Snapshot": shapes.FRAMES["snapshot"],
    "Delta": shapes.FRAMES["delta"],
    "Heartbeat": shapes.FRAMES["heartbeat"],
    "ErrorFrame": shapes.FRAMES["error"],
}
_PRIMITIVES = {"string": "string", "integer": "number", "number": "number", "boolean": "boolean", "null": "null"}

MINUTE = """\
/** One UTC minute that has events, and those of its counters that are not 0. */
export type Minute = { readonly start: string } & { readonly [name in Counter]?: number } & {
  readonly [name in MoneyCounter]?: string;
} & {
  readonly [name: LabelledCounter]: number;
};
"""


def typescript() -> str:
    """Write the whole file."""
    parts = [
        f"/** What this front end knows of the service, written by `{COMMAND}` from Python: do not edit it here. */\n",
        _constants(),
        _metrics(),
        _breakdowns(),
        MINUTE,
        *(_interface(name, schema) for name, schema in {**SHAPES, **FRAMES}.items()),
        f"export type Frame = {' | '.join(FRAMES)};\n",
        _closes(),
    ]
    return "\n".join(parts)


def _constants() -> str:
    constants: Mapping[str, tuple[str, Any]] = {
        "API_PREFIX": ("The path under which every endpoint is.", f"{PREFIX}/"),
        "ADMIN_ROLE": ("The role that may read the figures, unless the service has another one for it.", ADMIN),
        "SUBPROTOCOL": ("The WebSocket subprotocol of the live connection.", SUBPROTOCOL),
        "BEARER": ("A browser offers its token as a second subprotocol with this prefix.", BEARER),
        "HEARTBEAT_SECONDS": (
            "The default time between two heartbeats; the first frame tells the one in use.",
            int(Settings.read({}).heartbeat_seconds),
        ),
        "RECENT_ACTIVITIES": ("How many activities the live state holds.", RECENT),
        "TOP_USERS": ("How many users the live state ranks.", TOP),
        "SERIES_MINUTES": ("How many minutes the live state holds.", MINUTES),
        "DEFAULT_LIMIT": ("How many rows a page of a list has, unless the request says.", DEFAULT_LIMIT),
        "MAX_LIMIT": ("How many rows a page of a list has at most.", MAX_LIMIT),
    }
    lines = [
        f"/** {meaning} */\nexport const {name} = {json.dumps(value)};\n"
        for name, (meaning, value) in constants.items()
    ]
    topics, intervals = json.dumps(list(TOPICS)), json.dumps(list(get_args(Interval)))
    return "".join(lines) + (
        f"/** What a client can subscribe to. */\nexport const TOPICS = {topics} as const;\n"
        "export type Topic = (typeof TOPICS)[number];\n"
        f"/** The lengths that a point of a series can have. */\nexport const INTERVALS = {intervals} as const;\n"
        "export type Interval = (typeof INTERVALS)[number];\n"
    )


def _metrics() -> str:
    figures = "".join(f"  {figure.name}: {json.dumps(list(figure.needs))},\n" for figure in FIGURES)
    labelled = " | ".join(f"`{counter.name}:${{string}}`" for counter in LABELLED)
    return (
        "/** What is counted by minute, hour and day. */\n"
        f"export type Counter ={_union(tuple(name for name in AMOUNTS if name not in MONEY))};\n\n"
        "/** The same of money: decimal text of US dollars. */\n"
        f"export type MoneyCounter ={_union(tuple(sorted(MONEY)))};\n\n"
        "/** What is counted for each model; the empty name stands for all models beyond the service's bound. */\n"
        f"export type LabelledCounter = {labelled};\n\n"
        "/** The counters of each figure: its own, or the sum in microseconds and the number of a mean. */\n"
        f"export const FIGURES = {{\n{figures}}} as const;\n"
    )


def _breakdowns() -> str:
    metrics = "".join(
        f"  {name}: {{ unit: {json.dumps(metric.unit)}, counter: {json.dumps(metric.counter)}, "
        f"day: {json.dumps(dimensions_of(name, 'day'))}, hour: {json.dumps(dimensions_of(name, 'hour'))} }},\n"
        for name, metric in BREAKDOWNS.items()
    )
    return (
        "/** What a breakdown can go by. */\n"
        f"export type Dimension ={_union(DIMENSIONS)};\n\n"
        "/** What can be broken down: its unit, the counter of its total, and by what, by day and by hour. */\n"
        f"export const BREAKDOWNS = {{\n{metrics}}} as const;\n"
    )


def _union(names: tuple[str, ...]) -> str:
    return "".join(f'\n  | "{name}"' for name in names)


def _interface(name: str, schema: JsonSchema) -> str:
    return f"export interface {name} {{\n{''.join(_fields(schema))}}}\n"


def _fields(schema: JsonSchema) -> Iterator[str]:
    for name, field in schema["properties"].items():
        if "description" in field:
            yield f"  /** {field['description']} */\n"
        yield f"  readonly {name}{'' if name in schema.get('required', ()) else '?'}: {_type(field)};\n"


def _type(schema: JsonSchema) -> str:
    """Give the TypeScript type of what *schema* describes; raises ``KeyError`` for a schema that it does not know."""
    if schema is shapes.MINUTE:
        return "Minute"
    for name, shape in SHAPES.items():
        if schema.get("properties", ()) == shape["properties"]:
            return name if "required" in schema else f"Partial<{name}>"
    if "const" in schema:
        return json.dumps(schema["const"])
    if "enum" in schema:
        return " | ".join(json.dumps(value) for value in schema["enum"])
    kinds = [schema["type"]] if isinstance(schema["type"], str) else schema["type"]
    return " | ".join(_BY_TYPE[kind](schema) if kind in _BY_TYPE else _PRIMITIVES[kind] for kind in kinds)


def _array(schema: JsonSchema) -> str:
    item = _type(schema["items"])
    return f"readonly ({item})[]" if "|" in item else f"readonly {item}[]"


def _object(schema: JsonSchema) -> str:
    values = schema.get("additionalProperties")
    return f"Readonly<Record<string, {'unknown' if values is None else _type(values)}>>"


_BY_TYPE: Mapping[str, Callable[[JsonSchema], str]] = {"array": _array, "object": _object}


def _closes() -> str:
    actions = " | ".join(json.dumps(action) for action in get_args(Action))
    closes = "".join(
        f"  {{ code: {close.code}, name: {json.dumps(close.name)}, action: {json.dumps(close.action)} }},\n"
        for close in CLOSES
    )
    return (
        "/** What a client does after a close. */\n"
        f"export type Action = {actions};\n\n"
        "/** Why the service ends a connection; `name` is the code of the error frame before it. */\n"
        "export interface Close {\n  readonly code: number;\n  readonly name: string;\n  readonly action: Action;\n"
        "}\n\n"
        f"export const CLOSES: readonly Close[] = [\n{closes}];\n"
    )


if __name__ == "__main__":
    OUTPUT.write_text(typescript())
