"""Who goes when there is no room for another connection, and how many connections there may be."""

import asyncio
import contextlib
import json
import resource
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import httpx2
import pytest

from tests.paths import API, TRACK
from tests.samples.events import ACTIVITY
from tests.servers import process as processes
from tests.servers.process import Process
from tests.servers.service import Running, start
from web.http import connections
from web.http.connections import ClientIdentity, Connections, network_of
from web.server.descriptors import fitting, for_connections
from web.settings import Settings

BODY = json.dumps(ACTIVITY)
POST = (
    f"POST {TRACK}/activity-public HTTP/1.1\r\nHost: x\r\nX-Tracking-Key: own-key-0123456789\r\n"
    f"Content-Length: {len(BODY)}\r\n\r\n{BODY}"
).encode()


class Client:
    """A connection that takes note of its end."""

    def __init__(self, known: bool = False, network: str | None = None) -> None:
        self.network = network
        self.identity = ClientIdentity()
        self.identity.is_authenticated = known
        self.is_cut = False

    def cut(self) -> None:
        self.is_cut = True


def test_unauthenticated_clients_go_first_and_the_oldest_of_them() -> None:
    """Strangers go in the order in which they were last served, then known clients that wait, then nobody."""
    all_of_them = Connections(7)
    known, busy, old, new, answered = Client(known=True), Client(known=True), Client(), Client(), Client()
    for client in (known, busy, old, new, answered):
        all_of_them.mark_idle(client)
    all_of_them.mark_busy(busy)
    all_of_them.mark_busy(old)
    posting = Client()
    all_of_them.mark_busy(posting)
    posting.identity.is_authenticated = True
    connected = [known, busy, old, new, answered, posting]
    assert all_of_them.make_room(connected)
    assert not any(client.is_cut for client in connected)
    order = []
    while all_of_them.make_room([*connected, Client()]):
        order += [client for client in connected if client.is_cut and client not in order]
    assert order == [new, answered, old, known]


def test_idle_strangers_of_one_address_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of an address with too many idle connections without a credential, the longest idle is closed: not one that is
    being answered, not one that has shown a credential, and none of another address."""
    monkeypatch.setattr(connections, "MAX_UNAUTHENTICATED", 2)
    all_of_them = Connections(10)
    known, busy, old, new, last = Client(True, "a"), Client(network="a"), *(Client(network="a") for _ in range(3))
    other = Client(network="b")
    for client in (other, known, busy):
        all_of_them.mark_idle(client)
    all_of_them.mark_busy(busy)
    for client in (old, new):
        all_of_them.mark_idle(client)
    assert not any(client.is_cut for client in (known, busy, other, old, new))
    all_of_them.mark_idle(last)
    assert [client.is_cut for client in (known, busy, other, old, new, last)] == [
        False,
        False,
        False,
        True,
        False,
        False,
    ]
    all_of_them.remove(new)
    all_of_them.mark_idle(Client(network="a"))
    assert not last.is_cut


def test_unfinished_heads_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Heads that do not end take a bounded amount of memory: the one that began first goes."""
    monkeypatch.setattr(connections, "MAX_HEAD_BYTES", 100)
    all_of_them = Connections(10)
    first, second, third = Client(), Client(), Client()
    for client, size in ((first, 40), (second, 40), (first, 20), (third, 40)):
        all_of_them.note_head_bytes(client, size)
    assert not any(client.is_cut for client in (first, second, third))
    all_of_them.note_head_bytes(third, 60)
    assert [client.is_cut for client in (first, second, third)] == [False, True, False]


@pytest.fixture
async def small(tmp_path: Path) -> AsyncIterator[Running]:
    """A service with room for six connections."""
    found = await start(tmp_path)
    found.server.config.http_protocol_class.all_connections.room = 6  # type: ignore[attr-defined]
    yield found
    await found.drop()


Connect = Callable[[Running], Awaitable[tuple[asyncio.StreamReader, asyncio.StreamWriter]]]


@pytest.fixture
async def connect() -> AsyncIterator[Connect]:
    """Opens connections that say nothing, and closes them at the end."""
    writers: list[asyncio.StreamWriter] = []

    async def connect_to(running: Running) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection("127.0.0.1", running.service.settings.port)
        writers.append(writer)
        return reader, writer

    yield connect_to
    for writer in writers:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


async def test_idle_unauthenticated_clients_block_no_other(small: Running, connect: Connect) -> None:
    """With every place taken by connections without a credential, services post, admins read and panels come."""
    strangers = [await connect(small) for _ in range(6)]
    reader, writer = await connect(small)
    for _ in range(2):
        writer.write(POST)
        assert b"201" in await reader.readuntil(b"\r\n\r\n")
        await reader.readuntil(b"}")
        await small.get("summary")
        panel = await small.panel()
        assert panel.state.summary["total_activities"] > 0
        # Whoever was known before is not touched.
        strangers += [await connect(small) for _ in range(6)]
    for stranger, _ in strangers[:-6]:
        with contextlib.suppress(ConnectionError):
            assert await stranger.read() == b""


async def test_who_finds_no_room_is_told(small: Running) -> None:
    """Where each connection matters more than a new one, that is answered 503 with Retry-After, and closed."""
    panels = [await small.panel() for _ in range(6)]
    answer = await small.http.get("/health")
    assert (answer.status_code, answer.headers["retry-after"], answer.headers["connection"]) == (503, "1", "close")
    await panels[0].close()
    async with asyncio.timeout(5):
        while (await small.http.get("/health")).status_code != 200:  # noqa: ASYNC110
            await asyncio.sleep(0.02)


def test_few_descriptors_lower_what_is_promised(capsys: pytest.CaptureFixture[str]) -> None:
    """More panels than descriptors allow are not promised, and the line about it names the setting; some are kept."""
    settings = Settings.read({})
    assert fitting(settings, 1 << 20) is settings
    assert capsys.readouterr().out == ""
    assert fitting(settings, 1024).max_connections == 576
    assert "ANALYTICS_MAX_CONNECTIONS is 10000" in capsys.readouterr().out
    assert [for_connections(limit) for limit in (1024, 4096, 20_000)] == [768, 3072, 17_700]


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the limits of another process cannot be read")
async def test_the_soft_limit_is_raised(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A service that is started with the usual soft limit of descriptors has the hard one, and says if that is few."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    given = 2048 if hard == resource.RLIM_INFINITY else min(hard, 2048)
    lower = ["sh", "-c", f'ulimit -Sn 256 && ulimit -Hn {given} && exec "$@"', "sh"]
    monkeypatch.setattr(processes, "COMMAND", [*lower, *processes.COMMAND])
    service = Process(tmp_path)
    await service.start()
    try:
        assert service.pid is not None
        assert resource.prlimit(service.pid, resource.RLIMIT_NOFILE) == (given, given)
        assert service.log().count("few_descriptors") == 1
        async with httpx2.AsyncClient() as client:
            assert (await client.get(f"{service.url}{API}/summary")).status_code == 401
    finally:
        assert service.terminate() == 0


def test_a_network_is_one_client() -> None:
    """An IPv4 address takes turns by itself, IPv6 addresses by their network of 64 bits."""
    assert network_of("192.0.2.1") == "192.0.2.1"
    assert network_of("2001:db8::1") == network_of("2001:db8::2:3") != network_of("2001:db8:0:1::1")
    assert network_of("fe80::1%eth0") == network_of("fe80::2")
