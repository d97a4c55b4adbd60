"""The broker of many processes: Redis (or Valkey) pub/sub.

Three traps shape it. redis-py reconnects a subscription silently, and all that shows is a repeated confirmation: each
one counts as a possible loss. A subscription can go deaf without an error: a probe that this process sends itself
must come back. And a read that is cancelled half-way spoils the connection: only one task reads, and it is asked to
stop between two reads.

All tenants share one channel, whose name holds the database's epoch, so that services on one Redis do not mix. A
process skips what it shows to nobody, at under 1 us a change; in return there is one subscription to keep and to prove.
"""

import asyncio
import contextlib
import random
import secrets
from collections import deque

import msgspec
import structlog
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from realtime.broker import Missed, Receive
from storage.changes import Change

log = structlog.get_logger()

PROBE_SECONDS = 1.0
"""How often a probe is sent."""
DEAF_SECONDS = 3.0
"""How long no probe may come back before the subscription counts as deaf."""
READ_SECONDS = 0.5
"""How long one read waits; a stop takes no longer than that."""
SOCKET_SECONDS = 2.0
"""How long a connection or a command may take."""
BACKOFF_SECONDS = (0.1, 2.0)
"""The shortest and the longest wait before a new connection; the wait is drawn between zero and the bound."""
OUTBOX = 10_000
"""Changes that wait for Redis at the most; beyond it the oldest go, and the change log stands in for them."""


class _Address(msgspec.Struct):
    tenant_id: str


class RedisBroker:
    """Carries changes between processes through Redis at *url*, for the database of one *epoch*."""

    def __init__(self, url: str, epoch: str) -> None:
        self._redis = Redis.from_url(
            url,
            socket_connect_timeout=SOCKET_SECONDS,
            socket_timeout=SOCKET_SECONDS,
            retry=Retry(NoBackoff(), 0),
        )
        self._changes = f"convoai:{epoch}:changes"
        self._probes = f"convoai:{epoch}:probe:{secrets.token_hex(8)}"
        self._tenants: set[str] = set()
        self._outbox: deque[bytes] = deque(maxlen=OUTBOX)
        self._filled = asyncio.Event()
        self._running = False
        self._tasks: list[asyncio.Task[None]] = []
        self._heard_at: float | None = None
        self._receive: Receive = lambda change: None
        self._missed: Missed = lambda: None
        self._address = msgspec.json.Decoder(_Address)

    @property
    def delivering(self) -> bool:
        """Whether a probe came back lately."""
        return self._heard_at is not None and _now() - self._heard_at < DEAF_SECONDS

    async def start(self, receive: Receive, missed: Missed) -> None:
        """Begin to carry; Redis may be away and come later."""
        self._receive, self._missed, self._running = receive, missed, True
        self._tasks = [
            asyncio.create_task(self._listen(), name="broker-listen"),
            asyncio.create_task(self._send(), name="broker-send"),
            asyncio.create_task(self._probe(), name="broker-probe"),
        ]

    async def stop(self) -> None:
        """End, and close every connection."""
        self._running = False
        listener, *others = self._tasks
        for task in others:
            task.cancel()
        await asyncio.gather(listener, *others, return_exceptions=True)
        await self._redis.aclose()

    def publish(self, change: Change) -> None:
        """Hand over a committed change; it waits for Redis in a bounded outbox."""
        self._outbox.append(change.encode())
        self._filled.set()

    def subscribe(self, tenant_id: str) -> None:
        """Begin to receive the changes of a tenant."""
        self._tenants.add(tenant_id)

    def unsubscribe(self, tenant_id: str) -> None:
        """Receive the changes of a tenant no longer."""
        self._tenants.discard(tenant_id)

    async def _send(self) -> None:
        while True:
            await self._filled.wait()
            self._filled.clear()
            waiting = list(self._outbox)
            self._outbox.clear()
            try:
                async with self._redis.pipeline(transaction=False) as pipeline:
                    for body in waiting:
                        pipeline.publish(self._changes, body)
                    await pipeline.execute()
            except (RedisError, OSError) as error:
                # What could not be sent is in the change log; the feeds find it there within a second.
                log.warning("broker_send_failed", error=type(error).__name__, changes=len(waiting))
                await asyncio.sleep(BACKOFF_SECONDS[0])

    async def _probe(self) -> None:
        while True:
            with contextlib.suppress(RedisError, OSError):
                await self._redis.publish(self._probes, b"")
            await asyncio.sleep(PROBE_SECONDS)

    async def _listen(self) -> None:
        wait = BACKOFF_SECONDS[0]
        while self._running:
            try:
                await self._read_subscription()
            except (RedisError, OSError) as error:
                log.warning("broker_disconnected", error=type(error).__name__)
            except Exception:
                # Listening must go on whatever a message or its receiver does.
                log.exception("broker_listen_broken")
            if self.delivering:
                wait = BACKOFF_SECONDS[0]
            self._heard_at = None
            self._missed()
            if self._running:
                await asyncio.sleep(random.uniform(0, wait))
                wait = min(wait * 2, BACKOFF_SECONDS[1])

    async def _read_subscription(self) -> None:
        """Read until the connection fails, goes deaf, or :meth:`stop` is called."""
        subscription = self._redis.pubsub()
        try:
            await subscription.subscribe(self._changes, self._probes)
            since = _now()
            while self._running:
                message = await subscription.get_message(timeout=READ_SECONDS)
                if message is not None:
                    self._take(message["type"], message["channel"], message["data"])
                if _now() - max(since, self._heard_at or 0.0) > DEAF_SECONDS:
                    raise ConnectionError("no probe came back")
        finally:
            with contextlib.suppress(RedisError, OSError):
                await subscription.aclose()  # type: ignore[no-untyped-call]

    def _take(self, kind: str, channel: bytes, data: bytes) -> None:
        if kind == "subscribe":
            self._missed()
        elif kind == "message" and channel == self._probes.encode():
            self._heard_at = _now()
        elif kind == "message":
            try:
                if self._address.decode(data).tenant_id in self._tenants:
                    self._receive(Change.decode(data))
            except (msgspec.MsgspecError, UnicodeDecodeError):
                log.warning("broker_message_unreadable")


def _now() -> float:
    return asyncio.get_running_loop().time()
