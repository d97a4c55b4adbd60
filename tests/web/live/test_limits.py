"""What a panel may send, and how many may be connected; no panel costs another one anything."""

import asyncio
import contextlib
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.faults.isolation.attacks.connections import SMALL_FRAMES
from tests.paths import LIVE
from tests.samples.events import ACTIVITY
from tests.servers.service import Running, start
from tests.subscribers.snapshots import equals_snapshot
from web.server.websocket_protocol import PreparedProtocol


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


@pytest.mark.parametrize("limit", ["", "_PER_TENANT", "_PER_USER", "_PER_ADDRESS"])
async def test_capacity_is_bounded(tmp_path: Path, limit: str) -> None:
    """Over a limit a panel is closed with 1013; when another leaves, there is room again."""
    found = await start(tmp_path, plain=False, **{f"MAX_CONNECTIONS{limit}": "2"})
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


async def test_limits_count_for_themselves(tmp_path: Path) -> None:
    """A tenant, a user or an address that has all it may leaves room for others, and nobody escapes by a header."""
    found = await start(tmp_path, MAX_CONNECTIONS_PER_TENANT="3", MAX_CONNECTIONS_PER_USER="2")
    try:
        for tenant, sub, is_let_in in (
            ("acme", "ada", True),
            ("acme", "ada", True),
            ("acme", "ada", False),
            ("globex", "ada", True),
            ("acme", "eve", True),
            ("acme", "bob", False),
            ("globex", "bob", True),
        ):
            panel = await found.panel(token=found.token(tenant, sub=sub))
            assert (panel.closed is None) == is_let_in, (tenant, sub)
    finally:
        await found.stop()


async def test_silence_after_the_handshake_ends(tmp_path: Path) -> None:
    """A connection that never subscribes is closed."""
    found = await start(tmp_path, SUBSCRIBE_SECONDS="0.2")
    try:
        panel = await found.panel(subscribe=False)
        await panel.until(lambda: panel.closed is not None)
        assert panel.closed is not None
        assert panel.closed[0] == 4400
    finally:
        await found.stop()


async def test_who_talks_too_much_is_4429(tmp_path: Path) -> None:
    """A panel that sends more than it may is closed with 4429; one that says as much in a longer time is not."""
    found = await start(tmp_path, MESSAGES_PER_SECOND="2")
    try:
        chatty, calm = await found.panel(), await found.panel()
        for _ in range(19):
            await calm.send(type="subscribe", topics=["summary"], position=None)
        await asyncio.sleep(1.1)
        for _ in range(2):
            await calm.send(type="subscribe", topics=["summary"], position=None)
        with contextlib.suppress(ConnectionClosed):
            for _ in range(40):
                await chatty.send(type="subscribe", topics=["summary"], position=None)
        await chatty.until(lambda: chatty.closed is not None)
        assert chatty.closed == (4429, "the panel sends too many messages")
        assert chatty.frames[-1]["code"] == "too_many_messages"
        beats = len(calm.frames)
        await calm.until(lambda: len(calm.frames) > beats + 1)
        assert calm.closed is None
    finally:
        await found.stop()


@pytest.mark.parametrize("kind", SMALL_FRAMES)
async def test_small_frames_are_paid_for(running: Running, kind: str) -> None:
    """Pings, pongs and parts of messages count as messages: a flood ends with 4429, and nearly all of it unread."""
    panel = await running.panel()
    begin, again = SMALL_FRAMES[kind]
    panel.socket.transport.write(begin + again * 40_000)
    connection = next(item for item in running.server.server_state.connections if isinstance(item, PreparedProtocol))
    await panel.until(lambda: panel.closed is not None)
    # A text of one letter may be found to be none of this protocol before it is one too many.
    assert panel.closed == (4429, "the panel sends too many messages") or kind == "texts"
    assert not connection.conn.events
    assert len(connection.conn.reader.buffer) < 1000
    async with asyncio.timeout(5):
        while connection in running.server.server_state.connections:  # noqa: ASYNC110
            await asyncio.sleep(0.02)


async def test_answers_to_pings_cost_little(tmp_path: Path) -> None:
    """A panel that answers the service's pings and says nothing else stays, at the lowest rate there is."""
    found = await start(tmp_path, MESSAGES_PER_SECOND="0.5")
    found.server.config.ws_ping_interval = 2.5
    try:
        panel = await found.panel()
        await panel.until(lambda: len(panel.frames) > 12)
        assert panel.closed is None
    finally:
        await found.stop()


async def test_a_subject_that_floods_is_kept_out(tmp_path: Path) -> None:
    """Who connects over and over to say too much is refused with 429 before the handshake, and nobody else is."""
    found = await start(tmp_path, MESSAGES_PER_SECOND="0.1", MAX_CONNECTIONS_PER_USER="2")

    async def flood_on() -> None:
        while True:
            panel = await found.panel(subscribe=False)
            panel.socket.transport.write(SMALL_FRAMES["pings"][1] * 1000)
            await panel.until(lambda: panel.closed is not None)  # noqa: B023

    try:
        with pytest.raises(InvalidStatus) as refused:
            await flood_on()
        assert refused.value.response.status_code == 429
        assert int(refused.value.response.headers["Retry-After"]) > 1
        stream = await found.http.get(LIVE, headers={**found.admin(), "Accept": "text/event-stream"})
        assert stream.status_code == 429
        other = await found.panel(token=found.token(sub="eve"))
        assert other.closed is None
    finally:
        await found.stop()


async def test_a_broken_panel_breaks_no_other(running: Running) -> None:
    """If sending to one panel fails, events are still acknowledged and the other panels are served."""
    broken, whole = await running.panel(), await running.panel()
    listener = next(iter(running.service.hub.tenants["default"]._subscribers))

    class Broken:
        busy = False

        def offer(self, frame: Any) -> bool:
            raise RuntimeError("broken")

        def close(self, code: int, reason: str) -> None:
            pass

    listener.sink = Broken()
    for _ in range(3):
        await running.post("activity-public", ACTIVITY)
        await asyncio.sleep(0.05)
    await equals_snapshot(running, whole)
    assert len(running.service.hub) == 1
    assert broken.state.summary["total_activities"] == 0


async def test_who_subscribes_over_and_over_waits_for_the_tick(tmp_path: Path) -> None:
    """A flood of subscriptions gets a frame a tick, not a frame each."""
    found = await start(tmp_path, TICK_MS="200", MESSAGES_PER_SECOND="50")
    try:
        panel = await found.panel()
        for _ in range(300):
            await panel.send(type="subscribe", topics=["summary"], position=None)
        await found.post("activity-public", ACTIVITY)
        await panel.until(lambda: panel.state.summary.get("total_activities") == 1)
        assert len(panel.frames) < 30
    finally:
        await found.stop()
