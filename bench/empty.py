"""A Starlette application that does nothing, under the service's uvicorn settings; ``python -m bench.empty PORT``."""

import asyncio
import sys

import uvicorn
import uvloop
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from web.server.runner import BACKLOG, KEEP_ALIVE_SECONDS

ANSWER = b'{"status":"ok"}'


async def answer(_request: Request) -> Response:
    """Answer at once; what was posted is not read."""
    return Response(ANSWER, media_type="application/json")


def main(port: int) -> None:
    """Serve until SIGTERM."""
    config = uvicorn.Config(
        Starlette(routes=[Route("/health", answer, methods=["GET", "POST"])]),
        port=port,
        loop="none",
        http="httptools",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        backlog=BACKLOG,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
    )
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(uvicorn.Server(config).serve())


if __name__ == "__main__":
    main(int(sys.argv[1]))
