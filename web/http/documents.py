"""JSON bodies of admins' requests: read, bounded, and checked by the type that they are to have."""

from typing import Any, TypeVar

import msgspec
from starlette.requests import Request

from web.http.problems import Problem, invalid

MAX_BODY = 16 << 10
"""Bytes: more than the longest fields need, each character of them escaped."""
JSON = "application/json"
MAX_FIELD_NAME = 100
"""How much of a field's name an error repeats: it can be the client's own text."""
_MISSING, _UNKNOWN = "Object missing required field `", "Object contains unknown field `"
_CONTROLS = dict.fromkeys((*range(0x20), 0x7F))

T = TypeVar("T", bound=msgspec.Struct)


async def read_document(request: Request, kind: type[T]) -> T:
    """Read the body as a *kind* of struct; raises a :exc:`Problem` that names the field at fault, never its value.

    Only ``application/json`` is taken, which a page of another origin cannot send unless its origin is allowed.
    """
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != JSON:
        raise Problem(415, f"send the body as {JSON}")
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY:
            raise Problem(413, f"the body holds more than {MAX_BODY} bytes")
    try:
        document = msgspec.json.decode(body, type=kind)
    except msgspec.ValidationError as error:
        raise _explain(str(error)) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Problem(400, "the body is not valid JSON") from None
    _check_text(msgspec.to_builtins(document))
    return document


def _explain(message: str) -> Problem:
    """Turn msgspec's *message* into field and rule; of the types that are read here none repeats a value."""
    rule, _, path = message.partition(" - at `$")
    field = path.removesuffix("`").removeprefix(".")
    for beginning, what in ((_MISSING, "is required"), (_UNKNOWN, "is not known here")):
        if rule.startswith(beginning):
            inner = rule[len(beginning) :].removesuffix("`")
            return invalid(f"{field}.{inner}"[:MAX_FIELD_NAME] if field else inner[:MAX_FIELD_NAME], what)
    return invalid(field or "body", (rule[0].lower() + rule[1:]).replace("`", ""))


def _check_text(document: dict[str, Any], prefix: str = "") -> None:
    for name, value in document.items():
        if isinstance(value, dict):
            _check_text(value, f"{prefix}{name}.")
        elif isinstance(value, str) and value.translate(_CONTROLS) != value:
            raise invalid(f"{prefix}{name}", "must not contain control characters")
