"""Attacks at the level of connections: what clients send before anybody reads it, and connections that only stay.

Each runs against a service for some seconds, from the task that awaits it, and gives back what it opened.
"""

import asyncio
import contextlib
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

from realtime.protocol import SUBPROTOCOL
from tests.faults.scene import admin
from tests.paths import LIVE, TRACK
from tests.subscribers.bare import TAIL, squeeze, tables

TEXT, CONTINUATION, PING, PONG = 0x1, 0x0, 0x9, 0xA
FLOOD_BYTES = 5_500_000
"""What one connection sends at most; the kernels hold about as much for one that does not read."""
_LOST = (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, TimeoutError)

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


def frame(opcode: int, payload: bytes = b"", final: bool = True) -> bytes:
    """Write a client's frame of at most 65,535 bytes (RFC 6455, 5.2), masked with zeros."""
    first = (0x80 if final else 0) | opcode
    if len(payload) < 126:
        return struct.pack("!BBI", first, 0x80 | len(payload), 0) + payload
    return struct.pack("!BBHI", first, 0xFE, len(payload), 0) + payload


SMALL_FRAMES = {
    "pings": (b"", frame(PING)),
    "pongs": (b"", frame(PONG)),
    "texts": (b"", frame(TEXT, b"x")),
    "empty parts": (frame(TEXT, final=False), frame(CONTINUATION, final=False)),
    "small parts": (frame(TEXT, b"x", final=False), frame(CONTINUATION, b"x", final=False)),
}
"""What the smallest frames are: what begins them, and what is repeated."""


