"""Attacks by an admin who reads. Each goes on against a running service for some seconds, and gives what was answered.

The admin is one of *tenant*, which should have many events: the attacks cost more, the more there is to read.
"""

import asyncio
import itertools
import socket
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from urllib.parse import urlencode, urlsplit

from storage.read.series import METRICS
from tests.paths import API
from tests.servers.settings import SECRET
from web.auth.tokens import ADMIN, make_token

Answers = Counter[str]
"""How often there was each status; "broken": no whole answer came."""

SMALL_BUFFER = 4096
"""Bytes that the kernel takes for a client that does not read."""
BACK_SECONDS = 0.5
"""After how long one who was refused comes back: sooner than it was told."""
CSV = {"Accept": "text/csv"}
GZIP = {"Accept-Encoding": "gzip"}


async def heavy_reports(url: str, seconds: float, tenant: str = "default", clients: int = 60) -> Answers:
    """Ask for the statistics of all API calls, on many connections of one admin at once."""
    return await _repeat(url, seconds, clients, tenant, lambda _: ("api-usage", {}))


async def large_pages(url: str, seconds: float, tenant: str = "default", clients: int = 30) -> Answers:
    """Ask for the longest pages of activities, gzipped."""
    return await _repeat(url, seconds, clients, tenant, lambda _: ("users/activities?limit=1000", GZIP))


async def summaries(url: str, seconds: float, tenant: str = "default", clients: int = 1000) -> Answers:
    """Ask for the summary, a thousand times at once."""
    return await _repeat(url, seconds, clients, tenant, lambda _: ("summary", {}))


async def longest_series(url: str, seconds: float, tenant: str = "default", clients: int = 20) -> Answers:
    """Ask for the longest series of every metric."""
    query = {"metrics": ",".join(METRICS), "interval": "minute", "from": "2026-11-16T08:00:00Z", "to": "2026-11-23"}
    return await _repeat(url, seconds, clients, tenant, lambda _: (f"series?{urlencode(query)}", GZIP))


async def hard_searches(url: str, seconds: float, tenant: str = "default", clients: int = 20) -> Answers:
    """Search users for a pattern that matches nearly everywhere, and never to its end."""
    query = {"search": "_%" * 60 + "a" * 100 + "b", "sort": "last_seen"}
    return await _repeat(url, seconds, clients, tenant, lambda _: (f"users/list?{urlencode(query)}", {}))


async def long_texts(url: str, seconds: float, tenant: str = "default", clients: int = 20) -> Answers:
    """Send cursors, entity tags and preferences of 28 KB: a head has 32 KB at the most."""
    texts: list[tuple[str, dict[str, str]]] = [
        ("users/list?cursor=" + "W1tb" * 7000, {}),
        ("summary", {"If-None-Match": '"x",' * 7000}),
        ("summary", {"If-None-Match": "," * 28_000}),
        ("summary", {"Accept-Encoding": "gzip;q=1," * 2800}),
        ("users/list", {"Accept": "text/csv;q=0.5;q=1," * 1400}),
    ]
    return await _repeat(url, seconds, clients, tenant, lambda number: texts[number % len(texts)])


async def copied_lists(url: str, seconds: float, tenant: str = "default", clients: int = 20) -> Answers:
    """Download all users, who have to be copied aside, again and again."""
    return await _repeat(url, seconds, clients, tenant, lambda _: ("users/list?sort=username", CSV))


async def unread_answers(
    url: str,
    seconds: float,
    tenant: str = "default",
    clients: int = 200,
    path: str = "users/activities?limit=1000",
    **headers: str,
) -> Answers:
    """Ask for *path* on many connections, and read nothing but the status; who is refused comes back."""
    until, answers = time.monotonic() + seconds, Answers()

    async def ask() -> None:
        while (left := until - time.monotonic()) > 0:
            status, writer = await _begin(url, tenant, path, headers, left)
            answers[status] += 1
            await asyncio.sleep(max(0.0, until - time.monotonic()) if status == "200" else BACK_SECONDS)
            await _end(writer)

    await asyncio.gather(*(ask() for _ in range(clients)))
    return answers


async def clients_that_leave(url: str, seconds: float, tenant: str = "default", clients: int = 60) -> Answers:
    """Ask for what costs most, and leave: at once, in line, while it is read, or in the middle of the answer."""
    asked: list[tuple[str, dict[str, str]]] = [
        ("api-usage", {}),
        ("users/list?sort=username", CSV),
        ("users/activities", CSV),
        ("users/activities?limit=1000", GZIP),
    ]
    until, answers = time.monotonic() + seconds, Answers()
    stays = itertools.cycle((0.0, 0.01, 0.05, 0.2, 0.5, 1.0))

    async def ask(number: int) -> None:
        while time.monotonic() < until:
            path, headers = asked[number % len(asked)]
            status, writer = await _begin(url, tenant, path, headers, next(stays))
            answers[status] += 1
            await _end(writer)
            number += 1

    await asyncio.gather(*(ask(number) for number in range(clients)))
    return answers


async def _repeat(
    url: str, seconds: float, clients: int, tenant: str, request: Callable[[int], tuple[str, dict[str, str]]]
) -> Answers:
    """Ask for one after the other on each of so many connections, until the time is over."""
    until, answers = time.monotonic() + seconds, Answers()

    async def ask(number: int) -> None:
        while (left := until - time.monotonic()) > 0:
            path, headers = request(number)
            status, writer = await _begin(url, tenant, path, headers, left, _read_whole)
            answers[status] += 1
            await _end(writer)
            if status != "200":
                await asyncio.sleep(BACK_SECONDS)
            number += 1

    await asyncio.gather(*(ask(number) for number in range(clients)))
    return answers


async def _begin(
    url: str,
    tenant: str,
    path: str,
    headers: dict[str, str],
    patience: float,
    read: Callable[[asyncio.StreamReader], Awaitable[bytes]] | None = None,
) -> tuple[str, asyncio.StreamWriter | None]:
    """Ask, and give the status and the connection; "broken" if it did not come within *patience* seconds."""
    server, token = urlsplit(url), make_token(SECRET, "ada", [ADMIN], tenant, 3600)
    head = {"Host": server.netloc, "Authorization": f"Bearer {token}", "Connection": "close", **headers}
    lines = [f"GET {API}/{path} HTTP/1.1", *(f"{name}: {value}" for name, value in head.items()), "", ""]
    connection, writer, status = _small(), None, "broken"
    try:
        async with asyncio.timeout(patience):
            await asyncio.get_running_loop().sock_connect(connection, (server.hostname, server.port))
            reader, writer = await asyncio.open_connection(sock=connection)
            writer.write("\r\n".join(lines).encode())
            answered = await reader.readexactly(12)
            if read is not None:
                await read(reader)
            status = answered[9:].decode()
    except (OSError, TimeoutError, asyncio.IncompleteReadError):
        if writer is None:
            connection.close()
    return status, writer


def _small() -> socket.socket:
    connection = socket.socket()
    connection.setblocking(False)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL_BUFFER)
    return connection


async def _read_whole(reader: asyncio.StreamReader) -> bytes:
    last = b""
    while piece := await reader.read(1 << 16):
        last = piece
    return last


async def _end(writer: asyncio.StreamWriter | None) -> None:
    if writer is not None:
        writer.transport.abort()
        with suppress(OSError):
            await writer.wait_closed()
