"""HTTP as an attacker writes it: prepared bytes over bare connections, as cheap as can be."""

import asyncio
import itertools
import time
from collections import Counter
from collections.abc import Iterator, Sequence

from tests.paths import TRACK

KEY = "acme-key-0123456789"
"""A tracking key of the attacker's tenant."""
NDJSON = "application/x-ndjson"
ANSWER_SECONDS = 15.0
"""Beyond which no answer is waited for."""

Answers = Counter[str]
"""How often each status was answered; ``none``: the service ended the connection, ``late``: it did nothing."""


def post(path: str, body: bytes, *headers: str, media_type: str = "application/json") -> bytes:
    """Write a keyed POST to a tracking endpoint, with further *headers*."""
    return head(path, f"Content-Length: {len(body)}", *headers, media_type=media_type) + body


def head(path: str, *headers: str, media_type: str = "application/json") -> bytes:
    """Write the head of one."""
    fixed = (f"POST {TRACK}/{path} HTTP/1.1", "Host: x", f"X-Tracking-Key: {KEY}", f"Content-Type: {media_type}")
    return "\r\n".join([*fixed, *headers, "", ""]).encode()


async def connect(url: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Open a connection to the service."""
    return await asyncio.open_connection("127.0.0.1", int(url.rpartition(":")[2]))


async def repeat(url: str, requests: Sequence[bytes], seconds: float, connections: int = 1) -> Answers:
    """Send *requests* in turn over some connections, each time after the answer to the last, until the time is over."""
    answers, end = Answers(), time.monotonic() + seconds
    await asyncio.gather(*(_repeat(url, itertools.cycle(requests), end, answers) for _ in range(connections)))
    return answers


async def _repeat(url: str, requests: Iterator[bytes], end: float, answers: Answers) -> None:
    while time.monotonic() < end:
        try:
            reader, writer = await connect(url)
        except OSError:
            answers["refused"] += 1
            await asyncio.sleep(0.1)
            continue
        status = "201"
        # Who is refused before all was read has a connection that is out of step.
        while status == "201" and time.monotonic() < end:
            writer.write(next(requests))
            status = await answer(reader)
            answers[status] += 1
        writer.transport.abort()


async def answer(reader: asyncio.StreamReader) -> str:
    """Read an answer, and tell its status."""
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
            length = lines.partition("content-length: ")[2].partition("\r")[0]
            await reader.readexactly(int(length or 0))
            return lines[9:12]
    except TimeoutError:
        return "late"
    except (OSError, EOFError):
        return "none"
