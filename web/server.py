"""Running the service under uvicorn, from the first line of its log to a clean end."""

import asyncio
import gc
import signal
import socket
import sys
import time
from collections.abc import Callable, Collection
from typing import Any

import structlog
import uvicorn
import uvloop
from starlette.datastructures import Headers
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from realtime.eventstream import TRANSPORT
from realtime.frames import PreparedProtocol
from web.app import Service
from web.live import CROWDED
from web.settings import Settings

log = structlog.get_logger()

MAX_MESSAGE = 16 * 1024
"""Bytes of a message from a panel: room for a token of the longest kind."""
KEEP_ALIVE_SECONDS = 75
"""How long an idle connection stays open: longer than balancers keep theirs, so that none is cut under a request."""
MAX_HEAD = 64 * 1024
"""Bytes of a request before its body."""
SECURITY_HEADERS = [("X-Content-Type-Options", "nosniff"), ("Referrer-Policy", "no-referrer")]
"""On every answer, also those that uvicorn makes by itself. What pages need beside them is with the pages."""
BACKLOG = 2048
FIRST_REQUEST_SECONDS = 0.5
"""How long a stop waits for the first request of a connection that was accepted just before."""
COLLECT = 5_000, 2, 200
"""The collector's thresholds: so many new objects before it looks at those, so many such looks before one at the older
ones too, and so many of these before one at everything. With Python's own numbers a thousand panels that came at once
stopped the service for 50 ms, twice; connections leave nothing for it to find."""
CROWDED_RETRY_SECONDS = 5
"""After how long a panel may come back that found too many others before it."""
LINE, HEAD, BODY = "line", "head", "body"
"""What may be slow to come: the first line of a request, the rest of its head, its body."""


class CannotListen(Exception):
    """The address cannot be served on; the text says why."""


def configuration(service: Service) -> uvicorn.Config:
    """Say how uvicorn serves *service*, which must be open."""
    settings = service.settings

    class Protocol(BoundedProtocol):
        head_seconds = settings.head_seconds
        body_seconds = settings.body_seconds
        answer_seconds = settings.answer_seconds
        turn = staticmethod(service.live.turn)

    return uvicorn.Config(
        service.app,
        host=settings.host,
        port=settings.port,
        loop="none",
        http=Protocol,
        ws=PreparedProtocol,
        ws_max_size=MAX_MESSAGE,
        # Costs 64 KB and three times the CPU for each connection.
        ws_per_message_deflate=False,
        lifespan="off",
        log_config=None,
        access_log=False,
        # Headers of proxies are read in web/door.py, and only from proxies that a setting names.
        proxy_headers=False,
        server_header=False,
        headers=SECURITY_HEADERS,
        backlog=BACKLOG,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=settings.stop_seconds,
    )


class Server(uvicorn.Server):
    """uvicorn's server, which would send all panels away in one burst."""

    def __init__(self, service: Service, asked: Collection[int] = ()) -> None:
        """*asked*: the signals to stop that came before this server listens to them itself."""
        super().__init__(configuration(service))
        self._service = service
        self._asked = asked

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to accept, unless the service was to stop before it was open."""
        await super().startup(sockets)
        self.should_exit = self.should_exit or bool(self._asked)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Accept nobody any more, send the panels away in batches, then finish the requests in hand."""
        began = time.monotonic()
        for accepting in (*self.servers, *(sockets or ())):
            accepting.close()
        for connection in list(self.server_state.connections):
            if isinstance(connection, BoundedProtocol):
                connection.drain()
        await self._service.drain()
        left = self._service.settings.stop_seconds - (time.monotonic() - began)
        self.config.timeout_graceful_shutdown = max(1, int(left))
        await super().shutdown(sockets)


