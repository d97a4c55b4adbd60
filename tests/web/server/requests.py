"""Requests written byte by byte."""

import asyncio
import contextlib
import time

from tests.paths import TRACK
from tests.servers.service import Running

HEAD = b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n"
POST = f"POST {TRACK}/activity-public HTTP/1.1\r\nHost: localhost\r\nContent-Length: 500\r\n\r\n".encode()


async def trickle(running: Running, first: bytes, drop: bytes, seconds: float = 5) -> tuple[bytes, float]:
    """Send *first*, then a *drop* every 50 ms, until the service ends it; tell its answer and how long it took."""
    reader, writer = await asyncio.open_connection("127.0.0.1", running.service.settings.port)
    started = time.monotonic()
    writer.write(first)

    async def go_on() -> None:
        while not writer.is_closing():
            writer.write(drop)
            await asyncio.sleep(0.05)

    dripping, answer = asyncio.create_task(go_on()), b""
    # What was answered before a drop met a closed connection is kept.
    with contextlib.suppress(ConnectionError):
        async with asyncio.timeout(seconds):
            while part := await reader.read(65536):
                answer += part
    dripping.cancel()
    writer.close()
    return answer, time.monotonic() - started
