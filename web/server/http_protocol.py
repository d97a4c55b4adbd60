"""uvicorn's HTTP protocol, with the bounds that it lacks."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from http import HTTPStatus
from typing import Any

from starlette.datastructures import Headers
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from realtime.transports.eventstream import TRANSPORT
from storage.fairness.slicing import SharedSlicer
from web.http.connections import EXTENSION, ClientIdentity, Connections, network_of
from web.http.problems import Problem
from web.server.undelimited import until_closed

MAX_HEAD = 32 * 1024
"""Bytes of a request before its body; between and after the chunks of a body as many, and as many as the body has."""
FRAMING, MAX_FRAMING = 5, 4 * 1024
"""Bytes around each chunk of a body, at the least; and how many more than the body's own these may be, which is 1,000
chunks of one byte, or 2 ms. Chunks of five bytes and more may be as many as they like."""
MAX_TARGET = 8 * 1024
"""Bytes of a request's target: room for the longest parameters, each byte of them escaped."""
MAX_FIELDS = 100
"""Header fields of a request, trailers too."""
MAX_PIPELINE = 16
"""Requests that may wait on a connection for the answers to those before them."""
FIRST_REQUEST_SECONDS = 0.5
"""How long a stop waits for the first request of a connection that was accepted just before."""
UNREAD_BODY = 16 * 1024
"""Bytes of a body that come at once after its answer; with more, the connection waits for its turn to be read on."""
READS = 1
"""Connections that are read on in one turn of the event loop to take what is left of such bodies."""
RETRY_SECONDS = 1
"""After how long a client may try again that found no room."""
LINE, HEAD, BODY = "line", "head", "body"
"""What may be slow to come: the first line of a request, the rest of its head, its body."""


class _Refused(Exception):
    """The parser is to stop: what it reads is more than it may be."""