class BoundedProtocol(HttpToolsProtocol):
    """uvicorn's HTTP protocol, with bounds that it lacks.

    It would hold a head of any length in memory until it ends, and wait for ever for one that never ends; so it would
    for a body. Here a head has to be complete ``head_seconds`` after the connection, or the answer before it, is there;
    a body ``body_seconds`` after its head. An answer that is left unread for ``answer_seconds`` is broken off.
    """

    head_seconds = 10.0
    body_seconds = 60.0
    answer_seconds = 60.0
    turn: Callable[[str, Headers], float | None]

    def connection_made(self, transport: Any) -> None:
        """Begin with nothing read; the first head is waited for from now on."""
        self._head = 0
        # What is being received (None: nothing), a number that moves with each step, and when it has to be complete.
        self._part: str | None = LINE
        self._steps = 0
        self._due: float | None = self.loop.time() + self.head_seconds
        # One timer a connection, which looks again when the time has come: one for each request would cost 2 us.
        self._timer = self.loop.call_later(self.head_seconds, self._check)
        self._unread: asyncio.TimerHandle | None = None
        self._upgrade: asyncio.Handle | None = None
        self._draining = False
        super().connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait for nothing more."""
        self._timer.cancel()
        if self._upgrade is not None:
            self._upgrade.cancel()
        self._await_reader(None)
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """Wait for the client to read on; called when the kernel takes no more and 64 KiB wait here.

        The kernel asks for more when a third of its buffer is free again: of some megabytes, so that a client counts as
        reading from 15 KB/s on.
        """
        self._await_reader(self.answer_seconds)
        super().pause_writing()

    def resume_writing(self) -> None:
        """Go on: most of it was read."""
        self._await_reader(None)
        super().resume_writing()

    def _await_reader(self, seconds: float | None) -> None:
        if self._unread is not None:
            self._unread.cancel()
        self._unread = None if seconds is None else self.loop.call_later(seconds, self.transport.abort)

    def data_received(self, data: bytes) -> None:
        """Read on, unless the head of a request has gone on for too long."""
        self._head += len(data)
        before = self._steps
        super().data_received(data)
        if self._part is None and self.timeout_keep_alive_task is None and not self._is_answering:
            # Empty lines before a head: uvicorn waits no longer, and the parser says nothing of them.
            self._begin(LINE)
        if self._steps != before:
            self._due = None if self._part is None else self.loop.time() + self._seconds
        if self._head > MAX_HEAD and not self.transport.is_closing():
            self.send_400_response("the head of the request is too long")

    def on_message_begin(self) -> None:
        """Count from the beginning of a request, and offer the transport to event streams."""
        super().on_message_begin()
        self._head = 0
        self._begin(HEAD)
        self.scope["extensions"] = {TRANSPORT: self.transport}  # type: ignore[dict-item]

    def on_headers_complete(self) -> None:
        """Count no more: what follows is the body, which the endpoint bounds."""
        super().on_headers_complete()
        if self._draining and self.cycle is not None:
            self.cycle.keep_alive = False
        self._head = -sys.maxsize
        self._begin(BODY)

    def drain(self) -> None:
        """Take one more request at the most, so that the one after it goes to another process.

        A connection that waits for its next request is closed; on a new one the first is probably on its way.
        """
        self._draining = True
        if self._upgrade is not None:
            # It will be told when to come back.
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
        if self in self.connections and self._part not in (HEAD, BODY) and not self._is_answering:
            self.transport.close()

    def on_message_complete(self) -> None:
        """Wait for nothing: the service has its turn."""
        super().on_message_complete()
        self._begin(None)

    def on_response_complete(self) -> None:
        """Give what the client sends meanwhile its whole time, from now on."""
        super().on_response_complete()
        if self._due is not None:
            self._due = self.loop.time() + self._seconds

    def handle_websocket_upgrade(self) -> None:
        """Hand the connection over when it is its turn, with all that is to be waited for."""
        if self._upgrade is not None or self._is_answering or self.pipeline:
            # What was asked before is not answered yet, and would go on using this protocol.
            self.send_400_response("an upgrade has to be the only request")
            return
        self._timer.cancel()
        wait = self.turn(self.url.partition(b"?")[0].decode("latin-1"), Headers(raw=self.headers))
        if wait is None:
            self._say("503 Service Unavailable", CROWDED, [b"retry-after: %d" % CROWDED_RETRY_SECONDS])
            return
        self.transport.pause_reading()
        self._upgrade = self.loop.call_later(wait, self._hand_over)

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
        if self._due is not None and (self.flow.read_paused or (self._part != BODY and self._is_answering)):
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
            self._say("408 Request Timeout", f"the {self._part} of the request did not come in time")
        self.transport.close()

    def _say(self, status: str, text: str, headers: Collection[bytes] = ()) -> None:
        """Answer without the application, and close."""
        lines = [b"HTTP/1.1 " + status.encode(), b"content-type: text/plain; charset=utf-8", b"connection: close"]
        lines += [*headers, *(name + b": " + value for name, value in self.server_state.default_headers)]
        lines += [b"content-length: %d" % len(text), b"", text.encode()]
        self.transport.write(b"\r\n".join(lines))
        self.transport.close()


def listen(settings: Settings) -> socket.socket:
    """Bind the address that is to be served on; raises :exc:`CannotListen`."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        return socket.create_server((settings.host, settings.port), family=family, backlog=BACKLOG)
    except OSError as error:
        raise CannotListen(f"cannot listen on {settings.host} port {settings.port}: {error.strerror}") from None


def run(
    settings: Settings, listener: socket.socket | None = None, serving: Callable[[], object] = lambda: None
) -> None:
    """Serve until SIGTERM or SIGINT; what was accepted by then is finished first. Raises what opening raises.

    A worker is one of several on a *listener*; *serving* is called when it serves.
    """
    # uvicorn stops on these, and sends them again when it has: they must not end the process before the writer is done.
    # One that comes before uvicorn listens for them is kept for it.
    asked: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda given, _frame: asked.append(given))
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(settings, listener, serving, asked))


async def _serve(
    settings: Settings, given: socket.socket | None, serving: Callable[[], object], asked: Collection[int]
) -> None:
    service = Service(settings, is_worker=given is not None)
    await service.open()
    try:
        with given or listen(settings) as listener:
            broker = "redis" if settings.redis_url else "in-process"
            # What has been made by now stays for good: the collector need not look at it again and again.
            gc.collect()
            gc.freeze()
            gc.set_threshold(*COLLECT)
            log.info("serving", host=settings.host, port=listener.getsockname()[1], broker=broker)
            serving()
            await Server(service, asked).serve(sockets=[listener])
    finally:
        await service.close()
        log.info("stopped")
