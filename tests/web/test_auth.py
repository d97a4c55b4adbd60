"""Who may read: tokens, their keys, their claims."""

import asyncio
import base64
import hmac
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import ECAlgorithm, RSAAlgorithm
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from websockets.exceptions import InvalidStatus

from tests.conftest import API, SECRET, Running, free_port, start
from web.auth import ADMIN, make_token, shared_secret
from web.settings import Settings

CLAIMS: dict[str, Any] = {"sub": "ada", "roles": [ADMIN]}


def sign(claims: dict[str, Any], key: Any = SECRET, algorithm: str = "HS256", **headers: Any) -> str:
    return jwt.encode({"exp": int(time.time()) + 60, **claims}, key, algorithm=algorithm, headers=headers)


def unsigned() -> str:
    parts = [{"alg": "none", "typ": "JWT"}, {**CLAIMS, "exp": int(time.time()) + 60}]
    return ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in parts) + "."


def confused(public: bytes) -> str:
    """Sign with HS256, taking a public key for the secret: the classic confusion of algorithms."""
    parts = [{"alg": "HS256", "kid": "r"}, {**CLAIMS, "exp": int(time.time()) + 60}]
    text = ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in parts)
    mark = hmac.digest(public, text.encode(), "sha256")
    return f"{text}.{base64.urlsafe_b64encode(mark).rstrip(b'=').decode()}"


BAD = {
    "alg none": unsigned(),
    "wrong key": sign(CLAIMS, "another secret, which is also long enough"),
    "other algorithm": sign(CLAIMS, algorithm="HS512", key=SECRET * 2),
    "expired": sign({**CLAIMS, "exp": int(time.time()) - 1}),
    "not yet valid": sign({**CLAIMS, "nbf": int(time.time()) + 3000}),
    "no exp": jwt.encode(CLAIMS, SECRET, "HS256"),
    "no sub": sign({"roles": [ADMIN]}),
    "no roles": sign({"sub": "ada"}),
    "roles no list": sign({**CLAIMS, "roles": "admin"}),
    "roles no strings": sign({**CLAIMS, "roles": [1]}),
    "sub no string": jwt.encode({**CLAIMS, "sub": "", "exp": int(time.time()) + 60}, SECRET, "HS256"),
    "tenant no name": sign({**CLAIMS, "tenant": ""}),
    "tenant no string": sign({**CLAIMS, "tenant": 5}),
    "tenant too long": sign({**CLAIMS, "tenant": "x" * 256}),
    "exp no number": sign({**CLAIMS, "exp": "soon"}),
    "exp huge": sign({**CLAIMS, "exp": 10**400}),
    "jku": sign(CLAIMS, "another secret, which is also long enough", jku="http://127.0.0.1:1/keys"),
    "critical": sign(CLAIMS, crit=["b64"], b64=True),
    "nonsense": "a.b.c",
    "long": "x" * 8100,
    "tracking key": "own-key-0123456789",
}


@pytest.mark.parametrize("name", BAD)
async def test_a_bad_token_is_401(running: Running, name: str) -> None:
    """A token that is not wholly right is a 401, over REST and before the WebSocket upgrade, and is never repeated."""
    response = await running.http.get(f"{API}/summary", headers={"Authorization": f"Bearer {BAD[name]}"})
    assert response.status_code == 401
    assert response.headers["www-authenticate"] == "Bearer"
    assert BAD[name] not in response.text
    with pytest.raises(InvalidStatus) as refused:
        await running.panel(token=BAD[name])
    assert refused.value.response.status_code == 401


async def test_a_huge_header_is_refused(running: Running) -> None:
    """A handshake whose token is longer than any header may be is refused at once."""
    with pytest.raises(InvalidStatus) as refused:
        await running.panel(token="x" * 9000)
    assert refused.value.response.status_code == 431


async def test_no_token_is_401(running: Running) -> None:
    """Without a bearer token there is nothing to read."""
    for headers in ({}, {"Authorization": "Basic YTpi"}, {"Authorization": "Bearer"}):
        assert (await running.http.get(f"{API}/summary", headers=headers)).status_code == 401


async def test_another_role_is_403(running: Running) -> None:
    """A valid token without the role admin is a 403, over REST and live."""
    token = running.token(roles=["user", "administrator"])
    response = await running.http.get(f"{API}/summary", headers={"Authorization": f"Bearer {token}"})
    assert response.status_code == 403
    with pytest.raises(InvalidStatus) as refused:
        await running.panel(token=token)
    assert refused.value.response.status_code == 403


async def test_the_tenant_is_optional(running: Running) -> None:
    """A token without a tenant, or with null, is of the default tenant."""
    for claims in (CLAIMS, {**CLAIMS, "tenant": None}, {**CLAIMS, "tenant": "default"}):
        headers = {"Authorization": f"Bearer {sign(claims)}"}
        assert (await running.http.get(f"{API}/summary", headers=headers)).status_code == 200


