"""A provider that answers whatever a test wants, where a certified one would not."""

import asyncio
import base64
import hashlib
import time
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from tests.servers.ports import free_port

CLIENT, SECRET = "analytics", "the-secret-of-the-client-of-32-bytes"


class Liar:
    """The provider; a test changes what it says."""

    def __init__(self) -> None:
        self.port = free_port()
        self.issuer = f"http://127.0.0.1:{self.port}"
        self.key = rsa.generate_private_key(65537, 2048)
        self.description: dict[str, Any] = {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "userinfo_endpoint": f"{self.issuer}/userinfo",
            "jwks_uri": f"{self.issuer}/jwks",
        }
        self.claims: dict[str, Any] = {}
        self.userinfo: dict[str, Any] = {}
        self.id_token: str | None = None
        self.failure: tuple[int, Any] | None = None
        self.trickles: set[str] = set()
        self.asked: list[str] = []
        self.query: dict[str, str] = {}
        self.basic = ""

    @property
    def settings(self) -> dict[str, str]:
        """The settings by which a service knows it."""
        return {"OIDC_ISSUER": self.issuer, "OIDC_CLIENT_ID": CLIENT, "OIDC_CLIENT_SECRET": SECRET}

    def begin(self, location: str) -> None:
        """Take the authorization request."""
        self.query = {name: values[0] for name, values in parse_qs(urlsplit(location).query).items()}

    def sign(self, key: Any = None, algorithm: str = "RS256", **claims: Any) -> str:
        """Make an ID token for the last request; a claim that is None is left out."""
        now = int(time.time())
        whole = {
            "iss": self.issuer,
            "sub": "ada",
            "aud": CLIENT,
            "iat": now,
            "exp": now + 300,
            "nonce": self.query["nonce"],
            "roles": ["admin"],
            **self.claims,
            **claims,
        }
        kept = {name: value for name, value in whole.items() if value is not None}
        return jwt.encode(kept, key or self.key, algorithm, {"kid": "k1"})

    async def serve(self, request: Request) -> Response:
        """Answer a request."""
        name = request.url.path.rpartition("/")[2]
        self.asked.append(name)
        if name in self.trickles:
            return StreamingResponse(self._trickle(), media_type="application/json")
        match name:
            case "openid-configuration":
                return JSONResponse(self.description)
            case "jwks":
                document = RSAAlgorithm.to_jwk(self.key.public_key(), as_dict=True)
                return JSONResponse({"keys": [{**document, "kid": "k1", "use": "sig"}]})
            case "userinfo":
                return JSONResponse({"sub": "ada", **self.userinfo})
        return await self._redeem(request)

    async def _redeem(self, request: Request) -> Response:
        form = parse_qs((await request.body()).decode())
        self.basic = request.headers.get("authorization", "")
        [verifier] = form["code_verifier"]
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
        if self.query.get("code_challenge") != challenge or form["redirect_uri"] != [self.query["redirect_uri"]]:
            return JSONResponse({"error": "invalid_grant"}, 400)
        if self.failure is not None:
            return JSONResponse(self.failure[1], self.failure[0])
        return JSONResponse({"id_token": self.id_token or self.sign(), "access_token": "at", "token_type": "Bearer"})

    async def _trickle(self) -> AsyncIterator[bytes]:
        while True:
            yield b" "
            await asyncio.sleep(0.2)
