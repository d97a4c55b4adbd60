"""What nobody would send: the live endpoint against arbitrary frames and handshakes."""

import asyncio
import json
import os
import struct
from collections import Counter
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.faults.figures import Figures
from tests.paths import LIVE
from tests.samples.events import ACTIVITY
from tests.servers.service import Running
from tests.subscribers.snapshots import equals_snapshot
from tests.web.wire import JSON, SUBSCRIBE, Wire, counted, examples


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
    await panel.until(lambda: panel.state.summary["total_activities"] == 1)
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