class AuthService:
    """An auth service that publishes keys, on a real socket."""

    def __init__(self) -> None:
        self.keys: dict[str, Any] = {}
        self.fetches = 0
        self.up = True
        self.port = free_port()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/jwks.json"

    def add(self, kid: str, key: Any) -> None:
        self.keys[kid] = key

    async def publish(self, _request: Request) -> Response:
        self.fetches += 1
        if not self.up:
            return Response(status_code=500)
        keys = []
        for kid, key in self.keys.items():
            maker: Any = RSAAlgorithm if isinstance(key, rsa.RSAPrivateKey) else ECAlgorithm
            keys.append({**maker.to_jwk(key.public_key(), as_dict=True), "kid": kid, "use": "sig"})
        return JSONResponse({"keys": keys})


@pytest.fixture
async def auth_service() -> AsyncIterator[AuthService]:
    import contextlib

    import uvicorn

    found = AuthService()
    app = Starlette(routes=[Route("/jwks.json", found.publish)])
    server = uvicorn.Server(uvicorn.Config(app, port=found.port, log_config=None, lifespan="off"))
    server.capture_signals = contextlib.nullcontext  # type: ignore[method-assign,assignment]
    task = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110 - uvicorn has no event for it
        await asyncio.sleep(0.005)
    yield found
    server.should_exit = True
    await task


async def status(running: Running, token: str) -> int:
    response = await running.http.get(f"{API}/summary", headers={"Authorization": f"Bearer {token}"})
    return response.status_code


async def test_published_keys_verify(tmp_path: Path, auth_service: AuthService) -> None:
    """RS256 and ES256 tokens are verified by the published keys; one key serves one algorithm; HS256 is refused."""
    rsa_key, ec_key = rsa.generate_private_key(65537, 2048), ec.generate_private_key(ec.SECP256R1())
    auth_service.add("r", rsa_key)
    auth_service.add("e", ec_key)
    found = await start(tmp_path, JWKS_URL=auth_service.url, JWT_SECRET="")
    try:
        assert await status(found, sign(CLAIMS, rsa_key, "RS256", kid="r")) == 200
        assert await status(found, sign(CLAIMS, ec_key, "ES256", kid="e")) == 200
        assert await status(found, sign(CLAIMS, rsa_key, "RS256")) == 200
        assert await status(found, sign(CLAIMS, rsa_key, "RS512", kid="r")) == 401
        assert await status(found, sign(CLAIMS, rsa_key, "PS256", kid="r")) == 401
        assert await status(found, sign(CLAIMS, ec_key, "ES256", kid="r")) == 401
        assert await status(found, sign(CLAIMS, SECRET)) == 401
        public = rsa_key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        assert await status(found, confused(public)) == 401
        assert auth_service.fetches == 1
        assert not (tmp_path / "analytics.db.secret").exists()
    finally:
        await found.stop()


async def test_keys_survive_their_service(tmp_path: Path, auth_service: AuthService) -> None:
    """While no keys were ever had it is a 503; once they were, an auth service that is away locks nobody out."""
    key = rsa.generate_private_key(65537, 2048)
    auth_service.add("r", key)
    auth_service.up = False
    found = await start(tmp_path, JWKS_URL=auth_service.url)
    try:
        token = sign(CLAIMS, key, "RS256", kid="r")
        assert await status(found, token) == 503
        keys = found.service.verifier._keys
        assert keys is not None
        auth_service.up, keys._tried_at = True, -1e9
        assert await status(found, token) == 200
        auth_service.up, keys._tried_at, keys._fetched_at = False, -1e9, -1e9
        assert await status(found, token) == 200
        # An unknown key id asks again, but not at every request.
        fetches = auth_service.fetches
        for _ in range(5):
            assert await status(found, sign(CLAIMS, key, "RS256", kid="new")) == 401
        assert auth_service.fetches == fetches
    finally:
        await found.stop()


def test_the_secret_is_made_once(tmp_path: Path) -> None:
    """Without a secret a random one is made beside the database, for the owner alone, and kept."""
    settings = Settings.read({"ANALYTICS_DATABASE_URL": f"sqlite+aiosqlite:///{tmp_path}/new/a.db"})
    secret = shared_secret(settings)
    assert secret is not None
    assert len(secret) >= 32
    assert shared_secret(settings) == secret
    path = tmp_path / "new" / "a.db.secret"
    assert path.stat().st_mode & 0o777 == 0o600
    assert [item.name for item in path.parent.iterdir()] == ["a.db.secret"]


def test_a_made_token_verifies() -> None:
    """The claims of a made token are those that the service asks for."""
    claims = jwt.decode(make_token(SECRET, "ada", ["x"], "acme", 60), SECRET, ["HS256"])
    assert (claims["sub"], claims["roles"], claims["tenant"]) == ("ada", ["x"], "acme")
    assert 50 < claims["exp"] - time.time() <= 60
