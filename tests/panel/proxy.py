"""A network between a browser and the service that can be cut, that can block whatever streams, and can lie."""

import asyncio
import re

from tests.servers.relay import CHUNK, Relay


class Proxy(Relay):
    """Passes bytes between its own port and the service's, unless told otherwise.

    ``refuses_upgrades``: a WebSocket handshake is answered with 403, as by a network that knows HTTP alone.
    ``gathers``: an event stream is kept back until it ends, as by one that looks through every answer.
    ``plain``: what WebSockets offer is taken out of their handshakes, so that frames are not compressed.
    ``garbles``: the first of these bytes pass as the second, once; as long as they, so that frames stay whole.
    """

    def __init__(self, port: int) -> None:
        super().__init__(port)
        self._passing = asyncio.Event()
        self._passing.set()
        self.refuses_upgrades = False
        self.gathers = False
        self.plain = False
        self.garbles: tuple[bytes, bytes] | None = None

    def cut(self) -> None:
        """Let nothing pass, and tell nobody, as on a train in a tunnel."""
        self._passing.clear()

    def mend(self) -> None:
        """Let all pass again, also what waited."""
        self._passing.set()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, read: bytes = b"") -> None:
        head = read + await reader.readuntil(b"\r\n\r\n")
        await self._passing.wait()
        if self.refuses_upgrades and b"upgrade: websocket" in head.lower():
            writer.write(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            await writer.drain()
            return
        if self.plain:
            head = re.sub(rb"(?i)\r\nsec-websocket-extensions:[^\r]*", b"", head)
        await super()._carry(reader, writer, head)

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(CHUNK):
            await self._passing.wait()
            if self.gathers and b"content-type: text/event-stream" in data.lower():
                data += await reader.read()
            if self.garbles is not None and self.garbles[0] in data:
                data = data.replace(*self.garbles, 1)
                self.garbles = None
            writer.write(data)
            await writer.drain()
