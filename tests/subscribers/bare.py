"""A subscriber that speaks WebSocket by the byte: it offers what it likes, and sees what is on the wire."""

import asyncio
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

from websockets.frames import Frame, Opcode

from realtime.protocol import SUBPROTOCOL
from tests.paths import LIVE

TAIL = b"\x00\x00\xff\xff"
"""What the sender of a compressed message leaves out (RFC 7692, 7.2.1)."""
SECONDS = 10.0
"""A bound against hangs."""


def squeeze(message: bytes) -> bytes:
    """Compress a message as a client does."""
    deflater = zlib.compressobj(9, zlib.DEFLATED, -15)
    return (deflater.compress(message) + deflater.flush(zlib.Z_SYNC_FLUSH)).removesuffix(TAIL)


def tables(length: int) -> bytes:
    """Write blocks that hold nothing but their tables: nothing takes a decoder longer by the byte."""
    bits, used = 0, 0

    def write(value: int, count: int) -> None:
        nonlocal bits, used
        bits |= value << used
        used += count

    while used < (length - 16) * 8:
        for value, count in ((0b100, 3), (0, 10), (14, 4)):
            write(value, count)
        for symbol in (16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1):
            write(symbol in (1, 18), 3)
        # 256 lengths of zero, those of the end and of the distance, and the end.
        for value, count in ((1, 1), (127, 7), (1, 1), (107, 7), (0, 1), (0, 1), (0, 1)):
            write(value, count)
    return bits.to_bytes((used + 7) // 8, "little")


def handshake(token: str, *headers: str) -> bytes:
    """Write the opening request (RFC 6455, 4.1), with further *headers*."""
    lines = [
        f"GET {LIVE} HTTP/1.1",
        "Host: x",
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
        f"Authorization: Bearer {token}",
        *headers,
    ]
    return "\r\n".join([*lines, "", ""]).encode()


class BareSubscriber:
    """One WebSocket. ``status`` and ``headers`` are of the answer to its handshake, ``size`` counts bytes of frames."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self.status = 0
        self.headers: dict[str, str] = {}
        self.size = 0
        self._inflater = zlib.decompressobj(-15)

    async def shake_hands(self, token: str, offers: tuple[str, ...]) -> None:
        offered = (f"Sec-WebSocket-Extensions: {offer}" for offer in offers)
        self._writer.write(handshake(token, f"Sec-WebSocket-Protocol: {SUBPROTOCOL}", *offered))
        first, *rest = (await self._reader.readuntil(b"\r\n\r\n")).decode().strip().split("\r\n")
        self.status = int(first.split()[1])
        self.headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in rest)}
        self._renew()

    def _renew(self) -> None:
        """Begin to inflate with nothing, and with the window that was agreed on."""
        bits = self._agreed.partition("server_max_window_bits=")[2].partition(";")[0]
        self._inflater = zlib.decompressobj(-int(bits or 15))

    @property
    def _agreed(self) -> str:
        return self.headers.get("sec-websocket-extensions", "")

    def send(self, data: bytes, *, opcode: Opcode = Opcode.TEXT, compressed: bool = False, final: bool = True) -> None:
        """Send one frame; *compressed* sets RSV1, whatever the data is."""
        head = final << 7 | compressed << 6 | opcode
        length = len(data).to_bytes(2) if len(data) > 125 else b""
        self._writer.write(bytes((head, 0x80 | (126 if length else len(data)))) + length + bytes(4) + data)

    async def receive(self) -> Frame:
        """Read one frame as it is on the wire, compressed or not."""
        first, length = await self._reader.readexactly(2)
        more = {126: 2, 127: 8}.get(length, 0)
        if more:
            length = int.from_bytes(await self._reader.readexactly(more))
        self.size += 2 + more + length
        return Frame(Opcode(first & 15), await self._reader.readexactly(length), bool(first >> 7), bool(first & 64))

    async def text(self) -> bytes:
        """Read the next text, inflated as was agreed on if it is compressed."""
        frame = await self.receive()
        assert (frame.opcode, frame.fin) == (Opcode.TEXT, True)
        if not frame.rsv1:
            return bytes(frame.data)
        if "server_no_context_takeover" in self._agreed:
            self._renew()
        return self._inflater.decompress(bytes(frame.data) + TAIL)

    async def code(self) -> int:
        """Read on until the close frame, and give its code."""
        while (frame := await self.receive()).opcode is not Opcode.CLOSE:
            pass
        return int.from_bytes(frame.data[:2])


@asynccontextmanager
async def bare(url: str, token: str, *offers: str) -> AsyncIterator[BareSubscriber]:
    """Open a WebSocket, with each of the *offers* in a header of its own."""
    parts = urlsplit(url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    subscriber = BareSubscriber(reader, writer)
    try:
        async with asyncio.timeout(SECONDS):
            await subscriber.shake_hands(token, offers)
            yield subscriber
    finally:
        writer.transport.abort()
