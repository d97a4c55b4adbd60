"""The live endpoint, from the handshake to the last close code."""

import asyncio
import contextlib
import json
import time
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from realtime.digest import digest
from realtime.protocol import SUBPROTOCOL, TOPICS
from storage.errors import StorageUnavailable
from storage.model import clock
from storage.model.changes import Change, RecentActivity
from tests.faults.isolation.attacks.connections import SMALL_FRAMES
from tests.paths import API, LIVE
from tests.samples.events import ACTIVITY, MESSAGE
from tests.servers.service import Running, start
from tests.subscribers.live import LivePanel
from tests.subscribers.snapshots import equals_snapshot
from web.http.problems import unavailable
from web.server.websocket_protocol import PreparedProtocol

each_database = pytest.mark.each_database


@each_database
async def test_a_panel_begins_with_a_snapshot(running: Running) -> None:
    """Right after subscribing comes the snapshot, with all that REST gives for the same position."""
    await running.post("activity-public", ACTIVITY)
    panel = await running.panel()
    assert panel.socket.subprotocol == SUBPROTOCOL
    first = panel.frames[0]
    assert first["type"] == "snapshot"
    assert first["heartbeat_seconds"] == 0.5
    await equals_snapshot(running, panel)


@each_database
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


@each_database
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


@each_database
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


@each_database
@pytest.mark.parametrize("position", ["nonsense", "abcd.5.ff", "", "x" * 200])
async def test_an_unknown_position_gets_a_snapshot(running: Running, position: str) -> None:
    """A position that is none, or of another database, gets a snapshot."""
    panel = await running.panel(position=position)
    assert panel.frames[0]["type"] == "snapshot"


@each_database
async def test_a_position_with_another_tag_gets_a_snapshot(running: Running) -> None:
    """A sequence that is there under another tag, or beyond the head, is of another past: snapshot."""
    receipt = await running.post("activity-public", ACTIVITY)
    epoch, sequence, tag = receipt["position"].split(".")
    for position in (f"{epoch}.{sequence}.{'0' * len(tag)}", f"{epoch}.{int(sequence) + 1}.{tag}"):
        panel = await running.panel(position=position)
        assert panel.frames[0]["type"] == "snapshot"


@each_database
async def test_a_log_that_was_cut_gets_a_snapshot(tmp_path: Path, database_url: str) -> None:
    """A position older than the change log gets a snapshot, one within it a delta."""
    found = await start(tmp_path, DATABASE_URL=database_url, CHANGE_LOG_ENTRIES="5")
    try:
        positions = [(await found.post("activity-public", ACTIVITY))["position"] for _ in range(8)]
        for index, kind in ((0, "snapshot"), (6, "delta")):
            panel = await found.panel(position=positions[index])
            assert panel.frames[0]["type"] == kind
    finally:
        await found.stop()


@each_database
async def test_a_restart_is_survived(tmp_path: Path, database_url: str) -> None:
    """A panel resumes at a service that was restarted, by a delta from the change log alone."""
    first = await start(tmp_path, DATABASE_URL=database_url)
    panel = LivePanel(first.url, first.token())
    await panel.open()
    await first.post("activity-public", ACTIVITY)
    await panel.until(lambda: panel.panel.summary["total_activities"] == 1)
    await first.stop()
    await panel.until(lambda: panel.closed is not None)
    assert panel.closed is not None
    assert panel.closed[0] == 1012
    assert panel.closed[1].startswith("retry after ")
    second = await start(tmp_path, DATABASE_URL=database_url)
    try:
        await second.post("message-public", MESSAGE)
        panel.url = second.url.replace("http", "ws") + LIVE
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


