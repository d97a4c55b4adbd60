"""A webhook receiver that keeps what it is sent, and does what tests ask of it."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import msgspec
from standardwebhooks import Webhook

from tests.servers.ports import free_port

SECRET = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"


@dataclass
class Received:
    """One request, as it came."""

    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def document(self) -> Any:
        return msgspec.json.decode(self.body)

    def verify(self, secret: str = SECRET) -> Any:
        """Let the specification's own library judge the signature, and give the document; raises if it is none."""
        return Webhook(secret).verify(self.body, dict(self.headers))


@dataclass
class Receiver:
    """Answers ``statuses`` in turn, the last one for ever. While ``answers`` is not set, it answers nothing."""

    port: int
    statuses: list[int] = field(default_factory=lambda: [204])
    headers: dict[str, str] = field(default_factory=dict)
    answers: asyncio.Event = field(default_factory=asyncio.Event)
    received: list[Received] = field(default_factory=list)
    came: asyncio.Condition = field(default_factory=asyncio.Condition)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"

    async def until(self, count: int) -> list[Received]:
        """Wait until so many requests have come."""
        async with asyncio.timeout(30), self.came:
            await self.came.wait_for(lambda: len(self.received) >= count)
        return self.received

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:] if line)}
            body = await reader.readexactly(int(headers["content-length"]))
            async with self.came:
                self.received.append(Received(head[0].split()[1], headers, body))
                self.came.notify_all()
            await self.answers.wait()
            status = self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0]
            more = "".join(f"{name}: {value}\r\n" for name, value in self.headers.items())
            writer.write(f"HTTP/1.1 {status} X\r\n{more}content-length: 0\r\n\r\n".encode())
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def receiver() -> AsyncIterator[Receiver]:
    """Run one on a port of its own."""
    found = Receiver(free_port())
    found.answers.set()
    server = await asyncio.start_server(found.serve, "127.0.0.1", found.port)
    try:
        yield found
    finally:
        found.answers.set()
        server.close()
