"""A panel for the tests that follows an event stream, over a socket of its own."""

import asyncio
import contextlib
import json
from dataclasses import dataclass
from urllib.parse import urlencode, urlsplit

from tests.paths import LIVE
from tests.subscribers.live import Fed


@dataclass
class Event:
    """One event as it came: its fields, of which ``data`` is a frame."""

    name: str
    id: str | None
    retry: int | None
    data: str


class StreamPanel(Fed):
    """One panel. ``ended`` tells how its stream ended: True as HTTP ends it, False cut off, None not yet."""

    def __init__(self, url: str, token: str, **query: str) -> None:
        super().__init__(token)
        parts = urlsplit(url)
        self._at = (parts.hostname, parts.port)
        self._query = query
        self.events: list[Event] = []
        self.status = 0
        self.headers: dict[str, str] = {}
        self.ended: bool | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._task: asyncio.Task[None] | None = None

    async def open(self, version: str = "1.1", limit: int = 1 << 16, **headers: str) -> None:
        """Ask for the stream; gives as soon as its head is there."""
        await self.close()
        reader, self._writer = await asyncio.open_connection(*self._at, limit=limit)
        self.ended = None
        asked = {
            "Host": f"{self._at[0]}:{self._at[1]}",
            "Accept": "text/event-stream",
            "Authorization": f"Bearer {self.token}",
            **{name.replace("_", "-"): value for name, value in headers.items()},
        }
        lines = [f"GET {LIVE}?{urlencode(self._query)} HTTP/{version}"] + [f"{k}: {v}" for k, v in asked.items()]
        self._writer.write("\r\n".join([*lines, "", ""]).encode())
        first, *rest = (await reader.readuntil(b"\r\n\r\n")).decode().strip().split("\r\n")
        self.status = int(first.split()[1])
        self.headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in rest)}
        self._task = asyncio.create_task(self._read(reader))

    async def resume(self) -> None:
        assert self.state.position is not None
        await self.open(Last_Event_ID=self.state.position)
        before = len(self.frames)
        await self.until(lambda: len(self.frames) > before or self.ended is not None)

    def stall(self) -> None:
        self.freeze()

    def go_on(self) -> None:
        self.thaw()

    async def _read(self, reader: asyncio.StreamReader) -> None:
        rest = b""
        try:
            while True:
                part = await self._part(reader)
                rest += part
                if not part:
                    self.ended = True
                    break
                *whole, rest = rest.split(b"\n\n")
                for block in whole:
                    self._dispatch(block.decode())
        except (OSError, ValueError, asyncio.IncompleteReadError):
            self.ended = False
        self._arrived.set()

    async def _part(self, reader: asyncio.StreamReader) -> bytes:
        """Read the next part of the body, empty at its end: a chunk, or to a client of HTTP/1.0 what has come."""
        if self.headers.get("transfer-encoding") != "chunked":
            return await reader.read(65_536)
        size = int(await reader.readline(), 16)
        return (await reader.readexactly(size + 2))[:-2]

    def _dispatch(self, block: str) -> None:
        """Take an event; one without data would be an empty message to some clients."""
        fields = dict(line.split(": ", 1) for line in block.split("\n"))
        retry = int(fields["retry"]) if "retry" in fields else None
        self.events.append(Event(fields["event"], fields.get("id"), retry, fields["data"]))
        self.take(json.loads(fields["data"]))

    def freeze(self) -> None:
        """Stop reading the socket, as a frozen browser does."""
        assert self._writer is not None
        self._writer.transport.pause_reading()  # type: ignore[attr-defined]

    def thaw(self) -> None:
        """Read the socket again."""
        assert self._writer is not None
        self._writer.transport.resume_reading()  # type: ignore[attr-defined]

    async def close(self) -> None:
        if self._writer is not None:
            self._writer.transport.abort()
            with contextlib.suppress(OSError):
                await self._writer.wait_closed()
        if self._task is not None:
            await self._task
