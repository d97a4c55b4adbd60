"""The broker of many processes: Redis (or Valkey) pub/sub, of one server, behind Sentinel, or of a cluster.

Three traps shape it. redis-py reconnects a subscription silently, and all that shows is a repeated confirmation: each
one counts as a possible loss. A subscription can stop receiving without an error: a probe that this process sends
itself must come back. And a server that the other processes no longer use still delivers, to this process alone: so
discovery is repeated, and a probe goes the way of the changes, behind them in the same outbox.

Publishing and receiving use one server, found again with each connection (``discovery.py``). A failure of either ends
both, and both start again.

All tenants share one channel, whose name holds the database's epoch, so that services on one Redis do not mix. A
process skips changes of tenants without subscribers: the client's reading costs 60 us a change, reading its tenant 1 us
(of a batch over many minutes, 13 KB, 22 us). In return there is one subscription to keep and to probe.
In a cluster that channel is a sharded one: SPUBLISH reaches the nodes that share its slot, PUBLISH would go to all.
More channels would spread what one server carries with ease, and each would need probes of its own.
"""

import asyncio
import random
import secrets
from collections import deque

import msgspec
import structlog
from redis.asyncio import Redis
from redis.exceptions import ConnectionError, RedisError

from realtime.brokers.broker import Missed, Receive
from realtime.brokers.discovery import client, discovery
from realtime.brokers.redis_urls import CLUSTER, parse_redis_url
from storage.model.changes import Change

log = structlog.get_logger()

PROBE_SECONDS = 1.0
"""How often a probe is sent, and discovery repeated."""
PROBE_TIMEOUT_SECONDS = 3.0
"""How long no probe may come back before the subscription counts as lost."""
READ_SECONDS = 0.5
"""How long one read waits, before it is checked whether probes came back."""
BACKOFF_SECONDS = (0.1, 1.0)
"""The shortest and the longest wait before a new connection; the wait is drawn between zero and the bound."""
OUTBOX = 10_000
"""Changes that wait for Redis at the most; the oldest are dropped beyond it: feeds read them from the change log."""


class ProbeLost(ConnectionError):
    """No probe came back."""


class Moved(ConnectionError):
    """The server is another one now, or no longer has the channel."""


class _Address(msgspec.Struct):
    tenant_id: str


