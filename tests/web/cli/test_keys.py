"""Tracking keys in the database, revoked tokens, and the commands for both, beside a running service."""

import asyncio
import sqlite3
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import jwt
import pytest

from tests.paths import API, TRACK
from tests.samples.events import ACTIVITY
from tests.servers.process import Process
from tests.servers.service import Running, start
from tests.servers.settings import SECRET

SOON = 2.0
"""Within so many seconds every process knows."""


class Operator:
    """Whoever types commands on the machine of a service."""

    def __init__(self, folder: Path) -> None:
        self._process = Process(folder)

    async def types(self, *arguments: str, code: int = 0) -> str:
        done = await asyncio.to_thread(self._process.command, *arguments)
        assert done.returncode == code, done.stderr
        return (done.stdout if code == 0 else done.stderr).strip()

    async def key_id(self, name: str) -> str:
        """Find the newest key of this name."""
        lines = (await self.types("keys", "list")).splitlines()
        return [line.split()[0] for line in lines if f"  {name}  " in line][-1]


@pytest.fixture
def operator(tmp_path: Path) -> Operator:
    return Operator(tmp_path)


async def becomes(ask: Callable[[], Awaitable[int]], status: int, seconds: float = SOON) -> None:
    """Wait until *ask* gets this status."""
    deadline = time.monotonic() + seconds
    while (found := await ask()) != status:
        assert time.monotonic() < deadline, found
        await asyncio.sleep(0.05)


def posting(running: Running, key: str) -> Callable[[], Awaitable[int]]:
    async def post() -> int:
        headers = {"X-Tracking-Key": key}
        return (await running.http.post(f"{TRACK}/activity-public", json=ACTIVITY, headers=headers)).status_code

    return post


def reading(running: Running, token: str) -> Callable[[], Awaitable[int]]:
    async def read() -> int:
        headers = {"Authorization": f"Bearer {token}"}
        return (await running.http.get(f"{API}/summary", headers=headers)).status_code

    return read


async def test_a_key_comes_and_goes(running: Running, operator: Operator, tmp_path: Path) -> None:
    """A key that is added opens its tenant, and one that is revoked nothing, within two seconds, without a restart."""
    key = await operator.types("keys", "add", "--tenant", "acme", "--name", "the chatbot")
    assert len(key) > 48
    assert key.startswith("convoai_")
    await becomes(posting(running, key), 201)
    assert (await running.get("summary", "acme"))["total_activities"] == 1
    assert await posting(running, key[:-1] + ("a" if key[-1] != "a" else "b"))() == 401
    await operator.types("keys", "revoke", await operator.key_id("the chatbot"))
    await becomes(posting(running, key), 401)
    assert not [path for path in tmp_path.iterdir() if key.encode() in path.read_bytes()]  # noqa: ASYNC240


async def test_a_rotation_has_a_grace_period(running: Running, operator: Operator) -> None:
    """After a rotation both keys work; when the grace period is over, only the new one does."""
    old = await operator.types("keys", "add", "--name", "bot")
    first = await operator.key_id("bot")
    new = await operator.types("keys", "rotate", first, "--grace-hours", "0.0015")
    await becomes(posting(running, new), 201)
    assert await posting(running, old)() == 201
    await becomes(posting(running, old), 401, 6)
    assert await posting(running, new)() == 201
    assert "there is no such key" in await operator.types("keys", "rotate", first, code=2)
    assert await operator.key_id("bot") != first


async def test_the_list_tells_tenant_and_last_use(running: Running, operator: Operator) -> None:
    """keys list tells tenant, name, state and last use, but no key; use is written once a minute at most."""
    for tenant in ("acme", "globex"):
        key = await operator.types("keys", "add", "--tenant", tenant, "--name", f"bot of {tenant}")
    listed = await operator.types("keys", "list", "--tenant", "globex")
    assert "bot of acme" not in listed
    assert "never" in listed
    await becomes(posting(running, key), 201)
    async with asyncio.timeout(60):
        while "never" in listed:
            listed = await operator.types("keys", "list", "--tenant", "globex")
    assert listed.splitlines()[1].split()[1] == "globex"
    assert key not in listed
    await posting(running, key)()
    await asyncio.sleep(1.2)
    assert await operator.types("keys", "list", "--tenant", "globex") == listed
    database = running.service.database
    await running.service.credentials.stop()
    assert database is running.service.database
    assert await operator.types("keys", "list", "--tenant", "globex") != listed


