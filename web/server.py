"""Running the service under uvicorn, from the first line of its log to a clean end."""

import asyncio
import signal

import structlog
import uvicorn
import uvloop

from realtime.frames import PreparedProtocol
from web.app import Service
from web.settings import Settings

log = structlog.get_logger()

MAX_MESSAGE = 16 * 1024
"""Bytes of a message from a panel: room for a token of the longest kind."""
KEEP_ALIVE_SECONDS = 75
"""How long an idle connection stays open: longer than balancers keep theirs, so that none is cut under a request."""
BACKLOG = 2048


def configuration(service: Service) -> uvicorn.Config:
    """Say how uvicorn serves *service*, which must be open."""
    settings = service.settings
    return uvicorn.Config(
        service.app,
        host=settings.host,
        port=settings.port,
        loop="none",
        http="httptools",
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
    log.info("serving", host=settings.host, port=settings.port, broker="redis" if settings.redis_url else "in-process")
    try:
        await uvicorn.Server(configuration(service)).serve()
    finally:
        await service.close()
        log.info("stopped")
