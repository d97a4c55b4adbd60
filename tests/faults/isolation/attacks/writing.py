"""Attacks on the way from a post to its commit: each posts for some seconds, and gives how often which status came."""

import asyncio
import itertools
import secrets
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator

import httpx2
import msgspec

from tests.paths import TRACK
from tests.samples.events import ACTIVITY, MESSAGE

ACME = "acme-key-0123456789"
"""The tracking key of the tenant that attacks."""
REFUSED = "".join(map(chr, range(0x10000, 0x10200)))
"""An endpoint of 512 characters and 2 KiB; beside a long tenant it is more than PostgreSQL's indexes take."""

Seen = Counter[int | str]
"""How often each status came, or the name of the error that came instead."""
Post = Callable[[httpx2.AsyncClient], Awaitable[httpx2.Response]]


async def post_large_batches(
    url: str, seconds: float, *, connections: int = 8, events: int = 10_000, key: str = ACME
) -> Seen:
    """Post batches of the largest size over some connections, each the next one when the last is answered."""
    bodies = _batches(events)

    async def post(client: httpx2.AsyncClient) -> httpx2.Response:
        return await client.post(f"{url}{TRACK}/batch", content=next(bodies))

    return await _repeat(post, seconds, connections, key)


async def post_singles(url: str, seconds: float, *, connections: int = 200, key: str = ACME) -> Seen:
    """Post single events over many connections: as many requests of one tenant wait all the time."""
    body = msgspec.json.encode(ACTIVITY)

    async def post(client: httpx2.AsyncClient) -> httpx2.Response:
        return await client.post(f"{url}{TRACK}/activity-public", content=body)

    return await _repeat(post, seconds, connections, key)


async def leave_large_batches(url: str, seconds: float, *, connections: int = 8, events: int = 10_000) -> Seen:
    """Post large batches, and go away without the answer when their first part is being committed."""
    bodies = _batches(events)

    async def post(client: httpx2.AsyncClient) -> httpx2.Response:
        return await client.post(f"{url}{TRACK}/batch", content=next(bodies), timeout=httpx2.Timeout(5, read=0.1))

    return await _repeat(post, seconds, connections, ACME)


async def post_as_many_tenants(url: str, seconds: float, keys: list[str]) -> Seen:
    """Post single events of many tenants, who have a key and a connection each."""
    found = await asyncio.gather(*(post_singles(url, seconds, connections=1, key=key) for key in keys))
    return sum(found, Seen())


def _batches(events: int) -> Iterator[bytes]:
    """Make bodies whose messages are all new, without encoding each of them anew."""
    mark, names = "0" * 16, (secrets.token_hex(8) for _ in itertools.count())
    made = [{**MESSAGE, "type": "message", "message_id": f"{mark}-{number}"} for number in range(events)]
    body = msgspec.json.encode(made)
    return (body.replace(mark.encode(), name.encode()) for name in names)


async def _repeat(post: Post, seconds: float, connections: int, key: str) -> Seen:
    """Post over so many connections until the time is over; what has not been answered by then is broken off."""
    seen = Seen()

    async def run(client: httpx2.AsyncClient) -> None:
        while True:
            try:
                seen[(await post(client)).status_code] += 1
            except httpx2.TransportError as error:
                seen[type(error).__name__] += 1

    limits = httpx2.Limits(max_connections=connections, max_keepalive_connections=connections)
    async with httpx2.AsyncClient(headers={"X-Tracking-Key": key}, timeout=60, limits=limits) as client:
        runs = [asyncio.create_task(run(client)) for _ in range(connections)]
        await asyncio.sleep(seconds)
        for task in runs:
            task.cancel()
        await asyncio.gather(*runs, return_exceptions=True)
    return seen