async def test_heartbeats_carry_a_digest(running: Running) -> None:
    """Each heartbeat has the digest of the figures at its position, also for a panel that stands further back."""
    await running.post("message-public", MESSAGE)
    panel = await running.panel()
    await panel.until(lambda: panel.frames[-1]["type"] == "heartbeat")
    assert panel.frames[-1]["digest"] == digest(panel.panel.summary)
    (audience,) = running.service.hub.audiences.values()
    (listener,) = audience._listeners
    assert listener.marker is not None
    state = audience.feed.state
    assert state is not None
    state.apply(Change("default", state.position.epoch, 2, "cd", clock.now(), {"messages": 9}, {}, [], []))
    behind = json.loads(audience._heartbeat(listener.marker).payload)
    assert (behind["position"], behind["digest"]) == (panel.panel.position, digest(panel.panel.summary))
    assert behind["digest"] != digest(state.summary)
    await audience.feed.load()


async def test_wrong_figures_are_noticed_and_healed(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """A panel whose figures are not those of the digest says so, is counted, and shows the snapshot again."""
    await running.post("message-public", MESSAGE)
    panel = await running.panel()
    panel.panel.summary["total_messages"] += 1
    await panel.until(lambda: panel.disagreements > 0)
    await panel.until(lambda: panel.panel.summary["total_messages"] == 1)
    running.disagreements = 1
    running.check_proofs()
    # One that cries out again and again is counted once a minute.
    for _ in range(5):
        await panel.send(type="disagree", position=panel.panel.position)
    receipt = await running.post("activity-public", ACTIVITY)
    await panel.until_position(receipt["position"])
    running.check_proofs()
    monkeypatch.setattr("realtime.connection.DISAGREE_SECONDS", 0.0)
    await panel.send(type="disagree", position=panel.panel.position)
    running.disagreements = 2
    await asyncio.sleep(0.1)
    metrics = (await running.http.get("/metrics")).text
    assert "convoai_panel_disagreements_total 2.0" in metrics


async def test_a_panel_without_the_summary_has_nothing_to_compare(running: Running) -> None:
    """A panel that did not subscribe to the summary takes no offence at digests."""
    panel = await running.panel(topics=("series",))
    await running.post("message-public", MESSAGE)
    await panel.until(lambda: panel.frames[-1]["type"] == "heartbeat")
    assert panel.panel.agrees


async def test_a_feed_proves_itself(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """A feed that went wrong is noticed after its next change, and loaded anew; every panel gets what is true."""
    monkeypatch.setattr("realtime.feed.PROVE_SECONDS", 0.0)
    before = await running.panel()
    state = running.service.hub.audiences["default"].feed.state
    assert state is not None
    state.activities.append(RecentActivity(9, "eve", "Eve", "login", "2026-01-01T00:00:00.000Z"))
    misled = await running.panel()
    assert len(misled.panel.activities) == 1
    running.disagreements = 1
    # Only a state that goes on is proven again.
    await running.post("activity-public", ACTIVITY)
    await misled.until(lambda: [item["user_id"] for item in misled.panel.activities] == [ACTIVITY["user_id"]])
    await equals_snapshot(running, misled)
    await equals_snapshot(running, before)
    assert "convoai_feed_disagreements_total 1.0" in (await running.http.get("/metrics")).text


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
    assert panel.panel.summary["total_activities"] == 1
    await equals_snapshot(running, panel, "acme")


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


async def test_who_subscribes_late_is_served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A panel that subscribes long after its handshake, when idle feeds have been dropped, is live all the same."""
    monkeypatch.setattr("realtime.node.LINGER_SECONDS", 0.1)
    monkeypatch.setattr("realtime.node.FOLLOW_SECONDS", 0.1)
    found = await start(tmp_path, SUBSCRIBE_SECONDS="60")
    try:
        panel = await found.panel(subscribe=False)
        await asyncio.sleep(1)
        receipt = await found.post("activity-public", ACTIVITY)
        await panel.send(type="subscribe", topics=list(TOPICS), position=None)
        await panel.until_position(receipt["position"])
        await equals_snapshot(found, panel)
        await panel.until(lambda: panel.frames[-1]["type"] == "heartbeat")
        assert panel.panel.stale_since is None
        receipt = await found.post("activity-public", ACTIVITY)
        await panel.until_position(receipt["position"])
        await panel.close()
        async with asyncio.timeout(5):
            while found.service.hub.audiences:  # noqa: ASYNC110 - dropped when it is idle
                await asyncio.sleep(0.05)
    finally:
        await found.stop()


async def test_a_tick_parts_two_frames(tmp_path: Path) -> None:
    """After the first one, changes come at most once a tick, however far apart they are committed."""
    found = await start(tmp_path, TICK_MS="500")
    try:
        panel = await found.panel()
        began = time.monotonic()
        for _ in range(12):
            receipt = await found.post("activity-public", ACTIVITY)
        ticks = (time.monotonic() - began) // 0.5
        await panel.until_position(receipt["position"])
        deltas = [frame for frame in panel.frames if frame["type"] == "delta"]
        assert 2 <= len(deltas) <= 2 + ticks
        assert deltas[0]["summary"]["total_activities"] == 1
    finally:
        await found.stop()


async def test_a_token_has_no_leeway(running: Running) -> None:
    """The close comes at the token's end, not seconds later."""
    ends = int(time.time()) + 2
    panel = await running.panel(token=running.token(seconds=ends - time.time()))
    await panel.until(lambda: panel.closed is not None)
    assert time.time() - ends < 1


@each_database
async def test_heartbeats_show_that_figures_match(running: Running) -> None:
    """While nothing changes the time of the heartbeats moves on: the figures were compared again."""
    panel = await running.panel()
    begin = panel.frames[0]["at"]
    await panel.until(lambda: panel.frames[-1]["type"] == "heartbeat" and panel.frames[-1]["at"] > begin)


async def test_stale_figures_do_not_look_live(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """A panel that comes while the database is out of reach is told at once since when its figures are old."""
    first = await running.panel()

    def fail(*_arguments: object) -> None:
        raise StorageUnavailable("gone")

    monkeypatch.setattr("realtime.feed.read_heads", fail)
    feed = running.service.hub.audiences["default"].feed
    # What was being read when the database went away may still end well.
    await asyncio.sleep(0.1)
    feed._matched_at -= 10
    second = await running.panel()
    await second.until(lambda: len(second.frames) > 1)
    assert second.frames[1]["stale_since"] == feed.at
    await first.until(lambda: first.panel.stale_since == feed.at)
    monkeypatch.undo()
    await first.until(lambda: first.panel.stale_since is None)


async def test_many_panels_are_served_in_slices(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many panels there are, and though the figures go on between two slices, each ends exact."""
    monkeypatch.setattr("realtime.hub.SLICE", 2)
    panels = [await running.panel() for _ in range(9)]
    for number in range(30):
        await running.post("activity-public", {**ACTIVITY, "user_id": f"u{number % 7}"})
    for panel in panels:
        await equals_snapshot(running, panel)


async def test_a_broken_panel_breaks_no_other(running: Running) -> None:
    """If sending to one panel fails, events are still acknowledged and the other panels are served."""
    broken, whole = await running.panel(), await running.panel()
    listener = next(iter(running.service.hub.audiences["default"]._listeners))

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
    assert broken.panel.summary["total_activities"] == 0


async def test_who_subscribes_over_and_over_waits_for_the_tick(tmp_path: Path) -> None:
    """A flood of subscriptions gets a frame a tick, not a frame each."""
    found = await start(tmp_path, TICK_MS="200", MESSAGES_PER_SECOND="50")
    try:
        panel = await found.panel()
        for _ in range(300):
            await panel.send(type="subscribe", topics=["summary"], position=None)
        await found.post("activity-public", ACTIVITY)
        await panel.until(lambda: panel.panel.summary.get("total_activities") == 1)
        assert len(panel.frames) < 30
    finally:
        await found.stop()


async def test_keys_that_cannot_be_had_end_no_session(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """A refresh that cannot be verified just now changes nothing: the session goes on with the token it has."""

    async def fail(_token: str) -> None:
        raise unavailable("the keys cannot be had")

    panel = await running.panel()
    monkeypatch.setattr(running.service.verifier, "verify_admin", fail)
    await panel.send(type="refresh", token="new")
    beats = len(panel.frames)
    await panel.until(lambda: len(panel.frames) > beats + 1)
    assert panel.closed is None
