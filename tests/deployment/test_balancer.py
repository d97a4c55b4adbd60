"""The balancer's configuration: what it lets through, to whom, and what it spares panels and admins."""

import asyncio
import json
import random
import struct
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Subprotocol

from realtime.protocol import SUBPROTOCOL
from tests.paths import API, LIVE, TRACK
from tests.samples.events import ACTIVITY
from tests.servers.cluster import Balancer, Cluster
from tests.servers.ports import free_port
from tests.servers.postgres import Postgres
from tests.servers.service import start
from tests.servers.settings import SECRET
from tests.subscribers.live import LivePanel
from tests.subscribers.stream import StreamPanel
from web.auth.tokens import ADMIN, make_token

KEY = "own-key-0123456789"
BODY = json.dumps(ACTIVITY).encode()
TRICKS = (
    "/api/v1/analytics/track/activity-public",
    "/api/v1/analytics/track/",
    "/api/v1/analytics/track",
    "//api//v1/analytics//track//activity-public",
    "/api/v1/analytics%2ftrack%2Factivity-public",
    "/api/v1/analytics/%74rack/activity-public",
    "/api/v1/analytics/%54%52ack/activity-public",
    "/api/v1/analytics/./track/activity-public",
    "/api/v1/analytics/users/../track/activity-public",
    "/api/v1/analytics/users/%2e%2e/track/activity-public",
    "/api/v1/analytics/live/..%2Ftrack/activity-public",
    "/API/V1/ANALYTICS/TRACK/ACTIVITY-PUBLIC",
    "/api/v1/analytics/track/activity-public?x=%zz",
    "/api/v1/analytics/track;a=b/activity-public",
    "http://{host}/api/v1/analytics/track/activity-public",
    "/metrics",
    "/%6Detrics",
)


