"""A panel for the tests: a real WebSocket client that holds what a panel holds."""

import asyncio
import contextlib
import json
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake
from websockets.typing import Subprotocol

from realtime.protocol import BREAKDOWN, SUBPROTOCOL, TOPICS
from realtime.subscriber_state import Json, SubscriberState
from tests.paths import LIVE


class Fed(ABC):
    """A panel by whatever transport: what it was sent, and what it shows by that."""

    @abstractmethod
    async def resume(self) -> None:
        """Connect anew from the position that the panel holds."""

    @abstractmethod
    def stall(self) -> None:
        """Stop taking frames; what the kernels buffer still flows."""

    @abstractmethod
    def go_on(self) -> None:
        """Take frames again."""

    @abstractmethod
    async def close(self) -> None:
        """Leave."""

    def __init__(self, token: str) -> None:
        self.token = token
        self.state = SubscriberState()
        self.frames: list[Json] = []
        self._arrived = asyncio.Event()

    async def until(self, holds: Callable[[], bool], seconds: float = 10) -> None:
        """Wait until something holds of what has arrived."""
        async with asyncio.timeout(seconds):
            while not holds():
                self._arrived.clear()
                await self._arrived.wait()

    async def until_position(self, position: str, seconds: float = 10) -> None:
        """Wait until the panel shows *position* or a later one."""
        wanted = int(position.split(".")[1])
        await self.until(lambda: int((self.state.position or ".0.").split(".")[1]) >= wanted, seconds)

    def take(self, frame: Json) -> None:
        self.frames.append(frame)
        self.state.apply(frame)
        self._arrived.set()


class LivePanel(Fed):
    """One panel; it keeps what it was sent even when it is disconnected, and can resume."""

    def __init__(self, url: str, token: str) -> None:
        super().__init__(token)
        self.url = url.replace("http", "ws", 1) + LIVE
        self.topics: tuple[str, ...] = TOPICS
        self.compression: str | None = None
        self.breakdown: Json | None = None
        self.disagreements = 0
        self.closed: tuple[int, str] | None = None
        self._socket: ClientConnection | None = None
        self._reader: asyncio.Task[None] | None = None
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._frozen = False

    @property
    def socket(self) -> ClientConnection:
        assert self._socket is not None
        return self._socket

    async def open(
        self,
        topics: tuple[str, ...] = TOPICS,
        position: str | None = None,
        subscribe: bool = True,
        breakdown: Json | None = None,
    ) -> None:
        """Connect, and subscribe to *topics*; with *breakdown* also to that."""
        headers = {"Authorization": f"Bearer {self.token}"}
        offered = [Subprotocol(SUBPROTOCOL)]
        self._socket = await connect(
            self.url,
            additional_headers=headers,
            subprotocols=offered,
            compression=self.compression,
            ping_interval=None,
        )
        self.closed = None
        self.topics, self.breakdown = topics, breakdown
        self._reader = asyncio.create_task(self._read())
        if subscribe:
            before = len(self.frames)
            with contextlib.suppress(ConnectionClosed):
                await self.subscribe(position)
            await self.until(lambda: len(self.frames) > before or self.closed is not None)

    async def resume(self) -> None:
        await self.open(self.topics, self.state.position, breakdown=self.breakdown)

    async def stay(self) -> None:
        """Come back whenever the connection ends, as a panel in a browser does."""
        while True:
            await self.until(lambda: self.closed is not None, 3600)
            with contextlib.suppress(OSError, InvalidHandshake, TimeoutError):
                await self.resume()
            await asyncio.sleep(0.05)

    async def subscribe(self, position: str | None) -> None:
        """Subscribe from a position, of the breakdown too if rows of it are held; None: from a snapshot."""
        message: Json = {"type": "subscribe", "topics": list(self.topics), "position": position}
        if self.breakdown is not None:
            message["topics"].append(BREAKDOWN)
            held = self.state.breakdown.get("position") if position else None
            message["breakdown"] = {**self.breakdown, "position": held}
        await self.send(**message)

    async def send(self, **message: Any) -> None:
        await self.socket.send(json.dumps(message))

    async def _read(self) -> None:
        try:
            while True:
                await self._flowing.wait()
                self.take(json.loads(await self.socket.recv()))
                if not self.state.agrees:
                    await self._resync()
        except ConnectionClosed as error:
            self.closed = (error.rcvd.code, error.rcvd.reason) if error.rcvd else (1006, "")
            self._arrived.set()

    async def _resync(self) -> None:
        """Report that the figures are not those of the digest, and take a snapshot."""
        self.disagreements += 1
        self.state.agrees = True
        await self.send(type="disagree", position=self.state.position)
        await self.subscribe(None)

    def freeze(self) -> None:
        """Stop reading the socket, as a frozen browser does."""
        self.socket.transport.pause_reading()
        self._frozen = True

    def thaw(self) -> None:
        """Read the socket again."""
        self.socket.transport.resume_reading()
        self._frozen = False

    def stall(self) -> None:
        self._flowing.clear()

    def go_on(self) -> None:
        self._flowing.set()

    async def close(self) -> None:
        self.go_on()
        if self._socket is not None and self._frozen:
            self._socket.transport.abort()
        elif self._socket is not None:
            await self._socket.close()
        if self._reader is not None:
            await self._reader
