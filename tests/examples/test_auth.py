"""The auth service: accounts, sessions, and tokens that others verify."""

import sqlite3
import time
from contextlib import closing
from typing import Any

import httpx2
import jwt
import pytest

from examples.convoai.accounts import AGAIN_SECONDS
from examples.convoai.attempts import BY_ADDRESS, BY_NAME, MOST, SECONDS, Attempts
from examples.convoai.auth import COOKIE, TOKEN_SECONDS
from examples.convoai.settings import AUDIENCE
from tests.examples.services import PASSWORD, Platform

pytestmark = pytest.mark.asyncio(loop_scope="module")


def claims(answer: httpx2.Response, keys: dict[str, Any], issuer: str) -> dict[str, Any]:
    token = answer.json()["access_token"]
    kid = jwt.get_unverified_header(token)["kid"]
    key = next(key for key in jwt.PyJWKSet.from_dict(keys).keys if key.key_id == kid)
    found: dict[str, Any] = jwt.decode(token, key.key, algorithms=["RS256"], audience=AUDIENCE, issuer=issuer)
    return found


async def test_a_token_says_who_it_is(platform: Platform) -> None:
    """A token is verified by the published key, and has subject, roles, issuer, audience, issue and end."""
    made = await platform.register()
    answer = await platform.sign_in()
    assert (made.status_code, answer.status_code) == (201, 200)
    assert answer.json().keys() == {"access_token", "token_type", "expires_in", "refresh_token"}
    keys = (await platform.auth.get("/.well-known/jwks.json")).json()
    assert keys["keys"][0].keys() == {"kty", "n", "e", "kid", "use", "alg"}
    found = claims(answer, keys, platform.settings.auth_url)
    assert (found["sub"], found["roles"]) == (str(made.json()["id"]), ["user"])
    assert found["exp"] - found["iat"] == TOKEN_SECONDS == answer.json()["expires_in"]


async def test_an_admin_is_made_as_the_guide_has_it(platform: Platform) -> None:
    """A user gets 403 from the analytics service; with a row in user_roles, and signed in anew, the figures."""
    assert (await platform.report("summary", await platform.bearer())).status_code == 403
    platform.grant_admin()
    answer = await platform.report("summary", await platform.bearer())
    assert (answer.status_code, "total_users" in answer.json()) == (200, True)


async def test_registration_login_and_logout_are_tracked(platform: Platform) -> None:
    """Each is an activity of the user; the address is kept as a hash alone."""
    user = (await platform.register()).json()
    token = (await platform.sign_in()).json()["refresh_token"]
    assert (await platform.auth.post("/auth/logout", data={"refresh_token": token})).status_code == 204
    rows = await platform.until("users/activities", lambda rows: len(rows) == 3, user_id=user["id"])
    assert [row["activity_type"] for row in rows] == ["logout", "login", "registration"]
    assert {row["username"] for row in rows} == {user["username"]}
    assert "127.0.0.1" not in {row["ip_address"] for row in rows}
    for endpoint in ("/users/", "/auth/token", "/auth/logout"):
        await platform.until("api-usage", bool, endpoint=endpoint)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"username": "a", "password": PASSWORD}, "username"),
        ({"username": "ada lovelace", "password": PASSWORD}, "username"),
        ({"username": "ada", "password": "secret7"}, "password"),
        ({"username": "ada", "password": "x" * 257}, "password"),
        ({"username": "ada", "password": None}, "password"),
        ({"username": "ada", "password": PASSWORD, "email": 1}, "email"),
    ],
)
async def test_bad_input_names_the_field(platform: Platform, body: dict[str, Any], field: str) -> None:
    """What cannot be a user is a 422 that names the field and does not repeat its value."""
    answer = await platform.auth.post("/users/", json=body)
    assert (answer.status_code, answer.json()["field"]) == (422, field)
    assert PASSWORD not in answer.text
    assert "secret7" not in answer.text


async def test_bodies_have_a_bound(platform: Platform) -> None:
    """A body that is no JSON is a 422; one that is too large is not read: 413."""
    assert (await platform.auth.post("/users/", content=b"{")).status_code == 422
    assert (await platform.auth.post("/users/", content=b" " * 70_000)).status_code == 413


async def test_a_name_is_taken_in_any_case(platform: Platform) -> None:
    """Two names that differ by case alone are one; it signs in by either."""
    assert (await platform.register("Ada")).status_code == 201
    taken = await platform.register("aDA", "another password")
    assert (taken.status_code, taken.json()["field"]) == (409, "username")
    assert (await platform.sign_in("ada")).status_code == 200


async def test_nobody_learns_which_names_there_are(platform: Platform) -> None:
    """A wrong password and an unknown name get the same answer."""
    await platform.register()
    wrong, unknown = await platform.sign_in("ada", "wrong"), await platform.sign_in("grace", "wrong")
    assert (wrong.status_code, wrong.content) == (unknown.status_code, unknown.content) == (401, wrong.content)


async def test_guessing_is_slow(platform: Platform) -> None:
    """After too many wrong passwords for a name there is a 429 that says when to return; others may still sign in."""
    await platform.register()
    await platform.register("grace")
    for _ in range(BY_NAME):
        assert (await platform.sign_in("ada", "wrong")).status_code == 401
    refused = await platform.sign_in()
    assert refused.status_code == 429
    assert 0 < int(refused.headers["Retry-After"]) <= SECONDS + 1
    assert (await platform.sign_in("grace")).status_code == 200


