"""Requests that no exporter sends: they cost no more than their size, and lose nothing of others."""

import asyncio
import contextlib
import gzip
import json
import tracemalloc
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storage.model.parsing import MalformedJson
from tests.paths import TRACK
from tests.samples.events import ACTIVITY
from tests.servers.service import Running
from tests.web.ingest.otlp.captured import FOLDER, calls, spans_by_outcome
from tests.web.ingest.otlp.made import JSON, PROTOBUF, as_json, as_protobuf, chat
from web.ingest import json_walk
from web.ingest.json_walk import TooManyMembers
from web.ingest.otlp import protobuf
from web.ingest.otlp.dialects.known import WANTED
from web.ingest.otlp.json_text import MAX_SPAN, JsonReader
from web.ingest.otlp.protobuf import SMALL, ProtobufReader
from web.ingest.otlp.spans import MAX_SPANS, InvalidSpan, Span, TooManySpans
from web.ingest.otlp.wire import MalformedProtobuf

FULL = 16 << 20
"""Bytes of the largest request."""


def field(number: int, content: bytes) -> bytes:
    """Write a field of protobuf that has a length."""
    return bytes([number << 3 | 2]) + varint(len(content)) + content


def varint(value: int) -> bytes:
    written = bytearray()
    while value > 0x7F:
        written.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*written, value])


def in_scope(spans: bytes) -> bytes:
    """Write a request with spans that are written already."""
    return field(1, field(2, spans))


def nested(levels: int) -> bytes:
    """Write a value of lists within lists."""
    value = b""
    for _ in range(levels):
        value = field(5, field(1, value))
    return field(9, field(1, b"a") + field(2, value))


