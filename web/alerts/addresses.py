"""Addresses that messages may go to: none of a private network, unless a setting allows it (SSRF).

A name is resolved, all of its addresses are checked, and the connection is made to one that was: a name that means
another address a moment later leads nowhere else. Redirects are not followed.
"""

import asyncio
import ipaddress
import socket
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar
from urllib.parse import urlsplit

from web.settings import Network

MAX_URL = 2000
MAX_PLACE = 270
"""Characters of a host and its port: names have at most 253 (RFC 1035, 2.3.4)."""
DEFAULT_PORTS = {"https": 443, "http": 80}
_EMBEDDING = ipaddress.ip_network("64:ff9b::/96")
"""Addresses of NAT64, whose last 32 bits are an address of IPv4."""

_UNICAST = ipaddress.ip_network("2000::/3")
"""What is assigned of IPv6 (RFC 4291, 2.4). Python takes more for global: site-local addresses, and translations."""
THREADS = 40
"""How many look-ups of names, and sendings by apprise, go on at the same time."""
_threads = ThreadPoolExecutor(THREADS, "alert-targets")

T = TypeVar("T")
Ip = ipaddress.IPv4Address | ipaddress.IPv6Address


class NotAllowed(Exception):
    """A target may not be reached; the text says why, without naming an address."""


def check_url(url: str) -> str:
    """See that a URL leads to a web server; gives what of it may be shown: scheme and host. Raises ``ValueError``."""
    wrong = ValueError("must be an address that begins with https:// or http://")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise wrong from None
    if parts.scheme not in DEFAULT_PORTS or not parts.hostname or port == 0 or len(url) > MAX_URL:
        raise wrong
    if len(parts.netloc) > MAX_PLACE:
        raise wrong
    if not url.isascii() or any(character.isspace() for character in url):
        raise wrong
    if "@" in parts.netloc:
        raise ValueError("must not hold a user name or a password")
    if parts.fragment:
        raise ValueError("must not hold a fragment")
    return f"{parts.scheme}://{parts.netloc}"


async def in_thread(work: Callable[[], T]) -> T:
    """Do *work* that a target can make wait, in threads of its own: those of the loop compress answers, too."""
    return await asyncio.get_running_loop().run_in_executor(_threads, work)


async def resolve(host: str, port: int, allowed: Sequence[Network]) -> str:
    """Give an address of *host* that may be connected to; raises :exc:`NotAllowed`, and ``OSError`` if it has none.

    If one of its addresses is private, none may: whoever names both would be tried again until that one came.
    """
    found = await in_thread(lambda: socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
    addresses = [ipaddress.ip_address(str(info[4][0]).partition("%")[0]) for info in found]
    for address in addresses:
        if not _may_be_reached(address, allowed):
            raise NotAllowed("the target is in a private network: ANALYTICS_ALERTS_NETWORKS does not allow it")
    return str(addresses[0])


def _may_be_reached(address: Ip, allowed: Sequence[Network]) -> bool:
    inner = _embedded(address)
    if any(address in network for network in allowed):
        return True
    if inner is not None:
        return _may_be_reached(inner, allowed)
    if isinstance(address, ipaddress.IPv6Address) and address not in _UNICAST:
        return False
    return address.is_global and not address.is_multicast


def _embedded(address: Ip) -> ipaddress.IPv4Address | None:
    """Give the IPv4 address that one of IPv6 stands for; None if it stands for itself."""
    if isinstance(address, ipaddress.IPv4Address):
        return None
    if address in _EMBEDDING:
        return ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
    return address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else None)
