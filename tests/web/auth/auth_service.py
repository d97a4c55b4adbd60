"""An auth service, and what its tokens are worth here."""

import asyncio
from typing import Any

from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from tests.paths import API
from tests.servers.ports import free_port
from tests.servers.service import Running


class AuthService:
    """An auth service that publishes keys, on a real socket."""

    def __init__(self) -> None:
        self.keys: dict[str, Any] = {}
        self.fetches = 0
        self.up = True
        self.answers = asyncio.Event()
        self.answers.set()
        self.port = free_port()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/jwks.json"

    def add(self, kid: str, key: Any) -> None:
        self.keys[kid] = key

    async def publish(self, _request: Request) -> Response:
        self.fetches += 1
        await self.answers.wait()
        if not self.up:
            return Response(status_code=500)
        keys = []
        for kid, key in self.keys.items():
            maker: Any = RSAAlgorithm if isinstance(key, rsa.RSAPrivateKey) else ECAlgorithm
            keys.append({**maker.to_jwk(key.public_key(), as_dict=True), "kid": kid, "use": "sig"})
        return JSONResponse({"keys": keys})


async def status(running: Running, token: str) -> int:
    response = await running.http.get(f"{API}/summary", headers={"Authorization": f"Bearer {token}"})
    return response.status_code