GOOD = as_protobuf(chat(1))
PROTOBUF_BODIES = {
    "empty resources": b"\x0a\x00" * (FULL // 2),
    "empty scopes": field(1, b"\x12\x00" * (FULL // 2 - 8)),
    "empty spans": in_scope(b"\x12\x00" * (FULL // 2 - 16)),
    "one span of empty attributes": in_scope(field(2, b"\x4a\x00" * (FULL // 2 - 16))),
    "spans of empty attributes": in_scope(field(2, b"\x4a\x00" * 8000) * 1000),
    "one attribute of empty values": in_scope(field(2, field(9, field(2, field(5, b"\x0a\x00" * (FULL // 2 - 64)))))),
    "one long text": in_scope(field(2, field(9, field(1, b"a") + field(2, field(1, b"x" * (FULL - 64)))))),
    "deep lists": in_scope(field(2, nested(3000))),
    "a length beyond the end": b"\x0a\xff\xff\xff\xff\x07" + b"x" * 100,
    "the longest length": b"\x0a" + b"\xff" * 9 + b"\x01",
    "an endless number": b"\x0a" + b"\xff" * 1000,
    "a group": b"\x0b\x0c" * 1000,
    "field zero": b"\x02\x00",
}


@pytest.mark.parametrize("name", PROTOBUF_BODIES)
async def test_hostile_protobuf_is_bounded(running: Running, name: str) -> None:
    """Protobuf made to be large or slow is answered while others are served; a good span is taken after it."""
    await attack(running, PROTOBUF_BODIES[name], PROTOBUF)


JSON_BODIES = {
    "empty resources": b'{"resourceSpans":[' + b"{}," * (FULL // 3 - 10) + b"{}]}",
    "many members": b"{" + b'"a":1,' * (FULL // 6 - 4) + b'"a":1}',
    "one span of empty attributes": as_json().replace(
        b'"spans": []', b'"spans":[{"attributes":[' + b"{}," * (FULL // 3 - 60) + b"{}]}]"
    ),
    "many empty spans": as_json().replace(b'"spans": []', b'"spans":[' + b"{}," * (FULL // 3 - 60) + b"{}]"),
    "deep lists": b'{"resourceSpans":' + b"[" * (FULL - 20),
    "deep lists that close": b'{"a":' + b"[" * (1 << 20) + b"]" * (1 << 20) + b"}",
    "a deep span": as_json().replace(
        b'"spans": []', b'"spans":[{"attributes":' + b"[" * 100_000 + b"]" * 100_000 + b"}]"
    ),
    "a deep value": as_json(chat(1)).replace(
        b'{"stringValue": "chat"}', b'{"arrayValue":{"values":' + b"[" * 100_000 + b"]" * 100_000 + b"}}"
    ),
    "many escapes": b'{"' + b'\\"' * (FULL // 2 - 8) + b'":1}',
    "an open string": b'{"a":"' + b"x" * (FULL - 10),
    "many brackets": b'{"a":' + b"[]" * 10 + b"}",
    "a number without end": b'{"a":' + b"1" * (1 << 20) + b"}",
    "half a pair": as_json(chat(1)).replace(b'"gpt-4o"', b'"\\ud800"'),
}


@pytest.mark.parametrize("name", JSON_BODIES)
async def test_hostile_json_is_bounded(running: Running, name: str) -> None:
    """The same with JSON."""
    await attack(running, JSON_BODIES[name], JSON)


async def attack(running: Running, body: bytes, media: str) -> None:
    """Send a hostile body; others are served meanwhile, no memory stays held, and good spans are taken afterwards."""
    async with asyncio.timeout(60):
        hostile = asyncio.create_task(running.http.post("/v1/traces", content=body, headers={"Content-Type": media}))
        assert (await running.http.post(f"{TRACK}/activity-public", json=ACTIVITY)).status_code == 201
        response = await hostile
    assert response.status_code in (200, 400, 413), response.text
    assert len(response.content) < 1000
    assert running.service.memory.used == 0
    await running.http.post("/v1/traces", content=GOOD, headers={"Content-Type": PROTOBUF})
    assert len(await calls(running)) == 1


@pytest.mark.parametrize("name", PROTOBUF_BODIES)
def test_protobuf_makes_little_memory(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A body is cut in place: what is made of it stays far below its own size, whatever it says."""
    monkeypatch.setattr(protobuf, "MAX_PARTS", 10_000)
    assert peak(ProtobufReader(PROTOBUF_BODIES[name], WANTED)) < FULL // 2


@pytest.mark.parametrize("name", JSON_BODIES)
def test_json_makes_little_memory(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same with JSON."""
    monkeypatch.setattr(json_walk, "MAX_MEMBERS", 10_000)
    assert peak(JsonReader(JSON_BODIES[name], WANTED)) < FULL // 2


def peak(reader: ProtobufReader | JsonReader) -> int:
    """Give the bytes that reading holds at the most."""
    tracemalloc.start()
    try:
        for _ in reader.read():
            pass
    except (MalformedProtobuf, MalformedJson, TooManySpans, TooManyMembers):
        pass
    finally:
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    return found


@pytest.mark.parametrize(("media", "write"), [(PROTOBUF, as_protobuf), (JSON, as_json)])
async def test_too_many_spans_are_a_413(running: Running, media: str, write: Any) -> None:
    """As many spans as may be are taken, and one more is refused as a whole."""
    spans = [chat(number, gen_ai__operation__name="invoke_agent") for number in range(1, MAX_SPANS + 2)]
    for count, status in ((MAX_SPANS, 200), (MAX_SPANS + 1, 413)):
        body = gzip.compress(write(*spans[:count]), 1)
        headers = {"Content-Type": media, "Content-Encoding": "gzip"}
        assert (await running.http.post("/v1/traces", content=body, headers=headers)).status_code == status
    assert spans_by_outcome(running) == {"not_a_call": MAX_SPANS}


@pytest.mark.parametrize(("media", "write"), [(PROTOBUF, as_protobuf), (JSON, as_json)])
async def test_long_prompts_cost_no_call(running: Running, media: str, write: Any) -> None:
    """A span whose prompts are long is read like any other."""
    body = write(chat(1, gen_ai__input__messages="x" * (MAX_SPAN // 2), gen_ai__output__messages="y" * SMALL))
    response = await running.http.post("/v1/traces", content=body, headers={"Content-Type": media})
    assert spans_by_outcome(running) == {"call": 1}, response.text
    (call,) = await calls(running)
    assert call["input_tokens"] == 100


async def test_a_span_that_is_too_large_loses_no_other(running: Running) -> None:
    """A span of too many attributes, or of too much JSON, is refused alone."""
    many: dict[str, Any] = {f"attribute.{number}": "x" * 100 for number in range(500)}
    for media, body in (
        (PROTOBUF, as_protobuf(chat(1), chat(2, **many))),
        (JSON, as_json(chat(1), chat(2, text="x" * MAX_SPAN))),
    ):
        response = await running.http.post("/v1/traces", content=body, headers={"Content-Type": media})
        assert response.status_code == 200
    assert spans_by_outcome(running) == {"call": 2, "invalid": 2}
    assert len(await calls(running)) == 1


def everything(reader: ProtobufReader | JsonReader) -> list[Span | InvalidSpan]:
    return [span for spans in reader.read() for span in spans]


@given(st.data())
@settings(max_examples=300, deadline=None)
def test_broken_protobuf_is_refused_or_read(data: st.DataObject) -> None:
    """A request of which bytes were changed, cut off or put in is read or refused, never an error of another kind."""
    whole = (FOLDER / "several.protobuf").read_bytes()
    begin = data.draw(st.integers(0, len(whole)))
    end = data.draw(st.integers(begin, min(begin + 200, len(whole))))
    body = whole[:begin] + data.draw(st.binary(max_size=50)) + whole[end:]
    with contextlib.suppress(MalformedProtobuf, TooManySpans):
        everything(ProtobufReader(body, WANTED))


@given(st.data())
@settings(max_examples=300, deadline=None)
def test_broken_json_is_refused_or_read(data: st.DataObject) -> None:
    """The same with JSON."""
    whole = (FOLDER / "vercel.json").read_bytes()
    begin = data.draw(st.integers(0, len(whole)))
    end = data.draw(st.integers(begin, min(begin + 200, len(whole))))
    inner = data.draw(st.binary(max_size=20) | st.text('{}[]",:\\', max_size=20).map(str.encode))
    with contextlib.suppress(MalformedJson, TooManySpans, TooManyMembers):
        everything(JsonReader(whole[:begin] + inner + whole[end:], WANTED))


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=10,
)


@given(VALUES, VALUES, st.sampled_from([None, 0, 1]))
@settings(max_examples=300, deadline=None)
def test_whatever_stands_around_spans_is_passed_over(before: Any, after: Any, indent: int | None) -> None:
    """Members that OTLP does not know, of any shape, change nothing of what is read."""
    document = json.loads(as_json(chat(1), chat(2)))
    (resource,) = document["resourceSpans"]
    (scope,) = resource["scopeSpans"]
    scope["spans"][0]["more"] = before
    for part in (document, resource, scope):
        own = dict(part)
        part.clear()
        part.update({"before": before, **own, "after": after})
    body = json.dumps(document, indent=indent).encode()
    found = everything(JsonReader(body, WANTED))
    assert [getattr(span, "span_id", span) for span in found] == [f"{number:016x}" for number in (1, 2)]
