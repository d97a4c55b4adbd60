"""Attacks on authentication: floods of requests that end at the check of a key or a token."""

import asyncio
import itertools
import re
import secrets
import time
from collections import Counter
from collections.abc import Iterator
from functools import cache
from urllib.parse import urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from tests.paths import API, TRACK
from tests.servers.settings import SECRET

CONNECTIONS = 16
EVENT = b'{"user_id": "u", "username": "u", "activity_type": "login"}'

Headers = dict[str, str]
Seen = Counter[str]
"""How often each status was answered; ``cut``: no answer."""


async def post_with_wrong_keys(url: str, seconds: float, connections: int = CONNECTIONS) -> Seen:
    """Post single events, each with another key that nobody knows."""
    keys = ({"X-Tracking-Key": secrets.token_urlsafe(32)} for _ in itertools.count())
    return await _flood(url, seconds, connections, "POST", f"{TRACK}/activity-public", keys)


async def post_without_key(url: str, seconds: float, connections: int = CONNECTIONS) -> Seen:
    """Post single events as a proxy passes them on, without a key."""
    passed_on = itertools.repeat({"X-Forwarded-For": "203.0.113.9", "Host": "analytics.example.com"})
    return await _flood(url, seconds, connections, "POST", f"{TRACK}/activity-public", passed_on)


async def read_with_forged_tokens(url: str, seconds: float, connections: int = CONNECTIONS) -> Seen:
    """Read the summary with HS256 tokens of a wrong secret, near the longest that is read."""
    token = jwt.encode({**_claims(60), "padding": "x" * 5500}, secrets.token_urlsafe(32), "HS256")
    return await _flood(url, seconds, connections, "GET", f"{API}/summary", _bearers(token))


async def read_with_expired_tokens(
    url: str, seconds: float, secret: str = SECRET, connections: int = CONNECTIONS
) -> Seen:
    """Read the summary with tokens that were good: signed with the service's *secret*, expired."""
    return await _flood(
        url, seconds, connections, "GET", f"{API}/summary", _bearers(jwt.encode(_claims(-60), secret, "HS256"))
    )


async def read_with_nested_tokens(url: str, seconds: float, connections: int = CONNECTIONS) -> Seen:
    """Read the summary with tokens whose header is brackets alone, as deep as fits."""
    part = jwt.utils.base64url_encode(b"[" * 5900).decode()
    return await _flood(url, seconds, connections, "GET", f"{API}/summary", _bearers(f"{part}.{part[:20]}.x"))


async def read_with_unknown_key_ids(url: str, seconds: float, connections: int = CONNECTIONS) -> Seen:
    """Read the summary with RS256 tokens, each of another key id that no key set has."""
    tokens = (_rs256(f"{number}") for number in itertools.count())
    return await _flood(
        url, seconds, connections, "GET", f"{API}/summary", ({"Authorization": f"Bearer {item}"} for item in tokens)
    )


async def read_with_stolen_key_ids(
    url: str, seconds: float, kid: str, algorithm: str = "RS256", connections: int = CONNECTIONS
) -> Seen:
    """Read the summary with tokens that name the published key *kid*, signed with another one.

    It is the dearest to refuse: each costs a verification by a public key.
    """
    signed = _rs256(kid) if algorithm == "RS256" else _es256(kid)
    return await _flood(url, seconds, connections, "GET", f"{API}/summary", _bearers(signed))


async def open_with_forged_tokens(url: str, seconds: float, connections: int = CONNECTIONS) -> Seen:
    """Ask for the event stream with tokens of a wrong secret."""
    token = jwt.encode(_claims(60), secrets.token_urlsafe(32), "HS256")
    accept = {"Authorization": f"Bearer {token}", "Accept": "text/event-stream"}
    return await _flood(url, seconds, connections, "GET", f"{API}/live", itertools.repeat(accept))


ATTACKS = (
    *(post_with_wrong_keys, post_without_key, read_with_forged_tokens, read_with_expired_tokens),
    *(read_with_nested_tokens, read_with_unknown_key_ids, open_with_forged_tokens),
)
"""Those that need nothing but the address."""


async def _flood(
    url: str, seconds: float, connections: int, method: str, path: str, headers: Iterator[Headers]
) -> Seen:
    """Ask again and again over all connections, each time with the next *headers*; 10 times as fast as by httpx2."""
    seen, until, parts = Seen(), time.monotonic() + seconds, urlsplit(url)

    async def one() -> None:
        while time.monotonic() < until:
            reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
            try:
                while time.monotonic() < until:
                    writer.write(_request(method, path, {"Host": parts.netloc, **next(headers)}))
                    seen[await _status(reader)] += 1
            except (OSError, EOFError):
                seen["cut"] += 1
            finally:
                writer.close()

    await asyncio.gather(*(one() for _ in range(connections)))
    return seen


def _request(method: str, path: str, headers: Headers) -> bytes:
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    body = EVENT if method == "POST" else b""
    lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"] if body else []
    return "\r\n".join([*lines, "", ""]).encode() + body


async def _status(reader: asyncio.StreamReader) -> str:
    """Read an answer, and give its status."""
    head = (await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)).lower()
    length = re.search(rb"content-length: ([0-9]+)", head)
    await reader.readexactly(int(length[1]) if length is not None else 0)
    return head.split()[1].decode()


def _claims(seconds: float) -> dict[str, object]:
    return {"sub": "stranger", "roles": ["admin"], "exp": int(time.time() + seconds)}


def _bearers(token: str) -> Iterator[Headers]:
    return itertools.repeat({"Authorization": f"Bearer {token}"})


@cache
def _keys() -> tuple[rsa.RSAPrivateKey, ec.EllipticCurvePrivateKey]:
    return rsa.generate_private_key(65537, 2048), ec.generate_private_key(ec.SECP256R1())


def _rs256(kid: str) -> str:
    return jwt.encode(_claims(60), _keys()[0], "RS256", {"kid": kid})


def _es256(kid: str) -> str:
    return jwt.encode(_claims(60), _keys()[1], "ES256", {"kid": kid})
