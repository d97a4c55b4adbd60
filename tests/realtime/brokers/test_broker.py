"""The contract of a broker, on every implementation; and what only Redis can do to it."""

import asyncio

import pytest
from redis.asyncio import Redis

from realtime.brokers.redis import RedisBroker
from tests.realtime.brokers.receivers import Ear, Make, Servers, change


async def test_a_change_arrives_as_it_was(make: Make) -> None:
    """What is published is received, equal and in order."""
    ear = await make()
    ear.broker.subscribe("acme")
    sent = [change(number) for number in range(1, 200)]
    for item in sent:
        ear.broker.publish(item)
    await ear.until(lambda: len(ear.heard) == len(sent))
    assert ear.heard == sent


async def test_only_subscribed_tenants_arrive(make: Make) -> None:
    """Changes of tenants that nobody subscribed to, or no longer, are not received."""
    ear = await make()
    ear.broker.subscribe("acme")
    ear.broker.subscribe("gone")
    ear.broker.unsubscribe("gone")
    ear.broker.unsubscribe("never")
    for tenant in ("other", "gone", "acme"):
        ear.broker.publish(change(1, tenant))
    await ear.until(lambda: bool(ear.heard))
    assert [item.tenant_id for item in ear.heard] == ["acme"]


async def test_publishing_never_fails(make: Make) -> None:
    """A change may be handed over before the start and after the stop; it goes nowhere, quietly."""
    ear = await make()
    await ear.broker.stop()
    ear.broker.publish(change(1))


async def test_every_process_receives(servers: Servers) -> None:
    """Through Redis, each process receives what any process publishes, of its own database only."""
    ears = [Ear(RedisBroker(servers.url, epoch)) for epoch in ("ab", "ab", "ef")]
    for ear in ears:
        ear.broker.subscribe("acme")
        await ear.start()
    ears[0].broker.publish(change(1))
    await ears[1].until(lambda: bool(ears[1].heard))
    await ears[0].until(lambda: bool(ears[0].heard))
    assert ears[2].heard == []
    for ear in ears:
        await ear.broker.stop()


async def test_a_broken_subscription_is_noticed(servers: Servers) -> None:
    """When Redis cuts the subscription, the broker says that it may have missed changes, and receives again."""
    ear = Ear(RedisBroker(servers.url, "ab"))
    ear.broker.subscribe("acme")
    await ear.start()
    before = ear.missed
    for server in servers.servers:
        await asyncio.to_thread(server.cut)
    await ear.until(lambda: ear.missed > before)
    await ear.until(lambda: ear.broker.delivering)
    ear.broker.publish(change(1))
    await ear.until(lambda: bool(ear.heard))
    await ear.broker.stop()


async def test_a_confirmation_counts_as_a_loss(servers: Servers) -> None:
    """Each confirmation of a subscription may hide a silent reconnect: it counts as a possible loss."""
    ear = Ear(RedisBroker(servers.url, "ab"))
    await ear.start()
    assert ear.missed >= 2
    await ear.broker.stop()


async def test_a_subscription_that_receives_nothing_is_noticed(valkey: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A subscription that no longer hears, without an error, is replaced within seconds."""
    monkeypatch.setattr("realtime.brokers.redis.PROBE_TIMEOUT_SECONDS", 0.6)
    monkeypatch.setattr("realtime.brokers.redis.PROBE_SECONDS", 0.1)
    monkeypatch.setattr("realtime.brokers.redis.READ_SECONDS", 0.1)
    broker = RedisBroker(valkey, "ab")
    ear = Ear(broker)
    broker.subscribe("acme")
    await ear.start()
    before = ear.missed
    # Unsubscribed behind the broker's back, as after a failover: connected, but nothing comes.
    probes, broker._probes = broker._probes, "nowhere"
    await ear.until(lambda: ear.missed > before)
    broker._probes = probes
    await ear.until(lambda: broker.delivering)
    await broker.stop()


async def test_a_broken_message_ends_nothing(valkey: str) -> None:
    """What is no change, or what its receiver cannot take, is logged; the next change arrives."""
    broker = RedisBroker(valkey, "ab")
    ear = Ear(broker)
    broker.subscribe("acme")
    await ear.start()
    async with Redis.from_url(valkey) as redis:
        for body in (b"", b"{", b"[]", b'{"tenant_id":"acme"}', b'{"tenant_id":"\xff"}'):
            await redis.publish("convoai:{ab}:changes", body)
    whole, broker._receive = broker._receive, lambda change: 1 / 0  # type: ignore[assignment]
    before = ear.missed
    broker.publish(change(1))
    await ear.until(lambda: ear.missed > before)
    broker._receive = whole
    await ear.until(lambda: broker.delivering)
    broker.publish(change(2))
    await ear.until(lambda: bool(ear.heard))
    assert ear.heard == [change(2)]
    await broker.stop()
