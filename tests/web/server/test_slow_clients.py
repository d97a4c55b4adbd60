"""Clients that send or read slowly, or go away: how long the service waits for them."""

import asyncio
import contextlib
import socket
import time
from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest

from tests.paths import API, TRACK
from tests.samples.events import ACTIVITY, BATCH
from tests.servers.process import Process
from tests.servers.service import Running, start
from tests.web.server.requests import HEAD, POST, trickle


@pytest.fixture
async def impatient(tmp_path: Path) -> AsyncIterator[Running]:
    """A service that waits a moment only."""
    found = await start(tmp_path, HEAD_SECONDS="0.4", BODY_SECONDS="0.6", ANSWER_SECONDS="2")
    yield found
    await found.drop()


SLOW = {
    "nothing": (b"", b"", b""),
    "empty lines": (b"", b"\r\n", b""),
    "a head": (b"GET /health HTTP/1.1\r\n", b"x: y\r\n", b"408"),
    "a head after an answer": (HEAD + b"GET /health HTTP/1.1\r\n", b"x: y\r\n", b"408"),
    "empty lines after an answer": (HEAD, b"\r\n", b"200"),
    "a handshake": (f"GET {API}/live HTTP/1.1\r\nUpgrade: websocket\r\n".encode(), b"x: y\r\n", b"408"),
    "a body": (POST, b" ", b"408"),
    "a body in chunks": (POST.replace(b"Content-Length: 500", b"Transfer-Encoding: chunked"), b"1\r\n \r\n", b"408"),
    "a body that nobody reads": (HEAD[:-2] + b"Content-Length: 500\r\n\r\n", b" ", b"200"),
}


@pytest.mark.parametrize("name", SLOW)
async def test_who_trickles_is_cut(impatient: Running, name: str) -> None:
    """A head or a body that trickles in is ended in time, with a 408 where an answer is due."""
    first, drop, status = SLOW[name]
    answer, seconds = await trickle(impatient, first, drop)
    assert seconds < 2.5
    assert (status in answer) if status else answer == b""
    assert (b"408" in answer) == (status == b"408")
    async with asyncio.timeout(2):
        while impatient.server.server_state.tasks:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    assert (await impatient.http.get("/health")).status_code == 200


async def download(running: Running, room: int) -> tuple[socket.socket, bytes]:
    """Ask for a CSV of several megabytes, with so much *room* to receive it; gives what came of it first."""
    rows = [{**BATCH[0], "event_id": str(number), "user_agent": "x" * 1000} for number in range(9000)]
    for part in range(0, len(rows), 3000):
        await running.http.post(f"{TRACK}/batch", json=rows[part : part + 3000])
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, room)
    client.setblocking(False)
    loop = asyncio.get_running_loop()
    await loop.sock_connect(client, ("127.0.0.1", running.service.settings.port))
    lines = [f"GET {API}/users/activities HTTP/1.1", "Host: x", "Connection: close", "Accept: text/csv"]
    lines += [f"{name}: {value}" for name, value in running.admin().items()]
    await loop.sock_sendall(client, "\r\n".join([*lines, "", ""]).encode())
    return client, await loop.sock_recv(client, 4096)


async def rest(client: socket.socket, pace: float) -> bytes:
    """Read on, so many bytes a second, until the service ends it."""
    loop, parts = asyncio.get_running_loop(), []
    with contextlib.suppress(ConnectionResetError):
        while part := await loop.sock_recv(client, 65536):
            parts.append(part)
            await asyncio.sleep(len(part) / pace)
    client.close()
    return b"".join(parts)


async def test_who_does_not_read_is_cut(impatient: Running) -> None:
    """A download that is left unread is broken off in time, and leaves nothing behind."""
    client, first = await download(impatient, 4096)
    assert b" 200 OK" in first
    async with asyncio.timeout(5):
        while impatient.server.server_state.connections and impatient.server.server_state.tasks:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    assert not (await rest(client, 1e12)).endswith(b"0\r\n\r\n")
    assert (await impatient.http.get("/health")).status_code == 200


async def test_who_reads_slowly_is_served(impatient: Running) -> None:
    """A download that goes on, however slowly, is not broken off: it outlasts the deadline and is whole."""
    client, _ = await download(impatient, 1 << 18)
    began = time.monotonic()
    assert (await rest(client, 3e6)).endswith(b"0\r\n\r\n")
    assert time.monotonic() - began > impatient.service.settings.answer_seconds


async def test_who_is_quick_is_not_cut(impatient: Running) -> None:
    """A connection lives on beyond every deadline as long as each of its requests comes in time."""
    async with httpx2.AsyncClient(base_url=impatient.url, limits=httpx2.Limits(max_connections=1)) as http:
        for _ in range(12):
            assert (await http.post(f"{TRACK}/activity-public", json=ACTIVITY)).status_code == 201
            await asyncio.sleep(0.15)
        await asyncio.sleep(1.5)
        assert (await http.get("/health")).status_code == 200
    connections = impatient.server.server_state.connections
    assert len(connections) <= 1


async def test_a_slow_service_cuts_nobody(impatient: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """However long the service takes to answer, who sent a whole request gets the answer, and so does the next one."""
    touch = impatient.service.database.write

    async def slowly(work: object) -> object:
        await asyncio.sleep(1.2)
        return await touch(work)  # type: ignore[arg-type]

    monkeypatch.setattr(impatient.service.database, "write", slowly)
    reader, writer = await asyncio.open_connection("127.0.0.1", impatient.service.settings.port)
    writer.write(b"GET /ready HTTP/1.1\r\nHost: x\r\n\r\n" + HEAD[:20])
    assert b"200" in await reader.readline()
    writer.write(HEAD[20:])
    async with asyncio.timeout(2):
        await reader.readuntil(b'{"status":"ok"}')
    writer.close()


async def test_who_goes_away_is_no_error(tmp_path: Path) -> None:
    """A client that goes away in the middle of its body leaves no error in the log."""
    process = Process(tmp_path, ACCESS_LOG="all", BODY_SECONDS="0.3")
    await process.start()
    port = int(process.environment["ANALYTICS_PORT"])
    for wait in (0.0, 0.6):
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(POST + b"{")
        await writer.drain()
        await asyncio.sleep(0.1 + wait)
        writer.close()
    await asyncio.sleep(0.1)
    assert process.terminate() == 0
    assert "Traceback" not in process.log()
    assert process.log().count('"status": 400') == 2
