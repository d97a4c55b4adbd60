"""The live endpoint: a snapshot, then what changes, also after an interruption."""

import asyncio
import time
from pathlib import Path

import pytest

from realtime.protocol import SUBPROTOCOL, TOPICS
from tests.paths import LIVE
from tests.samples.events import ACTIVITY, MESSAGE
from tests.servers.service import Running, start
from tests.subscribers.live import LivePanel
from tests.subscribers.snapshots import equals_snapshot

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
    await panel.until(lambda: bool(panel.state.top_users))
    assert (panel.state.summary, panel.state.activities) == ({}, [])
    await panel.send(type="subscribe", topics=["summary"], position=None)
    await panel.until(lambda: bool(panel.state.summary))
    assert panel.state.top_users == []


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
    await panel.until(lambda: panel.state.summary["total_activities"] == 1)
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
    await panel.until(lambda: panel.state.summary["total_activities"] == 1)
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
        assert panel.state.stale_since is None
        receipt = await found.post("activity-public", ACTIVITY)
        await panel.until_position(receipt["position"])
        await panel.close()
        async with asyncio.timeout(5):
            while found.service.hub.tenants:  # noqa: ASYNC110 - dropped when it is idle
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


async def test_many_panels_are_served_in_slices(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many panels there are, and though the figures go on between two slices, each ends exact."""
    monkeypatch.setattr("realtime.hub.SLICE", 2)
    panels = [await running.panel() for _ in range(9)]
    for number in range(30):
        await running.post("activity-public", {**ACTIVITY, "user_id": f"u{number % 7}"})
    for panel in panels:
        await equals_snapshot(running, panel)
