"""How a frame reaches a panel: prepared and written straight to the transport, or through plain ASGI.

Measured, server CPU a delivered frame of 445 bytes, 1,000 sockets: ``send_json`` in a gather 42 us, ``send_text`` in a
loop 17 us, a frame that is prepared once and written to each transport 10.6 us, a bare C ``send()`` loop 8.0 us.

uvicorn lets a program choose the WebSocket protocol class; :class:`PreparedProtocol` offers the transport to the
application as an ASGI extension. A server without it gets :class:`PlainSink`.
"""

import asyncio
import contextlib
import random
import socket
import struct
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Protocol

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.protocol import State as WireState

from realtime.protocol import RESTARTING

EXTENSION = "convoai.prepared_frames"
"""The name of the ASGI extension in ``scope["extensions"]``; its value is the protocol of the connection."""
ABORT_SECONDS = 5.0
"""How long a panel that does not read has to take the close frame, before its socket is cut."""
MAX_UNREAD = 65_536
"""Bytes that may wait for a panel beside the frame it was sent last."""
UNANSWERED = 1011
"""The close code of a panel that answers no ping, as uvicorn has it; panels may send it too, so the message that tells
of it here has ``unanswered`` beside it."""
RETRY_SECONDS = (0.5, 5.0)
"""The delay that panels are asked to wait before they reconnect to a service that restarts."""

UNSENT_BYTES = 16_384
"""What the kernel may hold for a panel beyond what is on its way. Left to itself it takes megabytes, so that a panel
that does not read is noticed minutes late, and then reads what is minutes old."""

AsgiSend = Callable[[MutableMapping[str, Any]], Awaitable[None]]


class Frame:
    """A text frame, made once for all panels that get it."""

    __slots__ = ("_chunk", "_kind", "_position", "_retry", "payload", "wire")

    def __init__(self, payload: bytes, kind: str, position: str | None = None, retry: float | None = None) -> None:
        """Take the text as UTF-8; ``wire`` is how it goes over the wire (RFC 6455, 5.2; final, text, not masked).

        *kind* is the frame's type, *position* what a stream resumes by, *retry* the seconds until it is to come back.
        """
        self.payload = payload
        self.wire = _header(len(payload)) + payload
        self._kind = kind
        self._position = position
        self._retry = retry
        self._chunk: bytes | None = None

    @property
    def event(self) -> bytes:
        """The frame as a server-sent event (HTML standard, 9.2); JSON has no line ends of its own."""
        fields = [f"event: {self._kind}"]
        if self._position is not None:
            fields.append(f"id: {self._position}")
        if self._retry is not None:
            fields.append(f"retry: {self._retry * 1000:.0f}")
        return b"%s\ndata: %s\n\n" % ("\n".join(fields).encode(), self.payload)

    @property
    def chunk(self) -> bytes:
        """The event as a chunk of an HTTP body (RFC 9112, 7.1); made once, when the first stream needs it."""
        if self._chunk is None:
            event = self.event
            self._chunk = b"%x\r\n%s\r\n" % (len(event), event)
        return self._chunk


def _header(length: int) -> bytes:
    if length < 126:
        return struct.pack("!BB", 0x81, length)
    if length < 1 << 16:
        return struct.pack("!BBH", 0x81, 126, length)
    return struct.pack("!BBQ", 0x81, 127, length)


class Sink(Protocol):
    """The way to one panel. It holds one frame at the most."""

    @property
    def busy(self) -> bool:
        """Whether something sent before still waits for the panel to read."""

    def offer(self, frame: Frame) -> bool:
        """Send a frame unless the sink is busy, and say whether it was taken; never waits.

        A frame that comes after the end is dropped, and counts as taken.
        """

    def close(self, code: int, reason: str) -> None:
        """End the connection with a close frame, or without one if the panel does not take it."""


