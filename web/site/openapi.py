"""The API's description: OpenAPI 3.1, made from the operations and from the types of the events."""

from collections.abc import Iterable
from typing import Any

import msgspec

from storage.model import events
from storage.model.events import EARLIEST, KINDS, MAX_EXTRA_BYTES, MAX_EXTRA_DEPTH, MAX_RESPONSE_SECONDS
from web.http.operations import Answer, JsonSchema, Operation
from web.http.problems import MEDIA_TYPE, PROBLEM

_PROBLEM = {
    "type": "object",
    "description": "A problem document (RFC 9457).",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "field": {"type": "string", "description": "The input at fault."},
    },
}
_UNREACHABLE = "The database or the keys of the auth service are out of reach; come back after Retry-After."
_TOO_LARGE = "The body is too large."
_NO_SUCH_BODY = "The body is not of this shape."
_SHARED: dict[str | None, dict[int, str]] = {
    "tracking": {
        400: "The body is not JSON.",
        401: "A tracking key is needed here, or the one that was sent is not known.",
        413: "The body is too large.",
        415: "The media type or the content encoding is not one of those listed.",
        422: "A field breaks a rule; `field` names it.",
        429: "The key, or the address, posts more than it may; nothing was recorded; come back after Retry-After.",
        503: "Not recorded, or not known to be: send it again, with the same ids, after Retry-After.",
        507: "The database has no room left. Nothing was recorded; come back after Retry-After.",
    },
    "admin": {
        401: "The token is missing, invalid, expired or revoked.",
        403: "The token does not have the role admin.",
        422: "A parameter breaks a rule; `field` names it.",
        503: _UNREACHABLE,
    },
    "token": {
        413: _TOO_LARGE,
        422: _NO_SUCH_BODY,
        401: "The token is missing, invalid, expired or revoked.",
        403: "The token does not have the role admin.",
        503: _UNREACHABLE,
    },
    "session": {
        413: _TOO_LARGE,
        422: _NO_SUCH_BODY,
        401: "The token, the code or the session is missing, invalid, expired, used or revoked.",
        403: "It does not have the role admin, or the request does not name the service's own origin.",
        503: _UNREACHABLE,
    },
    "page": {403: "The request does not name the service's own origin."},
    "provider": {},
    # An exporter is answered as OTLP says, not by a problem document.
    "spans": {},
    None: {},
}
_CUSTOM: dict[Any, JsonSchema] = {
    events.Timestamp: {
        "type": "string",
        "format": "date-time",
        "description": f"With its zone; at most {events.MAX_AHEAD_SECONDS // 60} minutes ahead, not before "
        f"{EARLIEST[:4]}. What is finer than a millisecond is cut off. Absent: the time of arrival.",
    },
    events.Microseconds: {
        "type": "number",
        "minimum": 0,
        "maximum": MAX_RESPONSE_SECONDS,
        "description": "Seconds, kept to the microsecond.",
    },
    events.NanoDollars: {
        "type": "string",
        "pattern": r"^[0-9]{1,9}(\.[0-9]{1,30})?$",
        "description": f"US dollars as decimal text, at most {events.MAX_COST_DOLLARS}; kept to nine decimals.",
    },
    events.ExtraData: {
        "type": "object",
        "description": f"At most {MAX_EXTRA_BYTES} bytes of compact JSON, nested at most {MAX_EXTRA_DEPTH} deep.",
    },
}
_SECURITY: dict[str | None, list[JsonSchema]] = {
    "admin": [{"adminToken": []}, {"session": []}],
    "token": [{"adminToken": []}],
    "session": [{"session": []}, {"adminToken": []}],
    "page": [],
    "provider": [],
    # The empty alternative: peers in the trusted networks need no key.
    "tracking": [{"trackingKey": []}, {"trackingBearer": []}, {}],
    "spans": [{"trackingKey": []}, {"trackingBearer": []}, {"trackingBasic": []}, {}],
    None: [],
}


def document(operations: Iterable[Operation], version: str) -> JsonSchema:
    """Write the OpenAPI document."""
    paths: dict[str, JsonSchema] = {}
    for operation in operations:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(operation)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "ConvoAI Analytics",
            "version": version,
            "license": {"name": "MIT", "identifier": "MIT"},
            "description": "Services post events; each is durable before it is acknowledged. Admins read exact "
            "figures, once over REST or live over the WebSocket /api/v1/analytics/live (docs/protocol.md).",
        },
        "paths": paths,
        "components": {
            "schemas": {"Problem": _PROBLEM, **_event_schemas()},
            "securitySchemes": {
                "adminToken": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
                "session": {
                    "type": "apiKey",
                    "in": "cookie",
                    "name": "__Host-convoai-analytics",
                    "description": "For the service's own pages, which name their origin; over plain HTTP without "
                    "`__Host-`, and with the port, if there is one, at the end.",
                },
                "trackingBearer": {"type": "http", "scheme": "bearer", "description": "A tracking key."},
                "trackingBasic": {
                    "type": "http",
                    "scheme": "basic",
                    "description": "Its password, or its user, is a tracking key.",
                },
                "trackingKey": {"type": "apiKey", "in": "header", "name": "X-Tracking-Key"},
            },
        },
    }


def _operation(operation: Operation) -> JsonSchema:
    written: JsonSchema = {
        "operationId": operation.name,
        "tags": [operation.tag],
        "summary": operation.summary,
        "security": _SECURITY[operation.access],
        "responses": {str(status): _answer(answer) for status, answer in sorted(operation.answers.items())}
        | {str(status): _problem(meaning) for status, meaning in _SHARED[operation.access].items()},
    }
    if operation.description:
        written["description"] = operation.description
    if operation.parameters:
        written["parameters"] = [
            {
                "name": parameter.name,
                "in": "path" if f"{{{parameter.name}}}" in operation.path else "query",
                "required": f"{{{parameter.name}}}" in operation.path,
                "description": parameter.meaning,
                "schema": parameter.schema,
            }
            for parameter in operation.parameters
        ]
    if operation.body:
        content = {media: {"schema": schema} for media, schema in operation.body.items()}
        written["requestBody"] = {"required": True, "content": content}
    return written


def _answer(answer: Answer) -> JsonSchema:
    if answer.schema is None:
        return {"description": answer.meaning}
    content = {media: {"schema": schema} for media, schema in ((answer.media, answer.schema), *answer.also.items())}
    return {"description": answer.meaning, "content": content}


def _problem(meaning: str) -> JsonSchema:
    content = {MEDIA_TYPE: {"schema": PROBLEM}}
    return {"description": meaning, "content": content}


def _event_schemas() -> dict[str, JsonSchema]:
    """Describe the events: their ``type`` is needed in a batch, and may be left out at the endpoint of one kind."""
    _, schemas = msgspec.json.schema_components(
        tuple(kind.event for kind in KINDS),
        schema_hook=lambda kind: dict(_CUSTOM[kind]),
        ref_template="#/components/schemas/{name}",
    )
    named: dict[str, JsonSchema] = {}
    for name, schema in schemas.items():
        tagged = {**schema, "title": f"{name} in a batch"}
        required = [key for key in schema["required"] if key != "type"]
        named[name] = {**schema, "required": required}
        named[f"Batch{name}"] = tagged
    mapping = {kind.name: f"#/components/schemas/Batch{kind.event.__name__}" for kind in KINDS}
    named["AnyEvent"] = {
        "oneOf": [{"$ref": reference} for reference in mapping.values()],
        "discriminator": {"propertyName": "type", "mapping": mapping},
    }
    return named
