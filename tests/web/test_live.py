"""The live endpoint, from the handshake to the last close code."""

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from realtime.protocol import SUBPROTOCOL
from tests.conftest import API, Running, start
from tests.live import PATH, LivePanel
from tests.web.test_tracking import ACTIVITY, MESSAGE


async def equals_snapshot(running: Running, panel: LivePanel, tenant: str = "default") -> None:
    """Hold what a panel shows against the snapshot of the same position."""
    snapshot = await running.get("snapshot", tenant)
    await panel.until_position(snapshot["position"])
    assert panel.panel.position == snapshot["position"]
    assert panel.panel.shown() == {key: snapshot[key] for key in ("summary", "activities", "top_users")}


async def test_a_panel_begins_with_a_snapshot(running: Running) -> None:
    """Right after subscribing comes the snapshot, with all that REST gives for the same position."""
    await running.post("activity-public", ACTIVITY)
    panel = await running.panel()
    assert panel.socket.subprotocol == SUBPROTOCOL
    first = panel.frames[0]
    assert first["type"] == "snapshot"
    assert first["heartbeat_seconds"] == 0.5
    await equals_snapshot(running, panel)


async def test_an_event_is_pushed(running: Running) -> None:
    """An event that is posted reaches the panel as a delta that holds only what changed."""
    await running.post("activity-public", ACTIVITY)
    panel = await running.panel()
    receipt = await running.post("message-public", {**MESSAGE, "token_count": 0})
    await panel.until_position(receipt["position"])
    delta = next(frame for frame in panel.frames if frame["type"] == "delta")
    assert delta["summary"] == {"total_conversations": 1, "total_messages": 1}
    assert "activities" not in delta
    assert "top_users" not in delta
    await equals_snapshot(running, panel)


async def test_topics_are_kept_apart(running: Running) -> None:
    """A panel gets the topics it asked for and no other; a second subscription replaces the first."""
    panel = await running.panel(topics=("top_users",))
    await running.post("activity-public", ACTIVITY)
    await panel.until(lambda: bool(panel.panel.top_users))
    assert (panel.panel.summary, panel.panel.activities) == ({}, [])
    await panel.send(type="subscribe", topics=["summary"], position=None)
    await panel.until(lambda: bool(panel.panel.summary))
    assert panel.panel.top_users == []


async def test_changes_of_one_tick_come_merged(running: Running) -> None:
    """The first change is sent at once; those that follow within a tick come as one frame."""
    panel = await running.panel()
    receipts = await asyncio.gather(
        *(running.post("activity-public", {**ACTIVITY, "user_id": f"u{number}"}) for number in range(40))
    )
    last = max((receipt["position"] for receipt in receipts), key=lambda text: int(text.split(".")[1]))
    await panel.until_position(last)
    deltas = [frame for frame in panel.frames if frame["type"] == "delta"]
    assert len(deltas) <= 20
    await equals_snapshot(running, panel)


async def test_a_panel_resumes(running: Running) -> None:
    """A panel that comes back with its position gets one merged delta of what it missed, and no snapshot."""
    panel = await running.panel()
    await running.post("activity-public", ACTIVITY)
    await panel.until(lambda: panel.panel.summary["total_activities"] == 1)
    await panel.close()
    for number in range(15):
        await running.post("activity-public", {**ACTIVITY, "user_id": f"u{number}"})
    panel.frames.clear()
    await panel.resume()
    assert panel.frames[0]["type"] == "delta"
    assert panel.frames[0]["summary"]["total_activities"] == 16
    assert len(panel.frames[0]["activities"]) == 10
    await equals_snapshot(running, panel)
    await panel.close()
    panel.frames.clear()
    await panel.resume()
    assert set(panel.frames[0]) == {"type", "position", "at", "heartbeat_seconds"}


