"""Who may connect to the live endpoint, from where, for how long, and whose figures they see."""

import json
import time
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from realtime.protocol import SUBPROTOCOL
from tests.paths import API, LIVE
from tests.samples.events import ACTIVITY
from tests.servers.service import Running, start
from tests.subscribers.snapshots import equals_snapshot
from web.http.problems import unavailable

each_database = pytest.mark.each_database


async def test_a_token_ends_the_connection(running: Running) -> None:
    """At the second its token ends, a panel gets an error frame and 4401."""
    panel = await running.panel(token=running.token(seconds=2))
    await panel.until(lambda: panel.closed is not None)
    assert panel.closed == (4401, "the token has expired")
    assert panel.frames[-1]["type"] == "error"
    assert panel.frames[-1]["code"] == "token_expired"


async def test_a_refresh_keeps_the_connection(running: Running) -> None:
    """A new token of the same subject, sent in time, keeps the connection beyond the first token's end."""
    panel = await running.panel(token=running.token(seconds=2))
    await panel.send(type="refresh", token=running.token(seconds=60))
    beats = len(panel.frames)
    await panel.until(lambda: len(panel.frames) > beats + 5)
    assert panel.closed is None


async def test_a_refresh_changes_nobody(running: Running) -> None:
    """A refresh with another subject, tenant or role ends with 4403, with a bad token with 4401."""
    for token, code in (
        (running.token(sub="eve"), 4403),
        (running.token(tenant="acme"), 4403),
        (running.token(roles=["user"]), 4403),
        ("nonsense", 4401),
        (running.token(seconds=-5), 4401),
    ):
        panel = await running.panel()
        await panel.send(type="refresh", token=token)
        await panel.until(lambda panel=panel: panel.closed is not None)  # type: ignore[misc]
        assert panel.closed is not None
        assert panel.closed[0] == code


async def test_a_browser_offers_its_token_as_a_subprotocol(running: Running) -> None:
    """A browser's token comes as a second subprotocol, and is not echoed."""
    offered: Any = [SUBPROTOCOL, f"bearer.{running.token()}"]
    async with connect(running.url.replace("http", "ws") + LIVE, subprotocols=offered) as socket:
        assert socket.subprotocol == SUBPROTOCOL
        await socket.send(json.dumps({"type": "subscribe", "topics": ["summary"]}))
        assert json.loads(await socket.recv())["type"] == "snapshot"


async def test_a_token_in_the_query_is_ignored(running: Running) -> None:
    """A token in the query string opens nothing."""
    with pytest.raises(InvalidStatus) as refused:
        await connect(f"{running.url.replace('http', 'ws')}{LIVE}?token={running.token()}")
    assert refused.value.response.status_code == 401


@pytest.mark.parametrize(
    ("origin", "allowed"),
    [("own", True), ("https://admin.example.com", True), ("https://evil.example.com", False), ("null", False)],
)
async def test_the_origin_decides(tmp_path: Path, origin: str, allowed: bool) -> None:
    """Pages of the service itself and of ANALYTICS_ALLOWED_ORIGINS may connect, others get 403 before the upgrade."""
    found = await start(tmp_path, ALLOWED_ORIGINS="https://admin.example.com/")
    try:
        headers = {"Authorization": f"Bearer {found.token()}"}
        options: Any = {"additional_headers": headers, "origin": found.url if origin == "own" else origin}
        if allowed:
            async with connect(found.url.replace("http", "ws") + LIVE, **options):
                pass
        else:
            with pytest.raises(InvalidStatus) as refused:
                await connect(found.url.replace("http", "ws") + LIVE, **options)
            assert refused.value.response.status_code == 403
        ask = {"Origin": options["origin"], "Access-Control-Request-Method": "GET"}
        answer = await found.http.options(f"{API}/summary", headers=ask)
        assert ("access-control-allow-origin" in answer.headers) == (origin == "https://admin.example.com")
    finally:
        await found.stop()


@each_database
async def test_a_tenant_sees_its_own(running: Running) -> None:
    """A panel is never sent a figure, name or position of another tenant, whatever it subscribes with."""
    theirs = await running.post("activity-public", {**ACTIVITY, "user_id": "globex-user"}, "globex-key-0123456789")
    panel = await running.panel("acme", position=theirs["position"])
    await running.post("activity-public", {**ACTIVITY, "user_id": "globex-user"}, "globex-key-0123456789")
    mine = await running.post("activity-public", {**ACTIVITY, "user_id": "acme-user"}, "acme-key-0123456789")
    await panel.until_position(mine["position"])
    assert "globex" not in json.dumps(panel.frames)
    assert panel.state.summary["total_activities"] == 1
    await equals_snapshot(running, panel, "acme")


async def test_a_token_has_no_leeway(running: Running) -> None:
    """The close comes at the token's end, not seconds later."""
    ends = int(time.time()) + 2
    panel = await running.panel(token=running.token(seconds=ends - time.time()))
    await panel.until(lambda: panel.closed is not None)
    assert time.time() - ends < 1


async def test_keys_that_cannot_be_had_end_no_session(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """A refresh that cannot be verified just now changes nothing: the session goes on with the token it has."""

    async def fail(_token: str) -> None:
        raise unavailable("the keys cannot be had")

    panel = await running.panel()
    monkeypatch.setattr(running.service.verifier, "verify", fail)
    await panel.send(type="refresh", token="new")
    beats = len(panel.frames)
    await panel.until(lambda: len(panel.frames) > beats + 1)
    assert panel.closed is None
