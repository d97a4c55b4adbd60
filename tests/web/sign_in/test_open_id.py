"""Signing in with an OpenID provider: what the service asks for, and what it does not believe."""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.paths import API
from tests.servers.service import Running, start
from tests.web.auth.signing import unsigned
from tests.web.sign_in.browser import SESSION, Browser
from tests.web.sign_in.open_id.liar import CLIENT, SECRET, Liar

WAYS, BEGIN, CALLBACK = f"{API}/sign-in", f"{API}/sign-in/oidc", f"{API}/sign-in/oidc/callback"


async def begin(browser: Browser, liar: Liar) -> None:
    """Press the button."""
    answer = await browser.ask("POST", BEGIN)
    assert answer.status_code == 200, answer.text
    liar.begin(answer.json()["location"])


async def arrive(browser: Browser, **query: str) -> httpx2.Response:
    """Come back from the provider: a navigation from another site, which names no origin."""
    page, browser.origin = browser.origin, ""
    answer = await browser.ask("GET", CALLBACK, params=query, headers={"Sec-Fetch-Site": "cross-site"})
    browser.origin = page
    assert answer.status_code == 303
    assert answer.headers["location"] == "/analytics"
    return answer


async def reason(browser: Browser) -> str:
    """Why the last attempt failed, as the page is told."""
    return str((await browser.ask("GET", WAYS)).json()["reason"])


async def sign_in(browser: Browser, liar: Liar, **query: str) -> httpx2.Response:
    await begin(browser, liar)
    return await arrive(browser, **{"code": "c", "state": liar.query["state"], **query})


async def test_a_person_signs_in(trusting: Running, liar: Liar) -> None:
    """The request has PKCE, state and nonce; the answer opens a session that lasts for the hours that are set."""
    browser = Browser(trusting)
    assert (await browser.ask("GET", WAYS)).json() == {"provider": "Example", "reason": None}
    await begin(browser, liar)
    asked = liar.query
    assert asked["redirect_uri"] == f"{trusting.url}{CALLBACK}"
    assert {name: asked[name] for name in ("response_type", "client_id", "scope", "code_challenge_method")} == {
        "response_type": "code",
        "client_id": CLIENT,
        "scope": "openid email profile",
        "code_challenge_method": "S256",
    }
    assert len({asked[name] for name in ("state", "nonce", "code_challenge")}) == 3
    assert browser.attributes.items() >= {"httponly": True, "samesite": "Lax", "max-age": "600"}.items()
    await arrive(browser, code="c", state=asked["state"])
    described = (await browser.ask("GET", SESSION)).json()
    assert (described["subject"], described["tenant"], described["roles"]) == ("ada", "default", ["admin"])
    assert abs(described["expires"] - time.time() - 8 * 3600) < 60
    assert (await browser.ask("GET", f"{API}/summary")).status_code == 200
    assert liar.basic.startswith("Basic ")
    assert len(browser.cookies) == 1


FALSE: dict[str, tuple[dict[str, Any], str]] = {
    "another nonce": ({"nonce": "x" * 43}, "of another sign-in"),
    "no nonce": ({"nonce": None}, "of another sign-in"),
    "a nonce that is no text": ({"nonce": 7}, "of another sign-in"),
    "another audience": ({"aud": "another"}, "ANALYTICS_OIDC_CLIENT_ID"),
    "no audience": ({"aud": None}, "not valid"),
    "several audiences": ({"aud": [CLIENT, "another"]}, "ANALYTICS_OIDC_CLIENT_ID"),
    "another party": ({"azp": "another"}, "ANALYTICS_OIDC_CLIENT_ID"),
    "another issuer": ({"iss": "https://evil.example.com"}, "ANALYTICS_OIDC_ISSUER"),
    "no issuer": ({"iss": None}, "not valid"),
    "an end long ago": ({"exp": int(time.time()) - 3600}, "has expired"),
    "no end": ({"exp": None}, "not valid"),
    "a beginning far ahead": ({"iat": int(time.time()) + 3600}, "not valid yet"),
    "no subject": ({"sub": None}, "not valid"),
    "an empty subject": ({"sub": ""}, "sub is not a name"),
    "no role": ({"roles": None}, "ANALYTICS_JWT_ROLES_CLAIM"),
    "another role": ({"roles": ["user"]}, "ANALYTICS_JWT_ADMIN_ROLE"),
}


