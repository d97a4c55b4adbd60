"""Reading events from JSON: decoding, and the check that holds the limits of each field.

Checking happens while the JSON is decoded, in one pass: msgspec holds types, lengths and ranges, and the
three custom types below turn timestamps, durations and free data into the form in which they are stored.
Nothing that fails is repeated back: an error names the field and the rule, never the value.
"""

import json
import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any, Literal, NoReturn, Union, get_args, get_origin, get_type_hints

import msgspec

from storage.model import clock
from storage.model.events import (
    EARLIEST,
    KINDS,
    MAX_AHEAD_SECONDS,
    MAX_COST_DOLLARS,
    MAX_EXTRA_BYTES,
    MAX_EXTRA_DEPTH,
    MAX_RESPONSE_SECONDS,
    AnyEvent,
    Contradiction,
    ExtraData,
    Microseconds,
    NanoDollars,
    Timestamp,
)
from storage.model.money import NANO, read_dollars

MAX_EVENT_BYTES = 64 << 10
"""The size of an event as JSON text. The largest that keeps every other limit, each of its characters written as an
escape, has 49 KB; what is larger is not decoded, only searched for the field at fault."""
MAX_SEARCHED_BYTES = 1 << 20
"""What is larger than this is not even searched."""
MAX_FIELD_NAME = 100
"""How much of a field's name an error repeats."""


class InvalidEvent(ValueError):
    """An event that cannot be taken; the client should correct the field and send it again.

    ``field`` is the path of the field at fault (empty: the whole event), ``error`` the rule that it broke.
    """

    def __init__(self, field: str, error: str) -> None:
        # A field's name can be the client's own text: cut it, so that an error stays small.
        self.field = field[:MAX_FIELD_NAME]
        super().__init__(f"{self.field or 'event'}: {error}")
        self.error = error


class MalformedJson(ValueError):
    """The body is not JSON at all; nothing of it was taken."""


Body = bytes | bytearray
"""JSON text as it was posted, in UTF-8."""


def _choices() -> dict[str, str]:
    """Name the values of each field that takes only some."""
    found = {"type": ", ".join(sorted(kind.name for kind in KINDS))}
    for kind in KINDS:
        for name, hint in get_type_hints(kind.event).items():
            if get_origin(hint) is Literal:
                found[name] = ", ".join(get_args(hint))
    return found


CHOICES = _choices()
FIELDS = {kind.name: ", ".join(sorted({"type", *kind.event.__struct_fields__})) for kind in KINDS}
"""Names the fields of each kind."""


def parse(body: Body, kind: type[AnyEvent]) -> AnyEvent:
    """Read one event of a known *kind*.

    Raises :exc:`MalformedJson` if *body* is not JSON, :exc:`InvalidEvent` if it breaks a rule.
    """
    return _checked(body, _DECODERS[kind])


def convert(fields: dict[str, Any], kind: type[AnyEvent]) -> AnyEvent:
    """Make an event of a known *kind* from its fields, as they would stand in JSON; raises :exc:`InvalidEvent`."""
    try:
        event: AnyEvent = msgspec.convert(fields, kind, dec_hook=_hook)
    except msgspec.ValidationError as error:
        if isinstance(error.__cause__, Contradiction):
            raise InvalidEvent(error.__cause__.field, error.__cause__.rule) from None
        raise _explained(str(error), "") from None
    for field, value in fields.items():
        if isinstance(value, str) and "\0" in value:
            raise InvalidEvent(field, "must not contain the character NUL")
    return event


def parse_any(item: Body) -> AnyEvent:
    """Read one event that names its kind in ``type``; raises as :func:`parse` does."""
    return _checked(item, _ANY)


def parse_all(body: Body) -> list[AnyEvent] | None:
    """Read a JSON array of events in one pass, or None if any of it needs a look of its own."""
    if _NUL in body:
        return None
    try:
        return _ALL.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


# A NUL can stand in valid JSON only as this escape, so bodies without it need no search of their fields.
_NUL = b"\\u0000"
_SURROGATE = re.compile("[\ud800-\udfff]")
_MISSING, _UNKNOWN = "Object missing required field `", "Object contains unknown field `"


