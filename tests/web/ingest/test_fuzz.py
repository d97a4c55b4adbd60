"""What nobody would send: the tracking endpoints against arbitrary bytes.

(Every endpoint against what its description allows, and does not: test_openapi.py.)
"""

import asyncio
import gzip
import json
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from tests.faults.figures import Figures
from tests.paths import TRACK
from tests.samples.events import BATCH, EVENTS
from tests.servers.service import Running
from tests.web.wire import JSON, Wire, counted, examples

EVENT = st.dictionaries(
    st.sampled_from(["type", "event_id", "timestamp", *{name for event in EVENTS.values() for name in event}, "x"]),
    st.sampled_from(["activity", "message", "u1", "2026-03-01T00:00:00Z", "\ud800", 7, -1, 1e999, True]) | JSON,
)
EVENTS_LIKE = st.sampled_from(list(BATCH)) | EVENT
DOCUMENTS = st.one_of(
    EVENTS_LIKE.map(lambda event: json.dumps(event).encode()),
    st.lists(EVENTS_LIKE, max_size=5).map(lambda batch: json.dumps(batch).encode()),
    st.lists(EVENTS_LIKE, max_size=5).map(lambda batch: b"\n".join(json.dumps(event).encode() for event in batch)),
    st.integers(1, 100_000).map(lambda depth: b"[" * depth),
    st.integers(1, 9000).map(lambda depth: b'{"extra_data":' * depth + b"1" + b"}" * depth),
    st.binary(max_size=300),
    st.just(b'{"user_id":"\xff\xfe","username":"x","activity_type":"\xed\xa0\x80"}'),
)
BODIES = st.one_of(
    DOCUMENTS,
    DOCUMENTS.map(gzip.compress),
    st.tuples(DOCUMENTS.map(gzip.compress), st.integers(1, 30)).map(lambda drawn: drawn[0][: -drawn[1]]),
    st.just(gzip.compress(b" " * (17 << 20))),
)
TYPES = st.sampled_from([b"application/json"] * 6 + [b"application/x-ndjson", b"text/plain", b"x"])
ENCODINGS = st.sampled_from([b""] * 4 + [b"gzip"] * 4 + [b"gzip, gzip", b"br", b"identity", b"\xff"])
LENGTHS = st.sampled_from(["right", "right", "right", "short", "long", "chunked", "broken chunks", "none"])


def framed(body: bytes, length: str) -> tuple[bytes, bytes]:
    """Write the header that tells the length of a body, truly or not, and what goes over the wire."""
    chunked = b"Transfer-Encoding: chunked"
    return {
        "right": (b"Content-Length: %d" % len(body), body),
        "short": (b"Content-Length: %d" % (len(body) // 2), body),
        "long": (b"Content-Length: %d" % (len(body) + 9), body),
        "chunked": (chunked, b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body) if body else b"0\r\n\r\n"),
        "broken chunks": (chunked, b"%x\r\n%s" % (len(body) + 3, body)),
        "none": (b"X: x", body),
    }[length]


async def test_arbitrary_posts_break_nothing(watched: Running, full: bool, figures: Figures) -> None:
    """Whatever is posted for tracking, in whatever wrapping: 201 or a 4xx, nothing stays behind, all figures agree."""
    answers: Counter[bytes] = Counter()

    @examples(full)
    @given(st.sampled_from([*EVENTS, "batch"]), BODIES, TYPES, ENCODINGS, LENGTHS)
    def attack(name: str, body: bytes, kind: bytes, encoding: bytes, length: str) -> None:
        wire = Wire(watched)
        header, data = framed(body, length)
        lines = [f"POST {TRACK}/{name} HTTP/1.1".encode(), b"Host: localhost", b"Content-Type: " + kind, header]
        lines += [b"Content-Encoding: " + encoding] if encoding else []
        wire.send(b"\r\n".join([*lines, b"", b""]) + data)
        # What is not all there is not answered yet: the client hangs up.
        answer = b"" if length in ("long", "broken chunks") else wire.hear()
        wire.end(half=False)
        answers[answer[9:12]] += 1
        if answer:
            assert answer.startswith((b"HTTP/1.1 201", b"HTTP/1.1 4")), answer

    await asyncio.to_thread(attack)
    assert answers[b"201"] > 0
    assert (await watched.verdict()).differences == []
    figures("arbitrary posts", **counted(answers))
