"""The listening socket: everybody is served, and a crowd from one address does not keep the others waiting."""

import asyncio
import errno
import socket
from collections.abc import AsyncIterator
from typing import Any, ClassVar

import pytest
from structlog.testing import capture_logs

from tests.servers.service import Running
from web.server.listener import Listener

CROWD = 400
HEALTH = b"GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


def connect(port: int, source: str = "127.0.0.1") -> socket.socket:
    client = socket.create_connection(("127.0.0.1", port), source_address=(source, 0))
    client.sendall(HEALTH)
    client.setblocking(False)
    return client


async def answer(client: socket.socket) -> bytes:
    with client:
        return await asyncio.wait_for(asyncio.get_running_loop().sock_recv(client, 4096), 20)


async def test_addresses_take_turns(running: Running) -> None:
    """Who comes behind hundreds of connections from another address is answered before most of those."""
    port = running.service.settings.port
    crowd = [connect(port) for _ in range(CROWD)]
    late = connect(port, "127.0.0.2")
    answered = asyncio.gather(*(answer(client) for client in crowd))
    before = running.server.server_state.total_requests
    assert (await answer(late)).startswith(b"HTTP/1.1 200")
    assert running.server.server_state.total_requests - before < CROWD / 2
    assert all(found.startswith(b"HTTP/1.1 200") for found in await answered)


class Served(asyncio.Protocol):
    """What serves a connection: it only notes it."""

    count = 0

    peers: ClassVar[list[str]] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        type(self).count += 1
        self.peers.append(transport.get_extra_info("peername")[0])


class Listening(socket.socket):
    """A listening socket that can have no descriptors left."""

    left = 1_000

    def accept(self) -> tuple[socket.socket, Any]:
        if not self.left:
            raise OSError(errno.EMFILE, "Too many open files")
        return super().accept()


@pytest.fixture
async def listening() -> AsyncIterator[Listening]:
    Served.count = 0
    Served.peers.clear()
    with Listening() as found:
        found.bind(("127.0.0.1", 0))
        found.listen(500)
        yield found


async def until(count: int) -> None:
    async with asyncio.timeout(10):
        while Served.count < count:  # noqa: ASYNC110 - it comes in its own time
            await asyncio.sleep(0.001)


async def test_a_stop_serves_who_was_accepted(listening: Listening) -> None:
    """Whoever was accepted when the service stops is served; later ones are left to the next process."""
    accepting = Listener(listening, Served, 1_000)
    clients = [connect(listening.getsockname()[1]) for _ in range(100)]
    await until(1)
    await accepting.close()
    served = Served.count
    clients.append(connect(listening.getsockname()[1]))
    await asyncio.sleep(0.05)
    assert Served.count == served
    following = Listener(listening, Served, 1_000)
    await until(len(clients))
    await following.close()
    for client in clients:
        client.close()


async def test_only_so_many_wait(listening: Listening) -> None:
    """Beyond so many that were accepted and not begun, others wait in the kernel, and are served in the end."""
    accepting = Listener(listening, Served, 5)
    clients = [connect(listening.getsockname()[1]) for _ in range(100)]
    most = 0
    async with asyncio.timeout(10):
        while Served.count < len(clients):
            most = max(most, len(accepting._waiting))
            await asyncio.sleep(0)
    assert most <= 5
    await accepting.close()
    for client in clients:
        client.close()


async def test_one_address_does_not_fill_the_queue(listening: Listening, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who opens more connections than may wait loses its newest ones, which are counted, and another address is served
    meanwhile."""
    dropped: list[None] = []
    monkeypatch.setattr("web.server.listener.ALWAYS", 10)
    port = listening.getsockname()[1]
    crowd = [connect(port) for _ in range(300)]
    crowd.append(connect(port, "127.0.0.2"))
    with capture_logs() as logs:
        accepting = Listener(listening, Served, 40, lambda: dropped.append(None))
        async with asyncio.timeout(10):
            while "127.0.0.2" not in Served.peers:  # noqa: ASYNC110 - it comes in its own time
                await asyncio.sleep(0)
        await accepting.close()
    assert Served.count < 200
    assert Served.count + len(dropped) == len(crowd)
    assert [line["event"] for line in logs] == ["connections_dropped"]
    for client in crowd:
        client.close()


async def test_it_goes_on_when_there_are_descriptors_again(listening: Listening) -> None:
    """Without a descriptor left nothing is accepted, and the log says so; later nothing is lost."""
    listening.left = 0
    client = connect(listening.getsockname()[1])
    with capture_logs() as logs:
        accepting = Listener(listening, Served, 1_000)
        await asyncio.sleep(0.3)
    assert Served.count == 0
    assert [(line["event"], line["error"]) for line in logs] == [("cannot_accept", "EMFILE")]
    listening.left = 1
    await until(1)
    await accepting.close()
    client.close()
