"""Ingest authentication: which tenant a request to a tracking endpoint may post to, if any.

A tracking key, of the settings or of the database, names its tenant. Without one, only clients in the trusted networks
may post, and only to the default tenant. A proxy or a browser beside the service has an address of those networks too,
so such a request has to look like one that its client sent itself. A proxy that passes a client's bytes on unchanged
looks like a client: where there may be one, no network should be trusted, which is the default.
"""

import base64
import ipaddress
import re
from collections.abc import Hashable, Iterable
from functools import lru_cache
from typing import NamedTuple

from starlette.datastructures import Headers
from starlette.types import Scope

from web.auth.credentials import Credentials, digest
from web.auth.tokens import bearer
from web.http.connections import mark_authenticated
from web.http.problems import unauthorized
from web.settings import DEFAULT_TENANT, Network, Settings

KEY_HEADER = "x-tracking-key"
_CREDENTIALS = {b"authorization", KEY_HEADER.encode()}
_FORWARDED = (b"forwarded", b"x-forwarded")
"""By which a proxy names the client; by those that begin with the second also what the client asked for."""
_PROXY_HEADERS = tuple(
    b"forwarded x-forwarded via x-real- x-client-ip x-cluster-client- client-ip true-client- x-original- "
    b"x-originating- x-remote- x-host x-scheme x-rewrite-url proxy- x-proxy x-haproxy- x-accel- x-varnish x-envoy- "
    b"x-arr- max-forwards cf- cdn- fastly- fly- do-connecting- incap- x-akamai- x-amz-cf- x-appengine- x-azure- "
    b"x-sucuri-".split()
)
"""What the names of headers begin with that proxies, balancers and content networks add."""
_BROWSER_HEADERS = (b"origin", b"sec-fetch-")
"""What the names of headers begin with that browsers add to the requests of pages."""
_HOST = re.compile(rb"\[?(localhost|[0-9a-f:.]{2,45}?)\]?(?::[0-9]+)?")
"""A header Host that may name this machine's loopback: a name or an address, and a port."""
_NEEDS_KEY = (
    "send a tracking key, which convoai-analytics keys add makes; or name your network in ANALYTICS_TRUSTED_NETWORKS "
    "if no proxy stands before the service"
)

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class IngestIdentity(NamedTuple):
    """The result of ingest authentication: the tenant, and the account (a key's hash, an address) of the rate limit."""

    tenant_id: str
    account: Hashable


class IngestAuthenticator:
    """Decides by key, peer address and headers."""

    def __init__(self, settings: Settings, credentials: Credentials) -> None:
        # By digest, so that how long looking a key up takes says nothing of how much of it is right.
        self._tenants = {digest(key): tenant for key, tenant in settings.tracking_keys.items()}
        self._credentials = credentials
        self._networks = settings.trusted_networks
        self._proxies = settings.trusted_proxies

    def authenticate(self, scope: Scope) -> IngestIdentity:
        """Say which tenant the request may post to; raises a 401 :exc:`Problem`."""
        identity = self._identify(scope)
        mark_authenticated(scope)
        return identity

    def of_key(self, scope: Scope, key: str) -> IngestIdentity:
        """Say which tenant a request may post to that holds its *key* in its body; raises a 401 :exc:`Problem`."""
        identity = self._known([key])
        mark_authenticated(scope)
        return identity

    def _identify(self, scope: Scope) -> IngestIdentity:
        names = [name for name, _ in scope["headers"]]
        if not _CREDENTIALS.isdisjoint(names):
            return self._by_key(Headers(scope=scope))
        if any(name.startswith(_BROWSER_HEADERS) for name in names):
            raise unauthorized("a request from a browser's page needs a tracking key")
        address = self._client(scope)
        if address is None or not _within(address, self._networks):
            raise unauthorized(_NEEDS_KEY)
        return IngestIdentity(DEFAULT_TENANT, address)

    def _client(self, scope: Scope) -> Address | None:
        """Give the client's address of a request without a key; None if it does not look sent to this service."""
        address, peer = self.address(scope), _peer(scope)
        if address is None or peer is None:
            return None
        if _within(peer, self._proxies):
            return address if _is_forwarded(scope) else None
        return address if _is_direct(scope, peer) else None

    def _by_key(self, headers: Headers) -> IngestIdentity:
        keys = _keys(headers)
        if not keys:
            raise unauthorized("the tracking key is empty, or neither a bearer nor a basic credential")
        return self._known(keys)

    def _known(self, keys: Iterable[str]) -> IngestIdentity:
        for key in keys:
            hashed = digest(key)
            tenant = self._tenants.get(hashed)
            if tenant is not None:
                return IngestIdentity(tenant, hashed)
            kept = self._credentials.key(hashed)
            if kept is not None:
                return IngestIdentity(kept.tenant_id, hashed)
        raise unauthorized("the tracking key is not known")

    def source(self, scope: Scope) -> str:
        """Name the address that a connection counts for: its peer's, if an unknown proxy passed it on."""
        return str(self.address(scope) or (scope.get("client") or ("",))[0])

    def address(self, scope: Scope) -> Address | None:
        """Give the address the request came from; None if an unknown proxy passed it on.

        Behind a named proxy it is the last address in X-Forwarded-For that is not a named proxy itself.
        """
        peer = _peer(scope)
        if not _is_forwarded(scope):
            return peer
        if peer is None or not _within(peer, self._proxies):
            return None
        hops = [hop.strip() for line in Headers(scope=scope).getlist("x-forwarded-for") for hop in line.split(",")]
        for hop in reversed(hops):
            address = _address(hop)
            if address is None or not _within(address, self._proxies):
                return address
        return None


def _keys(headers: Headers) -> list[str]:
    """Give what may be the tracking key: of basic credentials (RFC 7617) the password, then the user."""
    authorization = headers.get("authorization")
    key = headers.get(KEY_HEADER) or bearer(authorization)
    if key:
        return [key]
    scheme, _, encoded = (authorization or "").partition(" ")
    if scheme.lower() != "basic":
        return []
    try:
        user, _, password = base64.b64decode(encoded.strip(), validate=True).decode().partition(":")
    except ValueError:
        return []
    return [part for part in (password, user) if part]


def _peer(scope: Scope) -> Address | None:
    return _address(scope["client"][0]) if scope.get("client") else None


def _is_forwarded(scope: Scope) -> bool:
    return any(name.startswith(_FORWARDED) for name, _ in scope["headers"])


def _is_direct(scope: Scope, peer: Address) -> bool:
    """Say whether a request looks as if its client had connected to this service.

    nginx before 1.29.7 speaks HTTP/1.0 to those behind it, which services do not. A balancer on this machine passes on
    the public name in Host, and so does a page whose name was made to mean this machine (DNS rebinding).
    """
    if scope["http_version"] == "1.0" or any(name.startswith(_PROXY_HEADERS) for name, _ in scope["headers"]):
        return False
    hosts = [value for name, value in scope["headers"] if name == b"host"]
    return not peer.is_loopback or (len(hosts) == 1 and _names_loopback(hosts[0]))


def _names_loopback(host: bytes) -> bool:
    found = _HOST.fullmatch(host.lower())
    if found is None:
        return False
    address = _address(found[1].decode())
    return found[1] == b"localhost" or (address is not None and address.is_loopback)


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