@pytest.mark.parametrize("position", ["nonsense", "abcd.5.ff", "", "x" * 200])
async def test_an_unknown_position_gets_a_snapshot(running: Running, position: str) -> None:
    """A position that is none, or of another database, gets a snapshot."""
    panel = await running.panel(position=position)
    assert panel.frames[0]["type"] == "snapshot"


async def test_a_position_with_another_tag_gets_a_snapshot(running: Running) -> None:
    """A sequence that is there under another tag, or beyond the head, is of another past: snapshot."""
    receipt = await running.post("activity-public", ACTIVITY)
    epoch, sequence, tag = receipt["position"].split(".")
    for position in (f"{epoch}.{sequence}.{'0' * len(tag)}", f"{epoch}.{int(sequence) + 1}.{tag}"):
        panel = await running.panel(position=position)
        assert panel.frames[0]["type"] == "snapshot"


async def test_a_log_that_was_cut_gets_a_snapshot(tmp_path: Path) -> None:
    """A position older than the change log gets a snapshot, one within it a delta."""
    found = await start(tmp_path, CHANGE_LOG_ENTRIES="5")
    try:
        positions = [(await found.post("activity-public", ACTIVITY))["position"] for _ in range(8)]
        for index, kind in ((0, "snapshot"), (6, "delta")):
            panel = await found.panel(position=positions[index])
            assert panel.frames[0]["type"] == kind
    finally:
        await found.stop()


async def test_a_restart_is_survived(tmp_path: Path) -> None:
    """A panel resumes at a service that was restarted, by a delta from the change log alone."""
    first = await start(tmp_path)
    panel = LivePanel(first.url, first.token())
    await panel.open()
    await first.post("activity-public", ACTIVITY)
    await panel.until(lambda: panel.panel.summary["total_activities"] == 1)
    await first.stop()
    await panel.until(lambda: panel.closed is not None)
    assert panel.closed is not None
    assert panel.closed[0] == 1012
    assert panel.closed[1].startswith("retry after ")
    second = await start(tmp_path)
    try:
        await second.post("message-public", MESSAGE)
        panel.url = second.url.replace("http", "ws") + PATH
        panel.frames.clear()
        await panel.resume()
        assert panel.frames[0]["type"] == "delta"
        assert panel.frames[0]["summary"] == {"total_conversations": 1, "total_messages": 1, "total_tokens": 7}
        await equals_snapshot(second, panel)
        await panel.close()
    finally:
        await second.stop()


async def test_heartbeats_tell_position_and_time(running: Running) -> None:
    """Heartbeats come at the announced pace, with the position last sent and the time the figures last matched."""
    panel = await running.panel()
    await panel.until(lambda: sum(frame["type"] == "heartbeat" for frame in panel.frames) >= 2)
    beats = [frame for frame in panel.frames if frame["type"] == "heartbeat"]
    assert {beat["position"] for beat in beats} == {panel.frames[0]["position"]}
    assert all(beat["stale_since"] is None for beat in beats)
    assert beats[0]["at"] >= panel.frames[0]["at"]


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


@pytest.mark.parametrize(
    "message",
    [
        "",
        "{",
        "[]",
        "5",
        '{"type":"shout"}',
        '{"type":"subscribe"}',
        '{"type":"subscribe","topics":[]}',
        '{"type":"subscribe","topics":["secrets"]}',
        '{"type":"subscribe","topics":["summary"],"position":5}',
        '{"type":"subscribe","topics":["summary"],"more":1}',
        '{"type":"refresh"}',
        '{"type":"refresh","token":"\\ud800"}',
        "[" * 5000,
        b"\x00\xff",
    ],
)
async def test_a_bad_message_is_4400(running: Running, message: str | bytes) -> None:
    """A message that the protocol does not know ends with an error frame and 4400."""
    panel = await running.panel(subscribe=False)
    await panel.socket.send(message)
    await panel.until(lambda: panel.closed is not None)
    assert panel.closed is not None
    assert panel.closed[0] == 4400
    assert panel.frames[-1]["code"] == "bad_message"


