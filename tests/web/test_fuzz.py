"""What nobody would send: the live endpoint against arbitrary bytes. (The endpoints of HTTP: test_openapi.py.)"""

import asyncio
import contextlib
import json
import os
import socket
import struct
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.conftest import Running, start
from tests.live import PATH
from tests.web.test_live import equals_snapshot
from tests.web.test_tracking import ACTIVITY

EXAMPLES = settings(
    max_examples=500,
    deadline=None,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
SUBSCRIBE = b'{"type":"subscribe","topics":["summary"],"position":null}'
SECONDS = 5
"""Within so many seconds the service has ended whatever a client left open."""


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


def running_tasks() -> set[str]:
    """Name what runs in the loop, but for who asks."""
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    return {str(getattr(task.get_coro(), "__qualname__", "")) for task in tasks}


async def settle(running: Running, tasks: set[str]) -> None:
    """Wait until nobody is connected, and no task runs that did not before."""
    service, state = running.service, running.server.server_state
    left: object = None
    try:
        async with asyncio.timeout(SECONDS + 6):
            while True:
                panels = service.telemetry.registry.get_sample_value("convoai_panels")
                left = (panels, len(service.hub), len(state.connections), len(state.tasks), running_tasks() - tasks)
                if left[:4] == (0, 0, 0, 0) and (not tasks or not left[4]):
                    return
                await asyncio.sleep(0.02)
    except TimeoutError:
        raise AssertionError(f"left over: {left}") from None


class Wire:
    """A client that sends bytes as it likes."""

    def __init__(self, running: Running) -> None:
        self._socket = socket.create_connection(("127.0.0.1", running.service.settings.port), timeout=SECONDS)
        self._token = running.token()

    def shake_hands(self) -> None:
        lines = [
            f"GET {PATH} HTTP/1.1",
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


async def test_arbitrary_frames_break_nothing(watched: Running) -> None:
    """Whatever frames come, right, wrong or cut off: no failure is logged, no task and no connection stays behind."""
    panel = await watched.panel()

    @EXAMPLES
    @given(st.lists(PIECES, min_size=1, max_size=6), st.booleans(), st.integers(1, 400))
    def attack(pieces: list[Piece], half: bool, step: int) -> None:
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


async def watched_post(running: Running) -> None:
    """Post an event by a client of its own, which leaves no connection behind."""
    import httpx

    async with httpx.AsyncClient(base_url=running.url) as http:
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


async def test_arbitrary_handshakes_break_nothing(watched: Running) -> None:
    """Whatever a handshake says: it is refused with a 4xx, and nothing stays behind."""

    @EXAMPLES
    @given(HEADERS, st.booleans(), st.booleans(), st.binary(max_size=30))
    def attack(headers: list[tuple[bytes, bytes]], proper: bool, half: bool, behind: bytes) -> None:
        wire = Wire(watched)
        basis = [(b"Host", b"x"), (b"Connection", b"Upgrade"), (b"Upgrade", b"websocket")] if proper else []
        lines = [f"GET {PATH} HTTP/1.1".encode(), *(name + b": " + value for name, value in [*basis, *headers])]
        wire.send(b"\r\n".join([*lines, b"", b""]) + behind)
        answer = wire.end(half)
        if answer:
            assert answer.startswith((b"HTTP/1.1 4", b"HTTP/1.1 100")), answer

    await asyncio.to_thread(attack)


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