def _checked(body: Body, decoder: "msgspec.json.Decoder[Any]") -> AnyEvent:
    if len(body) > MAX_EVENT_BYTES and len(body.strip()) > MAX_EVENT_BYTES:
        raise _too_large(body)
    try:
        event: AnyEvent = decoder.decode(body)
    except msgspec.ValidationError as error:
        # Decoding ends at the first broken rule: what follows it may not even be JSON.
        value = _read_as_json(body)
        if isinstance(error.__cause__, Contradiction):
            raise InvalidEvent(error.__cause__.field, error.__cause__.rule) from None
        raise _explained(str(error), _known_fields(decoder, value)) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        _refuse(body)
    if _NUL in body:
        _refuse_nul(event)
    return event


def _too_large(body: Body) -> InvalidEvent:
    """Name the largest field of an event that is too large; its values are passed over, none is made."""
    rule = f"is larger than {MAX_EVENT_BYTES} bytes of JSON"
    if len(body) > MAX_SEARCHED_BYTES:
        return InvalidEvent("", rule)
    try:
        msgspec.json.decode(body, type=msgspec.Raw)
        sizes = {name: len(bytes(value)) for name, value in msgspec.structs.asdict(_FIELDS.decode(body)).items()}
    except msgspec.ValidationError:
        return InvalidEvent("", rule)
    except RecursionError:
        _refuse_depth(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise MalformedJson("the body is not valid JSON") from None
    largest = max(sizes, key=lambda name: sizes[name])
    return InvalidEvent(largest, f"makes an event that {rule}") if sizes[largest] else InvalidEvent("", rule)


def _read_as_json(body: Body) -> Any:
    try:
        return msgspec.json.decode(body)
    except msgspec.ValidationError:
        return None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        _refuse(body)


def _known_fields(decoder: "msgspec.json.Decoder[Any]", value: Any) -> str:
    """Name the fields that the event *value* may have: those of its kind."""
    config = getattr(decoder.type, "__struct_config__", None)
    kind = config.tag if config is not None else value.get("type") if isinstance(value, dict) else None
    return FIELDS.get(kind, "") if isinstance(kind, str) else ""


def _refuse(body: Body) -> NoReturn:
    """Refuse what msgspec cannot read: no JSON, or JSON too deep, or with half of a surrogate pair (RFC 8259, 8.2)."""
    try:
        value = json.loads(body.decode(), parse_constant=_refuse_constant)
    except RecursionError:
        _refuse_depth(body)
    except ValueError:
        raise MalformedJson("the body is not valid JSON") from None
    for field, inner in value.items() if isinstance(value, dict) else [("", value)]:
        if any(map(_SURROGATE.search, _strings([field, inner]))):
            raise InvalidEvent(field, "must not contain half of a surrogate pair")
    raise MalformedJson("the body is not valid JSON")


def _refuse_depth(body: Body) -> NoReturn:
    if _is_closed(body):
        raise InvalidEvent("extra_data", f"nests deeper than {MAX_EXTRA_DEPTH} levels") from None
    raise MalformedJson("the body is not valid JSON") from None


def _is_closed(body: Body) -> bool:
    """Say whether there are as many closing brackets as opening ones, which tells deep JSON from an open end."""
    return body.count(b"[") == body.count(b"]") and body.count(b"{") == body.count(b"}")


def _explained(message: str, known: str) -> InvalidEvent:
    """Turn msgspec's *message* into field and rule, without the value that some of its messages repeat.

    *known*: the fields that the event may have.
    """
    for beginning, rule in ((_MISSING, "is required"), (_UNKNOWN, f"is not known here; known fields: {known}")):
        if message.startswith(beginning):
            return InvalidEvent(message[len(beginning) :].removesuffix("`"), rule)
    rule, at, path = message.rpartition(" - at `$")
    if not at:
        rule, path = message, ""
    # Inside of a field, such as extra_data[...], the field itself is at fault.
    field = path.removesuffix("`").removeprefix(".").partition("[")[0].partition(".")[0]
    if rule.startswith(("Invalid enum value", "Invalid value")):
        return InvalidEvent(field, f"must be one of: {CHOICES.get(field, 'the documented values')}")
    return InvalidEvent(field, (rule[0].lower() + rule[1:]).replace("`", ""))


def _refuse_nul(event: AnyEvent) -> None:
    for field in event.__struct_fields__:
        value = getattr(event, field)
        if isinstance(value, str) and "\0" in value:
            raise InvalidEvent(field, "must not contain the character NUL")


def _refuse_constant(_name: str) -> None:
    raise ValueError("NaN and Infinity are not JSON")


def _strings(value: Any) -> Iterator[str]:
    """Give every string of a JSON *value*, names too, in no order; without recursion, however deep it is."""
    left = [value]
    while left:
        inner = left.pop()
        if isinstance(inner, str):
            yield inner
        elif isinstance(inner, dict):
            left += inner.keys()
            left += inner.values()
        elif isinstance(inner, list):
            left += inner


def _timestamp(value: Any) -> Timestamp:
    if not isinstance(value, str):
        raise ValueError("expected an ISO 8601 date and time")
    try:
        moment = datetime.fromisoformat(value) if "T" in value or " " in value else None
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise ValueError("expected an ISO 8601 date and time with its zone, such as 2026-11-22T11:14:07.123Z")
    try:
        seconds = moment.timestamp()
        written = clock.text(moment)
    except (OverflowError, ValueError):
        raise ValueError("is not a moment that the calendar holds") from None
    if seconds > clock.unix() + MAX_AHEAD_SECONDS:
        raise ValueError(f"lies more than {MAX_AHEAD_SECONDS // 60} minutes ahead")
    if written < EARLIEST:
        raise ValueError("lies before 1970")
    return Timestamp(written)


def _microseconds(value: Any) -> Microseconds:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError("expected a number of seconds")
    if not 0 <= value <= MAX_RESPONSE_SECONDS:
        raise ValueError(f"expected 0 to {MAX_RESPONSE_SECONDS} seconds")
    return Microseconds(round(value * 1_000_000))


def _nano_dollars(value: Any) -> NanoDollars:
    nano = read_dollars(value) if isinstance(value, str) else None
    if nano is None:
        raise ValueError('expected an amount of US dollars as decimal text, such as "0.0123"')
    if nano > MAX_COST_DOLLARS * NANO:
        raise ValueError(f"expected 0 to {MAX_COST_DOLLARS} US dollars")
    return NanoDollars(nano)


def _extra_data(value: Any) -> ExtraData:
    if not isinstance(value, dict):
        raise ValueError("expected an object")
    # Written first, in one pass of C: what is looked at afterwards is small. Most of it needs no further look.
    try:
        written = msgspec.json.encode(value)
    except RecursionError:
        raise ValueError(f"nests deeper than {MAX_EXTRA_DEPTH} levels") from None
    if len(written) > MAX_EXTRA_BYTES:
        raise ValueError(f"is larger than {MAX_EXTRA_BYTES} bytes of JSON")
    brackets = written.count(b"{") + written.count(b"[")
    if brackets > MAX_EXTRA_DEPTH and _is_deeper(value, MAX_EXTRA_DEPTH):
        raise ValueError(f"nests deeper than {MAX_EXTRA_DEPTH} levels")
    if _NUL in written and any("\0" in found for found in _strings(value)):
        raise ValueError("must not contain the character NUL")
    return ExtraData(written.decode())


def _is_deeper(value: Any, levels: int) -> bool:
    """Say whether *value* nests deeper than so many *levels*, without going deeper than that."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    if inner is None:
        return False
    return levels == 0 or any(_is_deeper(item, levels - 1) for item in inner)


_HOOKS = {
    Timestamp: _timestamp,
    Microseconds: _microseconds,
    NanoDollars: _nano_dollars,
    ExtraData: _extra_data,
}


def _hook(kind: type, value: Any) -> Any:
    return _HOOKS[kind](value)


_DECODERS: dict[type[AnyEvent], msgspec.json.Decoder[Any]] = {
    kind.event: msgspec.json.Decoder(kind.event, dec_hook=_hook) for kind in KINDS
}
_KNOWN: Any = Union[tuple(kind.event for kind in KINDS)]  # noqa: UP007 - made of a list
_ANY: msgspec.json.Decoder[AnyEvent] = msgspec.json.Decoder(_KNOWN, dec_hook=_hook)
_ALL: msgspec.json.Decoder[list[AnyEvent]] = msgspec.json.Decoder(list[_KNOWN], dec_hook=_hook)
_FIELDS: msgspec.json.Decoder[Any] = msgspec.json.Decoder(
    msgspec.defstruct(
        "Fields",
        [
            (name, msgspec.Raw, msgspec.Raw())
            for name in {name for kind in KINDS for name in kind.event.__struct_fields__}
        ],
    )
)
