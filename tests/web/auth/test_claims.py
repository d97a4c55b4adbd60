"""Tokens of usual auth services: which claim holds the roles, which role is the admin's, which claim is the tenant."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.exceptions import InvalidStatus

from tests.paths import API
from tests.servers.process import Process
from tests.servers.service import Running, start
from tests.servers.settings import SECRET
from tests.web.auth.signing import sign
from web.auth.claims import Claims, read_subject
from web.auth.tokens import Verifier
from web.http.problems import Problem
from web.settings import DEFAULT_TENANT, Settings

KEYCLOAK = {
    "sub": "f3b1",
    "realm_access": {"roles": ["offline_access", "admin"]},
    "resource_access": {"my.analytics": {"roles": ["viewer"]}},
    "scope": "openid profile",
}
SERVICES: dict[str, tuple[dict[str, Any], str, str]] = {
    "Keycloak realm": (KEYCLOAK, "realm_access.roles", "admin"),
    "Keycloak client": (KEYCLOAK, "resource_access.my.analytics.roles", "viewer"),
    "Auth0": ({"sub": "auth0|5", "https://example.com/roles": ["admin"]}, "https://example.com/roles", "admin"),
    "Entra": ({"sub": "AAAA", "tid": "7-7", "roles": ["Analytics Admin"]}, "roles", "Analytics Admin"),
    "Cognito": ({"sub": "9-1", "cognito:groups": ["admins"]}, "cognito:groups", "admins"),
    "scope": ({"sub": "svc", "scope": "openid analytics:admin"}, "scope", "analytics:admin"),
    "a single text": ({"sub": "ada", "role": "admin"}, "role", "admin"),
    "a text in the default claim": ({"sub": "ada", "roles": "admin"}, "", ""),
    "a numeric subject": ({"sub": 42, "roles": ["admin"]}, "", ""),
}


@pytest.mark.parametrize("name", SERVICES)
async def test_tokens_of_usual_services_are_accepted(name: str) -> None:
    """With its settings a token of each usual service is an admin's; without the role it is a 403 that says why."""
    claims, path, role = SERVICES[name]
    verifier = verifying(ROLES_CLAIM=path, ADMIN_ROLE=role)
    principal = await verifier.verify_admin(sign(claims))
    assert principal.subject == str(claims["sub"])
    assert principal.tenant_id == DEFAULT_TENANT
    other = verifying(ROLES_CLAIM=path, ADMIN_ROLE="somebody else")
    with pytest.raises(Problem, match=r"somebody else \(ANALYTICS_JWT_ADMIN_ROLE\)") as refused:
        await other.verify_admin(sign(claims))
    assert refused.value.status == 403


@pytest.mark.parametrize(
    ("claims", "path", "tenant"),
    [
        ({"org_id": "org_1"}, "org_id", "org_1"),
        ({"organization": {"id": "acme"}}, "organization.id", "acme"),
        ({"tenant": "globex"}, "org_id", DEFAULT_TENANT),
        ({"organization": None}, "organization.id", DEFAULT_TENANT),
    ],
)
async def test_the_tenant_is_the_claim_that_is_set(claims: dict[str, Any], path: str, tenant: str) -> None:
    """The tenant comes from the claim that the setting names, and from no other."""
    token = sign({"sub": "ada", "roles": ["admin"], **claims})
    assert (await verifying(TENANT_CLAIM=path).verify_admin(token)).tenant_id == tenant


REASONS: list[tuple[dict[str, Any], dict[str, str], str]] = [
    ({"roles": None}, {}, "lacks the claim roles (ANALYTICS_JWT_ROLES_CLAIM)"),
    ({}, {"ROLES_CLAIM": "realm_access.roles"}, "lacks the claim realm_access.roles (ANALYTICS_JWT_ROLES_CLAIM)"),
    ({"roles": {"hidden": 1}}, {}, "claim roles is neither a text nor a list of texts (ANALYTICS_JWT_ROLES_CLAIM)"),
    ({"roles": ["hidden", 7]}, {}, "claim roles is neither a text nor a list of texts (ANALYTICS_JWT_ROLES_CLAIM)"),
    ({"org": ["hidden"]}, {"TENANT_CLAIM": "org"}, "claim org is not a name (ANALYTICS_JWT_TENANT_CLAIM)"),
    ({"sub": True}, {}, "claim sub is not a name"),
    ({"sub": 1.5}, {}, "claim sub is not a name"),
    ({"sub": ["hidden"]}, {}, "claim sub is not a name"),
]


@pytest.mark.parametrize(("claims", "names", "reason"), REASONS)
async def test_a_refused_token_gets_the_reason_and_the_setting(
    claims: dict[str, Any], names: dict[str, str], reason: str
) -> None:
    """The reason names the claim and its setting, and none of the token's values."""
    token = sign({"sub": "hidden-user", "roles": ["admin"], **claims})
    with pytest.raises(Problem) as refused:
        await verifying(**names).verify(token)
    assert refused.value.status == 401
    assert refused.value.detail == f"the token{' ' if reason.startswith('lacks') else chr(39) + 's '}{reason}"
    assert "hidden" not in refused.value.detail


