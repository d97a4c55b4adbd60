"""Who may read: tokens, their keys, their claims."""

import asyncio
import gzip
import itertools
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

from tests.paths import API
from tests.servers.ports import free_port
from tests.servers.process import Process
from tests.servers.service import Running, start
from tests.servers.settings import SECRET
from tests.web.auth.signing import CLAIMS, confused, sign, unsigned
from web.auth import key_set
from web.auth.tokens import ADMIN, Verifier, make_token, shared_secret
from web.http.problems import Problem
from web.settings import Settings

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


async def test_keys_survive_their_service(
    tmp_path: Path, auth_service: AuthService, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While no keys were ever had it is a 503; once they were, an auth service that is away locks nobody out."""
    key = rsa.generate_private_key(65537, 2048)
    auth_service.add("r", key)
    auth_service.up = False
    found = await start(tmp_path, JWKS_URL=auth_service.url)
    try:
        token = sign(CLAIMS, key, "RS256", kid="r")
        assert await status(found, token) == 503
        auth_service.up = True
        monkeypatch.setattr(key_set, "REFETCH_SECONDS", 0.0)
        assert await status(found, token) == 200
        auth_service.up = False
        assert await status(found, sign(CLAIMS, key, "RS256", kid="new")) == 401
        assert await status(found, token) == 200
    finally:
        await found.stop()


async def test_unknown_keys_are_not_asked_for_each_time(tmp_path: Path, auth_service: AuthService) -> None:
    """Tokens of unknown keys, however many, cause no fetch soon after the last one."""
    key = rsa.generate_private_key(65537, 2048)
    auth_service.add("r", key)
    found = await start(tmp_path, JWKS_URL=auth_service.url)
    try:
        assert await status(found, sign(CLAIMS, key, "RS256", kid="r")) == 200
        for number in range(5):
            assert await status(found, sign(CLAIMS, key, "RS256", kid=f"{number}")) == 401
        assert auth_service.fetches == 1
    finally:
        await found.stop()


async def test_keys_are_fetched_again_by_themselves(
    tmp_path: Path, auth_service: AuthService, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A key that the auth service takes back is worth nothing after a while, also if nobody asks meanwhile."""
    monkeypatch.setattr(key_set, "KEYS_SECONDS", 0.1)
    key = rsa.generate_private_key(65537, 2048)
    auth_service.add("r", key)
    found = await start(tmp_path, JWKS_URL=auth_service.url)
    try:
        assert await status(found, sign(CLAIMS, key, "RS256", kid="r")) == 200
        del auth_service.keys["r"]
        fetches = auth_service.fetches
        async with asyncio.timeout(20):
            while auth_service.fetches < fetches + 2:  # noqa: ASYNC110 - the service asks by itself
                await asyncio.sleep(0.02)
        assert await status(found, sign(CLAIMS, key, "RS256", kid="r")) == 401
    finally:
        await found.stop()


async def test_a_fetch_that_hangs_holds_up_strangers_alone(
    tmp_path: Path, auth_service: AuthService, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the auth service answers nothing, whoever has a token of a known key is let in at once."""
    monkeypatch.setattr(key_set, "REFETCH_SECONDS", 0.0)
    monkeypatch.setattr(key_set, "FETCH_SECONDS", 30.0)
    key = rsa.generate_private_key(65537, 2048)
    auth_service.add("r", key)
    found = await start(tmp_path, JWKS_URL=auth_service.url)
    try:
        token = sign(CLAIMS, key, "RS256", kid="r")
        assert await status(found, token) == 200
        auth_service.answers.clear()
        strangers = [asyncio.create_task(status(found, sign(CLAIMS, key, "RS256", kid=f"{n}"))) for n in range(20)]
        async with asyncio.timeout(20):
            while auth_service.fetches < 2:  # noqa: ASYNC110 - as above
                await asyncio.sleep(0.01)
            for _ in range(5):
                assert await status(found, token) == 200
        assert not any(stranger.done() for stranger in strangers)
        auth_service.answers.set()
        assert set(await asyncio.gather(*strangers)) == {401}
        assert auth_service.fetches < 20
    finally:
        auth_service.answers.set()
        await found.stop()


JWKS_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n"


@pytest.mark.parametrize("manner", ["trickles", "floods", "nests", "packs", "is no set"])
async def test_a_strange_auth_service_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, manner: str) -> None:
    """A set of keys that never ends, is huge, or is none, is given up soon: a 503 that says when to come back."""
    monkeypatch.setattr(key_set, "FETCH_SECONDS", 0.5)
    sent = 0

    async def answer(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        head = JWKS_HEAD.replace(b"\r\n\r\n", b"\r\nContent-Encoding: gzip\r\n\r\n") if manner == "packs" else JWKS_HEAD
        writer.write(head)
        pieces = {
            "trickles": itertools.repeat(b" "),
            "floods": itertools.repeat(b" " * 65536),
            "nests": [b'{"keys":' + b"[" * 500_000],
            "packs": [gzip.compress(b'{"keys":[]' + b" " * (64 << 20) + b"}")],
            "is no set": [b'{"keys": 5}'],
        }[manner]
        try:
            for piece in pieces:
                writer.write(piece)
                sent += len(piece)
                await writer.drain()
                await asyncio.sleep(0.05 if manner == "trickles" else 0)
        except ConnectionError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/jwks.json"
    found = await start(tmp_path, JWKS_URL=url)
    try:
        async with asyncio.timeout(10):
            key = rsa.generate_private_key(65537, 2048)
            assert await status(found, sign(CLAIMS, key, "RS256", kid="r")) == 503
        assert sent < 20 << 20
    finally:
        await found.stop()
        server.close()


async def test_a_huge_set_is_cut(tmp_path: Path, auth_service: AuthService) -> None:
    """Of a set with very many keys the first ones count, and broken ones do no harm."""
    key = ec.generate_private_key(ec.SECP256R1())
    auth_service.keys = {f"{number}": key for number in range(key_set.MAX_KEYS + 1)}
    found = await start(tmp_path, JWKS_URL=auth_service.url)
    try:
        assert await status(found, sign(CLAIMS, key, "ES256", kid="0")) == 200
        assert await status(found, sign(CLAIMS, key, "ES256", kid=f"{key_set.MAX_KEYS}")) == 401
    finally:
        await found.stop()


AUDIENCES: list[tuple[str, dict[str, Any], bool]] = [
    ("", {}, True),
    ("", {"aud": None}, True),
    ("", {"aud": "billing"}, False),
    ("", {"aud": ["billing"]}, False),
    ("", {"aud": []}, False),
    ("", {"aud": ""}, False),
    ("analytics", {}, False),
    ("analytics", {"aud": None}, False),
    ("analytics", {"aud": "analytics"}, True),
    ("analytics", {"aud": ["billing", "analytics"]}, True),
    ("analytics", {"aud": "billing"}, False),
    ("analytics", {"aud": "Analytics"}, False),
    ("analytics", {"aud": "analytics,live"}, False),
    ("analytics", {"aud": ["billing", 5, None, {}, ["analytics"]]}, False),
    ("analytics", {"aud": {"analytics": 1}}, False),
    ("analytics, live", {"aud": "live"}, True),
]
ISSUERS: list[tuple[str, dict[str, Any], bool]] = [
    ("", {"iss": "anybody"}, True),
    ("", {"iss": 5}, True),
    ("https://id.example", {"iss": "https://id.example"}, True),
    ("https://other.example,https://id.example", {"iss": "https://id.example"}, True),
    ("https://id.example", {}, False),
    ("https://id.example", {"iss": None}, False),
    ("https://id.example", {"iss": "https://id.example/"}, False),
    ("https://id.example", {"iss": ["https://id.example"]}, False),
]


@pytest.mark.parametrize("keys", ["shared secret", "key set"])
async def test_a_token_is_for_this_service(tmp_path: Path, auth_service: AuthService, keys: str) -> None:
    """With one key for many services, a token for another audience or of another issuer is a 401; both are settings."""
    published = rsa.generate_private_key(65537, 2048)
    auth_service.add("r", published)
    for setting, rows in (("JWT_AUDIENCE", AUDIENCES), ("JWT_ISSUER", ISSUERS)):
        for value, claims, is_taken in rows:
            held = Verifier(SECRET, auth_service.url, lambda _: False, *purposes(**{setting: value}))
            if keys == "key set":
                token = sign({**CLAIMS, **claims}, published, "RS256", kid="r")
            else:
                token = sign({**CLAIMS, **claims})
            refused = await refusal(held, token)
            assert (refused is None) == is_taken, (setting, value, claims)
            assert refused is None or (refused.startswith("401 ") and f"ANALYTICS_{setting}" in refused)
            await held.close()


async def refusal(held: Verifier, token: str) -> str | None:
    try:
        await held.verify(token)
    except Problem as problem:
        return f"{problem.status} {problem.detail}"
    return None


def purposes(**values: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    settings = Settings.read({f"ANALYTICS_{name}": value for name, value in values.items()})
    return settings.jwt_audience, settings.jwt_issuer


async def test_own_tokens_are_for_this_service(tmp_path: Path) -> None:
    """What the command token prints is taken by the service with the same settings, and by no other."""
    audience, issuer = "analytics,live", "https://id.example"
    process = Process(tmp_path, JWT_AUDIENCE=audience, JWT_ISSUER=issuer)
    token = process.command("token").stdout.strip()
    claims = jwt.decode(token, SECRET, ["HS256"], audience="analytics")
    assert (claims["aud"], claims["iss"]) == ("analytics", "https://id.example")
    other = Process(tmp_path).command("token").stdout.strip()
    found = await start(tmp_path, JWT_AUDIENCE=audience, JWT_ISSUER=issuer)
    try:
        assert await status(found, token) == 200
        assert await status(found, other) == 401
    finally:
        await found.stop()
    found = await start(tmp_path)
    try:
        assert await status(found, token) == 401
        assert await status(found, other) == 200
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
