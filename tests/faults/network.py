"""A bad network between panels and the service: what TCP makes of latency and of lost packets.

A program cannot lose a packet of its own TCP connection, so what the receiver would see of it is done here. Every
segment arrives after the latency. One that is lost is sent again after the retransmission timeout, which doubles each
time it is lost anew (RFC 6298), and all that follows waits behind it, since TCP delivers in order. Now and then a
connection breaks altogether, as a phone's does that changes its network.
"""

import asyncio
import random
import time

from tests.servers.relay import Relay

SEGMENT = 1448
"""Bytes of a segment on an Ethernet."""
LEAST_TIMEOUT = 0.2
"""Linux's smallest retransmission timeout, beyond the round trip."""

Segments = asyncio.Queue[tuple[float, bytes]]
"""Bytes that are under way, each with the monotonic time at which they arrive."""


class Network(Relay):
    """Passes bytes between a port of its own and the service's. ``lost`` and ``broken`` count what went wrong."""

    def __init__(self, port: int, *, latency: float, loss: float, breaks_after: float, seed: int = 1) -> None:
        """*latency* is one way, in seconds; *loss* a share; a connection breaks after *breaks_after* s in the mean."""
        super().__init__(port)
        self._latency = latency
        self._loss = loss
        self._breaks_after = breaks_after
        self._draw = random.Random(seed)
        self.segments = 0
        self.lost = 0
        self.broken = 0

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, read: bytes = b"") -> None:
        try:
            async with asyncio.timeout(self._draw.expovariate(1 / self._breaks_after)):
                await super()._carry(reader, writer, read)
        except TimeoutError:
            self.broken += 1

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Pass one direction on until its end has arrived."""
        segments: Segments = asyncio.Queue()
        delivery = asyncio.create_task(_deliver(segments, writer))
        try:
            late = 0.0
            while data := await reader.read(SEGMENT):
                late = max(late, time.monotonic() + self._latency + self._retransmissions())
                segments.put_nowait((late, data))
            segments.put_nowait((max(late, time.monotonic() + self._latency), b""))
            await delivery
        finally:
            delivery.cancel()

    def _retransmissions(self) -> float:
        """Draw how long a segment is late."""
        late, timeout = 0.0, 2 * self._latency + LEAST_TIMEOUT
        self.segments += 1
        while self._draw.random() < self._loss:
            self.lost += 1
            late += timeout
            timeout *= 2
        return late


async def _deliver(segments: Segments, writer: asyncio.StreamWriter) -> None:
    """Hand segments over, each at its time."""
    while True:
        due, data = await segments.get()
        await asyncio.sleep(due - time.monotonic())
        if not data:
            return
        writer.write(data)
        await writer.drain()