class PreparedProtocol(WebSocketsSansIOProtocol):
    """uvicorn's WebSocket protocol, which offers itself to the application as :data:`EXTENSION`."""

    async def run_asgi(self) -> None:
        """Run the application, with the extension in its scope."""
        extensions: dict[str, Any] = self.scope["extensions"]
        extensions[EXTENSION] = self
        try:
            await super().run_asgi()
        finally:
            del extensions[EXTENSION]

    def connection_lost(self, exc: Exception | None) -> None:
        """End, and leave nothing that holds itself: the collector, which would have to find it, stops the service."""
        super().connection_lost(exc)
        self.conn.parser.close()

    async def send(self, message: Any) -> None:
        """Send what the application says; uvicorn forgets its own headers, and that all is said, in a refusal."""
        if message["type"] == "websocket.http.response.start":
            message = {**message, "headers": [*self.default_headers, *message["headers"]]}
        await super().send(message)
        if message["type"] == "websocket.accept" and self.handshake_complete:
            # Two dozen lists, which nobody needs any more.
            del self.request, self.response
        if message["type"] == "websocket.http.response.body" and not message.get("more_body", False):
            # Else it would log an error.
            self.handshake_complete = True

    def handle_ping(self) -> None:
        """Answer a ping, unless the panel has not taken the answers to those before: it would fill the memory."""
        if self.transport.get_write_buffer_size() > MAX_UNREAD:
            self.transport.abort()
        else:
            super().handle_ping()

    def handle_cont(self, event: Any) -> None:
        """Take a part of a message; empty parts, of which a message may have any number, are not kept."""
        if event.data or event.fin:
            super().handle_cont(event)

    def send_receive_event_to_app(self) -> None:
        """Hand a message over; one that is no UTF-8 ends the connection, and is not logged as an error of ours."""
        if self.curr_msg_data_type == "text":
            try:
                b"".join(self.frames).decode()
            except UnicodeDecodeError:
                self.conn.send_close(1007)
                self.handle_parser_exception()
                return
        super().send_receive_event_to_app()

    def keepalive_timeout(self) -> None:
        """Give up a panel that answers no ping, also if it leaves unread what was sent before."""
        if self.open:
            told: Any = {"type": "websocket.disconnect", "code": UNANSWERED, "unanswered": True}
            self.queue.put_nowait(told)
        super().keepalive_timeout()
        self.loop.call_later(ABORT_SECONDS, self.transport.abort)

    def shutdown(self) -> None:
        """Say 1012 with a reconnect delay to a panel that came in while the others were sent away."""
        if self.handshake_complete and self.open:
            self.say_close(RESTARTING.code, f"retry after {random.uniform(*RETRY_SECONDS):.1f} s")
            self.loop.call_later(ABORT_SECONDS, self.transport.abort)
        super().shutdown()

    def data_received(self, data: bytes) -> None:
        """Read; a handshake that is refused while it is read, such as one with a huge header, is answered and ended.

        uvicorn leaves that answer unsent and the connection open.
        """
        super().data_received(data)
        if self.conn.handshake_exc is not None and not self.handshake_initiated:
            self.transport.write(b"".join(self.conn.data_to_send()))
            self.transport.close()

    @property
    def open(self) -> bool:
        """Whether data frames may still be sent."""
        return not self.close_sent and not self.disconnected and self.conn.state is WireState.OPEN

    def say_close(self, code: int, reason: str) -> None:
        """Send the close frame as uvicorn's own ``websocket.close`` does: the panel's answer closes the transport."""
        self.queue.put_nowait({"type": "websocket.disconnect", "code": code, "reason": reason})
        self.conn.send_close(code, reason)
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.close_sent = True
        self.close_timer = self.loop.call_later(self.close_timeout, self.transport.close)
        if self.read_paused:
            self.read_paused = False
            self.transport.resume_reading()


def set_option(transport: asyncio.BaseTransport, name: str, value: int) -> None:
    """Set a TCP option of a connection, where the system has it."""
    found, option = transport.get_extra_info("socket"), getattr(socket, name, None)
    if found is not None and option is not None:
        with contextlib.suppress(OSError):
            found.setsockopt(socket.IPPROTO_TCP, option, value)


class PreparedSink:
    """Writes prepared frames to the transport of a connection that offers :data:`EXTENSION`."""

    __slots__ = ("_is_closing", "_protocol", "_transport", "_unsent", "_write")

    def __init__(self, protocol: PreparedProtocol) -> None:
        self._protocol = protocol
        self._transport = protocol.transport
        # Bound once: offering is what the hub does a thousand times in a row.
        self._unsent = protocol.transport.get_write_buffer_size
        self._is_closing = protocol.transport.is_closing
        self._write = protocol.transport.write
        set_option(protocol.transport, "TCP_NOTSENT_LOWAT", UNSENT_BYTES)

    @property
    def busy(self) -> bool:
        """Whether bytes wait in the transport because the kernel took no more."""
        return self._unsent() > 0

    def offer(self, frame: Frame) -> bool:
        """Write the frame if nothing waits before it."""
        if self._unsent():
            return False
        if not self._protocol.close_sent and not self._is_closing():
            self._write(frame.wire)
        return True

    def close(self, code: int, reason: str) -> None:
        """Send the close frame; cut the socket if the panel has not taken it in time."""
        if self._protocol.open and not self._transport.is_closing():
            self._protocol.say_close(code, reason)
        self._protocol.loop.call_later(ABORT_SECONDS, self._transport.abort)


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
        """Begin to send the frame, if none is in hand."""
        if self.busy:
            return False
        if not self._closed:
            self._after(self._message(frame))
        return True

    def close(self, code: int, reason: str) -> None:
        """Close behind the frame in hand, and give that up if the panel does not take it."""
        if not self._closed:
            self._closed = True
            self._after(self._farewell(code, reason))

    def _message(self, frame: Frame) -> MutableMapping[str, Any]:
        return {"type": "websocket.send", "text": frame.payload.decode()}

    def _farewell(self, code: int, reason: str) -> MutableMapping[str, Any]:
        return {"type": "websocket.close", "code": code, "reason": reason}

    def _after(self, message: MutableMapping[str, Any]) -> None:
        self._task = asyncio.create_task(self._deliver(self._task, message))

    async def _deliver(self, before: "asyncio.Task[None] | None", message: MutableMapping[str, Any]) -> None:
        # A panel that has gone makes the server raise; its reader ends the connection.
        with contextlib.suppress(Exception):
            async with asyncio.timeout(ABORT_SECONDS if self._closed else None):
                if before is not None:
                    await before
                await self._send(message)


def sink_for(scope: MutableMapping[str, Any], send: AsgiSend) -> Sink:
    """Choose the way to the panel of this ASGI *scope*."""
    protocol = scope.get("extensions", {}).get(EXTENSION)
    return PreparedSink(protocol) if isinstance(protocol, PreparedProtocol) else PlainSink(send)
