"""Keys that an auth service publishes: which tokens they verify, and when they are fetched."""

import asyncio
import gzip
import itertools
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.paths import API
from tests.servers.service import start
from tests.servers.settings import SECRET
from tests.web.auth.auth_service import AuthService, status
from tests.web.auth.signing import CLAIMS, confused, sign
from tests.web.sign_in.browser import Browser
from web.auth import key_set


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
    """A key that the auth service takes back is worth nothing after a while, nor is a session of such a token."""
    monkeypatch.setattr(key_set, "KEYS_SECONDS", 0.1)
    key = rsa.generate_private_key(65537, 2048)
    auth_service.add("r", key)
    found = await start(tmp_path, JWKS_URL=auth_service.url)
    try:
        assert await status(found, sign(CLAIMS, key, "RS256", kid="r")) == 200
        browser = Browser(found)
        await browser.sign_in(sign(CLAIMS, key, "RS256", kid="r"))
        assert (await browser.ask("GET", f"{API}/summary")).status_code == 200
        del auth_service.keys["r"]
        fetches = auth_service.fetches
        async with asyncio.timeout(20):
            while auth_service.fetches < fetches + 2:  # noqa: ASYNC110 - the service asks by itself
                await asyncio.sleep(0.02)
        assert await status(found, sign(CLAIMS, key, "RS256", kid="r")) == 401
        assert (await browser.ask("GET", f"{API}/summary")).status_code == 401
    finally:
        await found.stop()


async def test_a_fetch_that_hangs_delays_only_unknown_keys(
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
