"""The connections of this process: how many there may be, and which of them is closed when another one needs its place.

First those without a valid credential, longest idle first; then those that wait for their next request; never a
WebSocket, nor one whose request is being answered. Of one address, only so many may be idle without a credential.
"""

from collections.abc import Collection, MutableMapping
from functools import lru_cache
from ipaddress import IPv6Network
from typing import Any, Protocol

EXTENSION = "convoai.connection"
"""The name of the ASGI extension in an HTTP scope's ``extensions``; its value is the :class:`ClientIdentity`."""
OTHER_CONNECTIONS = 5_000
"""Connections that there may be besides those of subscribers: of services that post, and of admins who read."""
MAX_HEAD_BYTES = 32 << 20
"""Bytes of heads that are not complete yet, over all connections: a head is read before the client is known."""
MAX_UNAUTHENTICATED = 512
"""Idle connections of one address that have shown no credential; beyond these its longest idle one is closed. A client
that closed 15,000 at once kept all others waiting for 0.4 s."""


class ClientIdentity:
    """The client of a connection: *is_authenticated* once a valid credential was shown."""

    __slots__ = ("is_authenticated",)

    def __init__(self) -> None:
        self.is_authenticated = False


class Client(Protocol):
    """A connection, as this module needs it."""

    identity: ClientIdentity

    @property
    def network(self) -> str | None:
        """What it has in common with other clients of its address (see :func:`network_of`); None: no address."""

    def cut(self) -> None:
        """End it at once."""


class Connections:
    """All connections of a process, of which there may be *room*."""

    def __init__(self, room: int) -> None:
        self.room = room
        self._unauthenticated: dict[Client, None] = {}
        self._idle: dict[Client, None] = {}
        self._of_network: dict[str, dict[Client, None]] = {}
        self._heads: dict[Client, int] = {}
        self._in_heads = 0

    def make_room(self, connected: Collection[Any]) -> bool:
        """Close the one that matters least if as many are *connected* as may be; False: none may be closed."""
        if len(connected) < self.room:
            return True
        least = self._oldest_unauthenticated() or next(iter(self._idle), None)
        if least is None:
            return False
        self._cut(least)
        return True

    def _oldest_unauthenticated(self) -> Client | None:
        while self._unauthenticated:
            client = next(iter(self._unauthenticated))
            if not client.identity.is_authenticated:
                return client
            # It has shown its credential in the request that is being answered.
            del self._unauthenticated[client]
        return None

    def mark_idle(self, client: Client) -> None:
        """Record that a client waits for no answer, from now on."""
        self.remove(client)
        if client.identity.is_authenticated:
            self._idle[client] = None
            return
        self._unauthenticated[client] = None
        if (network := client.network) is not None:
            mine = self._of_network.setdefault(network, {})
            mine[client] = None
            if len(mine) > MAX_UNAUTHENTICATED:
                self._cut(next(iter(mine)))

    def mark_busy(self, client: Client) -> None:
        """Record that a client is being answered; without a credential it may still be cut, after idle ones."""
        self.remove(client)
        if not client.identity.is_authenticated:
            self._unauthenticated[client] = None

    def remove(self, client: Client) -> None:
        """Forget a client."""
        self._unauthenticated.pop(client, None)
        self._idle.pop(client, None)
        if (network := client.network) is not None and (mine := self._of_network.get(network)) is not None:
            mine.pop(client, None)
            if not mine:
                del self._of_network[network]
        self.note_head_bytes(client, 0)

    def note_head_bytes(self, client: Client, size: int) -> None:
        """Record how many bytes of a head that is not complete a client has sent; with too many, the oldest is cut."""
        if size or client in self._heads:
            self._in_heads += size - self._heads.pop(client, 0)
            if size:
                self._heads[client] = size
            if self._in_heads > MAX_HEAD_BYTES:
                self._cut(next(iter(self._heads)))

    def _cut(self, client: Client) -> None:
        self.remove(client)
        client.cut()


@lru_cache(10_000)
def network_of(address: str) -> str:
    """Give what takes turns with others: an IPv4 address, or the network of an IPv6 address: /64, as one client has."""
    if ":" not in address:
        return address
    return str(IPv6Network((address.partition("%")[0], 64), strict=False))


def mark_authenticated(scope: MutableMapping[str, Any]) -> None:
    """Record that the client of this ASGI *scope* has shown a valid credential."""
    identity = scope.get("extensions", {}).get(EXTENSION)
    if identity is not None:
        identity.is_authenticated = True
