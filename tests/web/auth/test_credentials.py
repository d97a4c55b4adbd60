"""Every endpoint with every kind of credential. The routes are the application's own: a new one needs a row here."""

import gzip
import re
import time
from base64 import b64encode
from collections import defaultdict
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import jwt
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus
from websockets.typing import Subprotocol

from realtime.protocol import SUBPROTOCOL
from tests.paths import API, TRACK
from tests.samples.events import BATCH, EVENTS
from tests.servers.process import Process
from tests.servers.service import Running, start
from tests.servers.settings import SECRET
from tests.web.auth.routes import (
    ADMINS,
    CODES,
    DETAILS,
    EXPORTS,
    LIVE,
    OPEN,
    OWN_PAGES,
    POSTHOG,
    RENEWALS,
    STREAM,
    TRACKERS,
    WRITES,
    routes,
)
from tests.web.auth.signing import unsigned
from web.auth.tokens import ADMIN

KEY = "acme-key-0123456789"

ADMITTED = {"admin": 200, "admin of another tenant": 200, "admin with another revoked": 200}
NOT_ADMIN = {"not admin": 403}
BAD_TOKENS = (
    "garbage",
    "expired",
    "wrong signing key",
    "alg none",
    "no roles",
    "revoked sub",
    "revoked jti",
    "tracking key as token",
    "token in the query",
    "token in a cookie",
    "basic",
    "no credential",
)
ADMIN_ROWS = {**ADMITTED, **NOT_ADMIN, **dict.fromkeys(BAD_TOKENS, 401)}

TRACKING_ROWS = {
    "tracking key": 201,
    "tracking key as bearer": 201,
    "no credential": 201,
    "garbage": 401,
    "admin": 401,
    "admin as tracking key": 401,
    "alg none": 401,
    "not admin": 401,
    "expired": 401,
    "revoked sub": 401,
    "revoked tracking key": 401,
    "empty tracking key": 401,
    "basic": 401,
    "forwarded": 401,
    "a page": 401,
    "token in the query": 201,
    "token in a cookie": 201,
    "tracking key as password": 201,
    "tracking key as user": 201,
}
EXPORT_ROWS = {name: 200 if status == 201 else status for name, status in TRACKING_ROWS.items()}


@pytest.fixture(scope="module")
def credentials(revoked: tuple[Path, str]) -> dict[str, dict[str, str]]:
    """Each kind of credential, as headers; one that begins with ? is a query."""
    soon = int(time.time()) + 600
    claims: dict[str, Any] = {"sub": "ada", "roles": [ADMIN], "exp": soon, "iat": soon - 7200}

    def token(key: str = SECRET, **more: Any) -> str:
        return jwt.encode({**claims, **more}, key, "HS256")

    admin = token()
    tokens = {
        "admin": admin,
        "admin of another tenant": token(tenant="globex"),
        "admin with another revoked": token(sub="eve", iat=soon),
        "not admin": token(roles=["user"]),
        "garbage": "garbage",
        "expired": token(exp=soon - 3600),
        "wrong signing key": token("another secret, which is also long enough"),
        "alg none": unsigned(),
        "no roles": jwt.encode({"sub": "ada", "exp": soon}, SECRET, "HS256"),
        "revoked sub": token(sub="eve"),
        "revoked jti": token(jti="gone"),
        "tracking key as token": KEY,
        "tracking key as bearer": KEY,
    }
    others = {
        "no credential": {},
        "token in the query": {"?": f"token={admin}&access_token={admin}"},
        "token in a cookie": {"Cookie": f"token={admin}"},
        "basic": {"Authorization": "Basic YWRhOmFkYQ=="},
        "tracking key": {"X-Tracking-Key": KEY},
        "tracking key as password": {"Authorization": f"Basic {b64encode(f'public:{KEY}'.encode()).decode()}"},
        "tracking key as user": {"Authorization": f"Basic {b64encode(f'{KEY}:'.encode()).decode()}"},
        "revoked tracking key": {"X-Tracking-Key": revoked[1]},
        "empty tracking key": {"X-Tracking-Key": ""},
        "admin as tracking key": {"X-Tracking-Key": admin},
        "forwarded": {"X-Forwarded-For": "127.0.0.1"},
        "a page": {"Origin": "http://127.0.0.1"},
    }
    return {**{name: {"Authorization": f"Bearer {item}"} for name, item in tokens.items()}, **others}


