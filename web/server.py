"""Running the service under uvicorn, from the first line of its log to a clean end."""

import asyncio
import gc
import signal
import socket
import sys
import time
from typing import Any

import structlog
import uvicorn
import uvloop
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from realtime.eventstream import TRANSPORT
from realtime.frames import PreparedProtocol
from web.app import Service
from web.settings import Settings

log = structlog.get_logger()

MAX_MESSAGE = 16 * 1024
"""Bytes of a message from a panel: room for a token of the longest kind."""
KEEP_ALIVE_SECONDS = 75
"""How long an idle connection stays open: longer than balancers keep theirs, so that none is cut under a request."""
MAX_HEAD = 64 * 1024
"""Bytes of a request before its body."""
BACKLOG = 2048


class CannotListen(Exception):
    """The address cannot be served on; the text says why."""


def configuration(service: Service) -> uvicorn.Config:
    """Say how uvicorn serves *service*, which must be open."""
    settings = service.settings
    return uvicorn.Config(
        service.app,
        host=settings.host,
        port=settings.port,
        loop="none",
        http=BoundedProtocol,
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
        backlog=BACKLOG,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=settings.stop_seconds,
    )


class Server(uvicorn.Server):
    """uvicorn's server, which would send all panels away in one burst."""

    def __init__(self, service: Service) -> None:
        super().__init__(configuration(service))
        self._service = service

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Accept nobody any more, send the panels away in batches, then finish the requests in hand."""
        began = time.monotonic()
        for accepting in (*self.servers, *(sockets or ())):
            accepting.close()
        await self._service.drain()
        left = self._service.settings.stop_seconds - (time.monotonic() - began)
        self.config.timeout_graceful_shutdown = max(1, int(left))
        await super().shutdown(sockets)


class BoundedProtocol(HttpToolsProtocol):
    """uvicorn's HTTP protocol, which would hold a head of any length in memory until it ends."""

    def connection_made(self, transport: Any) -> None:
        """Begin with nothing read."""
        self._head = 0
        super().connection_made(transport)

    def data_received(self, data: bytes) -> None:
        """Read on, unless the head of a request has gone on for too long."""
        self._head += len(data)
        super().data_received(data)
        if self._head > MAX_HEAD and not self.transport.is_closing():
            self.send_400_response("the head of the request is too long")

    def on_message_begin(self) -> None:
        """Count from the beginning of a request, and offer the transport to event streams."""
        super().on_message_begin()
        self._head = 0
        self.scope["extensions"] = {TRANSPORT: self.transport}  # type: ignore[dict-item]

    def on_headers_complete(self) -> None:
        """Count no more: what follows is the body, which the endpoint bounds."""
        super().on_headers_complete()
        self._head = -sys.maxsize


def _listen(settings: Settings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        return socket.create_server((settings.host, settings.port), family=family, backlog=BACKLOG)
    except OSError as error:
        raise CannotListen(f"cannot listen on {settings.host} port {settings.port}: {error.strerror}") from None


def run(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT; what was accepted by then is finished first. Raises what opening raises."""
    # uvicorn stops on these, and sends them again when it has: they must not end the process before the writer is done.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(settings))


async def _serve(settings: Settings) -> None:
    service = Service(settings)
    await service.open()
    try:
        with _listen(settings) as listener:
            broker = "redis" if settings.redis_url else "in-process"
            # What has been made by now stays for good: the collector need not look at it again and again.
            gc.collect()
            gc.freeze()
            log.info("serving", host=settings.host, port=listener.getsockname()[1], broker=broker)
            await Server(service).serve(sockets=[listener])
    finally:
        await service.close()
        log.info("stopped")
