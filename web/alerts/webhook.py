"""Webhooks by the Standard Webhooks specification 1.0: signed POST requests of JSON.

The signature is HMAC-SHA256 over ``id.timestamp.body``, in base64 behind ``v1,``; while a secret is being replaced
there are two, separated by a space. The id is that of the transition, the same in each attempt.
"""

import asyncio
import base64
import binascii
import hashlib
import hmac
import secrets
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from storage.alerts.deliveries import Result
from storage.model import clock
from web.alerts.addresses import DEFAULT_PORTS, NotAllowed, resolve
from web.alerts.seal import Address, Secret
from web.settings import Network

SECONDS = 15.0
"""How long an attempt may take, from the look-up of the name to the status of the answer."""
PREFIX = "whsec_"
SECRET_BYTES, LEAST_BYTES, MOST_BYTES = 32, 24, 64
GONE, TOO_MANY, UNAVAILABLE = 410, 429, 503
MAX_RETRY_AFTER = 86_400.0


def new_secret() -> str:
    """Draw a secret, in base64."""
    return base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


def read_secret(written: str) -> str:
    """Read a secret as receivers know it, ``whsec_`` and base64; raises ``ValueError``."""
    try:
        raw = base64.b64decode(written.removeprefix(PREFIX), validate=True)
    except (ValueError, binascii.Error):
        raw = b""
    if not LEAST_BYTES <= len(raw) <= MOST_BYTES:
        raise ValueError(f"must be {PREFIX} and {LEAST_BYTES} to {MOST_BYTES} bytes in base64")
    return base64.b64encode(raw).decode()


def in_force(kept: Sequence[Secret], at: str) -> list[str]:
    """Give the secrets that sign at a time."""
    return [secret.key for secret in kept if secret.until is None or secret.until > at]


def sign(message_id: str, timestamp: int, body: bytes, keys: Sequence[str]) -> str:
    """Write the signatures of a message, one with each key."""
    signed = f"{message_id}.{timestamp}.".encode() + body
    found = (hmac.new(base64.b64decode(key), signed, hashlib.sha256).digest() for key in keys)
    return " ".join(f"v1,{base64.b64encode(digest).decode()}" for digest in found)


class Webhooks:
    """Sends messages to webhooks; *networks* are private ones that they may be in."""

    def __init__(self, networks: Sequence[Network]) -> None:
        self._networks = networks
        self._client: Any = None

    async def close(self) -> None:
        """Close every connection."""
        if self._client is not None:
            await self._client.aclose()

    async def send(self, message_id: str, body: str, address: Address) -> Result:
        """Make one attempt."""
        # Imported here: the client costs 2 MB, which a service without webhooks need not pay.
        import httpx2

        try:
            async with asyncio.timeout(SECONDS):
                status, retry_after = await self._post(message_id, body.encode(), address)
        except NotAllowed as error:
            return Result(str(error))
        except TimeoutError:
            return Result(f"no answer within {SECONDS:g} s")
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError, UnicodeError) as error:
            # Not its text, which names addresses.
            return Result(f"cannot be reached: {type(error).__name__}")
        return _judge(status, retry_after)

    async def _post(self, message_id: str, body: bytes, address: Address) -> tuple[int, str]:
        client = self._opened()
        parts = urlsplit(address.url)
        host = parts.hostname or ""
        port = parts.port or DEFAULT_PORTS[parts.scheme]
        found = await resolve(host, port, self._networks)
        at = int(clock.unix())
        headers = {
            "Host": parts.netloc,
            "Content-Type": "application/json",
            "User-Agent": "convoai-analytics",
            "Accept-Encoding": "identity",
            "webhook-id": message_id,
            "webhook-timestamp": str(at),
            "webhook-signature": sign(message_id, at, body, in_force(address.secrets, clock.now())),
        }
        place = f"[{found}]" if ":" in found else found
        url = f"{parts.scheme}://{place}:{port}{parts.path or '/'}{f'?{parts.query}' if parts.query else ''}"
        request = client.build_request("POST", url, content=body, headers=headers)
        # The certificate has to be the name's, not the address'.
        request.extensions["sni_hostname"] = host
        answer = await client.send(request, stream=True)
        try:
            # The body is not read: it tells nothing, and might not end.
            return answer.status_code, answer.headers.get("retry-after", "")
        finally:
            await answer.aclose()

    def _opened(self) -> Any:
        if self._client is None:
            import httpx2

            # A connection is of one name: kept for the next, it would be shared by all names of an address.
            limits = httpx2.Limits(max_connections=None, max_keepalive_connections=0)
            self._client = httpx2.AsyncClient(
                timeout=SECONDS, follow_redirects=False, trust_env=False, limits=limits, http2=False
            )
        return self._client


def _judge(status: int, retry_after: str) -> Result:
    if 200 <= status < 300:
        return Result()
    if status == GONE:
        return Result("answered 410: it wants no more messages", is_gone=True)
    if 300 <= status < 400:
        return Result(f"answered {status}: redirects are not followed")
    wait = float(retry_after) if status in (TOO_MANY, UNAVAILABLE) and retry_after.isdecimal() else 0.0
    return Result(f"answered {status}", retry_after=min(wait, MAX_RETRY_AFTER))