@pytest.mark.parametrize("what", FALSE)
async def test_a_false_id_token_opens_nothing(trusting: Running, liar: Liar, what: str) -> None:
    """An ID token that is not for this sign-in, client and moment, or not an admin's, is refused with the reason."""
    liar.claims, said = FALSE[what]
    browser = Browser(trusting)
    await sign_in(browser, liar)
    assert said in await reason(browser)
    assert (await browser.ask("GET", SESSION)).status_code == 204


async def test_a_false_signature_opens_nothing(trusting: Running, liar: Liar) -> None:
    """Neither alg none, nor HS256 with the client's secret, nor another key, nor no token at all."""
    browser = Browser(trusting)
    makers: list[Callable[[], str]] = [
        unsigned,
        lambda: liar.sign(SECRET, "HS256"),
        lambda: liar.sign(rsa.generate_private_key(65537, 2048)),
        lambda: jwt.encode({"sub": "ada"}, liar.key, "RS512"),
        lambda: "garbage",
        lambda: "x" * 100_000,
    ]
    for make in makers:
        await begin(browser, liar)
        liar.id_token = make()
        await arrive(browser, code="c", state=liar.query["state"])
        assert "ID token" in await reason(browser)
        assert (await browser.ask("GET", SESSION)).status_code == 204


async def test_an_answer_to_another_browser_opens_nothing(trusting: Running, liar: Liar) -> None:
    """A callback counts only in the browser that began: not with another state, nor without its cookie, nor later."""
    browser, victim = Browser(trusting), Browser(trusting)
    await begin(browser, liar)
    state = liar.query["state"]
    await arrive(victim, code="c", state=state)
    assert "not begun in this browser" in await reason(victim)
    await begin(victim, liar)
    await arrive(victim, code="c", state=state)
    assert "another sign-in" in await reason(victim)
    for query in ({"code": "c"}, {"code": "c", "state": ""}, {"code": "c", "state": "é" * 43}):
        await arrive(victim, **query)
        assert "another sign-in" in await reason(victim)
    assert "token" not in liar.asked
    assert (await victim.ask("GET", SESSION)).status_code == 204


async def test_the_providers_error_is_shown(trusting: Running, liar: Liar) -> None:
    """What the provider says is shown, as text and not at any length; a refused code, too."""
    browser = Browser(trusting)
    await begin(browser, liar)
    answer = {"error": "access_denied", "error_description": "not today\n" + "x" * 1000}
    await arrive(browser, state=liar.query["state"], **answer)
    said = await reason(browser)
    assert said.startswith("the provider says: access_denied (not today x")
    assert len(said) < 400
    assert await reason(browser) == "None"
    liar.failure = (400, {"error": "invalid_grant", "error_description": "grant not found"})
    await sign_in(browser, liar)
    assert await reason(browser) == "the provider refuses the code: invalid_grant (grant not found)"
    liar.failure = (500, {})
    await sign_in(browser, liar)
    assert "does not answer as it should" in await reason(browser)


async def test_an_answer_of_another_provider_opens_nothing(trusting: Running, liar: Liar) -> None:
    """The issuer of the answer (RFC 9207) has to be the provider's, if it is there or promised."""
    browser = Browser(trusting)
    await sign_in(browser, liar, iss="https://evil.example.com")
    assert "another provider" in await reason(browser)
    await sign_in(browser, liar, iss=liar.issuer)
    assert (await browser.ask("GET", SESSION)).status_code == 200


async def test_claims_may_be_at_the_userinfo_endpoint(trusting: Running, liar: Liar) -> None:
    """Roles that the ID token lacks are asked for, and believed of the same subject alone."""
    browser = Browser(trusting)
    liar.claims, liar.userinfo = {"roles": None}, {"roles": ["admin"], "tenant": "acme"}
    await sign_in(browser, liar)
    assert (await browser.ask("GET", SESSION)).json()["tenant"] == "acme"
    liar.userinfo["sub"] = "eve"
    other = Browser(trusting)
    await sign_in(other, liar)
    assert "ANALYTICS_JWT_ROLES_CLAIM" in await reason(other)


