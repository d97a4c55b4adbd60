"""Heartbeats: what they prove, and what happens when figures are wrong or old."""

import asyncio
import json

import pytest

from realtime.digest import digest
from storage.errors import StorageUnavailable
from storage.model import clock
from storage.model.changes import Change, RecentActivity
from tests.samples.events import ACTIVITY, MESSAGE
from tests.servers.service import Running
from tests.subscribers.snapshots import equals_snapshot

each_database = pytest.mark.each_database


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
    assert panel.frames[-1]["digest"] == digest(panel.state.summary)
    (audience,) = running.service.hub.tenants.values()
    (listener,) = audience._subscribers
    assert listener.marker is not None
    state = audience.feed.state
    assert state is not None
    state.apply(Change("default", state.position.epoch, 2, "cd", clock.now(), {"messages": 9}, {}, [], []))
    behind = json.loads(audience._heartbeat(listener.marker).payload)
    assert (behind["position"], behind["digest"]) == (panel.state.position, digest(panel.state.summary))
    assert behind["digest"] != digest(state.summary)
    await audience.feed.load()


async def test_wrong_figures_are_noticed_and_replaced(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """A panel whose figures are not those of the digest says so, is counted, and shows the snapshot again."""
    await running.post("message-public", MESSAGE)
    panel = await running.panel()
    panel.state.summary["total_messages"] += 1
    await panel.until(lambda: panel.disagreements > 0)
    await panel.until(lambda: panel.state.summary["total_messages"] == 1)
    running.disagreements = 1
    running.check_proofs()
    # One that cries out again and again is counted once a minute.
    for _ in range(5):
        await panel.send(type="disagree", position=panel.state.position)
    receipt = await running.post("activity-public", ACTIVITY)
    await panel.until_position(receipt["position"])
    running.check_proofs()
    monkeypatch.setattr("realtime.connection.DISAGREE_SECONDS", 0.0)
    await panel.send(type="disagree", position=panel.state.position)
    running.disagreements = 2
    await asyncio.sleep(0.1)
    metrics = (await running.http.get("/metrics")).text
    assert "convoai_panel_disagreements_total 2.0" in metrics


async def test_a_panel_without_the_summary_has_nothing_to_compare(running: Running) -> None:
    """A panel that did not subscribe to the summary takes no offence at digests."""
    panel = await running.panel(topics=("series",))
    await running.post("message-public", MESSAGE)
    await panel.until(lambda: panel.frames[-1]["type"] == "heartbeat")
    assert panel.state.agrees


async def test_a_feed_verifies_itself(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """A feed that went wrong is noticed after its next change, and loaded anew; every panel gets what is true."""
    monkeypatch.setattr("realtime.feed.VERIFY_SECONDS", 0.0)
    before = await running.panel()
    state = running.service.hub.tenants["default"].feed.state
    assert state is not None
    state.activities.append(RecentActivity(9, "eve", "Eve", "login", "2026-01-01T00:00:00.000Z"))
    misled = await running.panel()
    assert len(misled.state.activities) == 1
    running.disagreements = 1
    # Only a state that goes on is proven again.
    await running.post("activity-public", ACTIVITY)
    await misled.until(lambda: [item["user_id"] for item in misled.state.activities] == [ACTIVITY["user_id"]])
    await equals_snapshot(running, misled)
    await equals_snapshot(running, before)
    assert "convoai_feed_disagreements_total 1.0" in (await running.http.get("/metrics")).text


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
    feed = running.service.hub.tenants["default"].feed
    # What was being read when the database went away may still end well.
    await asyncio.sleep(0.1)
    feed._matched_at -= 10
    second = await running.panel()
    await second.until(lambda: len(second.frames) > 1)
    assert second.frames[1]["stale_since"] == feed.at
    await first.until(lambda: first.state.stale_since == feed.at)
    monkeypatch.undo()
    await first.until(lambda: first.state.stale_since is None)
