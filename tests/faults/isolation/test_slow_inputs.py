"""A search for slow inputs: bodies whose cost grows faster than they do, and bodies that hold up everybody else.

What is measured is the processor's time of this process, which a busy machine leaves as it is.
"""

import asyncio
import contextlib
import gc
import itertools
import random
import signal
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.faults.figures import Figures
from tests.faults.isolation.attacks.bodies import BODIES
from tests.faults.isolation.attacks.wire import KEY, NDJSON
from tests.paths import TRACK
from tests.servers.service import Running, start

TOKENS = [b"[", b"]", b"{", b"}", b",", b":", b'"', b"\\", rb"\"", rb"\u", rb"\ud800", rb"\u0000", b"0", b"-", b"1e"]
TOKENS += [b".", b"true", b"nul", b" ", b"\n", b"\x00", b"\xff", b"\xc3\xa9", b'"a"', b'"a":', b'{"type":"activity",']
BEFORE = [b"", b"[", b'["', b'[{"', b'[{"type":"activity","user_id":"', b'{"extra_data":{"a":', b"[" * 2000 + b'["']
BEFORE += [b'[{"a":' * 1000, b'["\\ud800",', b"\n"]
AFTER = [b"", b"]", b'"]', b'"}', b"}", b"\x00"]
PART = 1 << 16
"""Bytes that a server reads at once."""
SIZES = (1 << 12, 1 << 14, 1 << 16)
ENDPOINTS = [("batch", "application/json"), ("batch", NDJSON), ("batch", ""), ("activity-public", "application/json")]
SUSPECT_SECONDS = 0.05
"""What costs less is not looked at again: 64 KB of events cost a tenth of it."""
GUILTY_GROWTH = 3.2
"""By how much the cost may grow where the size doubles; quadratic cost grows by 4."""
MAX_WAIT_SECONDS = 0.05
"""For how long one body may hold the loop; what is aimed at is 10 ms, and steps of work are measured, not ended."""
HANG_SECONDS = 120


