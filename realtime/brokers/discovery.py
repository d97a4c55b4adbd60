"""Discovery of the Redis server that carries the changes now.

A single server is where its URL says. The master behind sentinels, and the node of a cluster that owns the channel's
slot, change with each failover: several sentinels or nodes are asked, and as in Redis itself the answer with the
highest configuration epoch counts. A failover needs most of them, so that of any majority at least one knows of it.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, Protocol

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.crc import key_slot
from redis.exceptions import ConnectionError, RedisError

from realtime.brokers.redis_urls import CLUSTER, SENTINEL, RedisUrl

SOCKET_SECONDS = 2.0
"""How long a connection or a command may take."""
NODE_SECONDS = 1.0
"""How long a sentinel or node may take to answer."""

ServerAnswer = tuple[int, str, int]
"""What a sentinel or node answers: the epoch of the configuration that it knows, and the server's host and port by
it."""


class NoServer(ConnectionError):
    """No sentinel or node names a server that can be used."""


def client(url: str, seconds: float = SOCKET_SECONDS) -> Redis:
    """Make a client of one server that never tries again by itself: each failure has to be seen.

    RESP2 does all that is needed here; RESP3 would add a handshake, for which an access list has to allow more.
    """
    retry = Retry(NoBackoff(), 0, supported_errors=())
    return Redis.from_url(url, socket_connect_timeout=seconds, socket_timeout=seconds, retry=retry, protocol=2)


class Discovery(Protocol):
    """Finds the server."""

    async def find(self) -> str:
        """Give the server's URL; raises ``RedisError`` or ``OSError`` if that cannot be found out."""

    async def close(self) -> None:
        """Give every connection back."""


def discovery(url: RedisUrl, channel: str) -> Discovery:
    """Choose how to find the server that carries *channel*."""
    if url.kind == SENTINEL:
        return _DiscoveredServer(url, [url.sentinel(*host) for host in url.hosts], _master(url.service))
    if url.kind == CLUSTER:
        return _DiscoveredServer(url, [url.server(*host) for host in url.hosts], _owner(key_slot(channel.encode())))
    return _FixedServer(url)


class _FixedServer:
    def __init__(self, url: RedisUrl) -> None:
        self._url = url.server(*url.hosts[0])

    async def find(self) -> str:
        return self._url

    async def close(self) -> None:
        pass


class _DiscoveredServer:
    def __init__(self, url: RedisUrl, redis_nodes: list[str], ask: Callable[[Redis], Awaitable[ServerAnswer]]) -> None:
        self._url = url
        self._redis_nodes = [client(redis_node, NODE_SECONDS) for redis_node in redis_nodes]
        self._ask = ask

    async def find(self) -> str:
        asked = [asyncio.ensure_future(self._ask(redis_node)) for redis_node in self._redis_nodes]
        answers: list[ServerAnswer] = []
        try:
            for answer in asyncio.as_completed(asked):
                with suppress(RedisError, OSError):
                    answers.append(await answer)
                if len(answers) > len(asked) // 2:
                    break
        finally:
            for task in asked:
                task.cancel()
            await asyncio.gather(*asked, return_exceptions=True)
        if not answers:
            raise NoServer
        _, host, port = max(answers)
        return self._url.server(host, port)

    async def close(self) -> None:
        for redis_node in self._redis_nodes:
            await redis_node.aclose()


def _master(service: str) -> Callable[[Redis], Awaitable[ServerAnswer]]:
    """Ask a sentinel for the master of *service*."""

    async def ask(sentinel: Redis) -> ServerAnswer:
        # The address is the new one as soon as there is a new master, the state a little later.
        address = await _command(sentinel, "SENTINEL GET-MASTER-ADDR-BY-NAME", service)
        if address is None:
            raise NoServer
        state = await _command(sentinel, "SENTINEL MASTER", service)
        host, port = address
        return state["config-epoch"], _text(host), port

    return ask


def _owner(slot: int) -> Callable[[Redis], Awaitable[ServerAnswer]]:
    """Ask a node of a cluster which node owns *slot*."""

    async def ask(node: Redis) -> ServerAnswer:
        known: dict[str, dict[str, Any]] = await _command(node, "CLUSTER NODES")
        for address, found in known.items():
            if _owns(found, slot):
                host, _, port = address.rpartition(":")
                # A node that has met no other yet does not know its own address.
                own: str = node.connection_pool.connection_kwargs["host"]
                return int(found["epoch"]), found["hostname"] or host or own, int(port)
        raise NoServer

    return ask


def _owns(node: dict[str, Any], slot: int) -> bool:
    """Say whether *node* owns *slot*, and is not known to have failed."""
    if "fail" in node["flags"].split(","):
        return False
    return any(int(slots[0]) <= slot <= int(slots[-1]) for slots in node["slots"])


async def _command(server: Redis, *answers: str) -> Any:
    return await server.execute_command(*answers)  # type: ignore[no-untyped-call]


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value
