"""Tokens signed rightly, wrongly, or not at all."""

import base64
import hmac
import json
import time
from typing import Any

import jwt

from tests.servers.settings import SECRET
from web.auth.tokens import ADMIN

CLAIMS: dict[str, Any] = {"sub": "ada", "roles": [ADMIN]}


def sign(claims: dict[str, Any], key: Any = SECRET, algorithm: str = "HS256", **headers: Any) -> str:
    # The layer below refuses to sign claims that are none, which others do.
    body = json.dumps({"exp": int(time.time()) + 60, **claims}).encode()
    return jwt.PyJWS().encode(body, key, algorithm, headers)


def unsigned() -> str:
    parts = [{"alg": "none", "typ": "JWT"}, {**CLAIMS, "exp": int(time.time()) + 60}]
    return ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in parts) + "."


def confused(public: bytes) -> str:
    """Sign with HS256, taking a public key for the secret: the classic confusion of algorithms."""
    parts = [{"alg": "HS256", "kid": "r"}, {**CLAIMS, "exp": int(time.time()) + 60}]
    text = ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in parts)
    mark = hmac.digest(public, text.encode(), "sha256")
    return f"{text}.{base64.urlsafe_b64encode(mark).rstrip(b'=').decode()}"