@pytest.fixture(scope="module")
def revoked(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A folder with a database in which a subject, a token and a key are revoked; and that key."""
    folder = tmp_path_factory.mktemp("revoked")
    for name in ("index.html", "panel.js"):
        (folder / name).write_text("x")
    operator = Process(folder)

    def types(*arguments: str) -> str:
        done = operator.command(*arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    types("migrate")
    types("revoke", "--sub", "eve")
    types("revoke", "--jti", "gone")
    key = types("keys", "add", "--name", "old")
    types("keys", "revoke", types("keys", "list").splitlines()[1].split()[0])
    return folder, key


@pytest.fixture
async def guarded(revoked: tuple[Path, str]) -> AsyncIterator[Running]:
    """A service on that database, with a front end to serve."""
    found = await start(revoked[0], revoked[0])
    yield found
    await found.drop()


def rows() -> dict[str, dict[str, int]]:
    """The matrix: endpoint, credential, status."""
    return {
        **dict.fromkeys(ADMINS, ADMIN_ROWS),
        **{name: {**ADMIN_ROWS, **dict.fromkeys(ADMITTED, 404)} for name in DETAILS},
        **{name: {**ADMIN_ROWS, **dict.fromkeys(ADMITTED, status)} for name, status in WRITES.items()},
        **dict.fromkeys(TRACKERS, TRACKING_ROWS),
        **dict.fromkeys([*EXPORTS, POSTHOG], EXPORT_ROWS),
        **{name: dict.fromkeys((*ADMIN_ROWS, *TRACKING_ROWS), status) for name, status in OPEN.items()},
        LIVE: {**dict.fromkeys(ADMITTED, 101), **NOT_ADMIN, **dict.fromkeys(BAD_TOKENS, 401)},
        STREAM: ADMIN_ROWS,
        # They name no origin: what pages of the service may do is in tests/web/sign_in/test_matrix.py.
        **dict.fromkeys(OWN_PAGES, dict.fromkeys(ADMIN_ROWS, 403)),
        CODES: {**ADMIN_ROWS, **dict.fromkeys(ADMITTED, 201)},
        # Nobody has handed over a session.
        RENEWALS: {**ADMIN_ROWS, **dict.fromkeys(ADMITTED, 404)},
    }


async def test_every_route_has_a_row(guarded: Running) -> None:
    """The matrix has each route of the application, WebSocket too, and no other; each has every kind that matters."""
    assert {name.partition("?")[0] for name in rows()} == routes(guarded)


async def ask(running: Running, endpoint: str, headers: dict[str, str]) -> tuple[int, str]:
    """Ask an endpoint with a credential; tell status and body."""
    method, _, path = endpoint.partition(" ")
    headers = dict(headers)
    query = headers.pop("?", "")
    url = f"{path}{'&' if '?' in path else '?'}{query}" if query else path
    if method == "WS":
        try:
            async with connect(running.url.replace("http", "ws") + url, additional_headers=headers):
                return 101, ""
        except InvalidStatus as error:
            return error.response.status_code, (error.response.body or b"").decode()
    if endpoint == STREAM:
        async with running.http.stream("GET", url, headers={**headers, "Accept": "text/event-stream"}) as answer:
            # One that is open never ends.
            return answer.status_code, "" if answer.status_code == 200 else (await answer.aread()).decode()
    name = path.rpartition("/")[2]
    bodies = {**EVENTS, "batch": BATCH, "renewals": {"code": "x" * 43}, "traces": {}, "": {"batch": []}}
    body = bodies.get(name) if method == "POST" else None
    response = await running.http.request(method, re.sub(r"{\w+}", "none", url), json=body, headers=headers)
    return response.status_code, response.text


@pytest.mark.parametrize("endpoint", rows())
async def test_the_matrix(guarded: Running, credentials: dict[str, dict[str, str]], endpoint: str) -> None:
    """Each credential gets the status that the matrix says, and no answer repeats it."""
    for name, status in rows()[endpoint].items():
        found, body = await ask(guarded, endpoint, credentials[name])
        assert found == status, (endpoint, name, body)
        if status >= 400:
            for value in credentials[name].values():
                secret = value.rpartition(" ")[2]
                assert len(secret) < 10 or secret not in body, (endpoint, name)


async def test_no_other_method_opens_anything(guarded: Running, credentials: dict[str, dict[str, str]]) -> None:
    """Whatever the credential, a route answers no method but its own (and HEAD), and HEAD asks for what GET does."""
    methods: defaultdict[str, set[str]] = defaultdict(set)
    for endpoint in rows():
        method, _, path = endpoint.partition(" ")
        methods[path] |= {"GET", "HEAD"} if method in ("GET", "WS") else {method}
    for path, own in methods.items():
        for other in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "QUERY"):
            if other not in own:
                response = await guarded.http.request(other, path, headers=credentials["admin"])
                assert response.status_code in (404, 405), (path, other)
    for endpoint in ADMINS:
        path = endpoint.partition(" ")[2]
        assert (await guarded.http.head(path)).status_code == 401
        assert (await guarded.http.head(path, headers=credentials["not admin"])).status_code == 403


async def test_another_tenant_is_another_world(guarded: Running, credentials: dict[str, dict[str, str]]) -> None:
    """What one tenant posts is in no answer to the admin of another, whatever the endpoint and the filters."""
    marked = [{**item, **{key: "acme-only" for key in item if key.endswith("_id")}} for item in BATCH]
    answer = await guarded.http.post(f"{TRACK}/batch", json=marked, headers={"X-Tracking-Key": KEY})
    assert answer.json()["recorded"] == len(BATCH)
    for endpoint in ADMINS:
        path = endpoint.partition(" ")[2]
        for query in ("", "user_id=acme-only&conversation_id=acme-only&search=acme&tenant=acme&tenant_id=acme"):
            url = f"{path}{'&' if '?' in path else '?'}{query}"
            for accept in ("application/json", "text/csv"):
                headers = {**credentials["admin of another tenant"], "Accept": accept, "X-Tenant": "acme"}
                response = await guarded.http.get(url, headers=headers)
                assert response.status_code == 200, url
                assert "acme-only" not in response.text.replace(query, ""), url


async def test_two_credentials_do_not_add_up(guarded: Running, credentials: dict[str, dict[str, str]]) -> None:
    """With a good and a bad credential at once, nothing opens that the first one alone would not."""
    both = [("Authorization", "Bearer garbage"), ("Authorization", credentials["admin"]["Authorization"])]
    assert (await guarded.http.get(f"{API}/summary", headers=both)).status_code == 401
    keys = [("X-Tracking-Key", "garbage"), ("X-Tracking-Key", KEY)]
    response = await guarded.http.post(f"{TRACK}/activity-public", json=EVENTS["activity-public"], headers=keys)
    assert response.status_code == 401
    mixed = {"X-Tracking-Key": "garbage", "Authorization": f"Bearer {KEY}"}
    response = await guarded.http.post(f"{TRACK}/activity-public", json=EVENTS["activity-public"], headers=mixed)
    assert response.status_code == 401
    offered = [
        Subprotocol(SUBPROTOCOL),
        Subprotocol(credentials["admin"]["Authorization"].replace("Bearer ", "bearer.")),
    ]
    with pytest.raises(InvalidStatus) as refused:
        await connect(
            guarded.url.replace("http", "ws") + f"{API}/live",
            additional_headers={"Authorization": "Bearer garbage"},
            subprotocols=offered,
        )
    assert refused.value.response.status_code == 401


async def test_authentication_comes_before_the_body(guarded: Running) -> None:
    """Who may not post is told so whatever the body: it is not even unpacked."""
    headers = {"X-Tracking-Key": "garbage-0123456789", "Content-Encoding": "gzip"}
    for body in (b"", b"{", gzip.compress(b" " * (17 << 20))):
        response = await guarded.http.post(f"{TRACK}/batch", content=body, headers=headers)
        assert response.status_code == 401