async def test_attempts_are_forgotten() -> None:
    """A success forgets the failures for the name, time those of an address, and the memory of both is bounded."""
    now = [0.0]
    attempts = Attempts(lambda: now[0])
    for number in range(3 * BY_ADDRESS):
        assert attempts.begin("here", f"user{number}") == 0
        attempts.succeed("here", f"user{number}")
    for number in range(BY_ADDRESS):
        assert attempts.begin("here", f"user{number}") == 0
    assert attempts.begin("here", "another") == SECONDS + 1
    assert attempts.begin("there", "another") == 0
    now[0] = SECONDS + 1
    assert attempts.begin("here", "another") == 0
    for number in range(2 * MOST):
        attempts.begin(f"address{number}", "ada")
    assert len(attempts._counts) == MOST


async def refreshed(platform: Platform, token: str) -> httpx2.Response:
    return await platform.auth.post("/auth/refresh", data={"refresh_token": token})


async def test_a_session_goes_on(platform: Platform) -> None:
    """A refresh gives tokens with the roles of now; two tabs that ask at once both go on."""
    await platform.register()
    first = (await platform.sign_in()).json()["refresh_token"]
    platform.grant_admin()
    answers = [await refreshed(platform, first) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 200]
    keys = (await platform.auth.get("/.well-known/jwks.json")).json()
    assert claims(answers[0], keys, platform.settings.auth_url)["roles"] == ["admin", "user"]
    for answer in answers:
        assert (await refreshed(platform, answer.json()["refresh_token"])).status_code == 200


async def test_a_stolen_refresh_token_ends_its_session(platform: Platform) -> None:
    """One that was replaced a while ago is not taken, and its successors are not any more, either."""
    await platform.register()
    first = (await platform.sign_in()).json()["refresh_token"]
    second = (await refreshed(platform, first)).json()["refresh_token"]
    with closing(sqlite3.connect(platform.settings.data / "auth.db")) as connection, connection:
        connection.execute("UPDATE refresh_tokens SET replaced_at = replaced_at - ?", (AGAIN_SECONDS + 1,))
    assert (await refreshed(platform, first)).status_code == 401
    assert (await refreshed(platform, second)).status_code == 401


async def test_a_session_ends(platform: Platform) -> None:
    """After signing out, or at its end, no refresh token of a session is taken; nor is any other text."""
    await platform.register()
    first = (await platform.sign_in()).json()["refresh_token"]
    second = (await refreshed(platform, first)).json()["refresh_token"]
    assert (await platform.auth.post("/auth/logout", data={"refresh_token": second})).status_code == 204
    third = (await platform.sign_in()).json()["refresh_token"]
    with closing(sqlite3.connect(platform.settings.data / "auth.db")) as connection, connection:
        connection.execute("UPDATE refresh_tokens SET expires_at = ?", (time.time() - 1,))
    assert {(await refreshed(platform, token)).status_code for token in (first, second, third, "x", "")} == {401}


async def test_a_page_never_sees_the_refresh_token(platform: Platform) -> None:
    """The chat page gets it as a cookie that no script reads and no other site sends, and goes on by that."""
    await platform.register()
    page = {"Origin": platform.settings.page_url}
    answer = await platform.sign_in(**page)
    cookie = answer.headers["Set-Cookie"]
    assert "refresh_token" not in answer.json()
    assert {part.strip().lower() for part in cookie.split(";")[1:]} >= {"httponly", "path=/auth", "samesite=strict"}
    assert answer.headers["Access-Control-Allow-Origin"] == page["Origin"]
    again = await platform.auth.post("/auth/refresh", headers=page)
    assert (again.status_code, again.cookies[COOKIE] != answer.cookies[COOKIE]) == (200, True)
    # A program with the cookie alone is no page.
    assert (await platform.auth.post("/auth/refresh")).status_code == 401
    await platform.auth.post("/auth/logout", headers=page)
    assert (await platform.auth.post("/auth/refresh", headers=page)).status_code == 204


async def test_pages_of_others_are_refused(platform: Platform) -> None:
    """No other origin may ask from a browser, and none is told that it might."""
    other = {"Origin": "https://evil.example"}
    assert (await platform.sign_in(**other)).status_code == 403
    for path in ("/auth/refresh", "/auth/logout", "/users/"):
        answer = await platform.auth.post(path, json={"username": "eve", "password": PASSWORD}, headers=other)
        assert (answer.status_code, answer.headers.get("Access-Control-Allow-Origin")) == (403, None)


async def test_secrets_stay_where_they_are(platform: Platform) -> None:
    """Only their owner reads the files; passwords are argon2id hashes, refresh tokens hashes, and neither is shown."""
    await platform.register()
    token = (await platform.sign_in()).json()["refresh_token"]
    for name in ("auth.db", "auth.key"):
        assert (platform.settings.data / name).stat().st_mode & 0o077 == 0
    with closing(sqlite3.connect(platform.settings.data / "auth.db")) as connection:
        dump = "\n".join(connection.iterdump())
    assert "$argon2id$" in dump
    assert PASSWORD not in dump
    assert token not in dump
    assert "PRIVATE" not in (await platform.auth.get("/.well-known/jwks.json")).text


async def test_each_service_describes_itself(platform: Platform) -> None:
    """/health and /docs answer; the latter has every endpoint."""
    for client, endpoints in (
        (platform.auth, ("/users/", "/auth/token")),
        (platform.chatbot, ("/conversations", "/conversations/{id}/messages")),
    ):
        assert (await client.get("/health")).json() == {"status": "ok"}
        docs = await client.get("/docs")
        assert all(endpoint in docs.text for endpoint in endpoints)
        assert docs.headers["Content-Security-Policy"].startswith("default-src 'none'")
