"""Load on a server: prepared requests, sent as fast as they are answered, at a pace, or one after the other."""

import asyncio
import gc
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import pairwise

from bench.http_connection import HttpConnection


@dataclass(frozen=True)
class Answered:
    """A request that was answered: the monotonic time just before it was due, and the body of its answer."""

    sent: float
    body: bytes


@asynccontextmanager
async def _lines(
    port: int, count: int, answered: Callable[[HttpConnection, bytes], None], end: "asyncio.Future[None]"
) -> AsyncIterator[list[HttpConnection]]:
    """Open *count* lines; *end* fails if one of them does. Nothing collects garbage meanwhile."""

    def fail(error: Exception) -> None:
        if not end.done():
            end.set_exception(error)

    lines: list[HttpConnection] = []

    def line() -> HttpConnection:
        lines.append(HttpConnection(answered, fail))
        return lines[-1]

    try:
        for _ in range(count):
            await asyncio.get_running_loop().create_connection(line, "127.0.0.1", port)
        gc.disable()
        yield lines
    finally:
        gc.enable()
        for opened in lines:
            opened.close()


async def drain(port: int, requests: Sequence[bytes], lines: int) -> float:
    """Send all *requests*, each line the next one when the last is answered; tell the seconds it took."""
    end: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    waiting, left = iter(requests), len(requests)

    def go_on(line: HttpConnection, _body: bytes) -> None:
        nonlocal left
        left -= 1
        request = next(waiting, None)
        if request is not None:
            line.send(request)
        elif not left:
            end.set_result(None)

    async with _lines(port, lines, go_on, end) as opened:
        started = time.monotonic()
        for line in opened:
            line.send(next(waiting))
        await end
        return time.monotonic() - started


async def pace(port: int, requests: Sequence[bytes], per_second: float, lines: int) -> list[Answered]:
    """Send *requests* at a pace that does not wait for answers.

    One that finds no free line is sent later, but counts from when it was due. The answers come as they arrived.
    """
    end: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    sent: dict[HttpConnection, float] = {}
    free: deque[HttpConnection] = deque()
    due: deque[tuple[float, bytes]] = deque()
    answers: list[Answered] = []

    def send() -> None:
        while free and due:
            line = free.popleft()
            sent[line], request = due.popleft()
            line.send(request)

    def take(line: HttpConnection, body: bytes) -> None:
        answers.append(Answered(sent.pop(line), body))
        free.append(line)
        if len(answers) == len(requests):
            end.set_result(None)
        send()

    async with _lines(port, lines, take, end) as opened:
        free.extend(opened)
        started = time.monotonic()
        for number, request in enumerate(requests):
            wait = started + number / per_second - time.monotonic()
            if wait > 0:
                await asyncio.sleep(wait)
            due.append((time.monotonic(), request))
            send()
        await end
    return answers


async def times(port: int, request: bytes, count: int) -> list[float]:
    """Send *request* again and again over one line; tell the seconds that each took."""
    end: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    stamps: list[float] = []

    def go_on(line: HttpConnection, _body: bytes) -> None:
        stamps.append(time.monotonic())
        if len(stamps) > count:
            end.set_result(None)
        else:
            line.send(request)

    async with _lines(port, 1, go_on, end) as (line,):
        line.send(request)
        await end
    return [after - before for before, after in pairwise(stamps)]