async def small_frames(url: str, seconds: float, kind: str = "pings", connections: int = 4, token: str = "") -> int:
    """Send 5.5 MB of one of :data:`SMALL_FRAMES` over each of some WebSockets, and connect again whenever one ends.

    Gives how many handshakes were answered with 101.
    """
    begin, again = SMALL_FRAMES[kind]
    flood, opened = begin + again * (FLOOD_BYTES // len(again)), 0

    async def send() -> None:
        nonlocal opened
        async with _websocket(url, token or admin()) as (reader, writer):
            opened += 1
            writer.write(flood)
            # Until the service ends it.
            while await reader.read(65_536):
                pass

    await _over_and_over(send, connections, seconds)
    return opened


async def slow_to_inflate(url: str, seconds: float, connections: int = 4, token: str = "") -> int:
    """Send compressed messages that take long to inflate, over and over; gives how many handshakes were answered."""
    data, opened = squeeze(b'{"type":"subscribe","topics":["summary"]}') + TAIL + tables(16_000), 0
    flood = struct.pack("!BBHI", 0xC0 | TEXT, 0xFE, len(data), 0) + data

    async def send() -> None:
        nonlocal opened
        async with _websocket(url, token or admin(), "Sec-WebSocket-Extensions: permessage-deflate") as streams:
            opened += 1
            streams[1].write(flood * (FLOOD_BYTES // len(flood)))
            while await streams[0].read(65_536):
                pass

    await _over_and_over(send, connections, seconds)
    return opened


async def reconnecting(url: str, seconds: float, connections: int = 8, token: str = "") -> int:
    """Open WebSockets as one subject and leave at once, over and over; gives how many were answered with 101."""
    opened = 0

    async def come() -> None:
        nonlocal opened
        async with _websocket(url, token or admin()):
            opened += 1

    await _over_and_over(come, connections, seconds)
    return opened


async def idle_connections(url: str, seconds: float, count: int = 1_000) -> int:
    """Open so many connections and say nothing; those that are cut are opened again. Gives how many were cut."""
    cut = 0

    async def stay() -> None:
        nonlocal cut
        async with _connection(url) as (reader, _):
            await reader.read(1)
            cut += 1

    await _over_and_over(stay, count, seconds)
    return cut


async def unfinished_heads(url: str, seconds: float, count: int = 1_000, size: int = 30_000) -> None:
    """Send heads of so many bytes that do not end, over many connections without credentials."""
    head = b"GET /health HTTP/1.1\r\nHost: x\r\nx: " + b"a" * size

    async def begin() -> None:
        async with _connection(url) as (reader, writer):
            writer.write(head)
            await reader.read(1)

    await _over_and_over(begin, count, seconds)


async def unfinished_messages(url: str, seconds: float, count: int = 200, token: str = "") -> None:
    """Begin a message of 16 KiB on many WebSockets, and never end it."""
    part = frame(TEXT, b"x" * 16_000, final=False)

    async def begin() -> None:
        async with _websocket(url, token or admin()) as (reader, writer):
            writer.write(part)
            while await reader.read(65_536):
                pass

    await _over_and_over(begin, count, seconds)


async def pipelined_requests(url: str, seconds: float, connections: int = 4) -> None:
    """Send thousands of the shortest requests at once, and read none of the answers."""
    await _repeat(url, seconds, connections, b"", b"GET /health HTTP/1.1\r\n\r\n")


async def short_fields(url: str, seconds: float, connections: int = 4) -> None:
    """Send heads of fields of one letter, without an end."""
    await _repeat(url, seconds, connections, b"GET /health HTTP/1.1\r\n", b"a:b\r\n")


async def tiny_chunks(url: str, seconds: float, connections: int = 4, key: str = "own-key-0123456789") -> None:
    """Post a batch in chunks of one byte, without an end."""
    head = f"POST {TRACK}/batch HTTP/1.1\r\nHost: x\r\nX-Tracking-Key: {key}\r\nTransfer-Encoding: chunked\r\n\r\n"
    await _repeat(url, seconds, connections, head.encode(), b"1\r\n \r\n")


async def endless_trailer(url: str, seconds: float, connections: int = 4) -> None:
    """End a body, and go on with a field behind it that does not end; no credential is needed."""
    head = b"GET /health HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nx: "
    await _repeat(url, seconds, connections, head, b"a" * 64)


async def empty_lines(url: str, seconds: float, connections: int = 4) -> None:
    """Send empty lines before a request that never comes."""
    await _repeat(url, seconds, connections, b"", b"\r\n")


async def short_parameters(url: str, seconds: float, connections: int = 4, token: str = "") -> None:
    """Read reports with a query of thousands of parameters of one letter, as an admin."""
    head = f"GET /api/v1/analytics/summary?{'a&' * 15_000} HTTP/1.1\r\nHost: x\r\n"
    await _repeat(url, seconds, connections, b"", f"{head}Authorization: Bearer {token or admin()}\r\n\r\n".encode())


async def _repeat(url: str, seconds: float, connections: int, begin: bytes, again: bytes) -> None:
    """Send *begin* and then *again* without pause over some connections; those that are cut are opened again."""
    part = again * (1 + 250_000 // len(again))

    async def send() -> None:
        async with _connection(url) as (_, writer):
            writer.write(begin)
            while not writer.is_closing():
                writer.write(part)
                await writer.drain()

    await _over_and_over(send, connections, seconds)


async def _over_and_over(attack: Callable[[], Awaitable[None]], count: int, seconds: float) -> None:
    """Run so many of an attack side by side, each again whenever it ends."""

    async def go_on() -> None:
        while True:
            with contextlib.suppress(*_LOST):
                await attack()
            # Who is refused at once does not spin here.
            await asyncio.sleep(0.001)

    tasks = [asyncio.create_task(go_on()) for _ in range(count)]
    await asyncio.sleep(seconds)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


@asynccontextmanager
async def _connection(url: str) -> AsyncIterator[Streams]:
    parts = urlsplit(url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    try:
        yield reader, writer
    finally:
        writer.transport.abort()


@asynccontextmanager
async def _websocket(url: str, token: str, *headers: str) -> AsyncIterator[Streams]:
    """Shake hands; raises ConnectionError if the service refuses."""
    async with _connection(url) as (reader, writer):
        lines = [f"GET {LIVE} HTTP/1.1", "Host: x", "Connection: Upgrade", "Upgrade: websocket"]
        lines += ["Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=="]
        lines += [f"Sec-WebSocket-Protocol: {SUBPROTOCOL}, bearer.{token}", *headers, "", ""]
        writer.write("\r\n".join(lines).encode())
        if b" 101 " not in await reader.readuntil(b"\r\n\r\n"):
            raise ConnectionRefusedError
        yield reader, writer
