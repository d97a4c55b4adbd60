"""Attacks on the tracking endpoints by the holder of one key: what is posted, how it is framed, and how often."""

import asyncio
import time
from collections.abc import Awaitable, Callable

from tests.faults.isolation.attacks.bodies import BATCH, BODIES
from tests.faults.isolation.attacks.wire import Answers, answer, connect, head, post, repeat

ACTIVITY = b'{"user_id":"u1","username":"Ada","activity_type":"login"}'
PIECE = b" " * 65_536


async def bodies(url: str, seconds: float, names: list[str], connections: int = 1) -> Answers:
    """Post bodies that cost more than they look, over and over."""
    return await repeat(url, [BODIES[name]() for name in names], seconds, connections)


async def unfinished(url: str, seconds: float, connections: int = 100, size: int = BATCH) -> Answers:
    """Send bodies without their ends, and hold the connections."""
    return await _each(connections, lambda answers: _unfinished(url, seconds, size, answers))


async def _unfinished(url: str, seconds: float, size: int, answers: Answers) -> None:
    reader, writer = await connect(url)
    end = time.monotonic() + seconds
    writer.write(head("batch", f"Content-Length: {size + 1}"))
    for _ in range(size // len(PIECE)):
        writer.write(PIECE)
        await writer.drain()
    await _until_answered(reader, end, answers)
    writer.transport.abort()


async def dripping(url: str, seconds: float, connections: int = 500) -> Answers:
    """Send a byte of a body now and then, over many connections."""
    return await _each(connections, lambda answers: _dripping(url, seconds, answers))


async def _dripping(url: str, seconds: float, answers: Answers) -> None:
    reader, writer = await connect(url)
    end = time.monotonic() + seconds
    writer.write(head("batch", "Content-Length: 100000"))
    waiting = asyncio.create_task(_until_answered(reader, end, answers))
    while not waiting.done():
        writer.write(b" ")
        await asyncio.sleep(0.1)
    await waiting
    writer.transport.abort()


async def one_byte_chunks(url: str, seconds: float, connections: int = 4) -> Answers:
    """Post bodies of a megabyte in chunks of a byte each: six bytes on the wire for one."""
    request = head("batch", "Transfer-Encoding: chunked") + b"1\r\n \r\n" * (1 << 20) + b"0\r\n\r\n"
    return await repeat(url, [request], seconds, connections)


async def header_flood(url: str, seconds: float, connections: int = 8) -> Answers:
    """Post events with as many headers as are taken."""
    headers = [f"X-{number}: y" for number in range(4000)]
    return await repeat(url, [post("activity-public", ACTIVITY, *headers)], seconds, connections)


async def singles(url: str, seconds: float, connections: int = 32) -> Answers:
    """Post single events as fast as they are taken."""
    return await repeat(url, [post("activity-public", ACTIVITY)], seconds, connections)


async def pipelined(url: str, seconds: float, connections: int = 8, ahead: int = 1000) -> Answers:
    """Post single events without waiting for the answers."""
    block = post("activity-public", ACTIVITY) * ahead
    return await _each(connections, lambda answers: _pipelined(url, seconds, block, answers))


async def _pipelined(url: str, seconds: float, block: bytes, answers: Answers) -> None:
    reader, writer = await connect(url)
    end = time.monotonic() + seconds
    reading = asyncio.create_task(_read_all(reader, answers))
    while time.monotonic() < end and not reading.done():
        writer.write(block)
        await writer.drain()
        await asyncio.sleep(0.01)
    reading.cancel()
    writer.transport.abort()


async def _read_all(reader: asyncio.StreamReader, answers: Answers) -> None:
    while data := await reader.read(1 << 18):
        answers["201"] += data.count(b"HTTP/1.1 201")
        answers["other"] += data.count(b"HTTP/1.1 ") - data.count(b"HTTP/1.1 201")


async def refused(url: str, seconds: float, connections: int = 8) -> Answers:
    """Post what is refused: a wrong key, a wrong field, no JSON at all."""
    stranger = post("activity-public", ACTIVITY).replace(b"acme-key", b"evil-key")
    wrong = [post("activity-public", body) for body in (b'{"user_id":1}', b"{'", b"")]
    return await repeat(url, [stranger, *wrong], seconds, connections)


async def large_for_nothing(url: str, seconds: float, connections: int = 4) -> Answers:
    """Send 16 MB to an endpoint that takes no body."""
    line = b"GET /health HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % BATCH
    return await repeat(url, [line + b" " * BATCH], seconds, connections)


async def coming_and_going(url: str, seconds: float, connections: int = 8) -> Answers:
    """Open a connection for each event, and hang up before the answer."""
    return await _each(connections, lambda answers: _coming_and_going(url, seconds, answers))


async def _coming_and_going(url: str, seconds: float, answers: Answers) -> None:
    end, request = time.monotonic() + seconds, post("activity-public", ACTIVITY)
    while time.monotonic() < end:
        _, writer = await connect(url)
        writer.write(request)
        await asyncio.sleep(0)
        writer.transport.abort()
        answers["left"] += 1


async def _each(count: int, act: Callable[[Answers], Awaitable[None]]) -> Answers:
    """Let so many act at once; one whose connection ends early is counted."""
    answers = Answers()
    ends = await asyncio.gather(*(act(answers) for _ in range(count)), return_exceptions=True)
    answers["cut"] = sum(isinstance(end, OSError) for end in ends)
    return +answers


async def _until_answered(reader: asyncio.StreamReader, end: float, answers: Answers) -> None:
    """Wait for an answer while there is time."""
    try:
        async with asyncio.timeout(max(0.0, end - time.monotonic())):
            answers[await answer(reader)] += 1
    except TimeoutError:
        answers["waits"] += 1