async def test_a_wrong_signature_names_the_setting_of_the_key() -> None:
    """A token that is signed with another key or algorithm is told which settings verify signatures."""
    claims = {"sub": "ada", "roles": ["admin"]}
    for token in (sign(claims, "another secret, which is also long enough"), sign(claims, SECRET * 2, "HS512")):
        with pytest.raises(
            Problem, match=r"ANALYTICS_JWT_SECRET; for RS256 and ES256 set ANALYTICS_JWKS_URL"
        ) as refused:
            await verifying().verify(token)
        assert refused.value.status == 401


NAMES = st.sampled_from(["roles", "a", "b", "a.b", "https://example.com/roles", "cognito:groups"])
ROLES = st.lists(st.text("abcdmin:/_-", min_size=1, max_size=12), max_size=4)


@given(st.lists(NAMES, min_size=1, max_size=4), ROLES, st.booleans(), st.booleans())
def test_roles_are_found_however_they_are_written(
    path: list[str], roles: list[str], as_text: bool, is_flat: bool
) -> None:
    """For any path, nested or flat, the roles are the same as a list and as a text."""
    value: Any = " ".join(roles) if as_text else roles
    claims: dict[str, Any] = {}
    if is_flat:
        claims[".".join(path)] = value
    else:
        inner = claims
        for name in path[:-1]:
            inner = inner.setdefault(name, {})
        inner[path[-1]] = value
    assert Claims(roles=".".join(path)).read_roles(claims) == tuple(roles)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text("ab \0", max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(NAMES | st.just("sub"), JSON), st.lists(NAMES, min_size=1, max_size=3).map(".".join))
def test_claims_of_any_shape_are_read_or_refused(claims: dict[str, Any], path: str) -> None:
    """Whatever a token holds: its roles and tenant are texts, or it is refused with a 401 that names the setting."""
    names = Claims(roles=path, tenant=path)
    refusals = {"ROLES_CLAIM": names.read_roles, "TENANT_CLAIM": names.read_tenant, "sub": read_subject}
    for setting, read_claim in refusals.items():
        found, problem = outcome(read_claim, {"sub": None, **claims})
        if problem is not None:
            assert (problem.status, setting in problem.detail) == (401, True)
        else:
            texts = found if setting == "ROLES_CLAIM" else [found]
            assert all(isinstance(text, str) and (text or setting == "ROLES_CLAIM") for text in texts)


def outcome(read_claim: Callable[[dict[str, Any]], Any], claims: dict[str, Any]) -> tuple[Any, Problem | None]:
    try:
        return read_claim(claims), None
    except Problem as problem:
        return None, problem


async def test_reports_live_connections_and_refresh_use_the_same_settings(tmp_path: Path) -> None:
    """A token with the set claims reads reports, connects, is refreshed, and is revoked by its subject and tenant."""
    running = await start(
        tmp_path, JWT_ROLES_CLAIM="realm_access.roles", JWT_ADMIN_ROLE="boss", JWT_TENANT_CLAIM="org.id"
    )
    try:
        good = {"sub": 42, "realm_access": {"roles": ["boss"]}, "org": {"id": "acme"}}
        weak = {**good, "realm_access": {"roles": ["admin"]}}
        panel = await running.panel(token=sign(good))
        await panel.socket.send(json.dumps({"type": "refresh", "token": sign(good)}))
        assert (await read(running, sign(good))).status_code == 200
        refused = await read(running, sign(weak))
        assert refused.status_code == 403
        assert "boss (ANALYTICS_JWT_ADMIN_ROLE)" in refused.json()["detail"]
        with pytest.raises(InvalidStatus) as closed:
            await running.panel(token=sign(weak))
        assert closed.value.response.status_code == 403
        operator = Process(tmp_path)
        assert operator.command("revoke", "--sub", "42", "--tenant", "acme").returncode == 0
        async with asyncio.timeout(10):
            while (await read(running, sign({**good, "iat": 1}))).status_code != 401:  # noqa: ASYNC110 - it polls
                await asyncio.sleep(0.1)
        await panel.until(lambda: panel.closed is not None)
    finally:
        await running.stop()


async def test_own_tokens_have_the_claims_that_are_set(tmp_path: Path) -> None:
    """What the command token prints is accepted by a service with the same settings."""
    names = {"JWT_ROLES_CLAIM": "realm_access.roles", "JWT_ADMIN_ROLE": "boss", "JWT_TENANT_CLAIM": "org.id"}
    token = Process(tmp_path, **names).command("token", "--tenant", "acme").stdout.strip()
    settings = Settings.read({f"ANALYTICS_{name}": value for name, value in names.items()})
    verifier = Verifier(SECRET, None, lambda _: False, names=Claims.of(settings))
    principal = await verifier.verify_admin(token)
    assert (principal.tenant_id, principal.roles) == ("acme", ("boss",))
    assert jwt.decode(token, SECRET, ["HS256"])["sub"] == "admin"


async def read(running: Running, token: str) -> Any:
    return await running.http.get(f"{API}/summary", headers={"Authorization": f"Bearer {token}"})


def verifying(**values: str) -> Verifier:
    settings = Settings.read({f"ANALYTICS_JWT_{name}": value for name, value in values.items()})
    return Verifier(SECRET, None, lambda _: False, names=Claims.of(settings))
