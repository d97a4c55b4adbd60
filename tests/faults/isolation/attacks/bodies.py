"""Bodies that cost more than they look: each as large as its endpoint takes it. Pure; what sends them is posting.py."""

import gzip
import json
import zlib
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

from tests.faults.isolation.attacks.wire import NDJSON, post

SINGLE = (1 << 20) - 100
BATCH = (16 << 20) - 100
"""Bytes that are taken of a single event, and of a batch once it is decompressed."""
ITEMS = 10_000
"""Events of a batch."""
_ACTIVITY = {"type": "activity", "user_id": "u", "username": "Ada", "activity_type": "login"}
_CALL = {"type": "api_usage", "endpoint": "/v1/chat", "method": "POST", "status_code": 200, "response_time": 0.1}
_EMPTY_MEMBER = gzip.compress(b"", mtime=0)


def repeated(unit: bytes, size: int, before: bytes = b"", after: bytes = b"") -> bytes:
    """Write as many of a *unit* as go into *size* bytes, with something *before* and *after* them."""
    return before + unit * ((size - len(before) - len(after)) // len(unit)) + after


def packed(body: bytes) -> bytes:
    """Compress as fast as can be."""
    packer = zlib.compressobj(1, wbits=31)
    return packer.compress(body) + packer.flush()


def batch(body: bytes, media_type: str = "application/json") -> bytes:
    """Write the post of a batch as it is."""
    return post("batch", body, media_type=media_type)


def zipped(body: bytes, media_type: str = "application/json") -> bytes:
    """Write the post of a batch, gzipped."""
    return post("batch", packed(body), "Content-Encoding: gzip", media_type=media_type)


def array(item: str, count: int = ITEMS) -> bytes:
    """Write a batch of *count* items that are alike."""
    return f"[{','.join([item] * count)}]".encode()


def events(fields: Iterator[dict[str, object]]) -> bytes:
    """Write a batch of events with what differs between them."""
    return json.dumps([{**_CALL, **each} for each in fields], separators=(",", ":")).encode()


def _activity(**fields: object) -> str:
    return json.dumps({**_ACTIVITY, **fields}, separators=(",", ":"))


def _call(number: str) -> str:
    """Write an API call whose response time is a *number* that Python need not be able to write."""
    return json.dumps(_CALL).replace("0.1", number)


def _every_day() -> bytes:
    first = datetime(1990, 1, 1, tzinfo=UTC)
    return events({"timestamp": (first + timedelta(days=n)).isoformat(), "user_id": f"u{n}"} for n in range(ITEMS))


def _of_everyone() -> bytes:
    return events({"user_id": f"user-{n}", "endpoint": f"/v1/{n}"} for n in range(ITEMS))


def _keys(count: int) -> bytes:
    return json.dumps({f"k{number}": 1 for number in range(count)}).encode()


ESCAPE, OPENING = rb"\"", b"[" * 2000 + b'["'
WIDE = {f"key-{number:03}": "x" * 17 for number in range(130)}
"""Extra data of as many bytes as are taken; this many of it make a batch of 16 MB."""
WIDE_ITEMS = 4000

BODIES: dict[str, Callable[[], bytes]] = {
    # Row 1 of the issue.
    "escapes, zipped": lambda: zipped(repeated(ESCAPE, BATCH, b'["')),
    "escapes, 32 KB as they are": lambda: batch(repeated(ESCAPE, 32_768, b'["')),
    "escapes behind depth, single": lambda: post("activity-public", repeated(ESCAPE, SINGLE, OPENING)),
    "escapes behind depth, one line": lambda: zipped(repeated(ESCAPE, BATCH, OPENING), NDJSON),
    "escapes behind depth, 10,000 lines": lambda: zipped(
        repeated(repeated(ESCAPE, 1600, b"[" * 1100 + b'["') + b"\n", BATCH), NDJSON
    ),
    # Row 2.
    "16 MB of empty arrays": lambda: zipped(repeated(b"[],", BATCH, b"[[", b"[]]]")),
    "16 MB of brackets": lambda: zipped(b"[" * BATCH),
    "half a surrogate, 5.6 M strings": lambda: zipped(repeated(b'"",', BATCH, rb'["\ud800",', b'""]')),
    "half a surrogate, single": lambda: post("activity-public", repeated(b'"",', SINGLE, rb'["\ud800",', b'""]')),
    "a million deep": lambda: zipped(b"[" * 1_000_000 + b"]" * 1_000_000),
    "130 keys of extra data": lambda: zipped(array(_activity(extra_data=WIDE), WIDE_ITEMS)),
    "130 short keys, 10,000 events": lambda: zipped(
        array(_activity(extra_data={f"k{number}": number for number in range(130)}))
    ),
    # What the issue does not have.
    "800,000 empty gzip members": lambda: post("batch", _EMPTY_MEMBER * 800_000, "Content-Encoding: gzip"),
    "empty gzip members, then events": lambda: post(
        "batch", _EMPTY_MEMBER * 400_000 + packed(array(_activity(), 10)), "Content-Encoding: gzip"
    ),
    "a gzip bomb of 1 GB": lambda: post("batch", _bomb(64), "Content-Encoding: gzip"),
    "16 MB of blanks": lambda: zipped(b" " * BATCH),
    "16 MB of blanks, not zipped": lambda: batch(b" " * BATCH),
    "blanks before a batch": lambda: zipped(b" " * (BATCH - 2000) + array(_activity(), 10)),
    "16 M blank lines": lambda: zipped(b"\n" * BATCH, NDJSON),
    "20,000 lines of blanks": lambda: zipped(repeated(b" " * 838 + b"\n", BATCH), NDJSON),
    "8 M lines of one byte": lambda: zipped(repeated(b"1\n", BATCH), NDJSON),
    "10,000 lines of 1.6 KB, no JSON": lambda: zipped(repeated(b"{" * 1650 + b"\n", BATCH), NDJSON),
    "10,000 lines 800 deep": lambda: zipped(repeated(b"[" * 800 + b"]" * 800 + b"\n", BATCH), NDJSON),
    "a batch of 9,999 wrong ones": lambda: zipped(
        array(_activity(unknown=1))[:-1] + b"," + _activity().encode() + b"]"
    ),
    "4,000 wrong at their ends": lambda: zipped(array(_activity(extra_data={**WIDE, "a": "\0"}), WIDE_ITEMS)),
    "10,000 with long names": lambda: zipped(array(json.dumps({"x" * 1600: 1}))),
    "a number of 16 M digits": lambda: zipped(repeated(b"1", BATCH, b'[{"status_code":', b"}]")),
    "16 numbers of a million digits": lambda: zipped(array(_call("9" * 1_000_000), 16)),
    "a fraction of a million digits": lambda: zipped(array(_call(f"0.{'1' * 1_000_000}"), 16)),
    "4,000-digit numbers": lambda: zipped(array(_call("9" * 4000), 3900)),
    "exponents": lambda: zipped(array(_call("1e308"), ITEMS - 5)[:-1] + b"," + array(_call("1e-99999"), 5)[1:]),
    "16 MB of exponents": lambda: zipped(repeated(b"1e9,", BATCH, b"[", b"1]")),
    "depth 8 in every event": lambda: zipped(array(_activity(extra_data=_deep(7)))),
    "escapes that are right": lambda: zipped(array(json.dumps({**_ACTIVITY, "user_agent": "é" * 1024}), 2500)),
    "one string of 2.7 M escapes": lambda: zipped(repeated(rb"\u0041", BATCH, b'[{"user_id":"', b'"}]')),
    "strings of backslashes": lambda: zipped(repeated(rb"\\", BATCH, b'["', b'"]')),
    "invalid UTF-8": lambda: zipped(repeated(b"\xff", BATCH, b'["', b'"]')),
    "invalid UTF-8 at the end": lambda: zipped(repeated("é".encode(), BATCH, b'["', b'\xc3"]')),
    "one key a million times": lambda: zipped(repeated(b'"user_id":"u",', BATCH, b"[{", b'"user_id":"u"}]')),
    "one key 70,000 times, single": lambda: post(
        "activity-public", repeated(b'"user_id":"u",', SINGLE, b"{", b'"user_id":"u"}')
    ),
    "80,000 keys, single": lambda: post("activity-public", b'{"extra_data":' + _keys(80_000) + b"}"),
    "250,000 keys": lambda: zipped(b'[{"type":"activity","extra_data":' + _keys(250_000) + b"}]"),
    "a timestamp of 1 MB": lambda: post("activity-public", repeated(b"1", SINGLE, b'{"timestamp":"T', b'"}')),
    "a name of 16 MB": lambda: zipped(repeated(b"x", BATCH, b'[{"', b'":1}]')),
    "a comma too many, at the end": lambda: zipped(array(_activity(), ITEMS - 1)[:-1] + b",]"),
    "a different day each": lambda: zipped(_every_day()),
    "a different user and endpoint each": lambda: zipped(_of_everyone()),
    "one event 10,000 times": lambda: zipped(array(_activity(event_id="same"))),
}


def _bomb(blocks: int) -> bytes:
    """Compress so many blocks of 16 MB, which are all alike; the end is missing, where nobody gets to."""
    packer = zlib.compressobj(9, wbits=31)
    first, further = (packer.compress(b" " * BATCH) + packer.flush(zlib.Z_FULL_FLUSH) for _ in range(2))
    return first + further * (blocks - 1)


def _deep(levels: int) -> dict[str, object]:
    return {"a": _deep(levels - 1) if levels else 1}
