"""uvicorn's WebSocket protocol, with what it lacks: bounds, and a :class:`ServerSocket` for prepared frames.

uvicorn lets a program choose the class. What a client sends is counted by the frame, before more of it is read: pings,
pongs and parts of messages too. A compressed message is inflated when it is whole and paid for.
"""

import random
from typing import Any

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import CloseCode
from websockets.protocol import State as WireState

from realtime.protocol import RESTARTING
from realtime.transports.allowance import Allowance
from realtime.transports.deflate import NotDeflated, TooLarge, inflate
from realtime.transports.sinks import ABORT_SECONDS, RETRY_SECONDS
from realtime.transports.websocket import EXTENSION, TOO_MUCH, UNANSWERED
from web.server.compression import OFFERS, WITH_CONTEXT, DeflatedFrame

MAX_UNREAD = 65_536
"""Bytes that may wait for a subscriber beside the frame it was sent last."""
PIECE = 256
"""Bytes that are read before what they held is counted. The shortest frame has 6, and takes some 14 us."""
DEFLATED = 1024
"""Bytes of a compressed message that count as one message more. To inflate so much takes 0.23 ms at the most, which is
a stream of nothing but tables; a usual message of 71 bytes takes 8 us."""
MAX_OFFERS = 1024
"""Bytes of what a subscriber offers about compression, some ten times what any browser does; a longer list is not
read: one of 32 KB would take 0.1 s."""
IGNORE_SECONDS = 1.0
"""How long a subscriber whose input is ignored has to take the close frame."""


class PreparedProtocol(WebSocketsSansIOProtocol):
    """A WebSocket that offers itself to the application as :data:`EXTENSION`.

    It reads from a subscriber once the application has said, in ``allowance``, what the subscriber may send; and no
    more than that.
    """

    allowance: Allowance | None = None
    _is_ignoring = False
    _is_deflated = False

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
            # Two dozen lists, which are not needed any more.
            del self.request, self.response
        if message["type"] == "websocket.http.response.body" and not message.get("more_body", False):
            # Else it would log an error.
            self.handshake_complete = True

    def handle_connect(self, event: Any) -> None:
        """Begin the handshake, and agree on compression if that is offered."""
        offered = event.headers.get_all("Sec-WebSocket-Extensions")
        if sum(map(len, offered)) <= MAX_OFFERS:
            self.conn.available_extensions = [OFFERS]
        super().handle_connect(event)

    def handle_events(self) -> None:
        """Take what was read, if it is paid for."""
        if self.handshake_initiated and self.conn.events and not self._pay(len(self.conn.events)):
            self._ignore_input()
        else:
            super().handle_events()

    def _pay(self, frames: int) -> bool:
        # Before its handshake is answered a subscriber has nothing to say.
        return self.allowance is not None and self.allowance.take(frames, self.loop.time())

    def _ignore_input(self) -> None:
        """Drop what the subscriber sends from now on, and tell the application, which closes the connection."""
        self._is_ignoring = True
        self.conn.events_received()
        if self.allowance is None or not self.open:
            self.transport.abort()
            return
        told: Any = {"type": "websocket.receive", TOO_MUCH: self.allowance.rule}
        self.queue.put_nowait(told)
        # Or taking a message would have it read on.
        self.read_paused = False
        self.transport.pause_reading()
        self.loop.call_later(IGNORE_SECONDS, self.transport.abort)

    def handle_ping(self) -> None:
        """Answer a ping, unless the subscriber has not taken the answers to those before: it would fill the memory."""
        if self.transport.get_write_buffer_size() > MAX_UNREAD:
            self.transport.abort()
        else:
            super().handle_ping()

    def handle_text(self, event: Any) -> None:
        """Take a text, or its first part."""
        self._is_deflated = isinstance(event, DeflatedFrame)
        super().handle_text(event)

    def handle_bytes(self, event: Any) -> None:
        """Take bytes, or their first part."""
        self._is_deflated = isinstance(event, DeflatedFrame)
        super().handle_bytes(event)

    def handle_cont(self, event: Any) -> None:
        """Take a part of a message; empty parts, of which a message may have any number, are not kept."""
        if event.data or event.fin:
            super().handle_cont(event)

    def send_receive_event_to_app(self) -> None:
        """Hand a message over; one that is no UTF-8 ends the connection, and is not logged as an error of ours."""
        if self.close_sent or self._is_readable():
            super().send_receive_event_to_app()

    def _is_readable(self) -> bool:
        """Say whether the message can be handed over, inflated if it came deflated; else the connection ends."""
        message = b"".join(self.frames)
        try:
            if self._is_deflated:
                if not self._pay(len(message) // DEFLATED):
                    self._ignore_input()
                    return False
                message = inflate(message, self.config.ws_max_size)
                self.frames = [message]
            if self.curr_msg_data_type == "text":
                message.decode()
        except TooLarge:
            self._fail(CloseCode.MESSAGE_TOO_BIG)
        except (NotDeflated, UnicodeDecodeError):
            self._fail(CloseCode.INVALID_DATA)
        else:
            return True
        return False

    def _fail(self, code: CloseCode) -> None:
        """End the connection because of what the subscriber sent; it may have closed it behind that."""
        self.conn.fail(code)
        self.handle_parser_exception()

    def keepalive_timeout(self) -> None:
        """Give up a subscriber that answers no ping, also if it leaves unread what was sent before."""
        if self.open:
            told: Any = {"type": "websocket.disconnect", "code": UNANSWERED, "unanswered": True}
            self.queue.put_nowait(told)
        super().keepalive_timeout()
        self.loop.call_later(ABORT_SECONDS, self.transport.abort)

    def shutdown(self) -> None:
        """Say 1012 with a reconnect delay to a subscriber that came in while the others were closed."""
        if self.handshake_complete and self.open:
            self.send_close_frame(RESTARTING.code, f"retry after {random.uniform(*RETRY_SECONDS):.1f} s")
            self.loop.call_later(ABORT_SECONDS, self.transport.abort)
        super().shutdown()

    def data_received(self, data: bytes) -> None:
        """Read, as long as what comes is paid for: uvicorn parses a read whole, some 40,000 frames.

        A handshake that is refused while it is read, such as one with a huge header, is answered and ended: uvicorn
        leaves that answer unsent and the connection open.
        """
        for begin in range(0, len(data), PIECE):
            if self._is_ignoring or self.transport.is_closing():
                return
            super().data_received(data[begin : begin + PIECE])
        if self.conn.handshake_exc is not None and not self.handshake_initiated:
            self.transport.write(b"".join(self.conn.data_to_send()))
            self.transport.close()

    @property
    def open(self) -> bool:
        """Whether data frames may still be sent."""
        return not self.close_sent and not self.disconnected and self.conn.state is WireState.OPEN

    @property
    def deflates(self) -> bool:
        """Whether permessage-deflate was agreed on."""
        return bool(self.conn.extensions)

    @property
    def keeps_context(self) -> bool:
        """Whether it was agreed on without server_no_context_takeover."""
        return WITH_CONTEXT in self.conn.extensions

    def send_close_frame(self, code: int, reason: str) -> None:
        """Send the close frame as uvicorn does for ``websocket.close``: the client's answer closes the transport."""
        self.queue.put_nowait({"type": "websocket.disconnect", "code": code, "reason": reason})
        self.conn.send_close(code, reason)
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.close_sent = True
        self.close_timer = self.loop.call_later(self.close_timeout, self.transport.close)
        if self.read_paused:
            self.read_paused = False
            self.transport.resume_reading()
