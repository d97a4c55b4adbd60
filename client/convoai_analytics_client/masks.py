"""Masks: what may be given as ``before_send``, alone or several in turn."""

import hashlib
import hmac
import ipaddress
from collections.abc import Callable

from convoai_analytics_client.events import Event

Mask = Callable[[Event], "Event | None"]
"""Takes an event and gives what is to be posted of it; None drops it."""


def hash_ip(secret: bytes) -> Mask:
    """Replace addresses by a hash that only who knows *secret* can compute (HMAC-SHA-256, RFC 2104; 64 bits of it).

    One address has one hash in all processes with the same secret. A hash without a secret hides nothing: there are
    few addresses to try.
    """

    def mask(event: Event) -> Event:
        if isinstance(address := event.get("ip_address"), str):
            event["ip_address"] = hmac.new(secret, address.encode(errors="replace"), hashlib.sha256).hexdigest()[:16]
        return event

    return mask


def truncate_ip(event: Event) -> Event:
    """Keep only the network of addresses: 24 bits of IPv4, 48 bits of IPv6; what is no address is removed."""
    if isinstance(address := event.get("ip_address"), str):
        try:
            bits = 24 if ipaddress.ip_address(address).version == 4 else 48
            network = ipaddress.ip_network(f"{address}/{bits}", strict=False)
            event["ip_address"] = str(network.network_address)
        except ValueError:
            del event["ip_address"]
    return event


def without(*fields: str) -> Mask:
    """Remove *fields*, such as ``user_agent`` and ``extra_data``; those that events need are refused without."""

    def mask(event: Event) -> Event:
        for field in fields:
            event.pop(field, None)
        return event

    return mask


def in_turn(*masks: Mask) -> Mask:
    """Make one mask of several."""

    def mask(event: Event) -> "Event | None":
        for each in masks:
            changed = each(event)
            if changed is None:
                return None
            event = changed
        return event

    return mask
