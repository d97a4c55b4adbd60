"""Many panels in one process, spoken to over standard input; ``python -m bench.panels PORT COUNT [OFFER]``.

With an *OFFER* they offer that extension, such as permessage-deflate.

The first line is a token (empty: the server is bare, and sends frames at once). The answers are lines too: ``ready``
when all are connected, then to each ``take`` what came since the last one, as JSON (:class:`Take`).
"""

import asyncio
import sys
import time
import zlib
from dataclasses import dataclass
from typing import cast

import msgspec
import uvloop

from bench.http_connection import HEAD_END
from realtime.protocol import SUBPROTOCOL, TOPICS
from web.live.endpoints import PATH

TEXT, DEFLATED, PING = 0x81, 0xC1, 0x89
"""First bytes of frames (RFC 6455, 5.2): final, and the opcode; RSV1 says that a text is deflated (RFC 7692)."""
PREFIX_BYTES = 80
"""How much of a frame is kept: its position lies in it."""
INFLATED_LATER = b"\0"
"""What is kept of a deflated frame begins with it, and is all of it: it is inflated when nothing is measured more."""
_POSITION = b'"position":"'


class Take(msgspec.Struct):
    """What came: text frames, their bytes on the wire, and of each the sequence it leads to and when it came.

    ``arrivals`` has a list for each panel, of (monotonic time, sequence).
    """

    frames: int
    size: int
    arrivals: list[list[tuple[float, int]]]


def handshake(token: str, offer: str = "") -> bytes:
    """Write the opening request (RFC 6455, 4.1); the key is not checked here."""
    offered = f"Sec-WebSocket-Extensions: {offer}\r\n" if offer else ""
    return (
        f"GET {PATH} HTTP/1.1\r\nHost: bench\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
        f"{offered}Sec-WebSocket-Protocol: {SUBPROTOCOL}\r\nAuthorization: Bearer {token}\r\n\r\n"
    ).encode()


def masked(first: int, payload: bytes) -> bytes:
    """Write a short frame of a client (RFC 6455: up to 125 bytes), masked with zeros."""
    assert len(payload) < 126
    return bytes([first, 0x80 | len(payload), 0, 0, 0, 0]) + payload


def subscription(position: str | None = None) -> bytes:
    """Write the frame that subscribes to everything, from a *position* on."""
    return masked(TEXT, msgspec.json.encode({"type": "subscribe", "topics": TOPICS, "position": position}))


SUBSCRIBE = subscription()


@dataclass(slots=True)
class Frame:
    """Where a frame lies in a buffer."""

    first: int
    start: int
    end: int


def find(buffer: bytes, at: int) -> Frame | None:
    """Find the frame that begins *at*, if it is there whole; servers do not mask."""
    if len(buffer) < at + 4:
        return None
    length, start = buffer[at + 1], at + 2
    if length == 126:
        length, start = int.from_bytes(buffer[at + 2 : at + 4]), at + 4
    elif length == 127:
        length, start = int.from_bytes(buffer[at + 2 : at + 10]), at + 10
    return Frame(buffer[at], start, start + length) if start + length <= len(buffer) else None


class Subscriber(asyncio.Protocol):
    """One panel: subscribes to everything, and notes what comes and when."""

    def __init__(self, token: str, subscription: bytes = SUBSCRIBE, offer: str = "") -> None:
        self._token = token
        self._offer = offer
        self._subscription = subscription
        self._inflater = zlib.decompressobj(-zlib.MAX_WBITS)
        self._upgraded = not token
        self._buffer = b""
        self._transport: asyncio.WriteTransport | None = None
        self.served = asyncio.Event()
        self.size = 0
        self.arrived: list[tuple[float, bytes]] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for the upgrade."""
        # uvloop's transports have the methods of asyncio's, but not their type.
        self._transport = cast(asyncio.WriteTransport, transport)
        if self._token:
            self._transport.write(handshake(self._token, self._offer))

    def connection_lost(self, error: Exception | None) -> None:
        """End the whole process: a measurement with fewer panels would be a wrong one."""
        sys.exit(f"a panel was disconnected: {error}")

    def data_received(self, data: bytes) -> None:
        """Take the frames that are whole."""
        now, at = time.monotonic(), 0
        buffer = self._buffer + data if self._buffer else data
        if not self._upgraded:
            at = self._upgrade(buffer)
        while self._upgraded and (frame := find(buffer, at)) is not None:
            self._take(frame, buffer, now)
            self.size += (frame.end - at) * (frame.first != PING)
            at = frame.end
        self._buffer = buffer[at:]

    def _upgrade(self, buffer: bytes) -> int:
        end = buffer.find(HEAD_END)
        if end < 0 or self._transport is None:
            return 0
        if not buffer.startswith(b"HTTP/1.1 101"):
            sys.exit(f"a panel was refused: {buffer[:12].decode()}")
        if self._offer.encode() not in buffer[:end]:
            sys.exit(f"what was offered was declined: {self._offer}")
        self._upgraded = True
        self._transport.write(self._subscription)
        return end + len(HEAD_END)

    def _take(self, frame: Frame, buffer: bytes, now: float) -> None:
        if frame.first == TEXT:
            self.served.set()
            self.arrived.append((now, buffer[frame.start : min(frame.end, frame.start + PREFIX_BYTES)]))
        elif frame.first == DEFLATED:
            self.served.set()
            self.arrived.append((now, INFLATED_LATER + buffer[frame.start : frame.end] + b"\0\0\xff\xff"))
        elif frame.first == PING and self._transport is not None:
            self._transport.write(masked(0x8A, buffer[frame.start : frame.end]))

    def read(self, kept: bytes) -> bytes:
        """Inflate what was kept of a frame, in the order of arrival, if that is to be done."""
        return self._inflater.decompress(kept[1:]) if kept.startswith(INFLATED_LATER) else kept


def take(panels: list[Subscriber]) -> Take:
    """Gather what came to all *panels*, and start again."""
    found = Take(0, 0, [])
    for panel in panels:
        found.frames += len(panel.arrived)
        found.size += panel.size
        found.arrivals.append([(at, _sequence(panel.read(kept))) for at, kept in panel.arrived])
        panel.arrived, panel.size = [], 0
    return found


def _sequence(start: bytes) -> int:
    """Read the sequence out of the position: epoch.sequence.tag."""
    position = start.partition(_POSITION)[2]
    return int(position.split(b".", 2)[1]) if position else 0


async def main(port: int, count: int, offer: str = "") -> None:
    """Connect, then answer until standard input ends."""
    loop, panels, ended = asyncio.get_running_loop(), [], asyncio.Event()
    token = sys.stdin.readline().strip()
    for _ in range(count):
        panel = (await loop.create_connection(lambda: Subscriber(token, offer=offer), "127.0.0.1", port))[1]
        panels.append(panel)
        if token:
            await panel.served.wait()
    take(panels)
    print("ready", flush=True)

    def answer() -> None:
        if sys.stdin.readline():
            print(msgspec.json.encode(take(panels)).decode(), flush=True)
        else:
            ended.set()

    loop.add_reader(sys.stdin, answer)
    await ended.wait()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1]), int(sys.argv[2]), *sys.argv[3:]))