async def test_a_huge_message_is_refused(running: Running) -> None:
    """A message over 16 KiB ends the connection (1009) without being held in memory."""
    panel = await running.panel()
    await panel.socket.send("x" * 20_000)
    await panel.until(lambda: panel.closed is not None)
    assert panel.closed is not None
    assert panel.closed[0] == 1009


async def test_a_browser_offers_its_token_as_a_subprotocol(running: Running) -> None:
    """A browser's token comes as a second subprotocol, and is not echoed."""
    offered: Any = [SUBPROTOCOL, f"bearer.{running.token()}"]
    async with connect(running.url.replace("http", "ws") + PATH, subprotocols=offered) as socket:
        assert socket.subprotocol == SUBPROTOCOL
        await socket.send(json.dumps({"type": "subscribe", "topics": ["summary"]}))
        assert json.loads(await socket.recv())["type"] == "snapshot"


async def test_a_token_in_the_query_is_ignored(running: Running) -> None:
    """A token in the query string opens nothing."""
    with pytest.raises(InvalidStatus) as refused:
        await connect(f"{running.url.replace('http', 'ws')}{PATH}?token={running.token()}")
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
            async with connect(found.url.replace("http", "ws") + PATH, **options):
                pass
        else:
            with pytest.raises(InvalidStatus) as refused:
                await connect(found.url.replace("http", "ws") + PATH, **options)
            assert refused.value.response.status_code == 403
        ask = {"Origin": options["origin"], "Access-Control-Request-Method": "GET"}
        answer = await found.http.options(f"{API}/summary", headers=ask)
        assert ("access-control-allow-origin" in answer.headers) == (origin == "https://admin.example.com")
    finally:
        await found.stop()


async def test_a_tenant_sees_its_own(running: Running) -> None:
    """A panel is never sent a figure, name or position of another tenant, whatever it subscribes with."""
    theirs = await running.post("activity-public", {**ACTIVITY, "user_id": "globex-user"}, "globex-key-0123456789")
    panel = await running.panel("acme", position=theirs["position"])
    await running.post("activity-public", {**ACTIVITY, "user_id": "globex-user"}, "globex-key-0123456789")
    mine = await running.post("activity-public", {**ACTIVITY, "user_id": "acme-user"}, "acme-key-0123456789")
    await panel.until_position(mine["position"])
    assert "globex" not in json.dumps(panel.frames)
    assert panel.panel.summary["total_activities"] == 1
    await equals_snapshot(running, panel, "acme")


@pytest.mark.parametrize("limit", ["MAX_CONNECTIONS", "MAX_CONNECTIONS_PER_USER", "MAX_CONNECTIONS_PER_ADDRESS"])
async def test_capacity_is_bounded(tmp_path: Path, limit: str) -> None:
    """Over a limit a panel is closed with 1013; when another leaves, there is room again."""
    found = await start(tmp_path, plain=False, **{limit: "2"})
    try:
        first, second = await found.panel(), await found.panel()
        third = await found.panel()
        assert third.closed == (1013, "too many connections")
        await second.close()
        fourth = await found.panel()
        assert fourth.closed is None
        assert first.closed is None
    finally:
        await found.stop()


async def test_silence_after_the_handshake_ends(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection that never subscribes is closed."""
    monkeypatch.setattr("realtime.connection.SUBSCRIBE_SECONDS", 0.2)
    panel = await running.panel(subscribe=False)
    await panel.until(lambda: panel.closed is not None)
    assert panel.closed is not None
    assert panel.closed[0] == 4400


async def test_http_at_the_live_path_is_no_error(running: Running) -> None:
    """A plain GET at the live path is a 404 problem, not a failure."""
    response = await running.http.get(PATH, headers=running.admin())
    assert response.status_code == 404
    assert isinstance(response, httpx.Response)