async def test_a_provider_that_is_down_is_said_to_be(tmp_path: Path) -> None:
    """Without the provider the page says so, with the setting; tokens work as before."""
    running = await start(tmp_path, OIDC_ISSUER="http://127.0.0.1:1", OIDC_CLIENT_ID="x")
    browser = Browser(running)
    try:
        answer = await browser.ask("POST", BEGIN)
        assert (answer.status_code, answer.json()["detail"]) == (
            502,
            "the provider cannot be reached: see ANALYTICS_OIDC_ISSUER",
        )
        assert (await browser.sign_in(running.token())).status_code == 201
    finally:
        await running.drop()


@pytest.mark.parametrize("endpoint", ["openid-configuration", "token", "jwks"])
async def test_a_provider_that_trickles_holds_nobody(
    trusting: Running, liar: Liar, monkeypatch: pytest.MonkeyPatch, endpoint: str
) -> None:
    """A provider that never ends an answer is given up after some seconds, and others are served meanwhile."""
    monkeypatch.setattr("web.sign_in.provider.FETCH_SECONDS", 1.0)
    monkeypatch.setattr("web.auth.key_set.FETCH_SECONDS", 1.0)
    liar.trickles = {endpoint}
    browser, other = Browser(trusting), Browser(trusting)

    async def attempt() -> None:
        answer = await browser.ask("POST", BEGIN)
        if answer.status_code == 200:
            liar.begin(answer.json()["location"])
            await arrive(browser, code="c", state=liar.query["state"])

    waiting = asyncio.create_task(attempt())
    await asyncio.sleep(0.2)
    assert (await other.sign_in(trusting.token())).status_code == 201
    assert (await other.ask("GET", f"{API}/summary")).status_code == 200
    await waiting
    assert (await browser.ask("GET", SESSION)).status_code == 204


async def test_another_site_begins_nothing(trusting: Running) -> None:
    """Only a page of the service begins to sign in, and learns what came of it."""
    stranger = Browser(trusting, "https://evil.example.com")
    assert (await stranger.ask("POST", BEGIN)).status_code == 403
    assert (await stranger.ask("GET", WAYS)).status_code == 403
    assert stranger.cookies == {}


async def test_without_a_provider_there_is_no_button(running: Running) -> None:
    """A service without one says so."""
    browser = Browser(running)
    assert (await browser.ask("GET", WAYS)).json() == {"provider": None, "reason": None}
    answer = await browser.ask("POST", BEGIN)
    assert answer.status_code == 404
    assert "ANALYTICS_OIDC_ISSUER" in answer.json()["detail"]


async def test_over_tls_all_cookies_are_secure(trusting: Running, liar: Liar) -> None:
    """Behind a proxy that ends TLS, the redirect URI is of https and every cookie has __Host- and Secure."""
    browser = Browser(trusting, "https://analytics.example.com", "analytics.example.com")
    await begin(browser, liar)
    assert liar.query["redirect_uri"] == f"https://analytics.example.com{CALLBACK}"
    assert list(browser.cookies) == ["__Host-convoai-analytics-attempt"]
    assert browser.attributes["secure"] is True
    await arrive(browser, code="c", state=liar.query["state"])
    assert list(browser.cookies) == ["__Host-convoai-analytics"]
    assert (await browser.ask("GET", SESSION)).status_code == 200


async def test_no_secret_is_logged(trusting: Running, liar: Liar, capsys: pytest.CaptureFixture[str]) -> None:
    """Neither the client's secret, nor a code, a state, a token or a cookie is in a log or in an answer."""
    browser = Browser(trusting)
    liar.failure = (400, {"error": "invalid_client"})
    answers = [await sign_in(browser, liar, code="the-secret-code")]
    liar.failure = None
    answers.append(await sign_in(browser, liar, code="the-secret-code"))
    written = "".join(capsys.readouterr()) + "".join(answer.text for answer in answers)
    for secret in (SECRET, "the-secret-code", liar.query["state"], liar.query["nonce"], *browser.cookies.values()):
        assert secret not in written
