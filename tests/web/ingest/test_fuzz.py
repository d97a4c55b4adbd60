"""What nobody would send: the live and the tracking endpoints against arbitrary bytes.

(Every endpoint against what its description allows, and does not: test_openapi.py.)
"""

import asyncio
import contextlib
import gzip
import json
import os
import socket
import struct
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.faults.figures import Figures
from tests.paths import LIVE, TRACK
from tests.samples.events import ACTIVITY, BATCH, EVENTS
from tests.servers.service import Running, start
from tests.servers.tasks import SECONDS, running_tasks, settle
from tests.subscribers.snapshots import equals_snapshot

SUBSCRIBE = b'{"type":"subscribe","topics":["summary"],"position":null}'


def examples(full: bool) -> settings:
    return settings(
        max_examples=5000 if full else 400,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )


@dataclass(frozen=True)
class Piece:
    """One WebSocket frame, right or wrong; ``length`` None: the true one."""

    payload: bytes
    opcode: int = 1
    fin: bool = True
    reserved: int = 0
    masked: bool = True
    length: int | None = None

    def wire(self) -> bytes:
        length = len(self.payload) if self.length is None else self.length
        mark = 0x80 if self.masked else 0
        head = bytes([(0x80 if self.fin else 0) | self.reserved << 4 | self.opcode])
        if length < 126:
            head += bytes([mark | length])
        elif length < 1 << 16:
            head += struct.pack("!BH", mark | 126, length)
        else:
            head += struct.pack("!BQ", mark | 127, length)
        if not self.masked:
            return head + self.payload
        key = os.urandom(4)
        return head + key + bytes(byte ^ key[place % 4] for place, byte in enumerate(self.payload))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=10,
)
MESSAGES = st.one_of(
    st.just(SUBSCRIBE),
    JSON.map(lambda value: json.dumps(value).encode()),
    st.dictionaries(st.sampled_from(["type", "topics", "position", "token"]), JSON).map(
        lambda value: json.dumps({"type": "subscribe", **value}).encode()
    ),
    st.integers(1, 8000).map(lambda depth: b'{"type":"subscribe","topics":' + b"[" * depth),
    st.binary(max_size=300),
    st.integers(16_000, 70_000).map(lambda size: b"x" * size),
)
PIECES = st.one_of(
    st.builds(Piece, MESSAGES),
    st.builds(Piece, MESSAGES, st.sampled_from([1, 2]), st.just(False)),
    st.builds(Piece, MESSAGES, st.just(0), st.booleans()),
    st.builds(Piece, st.binary(max_size=200), st.sampled_from([8, 9, 10]), st.booleans()),
    st.builds(
        Piece,
        st.binary(max_size=60),
        st.integers(0, 15),
        st.booleans(),
        st.integers(0, 7),
        st.booleans(),
        st.none() | st.integers(0, 1 << 63) | st.just((1 << 64) - 1),
    ),
)