async def test_a_revoked_subject_is_out(running: Running, operator: Operator) -> None:
    """A revoked subject's tokens are 401 within two seconds, its panels are closed; others, and new tokens, go on."""
    mine, other, apart = running.token(sub="eve"), running.token(sub="ada"), running.token("acme", sub="eve")
    panels = [await running.panel(token=token) for token in (mine, other, apart)]
    await operator.types("revoke", "--sub", "eve", "--tenant", "default")
    began = time.monotonic()
    await becomes(reading(running, mine), 401)
    await panels[0].until(lambda: panels[0].closed is not None)
    assert time.monotonic() - began < 5
    assert panels[0].closed == (4401, "the token has been revoked")
    assert panels[0].frames[-1] == {"type": "error", "code": "token_expired", "message": "the token has been revoked"}
    assert [panel.closed for panel in panels[1:]] == [None, None]
    for token in (other, apart):
        assert await reading(running, token)() == 200
    await asyncio.sleep(1)
    assert await reading(running, running.token(sub="eve"))() == 200
    await panels[1].send(type="refresh", token=mine)
    await panels[1].until(lambda: panels[1].closed is not None)
    assert panels[1].closed is not None
    assert panels[1].closed[0] == 4401
    await operator.types("revoke", "--sub", "eve")
    await becomes(reading(running, apart), 401)
    await panels[2].until(lambda: panels[2].closed is not None)


async def test_a_revoked_token_is_out(running: Running, operator: Operator) -> None:
    """By its id one token is revoked, and no other of the same subject."""
    one, other = running.token(), running.token()
    jti = jwt.decode(one, SECRET, ["HS256"])["jti"]
    assert jti != jwt.decode(other, SECRET, ["HS256"])["jti"]
    panel, unharmed = await running.panel(token=one), await running.panel(token=other)
    await operator.types("revoke", "--jti", jti, "--hours", "1")
    await becomes(reading(running, one), 401)
    await panel.until(lambda: panel.closed is not None)
    assert await reading(running, other)() == 200
    assert unharmed.closed is None


async def test_a_token_that_does_not_say_when_is_out(running: Running, operator: Operator) -> None:
    """A token without a usable iat is revoked with its subject, whenever it was issued."""
    claims = {"sub": "eve", "roles": ["admin"], "exp": int(time.time()) + 60}
    wrong: list[Any] = [None, float("nan"), 1e300, "yesterday", True, 0]
    tokens = [jwt.encode(item, SECRET, "HS256") for item in (claims, *({**claims, "iat": iat} for iat in wrong))]
    for token in tokens:
        assert await reading(running, token)() == 200
    await operator.types("revoke", "--sub", "eve")
    for token in tokens:
        await becomes(reading(running, token), 401)


async def test_a_revocation_is_forgotten(running: Running, operator: Operator, tmp_path: Path) -> None:
    """When no token can be valid any more, the revocation is dropped."""
    await operator.types("revoke", "--sub", "eve", "--hours", "0.001")
    await operator.types("revoke", "--jti", "x", "--hours", "0.001")
    await asyncio.sleep(3.7)
    await operator.types("revoke", "--sub", "ada")
    with sqlite3.connect(tmp_path / "analytics.db") as database:
        assert database.execute("SELECT kind, value, expires_at FROM revocations").fetchall() == [("sub", "ada", None)]
    database.close()