@pytest.fixture(scope="module")
def cluster(postgres: Postgres, valkey: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    name = postgres.create()
    own = {"JWT_SECRET": SECRET, "TRACKING_KEYS": KEY, "HEARTBEAT_SECONDS": "0.2", "MAX_CONNECTIONS_PER_ADDRESS": "2"}
    found = Cluster(tmp_path_factory.mktemp("cluster"), postgres.url(name), valkey, 0, **own)
    try:
        asyncio.run(found.start())
        yield found
    finally:
        found.stop()
        postgres.drop(name)


def token(sub: str = "ada") -> str:
    return make_token(SECRET, sub, [ADMIN], "default", 3600)


async def ask(url: str, target: str, method: str = "POST", body: bytes = BODY, *headers: str) -> bytes:
    """Send a request whose target is taken as it is, and give all of the answer."""
    parts = urlsplit(url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    lines = [f"{method} {target} HTTP/1.1", f"Host: {parts.netloc}", "Connection: close", *headers]
    lines += ["Content-Type: application/json", f"X-Tracking-Key: {KEY}", f"Content-Length: {len(body)}"]
    writer.write("\r\n".join([*lines, "", ""]).encode() + body)
    answer = await reader.read()
    writer.close()
    return answer


async def recorded(cluster: Cluster) -> int:
    async with httpx2.AsyncClient(headers={"Authorization": f"Bearer {token()}"}) as client:
        found = (await client.get(f"{cluster.processes[0].url}{API}/summary")).json()
    return int(found["total_activities"])


@pytest.mark.parametrize("target", TRICKS)
async def test_tracking_is_refused_however_it_is_spelt(cluster: Cluster, target: str) -> None:
    """Even with a key nobody posts by way of the balancer, nor reads the metrics of one process."""
    before = await recorded(cluster)
    answer = await ask(cluster.url, target.format(host=urlsplit(cluster.url).netloc))
    assert answer.startswith(b"HTTP/1.1 403 ")
    assert b"application/problem+json" in answer
    assert await recorded(cluster) == before


async def test_services_post_to_the_processes(cluster: Cluster) -> None:
    """With a key, straight to a process, the same request is taken, also in another spelling."""
    before = await recorded(cluster)
    for target in (f"{TRACK}/activity-public", f"{TRACK.replace('/track', '%2Ftrack')}/activity-public"):
        for process in cluster.processes:
            assert (await ask(process.url, target)).startswith(b"HTTP/1.1 201 ")
    assert await recorded(cluster) == before + 2 * len(cluster.processes)
    async with httpx2.AsyncClient() as client:
        answer = await client.post(f"{cluster.processes[0].url}{TRACK}/activity-public", json=ACTIVITY)
    assert answer.status_code == 401


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_no_spelling_gets_through(cluster: Cluster, data: st.DataObject) -> None:
    """Whatever is escaped, doubled or in capitals, nothing that the service would take reaches it: never a 201."""
    target = ""
    for letter in f"{TRACK}/activity-public":
        way = data.draw(st.sampled_from("=====%lU/"))
        escaped = f"%{ord(letter):02x}"
        target += {"=": letter, "%": escaped, "l": escaped.upper(), "U": letter.upper(), "/": f"{letter}/"}[way]
    answer = asyncio.run(ask(cluster.url, target))
    assert answer[9:12] in (b"400", b"403", b"404", b"405"), (target, answer)


async def test_a_path_that_cannot_be_decoded_is_refused(cluster: Cluster) -> None:
    """Where the balancer cannot tell what a path says, it does not leave it to the service."""
    assert (await ask(cluster.url, f"{TRACK}%/activity-public")).startswith(b"HTTP/1.1 400 ")


async def test_panels_get_through(cluster: Cluster) -> None:
    """WebSockets with their subprotocols, and event streams, see an event at once: nothing is held back on the way."""
    offered = [Subprotocol(SUBPROTOCOL), Subprotocol(f"bearer.{token('wss')}")]
    async with connect(cluster.url.replace("http", "ws", 1) + LIVE, subprotocols=offered) as browser:
        assert browser.subprotocol == SUBPROTOCOL
    panel, stream = LivePanel(cluster.url, token()), StreamPanel(cluster.url, token())
    await panel.open()
    await stream.open()
    await stream.until(lambda: bool(stream.frames))
    async with httpx2.AsyncClient(headers={"X-Tracking-Key": KEY}) as client:
        answer = await client.post(f"{cluster.processes[0].url}{TRACK}/activity-public", json=ACTIVITY)
    await panel.until_position(answer.json()["position"])
    await stream.until_position(answer.json()["position"])
    for fed in (panel, stream):
        before = len(fed.frames)
        await fed.until(lambda fed=fed, before=before: len(fed.frames) > before)  # type: ignore[misc]
        assert fed.frames[-1]["type"] == "heartbeat"
        await fed.close()


async def test_limits_count_the_clients_own_addresses(cluster: Cluster) -> None:
    """Behind the balancer each address has its own count of panels; what a client claims is void."""
    opened = []
    for process in cluster.processes:
        panels = [await panel_of(process.url, "127.0.0.1", "127.0.0.7") for _ in range(2)]
        opened += panels
        assert [panel.response.status_code for panel in panels if panel.response] == [101, 101]
        assert await code_of(await panel_of(process.url, "127.0.0.1", "127.0.0.7")) == 1013
    # All processes are full for that address, and for no other.
    refused = await panel_of(cluster.url, "127.0.0.7", "127.0.0.8")
    assert await code_of(refused) == 1013
    welcome = await panel_of(cluster.url, "127.0.0.8", "127.0.0.7")
    await welcome.send('{"type": "subscribe", "topics": ["summary"], "position": null}')
    assert json.loads(await welcome.recv())["type"] == "snapshot"
    for panel in (*opened, refused, welcome):
        await panel.close()


async def panel_of(url: str, address: str, claimed: str) -> ClientConnection:
    """Open a WebSocket from an *address* of this machine that claims to come from another one."""
    headers = {"Authorization": f"Bearer {token()}", "X-Forwarded-For": claimed}
    offered = [Subprotocol(SUBPROTOCOL)]
    at = url.replace("http", "ws", 1) + LIVE
    return await connect(at, subprotocols=offered, additional_headers=headers, local_addr=(address, 0))


async def code_of(panel: ClientConnection) -> int | None:
    """How the service closes it."""
    await panel.wait_closed()
    return panel.close_code


async def test_reads_go_to_another_process(cluster: Cluster) -> None:
    """With a process killed, no read and no new panel fails: what it refuses goes elsewhere."""
    victim = cluster.processes[1]
    victim.kill()
    async with httpx2.AsyncClient(headers={"Authorization": f"Bearer {token()}"}) as client:
        answers = [(await client.get(f"{cluster.url}{API}/summary")).status_code for _ in range(30)]
    assert answers == [200] * 30
    for _ in range(2):
        panel = LivePanel(cluster.url, token())
        await panel.open()
        await panel.close()
    await victim.start(60)


async def test_without_a_process_it_says_so(tmp_path: Path) -> None:
    """With none ready the answer is a problem document with Retry-After; when one is, it is found."""
    ports = [free_port() for _ in range(3)]
    balancer = Balancer(tmp_path, free_port(), [f"127.0.0.1:{port}" for port in ports])
    await balancer.start(503)
    try:
        async with httpx2.AsyncClient() as client:
            answer = await client.get(f"{balancer.url}{API}/summary")
        assert (answer.headers["content-type"], answer.headers["retry-after"]) == ("application/problem+json", "1")
        assert answer.json()["status"] == 503
        running = await start(tmp_path, PORT=str(ports[1]))
        await balancer.until(200)
        await running.stop()
    finally:
        balancer.stop()


class Names(asyncio.DatagramProtocol):
    """A DNS server that knows one name, and the addresses that it has just now (RFC 1035, 4.1)."""

    def __init__(self) -> None:
        self.addresses: list[str] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, address: tuple[str, int]) -> None:
        # The question, without what follows it: its name ends with an empty label, type and class have four bytes.
        question = data[12 : data.index(b"\0", 12) + 5]
        found = self.addresses if question.startswith(b"\x09analytics\0") and question[-3] == 1 else []
        head = data[:2] + struct.pack("!HHHHH", 0x8180, 1, len(found), 0, 0)
        answers = [struct.pack("!HHHIH4B", 0xC00C, 1, 1, 1, 4, *map(int, each.split("."))) for each in found]
        self._transport.sendto(head + question + b"".join(answers), address)  # type: ignore[attr-defined]


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a machine has one loopback address")
async def test_replicas_are_found_by_name(tmp_path: Path) -> None:
    """As in docker-compose.yml: the balancer asks for the processes' name, and follows as they come and go."""
    loop, port = asyncio.get_running_loop(), free_port()
    server, names = await loop.create_datagram_endpoint(Names, ("127.0.0.1", port))
    # Their port is fixed, so their addresses are drawn: others may run this test on this machine.
    one, other = (f"127.{random.randint(1, 254)}.{random.randint(1, 254)}.{last}" for last in (1, 2))
    first = await start(tmp_path, HOST=one, PORT="8002")
    balancer = Balancer(tmp_path, free_port(), resolver=f"127.0.0.1:{port}")
    names.addresses = [one]
    try:
        await balancer.start()
        (tmp_path / "second").mkdir()
        second = await start(tmp_path / "second", HOST=other, PORT="8002")
        names.addresses = [other]
        await first.stop()
        await balancer.until(200)
        await second.stop()
    finally:
        balancer.stop()
        server.close()