@pytest.fixture
async def watched(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> AsyncIterator[Running]:
    """A service that has to be, after whatever a test does to it, as it was before."""
    found = await start(tmp_path, HEAD_SECONDS="2", SUBSCRIBE_SECONDS="2")
    before = await found.panel()
    await before.close()
    await found.get("summary")
    await found.http.aclose()
    await settle(found, set())
    tasks = running_tasks()
    try:
        yield found
        await settle(found, tasks)
        assert [record.message for record in caplog.records if record.exc_info or record.levelname == "ERROR"] == []
    finally:
        await found.stop()


class Wire:
    """A client that sends bytes as it likes."""

    def __init__(self, running: Running) -> None:
        self._socket = socket.create_connection(("127.0.0.1", running.service.settings.port), timeout=SECONDS)
        self._token = running.token()

    def shake_hands(self) -> None:
        lines = [
            f"GET {LIVE} HTTP/1.1",
            "Host: x",
            "Connection: Upgrade",
            "Upgrade: websocket",
            "Sec-WebSocket-Version: 13",
            "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
            f"Authorization: Bearer {self._token}",
        ]
        self.send("\r\n".join([*lines, "", ""]).encode())
        answer = b""
        while not answer.endswith(b"\r\n\r\n"):
            answer += self._socket.recv(1)
        assert answer.startswith(b"HTTP/1.1 101"), answer

    def send(self, data: bytes) -> None:
        with contextlib.suppress(ConnectionError):
            self._socket.sendall(data)

    def hear(self) -> bytes:
        """Wait for an answer, and give its beginning."""
        with contextlib.suppress(ConnectionError):
            return self._socket.recv(65_536)
        return b""

    def end(self, half: bool) -> bytes:
        """Say no more, or hang up; give what came until the service ended it too."""
        answer = b""
        with self._socket:
            try:
                if half:
                    self._socket.shutdown(socket.SHUT_WR)
                    while data := self._socket.recv(65_536):
                        answer += data
            except TimeoutError:
                raise AssertionError(f"the service did not end it: {answer!r}") from None
            except OSError:
                # It was quicker.
                pass
        return answer


async def test_arbitrary_frames_break_nothing(watched: Running, full: bool, figures: Figures) -> None:
    """Whatever frames come, right, wrong or cut off: no failure is logged, no task and no connection stays behind."""
    panel = await watched.panel()
    tried = 0

    @examples(full)
    @given(st.lists(PIECES, min_size=1, max_size=6), st.booleans(), st.integers(1, 400))
    def attack(pieces: list[Piece], half: bool, step: int) -> None:
        nonlocal tried
        tried += 1
        wire = Wire(watched)
        wire.shake_hands()
        data = b"".join(piece.wire() for piece in pieces)
        for begin in range(0, len(data), max(step, len(data) // 8)):
            wire.send(data[begin : begin + max(step, len(data) // 8)])
        wire.end(half)

    await asyncio.to_thread(attack)
    assert panel.closed is None
    await watched_post(watched)
    await panel.until(lambda: panel.panel.summary["total_activities"] == 1)
    await panel.close()
    figures("arbitrary frames", connections=tried, failures=0)


async def watched_post(running: Running) -> None:
    """Post an event by a client of its own, which leaves no connection behind."""
    import httpx2

    async with httpx2.AsyncClient(base_url=running.url) as http:
        running.http = http
        await running.post("activity-public", ACTIVITY)
        panel = await running.panel()
        await equals_snapshot(running, panel)
        await panel.close()


HEADERS = st.lists(
    st.tuples(
        st.sampled_from(
            [
                b"Sec-WebSocket-Key",
                b"Sec-WebSocket-Version",
                b"Sec-WebSocket-Protocol",
                b"Sec-WebSocket-Extensions",
                b"Upgrade",
                b"Connection",
                b"Authorization",
                b"Origin",
                b"Host",
                b"X-Forwarded-For",
                b"Content-Length",
                b"Transfer-Encoding",
                b"Expect",
            ]
        ),
        st.one_of(
            st.binary(max_size=40),
            st.sampled_from(
                [
                    b"websocket",
                    b"Upgrade",
                    b"13",
                    b"AAAAAAAAAAAAAAAAAAAAAA==",
                    b"analytics.v1, bearer.x",
                    b"bearer.",
                    b"permessage-deflate; x",
                    b"chunked",
                    b"100-continue",
                    b"Bearer x",
                    b",,,",
                ]
            ),
        ),
    ),
    max_size=8,
)


async def test_arbitrary_handshakes_break_nothing(watched: Running, full: bool, figures: Figures) -> None:
    """Whatever a handshake says: it is refused with a 4xx, and nothing stays behind."""
    answers: Counter[bytes] = Counter()

    @examples(full)
    @given(HEADERS, st.booleans(), st.booleans(), st.binary(max_size=30))
    def attack(headers: list[tuple[bytes, bytes]], proper: bool, half: bool, behind: bytes) -> None:
        wire = Wire(watched)
        basis = [(b"Host", b"x"), (b"Connection", b"Upgrade"), (b"Upgrade", b"websocket")] if proper else []
        lines = [f"GET {LIVE} HTTP/1.1".encode(), *(name + b": " + value for name, value in [*basis, *headers])]
        wire.send(b"\r\n".join([*lines, b"", b""]) + behind)
        answer = wire.end(half)
        answers[answer[9:12]] += 1
        if answer:
            assert answer.startswith((b"HTTP/1.1 4", b"HTTP/1.1 100")), answer

    await asyncio.to_thread(attack)
    figures("arbitrary handshakes", **counted(answers))


def counted(answers: Counter[bytes]) -> dict[str, int]:
    """Write how often each status was answered."""
    return {status.decode() or "unanswered": count for status, count in sorted(answers.items())}


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


KNOWN: dict[str, tuple[list[Piece], int]] = {
    "bad UTF-8": ([Piece(b"\xff\xfe{}")], 1007),
    "bad UTF-8 in parts": ([Piece(b"\xe2", fin=False), Piece(b"\x28", 0)], 1007),
    "UTF-8 cut by a fragment": ([Piece(b'"\xe2', fin=False), Piece(b'\x82\xac"', 0)], 4400),
    "too large": ([Piece(b"x" * 16_385)], 1009),
    "too large in parts": ([Piece(b"x" * 9000, fin=False), Piece(b"x" * 9000, 0)], 1009),
    "a length of 2^63": ([Piece(b"", length=1 << 63)], 1009),
    "reserved bits": ([Piece(SUBSCRIBE, reserved=4)], 1002),
    "an unknown opcode": ([Piece(SUBSCRIBE, 3)], 1002),
    "not masked": ([Piece(SUBSCRIBE, masked=False)], 1002),
    "a part of nothing": ([Piece(SUBSCRIBE, 0)], 1002),
    "a message within a message": ([Piece(b"{", fin=False), Piece(b"{}")], 1002),
    "a long ping": ([Piece(b"x" * 126, 9)], 1002),
    "a ping in parts": ([Piece(b"x", 9, fin=False)], 1002),
    "a close of one byte": ([Piece(b"x", 8)], 1002),
    "deep JSON": ([Piece(b"[" * 16_000)], 4400),
    "binary": ([Piece(b"\x00\x01", 2)], 4400),
}


@pytest.mark.parametrize("name", KNOWN)
async def test_each_wrong_frame_has_its_code(watched: Running, name: str) -> None:
    """What breaks RFC 6455 is closed with the code that it names, what breaks our protocol with ours."""
    pieces, code = KNOWN[name]

    def attack() -> bytes:
        wire = Wire(watched)
        wire.shake_hands()
        for piece in pieces:
            wire.send(piece.wire())
        answer = b""
        while data := wire._socket.recv(65_536):
            answer += data
            if b"\x88" in answer:
                break
        wire.end(False)
        return answer

    answer = await asyncio.to_thread(attack)
    assert struct.pack("!H", code) in answer, answer
