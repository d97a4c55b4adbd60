"""The door of the tracking endpoints: which tenant a request may post to, if any.

A tracking key, of the settings or of the database, names its tenant. Without one, only peers in the trusted networks
may post, and only to the default tenant; a request that a browser or a proxy passed on does not count as one of theirs.
"""

import ipaddress
from collections.abc import Hashable
from functools import lru_cache
from typing import NamedTuple

from starlette.datastructures import Headers
from starlette.types import Scope

from web.access import Access, digest
from web.auth import bearer
from web.connections import vouch
from web.problems import unauthorized
from web.settings import DEFAULT_TENANT, Network, Settings

KEY_HEADER = "x-tracking-key"
_CREDENTIALS = {b"authorization", KEY_HEADER.encode()}

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class Guest(NamedTuple):
    """Who was let in: the tenant to post to, and by what (a key's hash, an address) its events are counted."""

    tenant_id: str
    account: Hashable


class Door:
    """Decides by key, peer address and headers."""

    def __init__(self, settings: Settings, access: Access) -> None:
        # By digest, so that how long looking a key up takes says nothing of how much of it is right.
        self._tenants = {digest(key): tenant for key, tenant in settings.tracking_keys.items()}
        self._access = access
        self._networks = settings.trusted_networks
        self._proxies = settings.trusted_proxies

    def admit(self, scope: Scope) -> Guest:
        """Say which tenant the request may post to; raises a 401 :exc:`Problem`."""
        guest = self._guest(scope)
        vouch(scope)
        return guest

    def _guest(self, scope: Scope) -> Guest:
        names = {name for name, _ in scope["headers"]}
        if names & _CREDENTIALS:
            return self._by_key(Headers(scope=scope))
        if b"origin" in names:
            raise unauthorized("a request from a browser's page needs a tracking key")
        address = self.address(scope)
        if address is None or not _within(address, self._networks):
            raise unauthorized("a tracking key is needed from this address")
        return Guest(DEFAULT_TENANT, address)

    def _by_key(self, headers: Headers) -> Guest:
        key = headers.get(KEY_HEADER) or bearer(headers.get("authorization"))
        if not key:
            raise unauthorized("the tracking key is empty, or not a bearer credential")
        hashed = digest(key)
        tenant = self._tenants.get(hashed)
        if tenant is not None:
            return Guest(tenant, hashed)
        kept = self._access.key(hashed)
        if kept is None:
            raise unauthorized("the tracking key is not known")
        return Guest(kept.tenant_id, hashed)

    def source(self, scope: Scope) -> str:
        """Name the address that a connection counts for: its peer's, if a proxy passed it on that nobody named."""
        return str(self.address(scope) or (scope.get("client") or ("",))[0])

    def address(self, scope: Scope) -> Address | None:
        """Tell the address the request came from; None if a proxy that nobody named passed it on.

        Behind a named proxy it is the last address in X-Forwarded-For that is not a named proxy itself.
        """
        peer = _address(scope["client"][0]) if scope.get("client") else None
        if not any(name == b"forwarded" or name.startswith(b"x-forwarded-") for name, _ in scope["headers"]):
            return peer
        if peer is None or not _within(peer, self._proxies):
            return None
        hops = [hop.strip() for line in Headers(scope=scope).getlist("x-forwarded-for") for hop in line.split(",")]
        for hop in reversed(hops):
            address = _address(hop)
            if address is None or not _within(address, self._proxies):
                return address
        return None


@lru_cache(maxsize=1024)
def _address(text: str) -> Address | None:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


@lru_cache(maxsize=1024)
def _within(address: Address, networks: tuple[Network, ...]) -> bool:
    return any(address in network for network in networks)