class BoundedProtocol(HttpToolsProtocol):
    """uvicorn's HTTP protocol, with bounds that it lacks.

    It would hold a head of any length in memory until it ends, and wait for ever for one that never ends; so it would
    for a body. Here a head has to be complete ``head_seconds`` after the connection, or the answer before it, is there;
    a body ``body_seconds`` after its head. An answer that is left unread for ``answer_seconds`` is broken off.

    It parses a read, of up to 256,000 bytes, in one go. Here the parser stops where a limit is passed, so that no read
    takes longer than some milliseconds.
    """

    head_seconds = 10.0
    body_seconds = 60.0
    answer_seconds = 60.0
    all_connections: Connections
    """All connections of the process."""
    left_over: SharedSlicer
    """Slices the reading of the rests of bodies that were answered before their end."""
    turn: Callable[[str, Headers, str], Awaitable[None]]
    """Waits until a WebSocket for that path, with those headers, may be made; raises a :exc:`Problem`."""

    def connection_made(self, transport: Any) -> None:
        """Begin with nothing read; the first head is waited for from now on."""
        self.identity = ClientIdentity()
        self.network: str | None = None
        # Bytes that are no part of a body, how many they are at the least for its chunks, and why the parser stopped.
        self._head = self._framing = 0
        self._refusal: tuple[int, str] | None = None
        self._is_last = False
        # What is being received (None: nothing), a number that moves with each step, and when it has to be complete.
        self._part: str | None = LINE
        self._steps = 0
        self._due: float | None = self.loop.time() + self.head_seconds
        # One timer a connection, which looks again when the time has come: one for each request would cost 2 us.
        self._timer = self.loop.call_later(self.head_seconds, self._check)
        self._unread: asyncio.TimerHandle | None = None
        self._upgrade: asyncio.Handle | asyncio.Task[None] | None = None
        self._discarding: asyncio.Task[None] | None = None
        self._draining = False
        has_room = self.all_connections.make_room(self.connections)
        super().connection_made(transport)
        self.network = network_of(self.client[0]) if self.client else None
        self.all_connections.mark_idle(self)
        if not has_room:
            self._say(503, "this service has as many connections as it may", [(b"retry-after", b"%d" % RETRY_SECONDS)])

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait for nothing more."""
        self._timer.cancel()
        if self._upgrade is not None:
            self._upgrade.cancel()
        if self._discarding is not None:
            self._discarding.cancel()
        self._await_reader(None)
        self.all_connections.remove(self)
        super().connection_lost(exc)

    def cut(self) -> None:
        """End the connection: its place is needed."""
        self.transport.abort()

    def pause_writing(self) -> None:
        """Wait for the client to read on; called when the kernel takes no more and 64 KiB wait here.

        The kernel asks for more when a third of its buffer is free again: of some megabytes, so that a client counts as
        reading from 15 KB/s on.
        """
        self._await_reader(self.answer_seconds)
        super().pause_writing()

    def resume_writing(self) -> None:
        """Continue: most of it was read."""
        self._await_reader(None)
        super().resume_writing()

    def _await_reader(self, seconds: float | None) -> None:
        if self._unread is not None:
            self._unread.cancel()
        self._unread = None if seconds is None else self.loop.call_later(seconds, self.transport.abort)

    def data_received(self, data: bytes) -> None:
        """Read on, unless the head of a request has gone on for too long."""
        if self._is_last:
            self.flow.pause_reading()
            return
        if self._part is None:
            self._head = 0
        self._head += len(data)
        before = self._steps
        super().data_received(data)
        if self._part is None and self.timeout_keep_alive_task is None and not self._is_answering:
            # Empty lines before a head: uvicorn waits no longer, and the parser says nothing of them.
            self._begin(LINE)
        if self._steps != before:
            self._due = None if self._part is None else self.loop.time() + self._seconds
        # What a body is larger than its framing is no credit for what follows it.
        self._head = max(0, self._head)
        if self._head > MAX_HEAD and not (self._is_last or self.transport.is_closing()):
            self._say(431, "the head or the trailer of the request is too long")
        elif self._part == HEAD:
            self.all_connections.note_head_bytes(self, self._head)
        elif self._part == BODY and len(data) > UNREAD_BODY and not self._is_answering:
            self.flow.pause_reading()
            self._discarding = self.loop.create_task(self._read_on())

    async def _read_on(self) -> None:
        """Read the unread rest in turn: a hundred clients with 16 MB more would block the loop for a second."""
        await self.left_over.enter(self.network)
        self.flow.resume_reading()

    def on_message_begin(self) -> None:
        """Begin a request, and offer the connection to the application."""
        if len(self.pipeline) >= MAX_PIPELINE:
            # Those that wait are answered, and the connection is closed behind them (RFC 9112, 9.3.2).
            self.cycle.keep_alive, self._is_last = False, True
            raise _Refused
        super().on_message_begin()
        self._framing = 0
        self._begin(HEAD)
        self.scope["extensions"] = {TRANSPORT: self.transport, EXTENSION: self.identity}  # type: ignore[dict-item]

    def on_url(self, url: bytes) -> None:
        """Take a part of the target."""
        super().on_url(url)
        if len(self.url) > MAX_TARGET:
            self._refuse(414, "the target of the request is too long")

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header field, or one of a trailer."""
        super().on_header(name, value)
        if len(self.headers) > MAX_FIELDS:
            self._refuse(431, "the request has too many header fields")

    def on_headers_complete(self) -> None:
        """The application has its turn; what follows is the body, which the endpoint bounds."""
        super().on_headers_complete()
        if self._draining and self.cycle is not None:
            self.cycle.keep_alive = False
        self.all_connections.mark_busy(self)
        self._begin(BODY)

    def on_body(self, body: bytes) -> None:
        """Take a part of the body; as much may stand around it, such as the sizes of chunks."""
        super().on_body(body)
        self._head -= 2 * len(body)
        self._framing = max(0, self._framing + FRAMING - len(body))
        if self._framing > MAX_FRAMING:
            self._refuse(400, "the chunks of the body are too small")

    def _refuse(self, status: int, text: str) -> None:
        """Stop the parser."""
        self._refusal = status, text
        raise _Refused

    def send_400_response(self, msg: str) -> None:
        """Refuse what cannot be read, or say at what the parser was stopped."""
        if not self._is_last:
            self._say(*self._refusal or (400, msg))

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        super()._start_asgi_task(cycle, until_closed(cycle, app) if cycle.scope["http_version"] < "1.1" else app)

    def drain(self) -> None:
        """Take one more request at the most, so that the one after it goes to another process.

        A connection that waits for its next request is closed; on a new one the first is probably on its way.
        """
        self._draining = True
        if self._upgrade is not None:
            # The answer says when to try again.
            self._upgrade.cancel()
            self._upgrade = self.loop.call_soon(self._hand_over)
        elif self.cycle:
            self.cycle.keep_alive = False
            self._leave()
        else:
            self.loop.call_later(FIRST_REQUEST_SECONDS, self._leave)

    def shutdown(self) -> None:
        """End when uvicorn wants to, but cut no request of which a part has come."""
        self.drain()

    def _leave(self) -> None:
        """Close, unless a request comes in or is answered, or the connection has become a WebSocket."""
        if self in self.connections and self._part != HEAD and not self._is_answering:
            self.transport.close()

    def on_message_complete(self) -> None:
        """Wait for nothing: the service has its turn."""
        super().on_message_complete()
        self._begin(None)

    def on_response_complete(self) -> None:
        """Give what the client sends meanwhile its whole time, from now on."""
        super().on_response_complete()
        self.all_connections.mark_idle(self)
        if self._due is not None:
            self._due = self.loop.time() + self._seconds

    def handle_websocket_upgrade(self) -> None:
        """Hand the connection over when it is its turn, with all that is to be waited for."""
        if self._upgrade is not None or self._is_answering or self.pipeline:
            # What was asked before is not answered yet, and would continue using this protocol.
            self.send_400_response("an upgrade has to be the only request")
            return
        self._timer.cancel()
        self.all_connections.remove(self)
        self.transport.pause_reading()
        self._upgrade = self.loop.create_task(self._await_handshake())

    async def _await_handshake(self) -> None:
        try:
            address = self.client[0] if self.client else ""
            await self.turn(self.url.partition(b"?")[0].decode("latin-1"), Headers(raw=self.headers), address)
        except Problem as problem:
            headers = [(name.lower().encode(), value.encode()) for name, value in problem.headers.items()]
            self._say(problem.status, problem.detail, headers)
        else:
            self._hand_over()

    def _hand_over(self) -> None:
        """Make it a WebSocket."""
        self.transport.resume_reading()
        super().handle_websocket_upgrade()
        # Else what is left of this protocol would hold itself.
        self._upgrade = self.parser = None  # type: ignore[assignment]

    @property
    def _is_answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    @property
    def _seconds(self) -> float:
        return self.body_seconds if self._part == BODY else self.head_seconds

    def _begin(self, part: str | None) -> None:
        self._part = part
        self._steps += 1

    def _check(self) -> None:
        """End a connection whose request is not complete in time, unless it is the service that is slow."""
        now = self.loop.time()
        # After an answer, what is left of the body has its time however slowly it is read.
        if self._due is not None and self._is_answering and (self.flow.read_paused or self._part != BODY):
            self._due = now + self._seconds
        if self._due is None:
            self._timer = self.loop.call_later(self.head_seconds, self._check)
        elif now < self._due:
            # Another request, with a deadline of its own, may have begun before this one's.
            self._timer = self.loop.call_later(min(self._due - now, self.head_seconds), self._check)
        elif not self.transport.is_closing():
            self._time_out()

    def _time_out(self) -> None:
        """Say 408 (RFC 9110, 15.5.9) to who began a request and was not answered yet."""
        is_owed = self._part == HEAD or (self._is_answering and not self.cycle.response_started)
        if self._part != LINE and is_owed:
            self._say(408, f"the {self._part} of the request did not come in time")
        self.transport.close()

    def _say(self, status: int, text: str, headers: Iterable[tuple[bytes, bytes]] = ()) -> None:
        """Answer without the application, and close."""
        lines = [b"HTTP/1.1 %d %s" % (status, HTTPStatus(status).phrase.encode())]
        fields = [(b"content-type", b"text/plain; charset=utf-8"), (b"connection", b"close"), *headers]
        lines += [b"%s: %s" % field for field in (*fields, *self.server_state.default_headers)]
        lines += [b"content-length: %d" % len(text), b"", text.encode()]
        self.transport.write(b"\r\n".join(lines))
        self.transport.close()
