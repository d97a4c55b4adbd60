"""Who may read: tokens and their claims."""

import time
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from websockets.exceptions import InvalidStatus

from tests.paths import API
from tests.servers.process import Process
from tests.servers.service import Running, start
from tests.servers.settings import SECRET
from tests.web.auth.auth_service import AuthService, status
from tests.web.auth.signing import CLAIMS, sign, unsigned
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
    "roles no list": sign({**CLAIMS, "roles": {"admin": True}}),
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
