"""How a frame reaches a subscriber that follows an event stream (server-sent events) instead of a WebSocket.

As with WebSockets, an event is made once and written to each transport, whose buffer tells whether the subscriber
reads. A server that does not offer its transport gets the plain path.
"""

import asyncio
import contextlib
import random
from collections.abc import MutableMapping
from typing import Any

from realtime.transports.frames import Frame, as_chunk
from realtime.transports.sinks import ABORT_SECONDS, RETRY_SECONDS, UNSENT_BYTES, AsgiSend, PlainSink, Sink, set_option

TRANSPORT = "convoai.transport"
"""The name of the ASGI extension in an HTTP scope's ``extensions``; its value is the transport of the connection."""
MEDIA_TYPE = "text/event-stream"
HEADERS = {
    "Cache-Control": "no-store",
    # nginx would otherwise keep events until its buffer is full.
    "X-Accel-Buffering": "no",
    # Nothing follows on this connection, so it may be cut when the subscriber does not take the end.
    "Connection": "close",
}
UNANSWERED_MS = 40_000
"""How long a machine that has vanished may leave bytes unacknowledged: a stream has no pings to find that out."""


def _opening() -> bytes:
    """Write the field that the first event begins with: a drawn delay, after which a browser's own client reconnects.

    It is no event of its own: some clients would deliver an empty message.
    """
    return b"retry: %d\n" % (random.uniform(*RETRY_SECONDS) * 1000)


class PreparedStream:
    """Writes prepared events to the *transport* of a response that has begun: in chunks, or as they are.

    A client of HTTP/1.0 knows no chunks; its body ends with the connection.
    """

    __slots__ = (
        "_closed",
        "_finishing",
        "_in_chunks",
        "_is_closing",
        "_opening",
        "_send",
        "_transport",
        "_unsent",
        "_write",
    )

    def __init__(self, transport: asyncio.WriteTransport, send: AsgiSend, in_chunks: bool) -> None:
        self._transport = transport
        self._send = send
        self._in_chunks = in_chunks
        self._opening = _opening()
        self._unsent = transport.get_write_buffer_size
        self._is_closing = transport.is_closing
        self._write = transport.write
        self._closed = False
        self._finishing: asyncio.Task[None] | None = None
        set_option(transport, "TCP_USER_TIMEOUT", UNANSWERED_MS)
        set_option(transport, "TCP_NOTSENT_LOWAT", UNSENT_BYTES)

    @property
    def busy(self) -> bool:
        """Whether bytes wait in the transport because the kernel took no more."""
        return self._unsent() > 0

    def offer(self, frame: Frame) -> bool:
        """Write the frame if nothing waits before it."""
        if self._unsent():
            return False
        if not self._closed and not self._is_closing():
            self._write(self._encode(frame))
        return True

    def _encode(self, frame: Frame) -> bytes:
        if not self._opening:
            return frame.chunk if self._in_chunks else frame.event
        event, self._opening = self._opening + frame.event, b""
        return as_chunk(event) if self._in_chunks else event

    def close(self, code: int, reason: str) -> None:
        """End the response; cut the connection if the subscriber has not taken the end in time."""
        if not self._closed:
            self._closed = True
            self._finishing = asyncio.create_task(self._finish())
            asyncio.get_running_loop().call_later(ABORT_SECONDS, self._transport.abort)

    async def _finish(self) -> None:
        with contextlib.suppress(Exception):
            await self._send(_END)


class PlainStream(PlainSink):
    """Sends through plain ASGI: one task at a time, so that no queue grows."""

    def __init__(self, send: AsgiSend) -> None:
        super().__init__(send)
        self._opening = _opening()

    def _message(self, frame: Frame) -> MutableMapping[str, Any]:
        event, self._opening = self._opening + frame.event, b""
        return {"type": "http.response.body", "body": event, "more_body": True}

    def _close_message(self, code: int, reason: str) -> MutableMapping[str, Any]:
        return dict(_END)


_END: MutableMapping[str, Any] = {"type": "http.response.body", "body": b"", "more_body": False}


def stream_for(scope: MutableMapping[str, Any], send: AsgiSend) -> Sink:
    """Choose the sink for the subscriber of this ASGI *scope*."""
    transport = scope.get("extensions", {}).get(TRANSPORT)
    if transport is None:
        return PlainStream(send)
    return PreparedStream(transport, send, in_chunks=scope["http_version"] >= "1.1")
