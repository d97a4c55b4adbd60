"""Running the service under uvicorn, from the first line of its log to a clean end."""

import asyncio
import gc
import signal
import socket
import sys
import time
from collections.abc import Callable, Collection
from dataclasses import replace
from typing import Any

import structlog
import uvicorn
import uvloop

from storage.fairness.slicing import SharedSlicer
from web.http.connections import OTHER_CONNECTIONS, Connections
from web.server.app import Service, open_service
from web.server.descriptors import fitting, for_connections, for_waiting, raise_limit
from web.server.http_protocol import READS, BoundedProtocol
from web.server.listener import Listener
from web.server.websocket_protocol import PreparedProtocol
from web.settings import Settings, own_url

log = structlog.get_logger()

MAX_MESSAGE = 16 * 1024
"""Bytes of a message from a subscriber: room for a token of the longest kind."""
KEEP_ALIVE_SECONDS = 75
"""How long an idle connection stays open: longer than balancers keep theirs, so that none is cut under a request."""
SECURITY_HEADERS = [("X-Content-Type-Options", "nosniff"), ("Referrer-Policy", "no-referrer")]
"""On every answer, also those that uvicorn makes by itself. What pages need beside them is with the pages."""
BACKLOG = 2048
COLLECT = 5_000, 2, 200
"""The collector's thresholds: so many new objects before it looks at those, so many such looks before one at the older
ones too, and so many of these before one at everything. With Python's own numbers a thousand subscribers that came at
once stopped the service for 50 ms, twice; connections leave nothing for it to find."""


class CannotListen(Exception):
    """The address cannot be served on; the text says why."""


def configuration(service: Service) -> uvicorn.Config:
    """Say how uvicorn serves *service*."""
    settings = service.settings
    room = min(for_connections(raise_limit()), settings.max_connections + OTHER_CONNECTIONS)

    class Protocol(BoundedProtocol):
        head_seconds = settings.head_seconds
        body_seconds = settings.body_seconds
        answer_seconds = settings.answer_seconds
        turn = staticmethod(service.live.wait_for_handshake)
        all_connections = Connections(room)
        left_over = SharedSlicer(READS)

    return uvicorn.Config(
        service.app,
        host=settings.host,
        port=settings.port,
        loop="none",
        http=Protocol,
        ws=PreparedProtocol,
        ws_max_size=MAX_MESSAGE,
        # uvicorn's costs 64 KB and three times the CPU for each connection; web/server/compression.py has ours.
        ws_per_message_deflate=False,
        lifespan="off",
        log_config=None,
        access_log=False,
        # Headers of proxies are read in web/auth/ingest.py, and only from proxies that a setting names.
        proxy_headers=False,
        server_header=False,
        headers=SECURITY_HEADERS,
        backlog=BACKLOG,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=settings.stop_seconds,
    )


class Server(uvicorn.Server):
    """uvicorn's server, which would close all subscribers in one burst."""

    def __init__(self, service: Service, listening: socket.socket, asked: Collection[int] = ()) -> None:
        """Serve on a *listening* socket; *asked*: the signals to stop that came before it listens to them itself."""
        super().__init__(configuration(service))
        self._service = service
        self._asked = asked
        self._listening = listening
        self._listener: Listener | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to accept, unless the service was to stop before it was open."""
        await super().startup([])
        dropped = self._service.telemetry.connection_dropped
        self._listener = Listener(self._listening, self._protocol, for_waiting(raise_limit()), dropped)
        self.should_exit = self.should_exit or bool(self._asked)

    def _protocol(self) -> asyncio.Protocol:
        kind: Any = self.config.http_protocol_class
        made: asyncio.Protocol = kind(self.config, self.server_state, self.lifespan.state)
        return made

    async def stop_accepting(self) -> None:
        """Leave new connections to other workers that listen on the same socket."""
        if self._listener is not None:
            await self._listener.close()
        self._listening.close()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Accept no connection any more, close the subscribers in batches, then finish the open requests."""
        began = time.monotonic()
        await self.stop_accepting()
        for connection in list(self.server_state.connections):
            if isinstance(connection, BoundedProtocol):
                connection.drain()
        await self._service.drain()
        left = self._service.settings.stop_seconds - (time.monotonic() - began)
        self.config.timeout_graceful_shutdown = max(1, int(left))
        await super().shutdown(sockets)


def listen(settings: Settings) -> socket.socket:
    """Bind the address that is to be served on; raises :exc:`CannotListen`."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        return socket.create_server((settings.host, settings.port), family=family, backlog=BACKLOG)
    except OSError as error:
        raise CannotListen(f"cannot listen on {settings.host} port {settings.port}: {error.strerror}") from None


def run(
    settings: Settings, listening: socket.socket | None = None, serving: Callable[[], object] = lambda: None
) -> None:
    """Serve until SIGTERM or SIGINT; what was accepted by then is finished first. Raises what opening raises.

    A worker is one of several on a *listening* socket; *serving* is called when it serves.
    """
    # uvicorn stops on these, and sends them again when it has: they must not end the process before the writer is done.
    # One that comes before uvicorn listens for them is kept for it.
    sys.setswitchinterval(0.0002)
    asked: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda given, _frame: asked.append(given))
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(settings, listening, serving, asked))


async def _serve(
    settings: Settings, given: socket.socket | None, serving: Callable[[], object], asked: Collection[int]
) -> None:
    async with open_service(fitting(settings, raise_limit()), is_worker=given is not None) as service:
        with given or listen(settings) as listening:
            broker = "redis" if settings.redis_url else "in-process"
            # What has been made by now stays for good: the collector need not look at it again and again.
            gc.collect()
            gc.freeze()
            gc.set_threshold(*COLLECT)
            port = listening.getsockname()[1]
            service.database.announce(own_url(replace(settings, port=port)))
            log.info("serving", host=settings.host, port=port, broker=broker)
            serving()
            await Server(service, listening, asked).serve()
    log.info("stopped")
