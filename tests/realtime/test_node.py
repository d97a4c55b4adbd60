"""The node: feeds that come and go with their panels."""

import asyncio
import sys
from types import FrameType

import pytest

from realtime import node
from realtime.protocol import TOPICS
from storage.model.changes import Change
from tests.samples.events import ACTIVITY
from tests.servers.service import Running
from tests.subscribers.live import LivePanel
from tests.subscribers.snapshots import equals_snapshot


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("realtime.node.FOLLOW_SECONDS", 0.05)
    monkeypatch.setattr("realtime.node.LINGER_SECONDS", 0.3)


async def test_many_panels_share_one_feed(running: Running) -> None:
    """Subscribers of a tenant that come at once wait for one load of one feed."""
    panels = await asyncio.gather(*(running.panel() for _ in range(10)))
    receipt = await running.post("activity-public", ACTIVITY)
    for panel in panels:
        await panel.until_position(receipt["position"])
        await equals_snapshot(running, panel)
    assert list(running.service.hub.tenants) == ["default"]


async def test_an_idle_feed_is_dropped(impatient: None, running: Running) -> None:
    """A feed is dropped a while after its last subscriber; a later subscriber gets a new one, and exact figures."""
    panel = await running.panel()
    await panel.close()
    async with asyncio.timeout(5):
        while running.service.hub.tenants:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    await running.post("activity-public", ACTIVITY)
    await panel.resume()
    await equals_snapshot(running, panel)


async def test_who_subscribes_late_is_not_forgotten(impatient: None, running: Running) -> None:
    """A subscriber that connects to a feed about to be dropped, and subscribes in time, is served for good."""
    first = await running.panel()
    await first.close()
    await asyncio.sleep(0.2)
    late = await running.panel(subscribe=False)
    await asyncio.sleep(0.2)
    await late.send(type="subscribe", topics=list(TOPICS), position=None)
    await late.until(lambda: bool(late.frames))
    receipt = await running.post("activity-public", ACTIVITY)
    await late.until_position(receipt["position"])
    await equals_snapshot(running, late)


async def test_who_misses_much_keeps_nobody_waiting(running: Running) -> None:
    """A tenant whose changes are lost all the time does not keep another's lost change from being found."""
    busy, other = await running.panel("acme"), await running.panel("globex")
    running.service.writer._publish = lambda change: None
    node = running.service.node

    async def mark_behind() -> None:
        while True:
            feed = node._hub.tenants["acme"].feed
            feed.mark_behind()
            node._look(feed)
            await asyncio.sleep(0.05)

    missing = asyncio.create_task(mark_behind())
    receipt = await running.post("activity-public", ACTIVITY, "globex-key-0123456789")
    await other.until_position(receipt["position"], seconds=10)
    missing.cancel()
    receipt = await running.post("activity-public", ACTIVITY, "acme-key-0123456789")
    await busy.until_position(receipt["position"], seconds=10)


async def test_a_dead_broker_is_followed_twice_as_often(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the broker says that it does not deliver, subscribers are kept up from the change log all the same."""
    panel = await running.panel()
    monkeypatch.setattr("realtime.node.FOLLOW_SECONDS", 3600.0)
    running.service.writer._publish = lambda change: None
    monkeypatch.setattr(running.service.node._broker, "delivering", False)
    running.service.node._wake.set()
    receipt = await running.post("activity-public", ACTIVITY)
    await panel.until_position(receipt["position"], seconds=10)
    await equals_snapshot(running, panel)


async def test_heartbeats_keep_their_interval(impatient: None, running: Running) -> None:
    """Each tenant is sent a heartbeat an interval, also one whose feed was dropped and opened again."""
    first, other = await running.panel("acme"), await running.panel("globex")
    await first.close()
    async with asyncio.timeout(5):
        while "acme" in running.service.hub.tenants:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    again = await running.panel("acme")

    def beats(panel: LivePanel) -> int:
        return sum(frame["type"] == "heartbeat" for frame in panel.frames)

    before = beats(other)
    await other.until(lambda: beats(other) >= before + 4)
    assert 3 <= beats(again) <= 5


async def test_a_change_enters_the_node_once(running: Running) -> None:
    """From the commit a change goes straight to the broker; the broker hands it to the node, and that to the feed."""
    panel = await running.panel()
    entered: list[str] = []

    def note(frame: FrameType, event: str, _argument: object) -> None:
        code, caller = frame.f_code, frame.f_back
        if event == "call" and caller is not None and code.co_filename == node.__file__ != caller.f_code.co_filename:
            entered.append(code.co_name)

    publish = running.service.writer._publish

    def watched(change: Change) -> None:
        sys.setprofile(note)
        try:
            publish(change)
        finally:
            sys.setprofile(None)

    running.service.writer._publish = watched
    receipt = await running.post("activity-public", ACTIVITY)
    await panel.until_position(receipt["position"])
    assert entered == ["_receive"]
