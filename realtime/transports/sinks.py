"""Sinks: what the hub writes the frames of one client to, whichever transport carries them."""

import asyncio
import contextlib
import socket
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Protocol

from realtime.transports.frames import Frame

UNSENT_BYTES = 16_384
"""What the kernel may hold for a subscriber beyond what is on its way. Left to itself it takes megabytes, so that a
subscriber that does not read is noticed minutes late, and then reads what is minutes old."""
ABORT_SECONDS = 5.0
"""How long a subscriber that does not read has to take the close frame, before its socket is cut."""
RETRY_SECONDS = (0.5, 5.0)
"""The delay that subscribers are asked to wait before they reconnect to a service that restarts."""

AsgiSend = Callable[[MutableMapping[str, Any]], Awaitable[None]]


class Sink(Protocol):
    """Sends frames to one subscriber. It holds one frame at the most."""

    @property
    def busy(self) -> bool:
        """Whether something sent before still waits for the subscriber to read."""

    def offer(self, frame: Frame) -> bool:
        """Send a frame unless the sink is busy, and say whether it was taken; never waits.

        A frame that comes after the end is dropped, and counts as taken.
        """

    def close(self, code: int, reason: str) -> None:
        """End the connection with a close frame, or without one if the subscriber does not take it."""


def set_option(transport: asyncio.BaseTransport, name: str, value: int) -> None:
    """Set a TCP option of a connection, where the system has it."""
    found, option = transport.get_extra_info("socket"), getattr(socket, name, None)
    if found is not None and option is not None:
        with contextlib.suppress(OSError):
            found.setsockopt(socket.IPPROTO_TCP, option, value)


class PlainSink:
    """Sends through plain ASGI: one task at a time, so that no queue grows."""

    def __init__(self, send: AsgiSend) -> None:
        self._send = send
        self._task: asyncio.Task[None] | None = None
        self._closed = False

    @property
    def busy(self) -> bool:
        """Whether the last send has not ended."""
        return self._task is not None and not self._task.done()

    def offer(self, frame: Frame) -> bool:
        """Begin to send the frame, if none is being sent."""
        if self.busy:
            return False
        if not self._closed:
            self._after(self._message(frame))
        return True

    def close(self, code: int, reason: str) -> None:
        """Close after the current frame, and give that up if the subscriber does not take it."""
        if not self._closed:
            self._closed = True
            self._after(self._close_message(code, reason))

    def _message(self, frame: Frame) -> MutableMapping[str, Any]:
        return {"type": "websocket.send", "text": frame.payload.decode()}

    def _close_message(self, code: int, reason: str) -> MutableMapping[str, Any]:
        return {"type": "websocket.close", "code": code, "reason": reason}

    def _after(self, message: MutableMapping[str, Any]) -> None:
        self._task = asyncio.create_task(self._deliver(self._task, message))

    async def _deliver(self, before: "asyncio.Task[None] | None", message: MutableMapping[str, Any]) -> None:
        # A subscriber that has gone makes the server raise; its reader ends the connection.
        with contextlib.suppress(Exception):
            async with asyncio.timeout(ABORT_SECONDS if self._closed else None):
                if before is not None:
                    await before
                await self._send(message)