class Input(NamedTuple):
    """A body that can be as long as one likes, and where it goes."""

    path: str
    media_type: str
    before: bytes
    piece: bytes
    after: bytes

    def body(self, size: int) -> bytes:
        """Make a body whose repeated part has so many bytes: only what grows with it is compared."""
        return self.before + self.piece * (size // len(self.piece)) + self.after


def inputs(count: int) -> Iterator[Input]:
    """Make every token and pair of tokens for each endpoint, then draw *count* with triples, beginnings and ends."""
    pairs = [*TOKENS, *(b"".join(pair) for pair in itertools.permutations(TOKENS, 2))]
    for (path, media_type), piece in itertools.product(ENDPOINTS[:2] if count < 10_000 else ENDPOINTS, pairs):
        yield Input(path, media_type, b"[", piece, b"")
    draw = random.Random(1)
    for _ in range(count):
        piece = b"".join(draw.choices(TOKENS, k=draw.randint(1, 3)))
        yield Input(*draw.choice(ENDPOINTS), draw.choice(BEFORE), piece, draw.choice(AFTER))


async def cost(running: Running, tried: Input, size: int, tries: int = 1) -> float:
    """Tell the processor's time, in seconds, that a body of so many bytes takes the service, at best."""
    found = []
    for _ in range(tries):
        body, began = tried.body(size), time.process_time()
        headers = [(b"x-tracking-key", KEY.encode()), (b"content-type", tried.media_type.encode())]
        await ask(running, f"{TRACK}/{tried.path}", headers, body)
        found.append(time.process_time() - began)
    return min(found)


async def ask(running: Running, path: str, headers: Sequence[tuple[bytes, bytes]], body: bytes) -> int:
    """Post to the application itself, without a server that has costs of its own; gives the status."""
    scope: dict[str, Any] = {"type": "http", "method": "POST", "path": path, "raw_path": path.encode()}
    scope |= {"headers": headers, "query_string": b"", "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 1)}
    scope |= {"scheme": "http", "http_version": "1.1", "asgi": {"version": "3.0"}, "root_path": ""}
    places, statuses = iter(range(0, len(body), PART)), list[int]()

    async def receive() -> dict[str, Any]:
        # As from a socket: others have their turn between two parts.
        await asyncio.sleep(0)
        place = next(places, len(body))
        return {"type": "http.request", "body": body[place : place + PART], "more_body": place + PART < len(body)}

    async def send(message: Any) -> None:
        statuses.append(message.get("status"))

    await running.service.app(scope, receive, send)
    return statuses[0]


async def is_guilty(running: Running, tried: Input) -> bool:
    """Say whether a body's cost grows much faster than its size."""
    for size in SIZES:
        if await cost(running, tried, size) > SUSPECT_SECONDS:
            costs = [await cost(running, tried, part, 2) for part in (size // 4, size // 2, size)]
            growth = [after / before for before, after in itertools.pairwise(costs)]
            return costs[-1] > SUSPECT_SECONDS and min(growth) > GUILTY_GROWTH
    return False


async def test_no_input_costs_more_than_its_size(running: Running, full: bool, figures: Figures) -> None:
    """Whatever a body repeats, twice as much of it costs about twice as much."""
    tried, guilty = 0, []
    for each in inputs(50_000 if full else 1_000):
        tried += 1
        if await is_guilty(running, each):
            guilty.append(each._replace(before=each.before[-20:]))
        if len(guilty) == 3:
            break
    figures("slow inputs", tried=tried, slow=len(guilty))
    assert guilty == []


@pytest.fixture
async def running(tmp_path: Path) -> AsyncIterator[Running]:
    """A service that logs no request: what that costs is not asked here."""
    found = await start(tmp_path, ACCESS_LOG="off", LOG_LEVEL="error")
    yield found
    await found.drop()


@pytest.fixture
def no_hang() -> Iterator[None]:
    """Fail instead of hanging for ever, also where the loop is held."""

    def end(*_: object) -> None:
        raise TimeoutError("the loop is held")

    before = signal.signal(signal.SIGALRM, end)
    signal.alarm(HANG_SECONDS)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


async def longest_turn() -> float:
    """Take every turn of the loop until cancelled; give the longest time between two, of the processor.

    Only of the loop's own thread: on a busy machine others, such as the writer's, run while it waits for a processor.
    """
    longest, last = 0.0, time.thread_time()
    with contextlib.suppress(asyncio.CancelledError):
        while True:
            await asyncio.sleep(0)
            now = time.thread_time()
            longest, last = max(longest, now - last), now
    return longest


async def held(running: Running, request: bytes) -> tuple[float, int]:
    """Post a *request*, as it goes over the wire; give for how long it held the loop at a time, and its status."""
    head, _, body = request.partition(b"\r\n\r\n")
    line, *lines = head.split(b"\r\n")
    headers = [(field.lower(), value.strip()) for field, _, value in (each.partition(b":") for each in lines)]
    # What the tests themselves hold is nothing that the service would have to look through.
    gc.collect()
    gc.freeze()
    watch = asyncio.create_task(longest_turn())
    status = await ask(running, line.split()[1].decode(), headers, body)
    watch.cancel()
    return await watch, status


@pytest.mark.parametrize("name", BODIES)
@pytest.mark.usefixtures("no_hang")
async def test_no_body_holds_the_loop(running: Running, name: str, full: bool, figures: Figures) -> None:
    """Whatever is in a body of whatever size: work on it stops every few milliseconds, so that others have a turn."""
    request = BODIES[name]()
    # Of two, since only what the body costs comes twice.
    longest, status = min([await held(running, request) for _ in range(2)])
    if full:
        figures(name, table="the longest turn of one body", milliseconds=round(longest * 1000), status=status)
    assert longest < MAX_WAIT_SECONDS