class RedisBroker:
    """Carries changes between processes through the Redis that *url* names, for the database of one *epoch*."""

    def __init__(self, url: str, epoch: str) -> None:
        # The braces make a cluster keep both in one slot.
        self._changes = f"convoai:{{{epoch}}}:changes"
        self._probes = f"convoai:{{{epoch}}}:probe:{secrets.token_hex(8)}"
        parsed = parse_redis_url(url)
        self._sharded = parsed.kind == CLUSTER
        self._discovery = discovery(parsed, self._changes)
        self._tenants: set[str] = set()
        self._outbox: deque[tuple[str, bytes]] = deque(maxlen=OUTBOX)
        self._filled = asyncio.Event()
        self._running = False
        self._connected = False
        self._heard_at: float | None = None
        self._wait = BACKOFF_SECONDS[0]
        self._task: asyncio.Task[None] | None = None
        self._receive: Receive = lambda change: None
        self._missed: Missed = lambda: None
        self._address = msgspec.json.Decoder(_Address)

    @property
    def delivering(self) -> bool:
        """Whether a probe came back lately."""
        return self._heard_at is not None and _now() - self._heard_at < PROBE_TIMEOUT_SECONDS

    async def start(self, receive: Receive, missed: Missed) -> None:
        """Begin to carry; Redis may be unreachable at first."""
        self._receive, self._missed, self._running = receive, missed, True
        self._task = asyncio.create_task(self._keep(), name="broker")

    async def stop(self) -> None:
        """End, and close every connection."""
        self._running = False
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self._discovery.close()

    def publish(self, change: Change) -> None:
        """Hand over a committed change; it waits for Redis in a bounded outbox.

        While there is no connection it is dropped: the feeds find it in the change log before Redis is back.
        """
        if self._connected:
            self._put(self._changes, change.encode())

    def subscribe(self, tenant_id: str) -> None:
        """Begin to receive the changes of a tenant."""
        self._tenants.add(tenant_id)

    def unsubscribe(self, tenant_id: str) -> None:
        """Receive the changes of a tenant no longer."""
        self._tenants.discard(tenant_id)

    def _put(self, channel: str, body: bytes) -> None:
        self._outbox.append((channel, body))
        self._filled.set()

    async def _keep(self) -> None:
        """Connect, over and over."""
        while self._running:
            try:
                await self._run(await self._discovery.find())
            except* (RedisError, OSError) as errors:
                log.warning("broker_disconnected", error=type(errors.exceptions[0]).__name__)
            except* Exception:
                # The broker must continue whatever a message or its receiver does.
                log.exception("broker_broken")
            await asyncio.sleep(random.uniform(0, self._wait))
            self._wait = min(self._wait * 2, BACKOFF_SECONDS[1])

    async def _run(self, url: str) -> None:
        """Publish and receive through one server, until either fails, or discovery finds another one."""
        redis = client(url)
        self._outbox.clear()
        self._connected = True
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._listen(redis), name="broker-listen")
                tasks.create_task(self._send(redis), name="broker-send")
                tasks.create_task(self._probe(), name="broker-probe")
                tasks.create_task(self._check_server(url), name="broker-check-server")
        finally:
            self._connected, self._heard_at = False, None
            self._missed()
            # The reader may have been ended in the middle of a message: nothing of this client is used again.
            await redis.aclose()

    async def _listen(self, redis: Redis) -> None:
        subscription = redis.pubsub()
        try:
            subscribe = subscription.ssubscribe if self._sharded else subscription.subscribe
            await subscribe(self._changes, self._probes)
            since = _now()
            while not _is_cancelled():
                message = await subscription.get_message(timeout=READ_SECONDS)
                if message is not None:
                    self._take(message["type"], message["channel"], message["data"])
                if _now() - max(since, self._heard_at or 0.0) > PROBE_TIMEOUT_SECONDS:
                    raise ProbeLost
        finally:
            await subscription.aclose()  # type: ignore[no-untyped-call]

    async def _send(self, redis: Redis) -> None:
        while not _is_cancelled():
            await self._filled.wait()
            self._filled.clear()
            waiting = list(self._outbox)
            self._outbox.clear()
            # What is lost on the way is in the change log; the feeds find it there within a second.
            async with redis.pipeline(transaction=False) as pipeline:
                publish = pipeline.spublish if self._sharded else pipeline.publish
                for channel, body in waiting:
                    publish(channel, body)
                await pipeline.execute()

    async def _probe(self) -> None:
        while True:
            self._put(self._probes, b"")
            await asyncio.sleep(PROBE_SECONDS)

    async def _check_server(self, url: str) -> None:
        """Find out that the other processes use another server by now, though this one still delivers."""
        while True:
            await asyncio.sleep(PROBE_SECONDS)
            try:
                found = await self._discovery.find()
            except (RedisError, OSError):
                # No other one is known.
                continue
            if found != url:
                raise Moved

    def _take(self, kind: str, channel: bytes, data: bytes) -> None:
        if kind in ("subscribe", "ssubscribe"):
            self._missed()
            # No subscription received the probes before this one.
            self._put(self._probes, b"")
        elif kind == "sunsubscribe":
            # A cluster says so when the slot is moved to another node.
            raise Moved
        elif channel == self._probes.encode():
            self._heard_at, self._wait = _now(), BACKOFF_SECONDS[0]
        elif kind in ("message", "smessage"):
            try:
                if self._address.decode(data).tenant_id in self._tenants:
                    self._receive(Change.decode(data))
            except (msgspec.MsgspecError, UnicodeDecodeError):
                log.warning("broker_message_unreadable")


def _is_cancelled() -> bool:
    """Say whether this task is to end.

    A cancellation may get lost in the client: before Python 3.12 ``asyncio.wait_for`` drops one that comes just when
    what it waits for is done.
    """
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _now() -> float:
    return asyncio.get_running_loop().time()