async def test_the_audit_tells_who_did_what(running: Running, operator: Operator) -> None:
    """audit lists each change of keys and tokens, newest first, with who did it; it never shows a key."""
    key = await operator.types("keys", "add", "--name", "bot")
    first = await operator.key_id("bot")
    new = await operator.types("keys", "rotate", first)
    await operator.types("keys", "revoke", first)
    await operator.types("revoke", "--sub", "eve")
    text = await operator.types("audit")
    actions = [line.split("  ")[-2].strip() or line for line in text.splitlines()[1:]]
    assert len(actions) == 4
    for line, action in zip(
        text.splitlines()[1:], ["tokens revoked", "key revoked", "key rotated", "key added"], strict=True
    ):
        assert action in line
        assert "@" in line
    assert "sub eve" in text
    assert key not in text
    assert new not in text
    assert len((await operator.types("audit", "--limit", "1")).splitlines()) == 2


NONSENSE = (
    ("keys", "revoke", "none"),
    ("keys", "rotate", "none"),
    ("keys", "add", "--name", ""),
    ("keys", "add", "--name", "a\nb"),
    ("keys", "add", "--name", "x", "--tenant", "x" * 256),
    ("revoke",),
    ("revoke", "--sub", "a", "--jti", "b"),
    ("revoke", "--sub", ""),
)


async def test_nonsense_is_one_line(running: Running, operator: Operator) -> None:
    """A command that makes no sense ends with exit code 2 and one line, and changes nothing."""
    for complaint in await asyncio.gather(*(operator.types(*arguments, code=2) for arguments in NONSENSE)):
        assert complaint.startswith("convoai-analytics: ")
        assert "\n" not in complaint
    assert len((await operator.types("audit")).splitlines()) == 1


async def test_without_a_database_it_is_one_line(operator: Operator) -> None:
    """Without a database, or with one of another version, the commands say what to do."""
    assert "run migrate" in await operator.types("keys", "list", code=2)
    await operator.types("migrate")
    assert (await operator.types("keys", "list")).count("\n") == 0
    url = operator._process.environment["ANALYTICS_DATABASE_URL"].partition("///")[2]
    with sqlite3.connect(url) as database:
        database.execute("UPDATE alembic_version SET version_num = '0002'")
    database.close()
    assert "at migration 0002" in await operator.types("revoke", "--sub", "x", code=2)


async def test_keys_survive_a_restart_and_a_dead_database(tmp_path: Path, operator: Operator) -> None:
    """What is in force is known from the first request on; while the database cannot be read, it stays in force."""
    await operator.types("migrate")
    key = await operator.types("keys", "add", "--name", "bot")
    await operator.types("revoke", "--sub", "eve")
    found = await start(tmp_path)
    try:
        assert await posting(found, key)() == 201
        assert await reading(found, jwt.encode({"sub": "eve", "roles": ["admin"], "exp": 9e9}, SECRET))() == 401
        with sqlite3.connect(tmp_path / "analytics.db", isolation_level=None) as database:
            database.execute("ALTER TABLE tracking_keys RENAME TO away")
            await asyncio.sleep(1.3)
            assert await posting(found, key)() == 201
            database.execute("ALTER TABLE away RENAME TO tracking_keys")
        database.close()
        await operator.types("keys", "revoke", await operator.key_id("bot"))
        await becomes(posting(found, key), 401)
    finally:
        await found.stop()


async def test_commands_write_beside_the_service(running: Running, operator: Operator) -> None:
    """Keys are added while events pour in: neither command nor post fails, and the figures stay exact."""
    busy = True

    async def pour() -> int:
        count = 0
        while busy:
            assert await posting(running, "own-key-0123456789")() == 201
            count += 1
        return count

    pouring = [asyncio.create_task(pour()) for _ in range(8)]
    for number in range(5):
        await operator.types("keys", "add", "--name", f"bot {number}")
    busy = False
    total = sum(await asyncio.gather(*pouring))
    assert (await running.get("summary"))["total_activities"] == total
    assert (await running.verdict()).differences == []
    assert len((await operator.types("keys", "list")).splitlines()) == 6
