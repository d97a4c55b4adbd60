"""The node: feeds that come and go with their panels."""

import asyncio

import pytest

from realtime.protocol import TOPICS
from tests.conftest import Running
from tests.web.test_live import equals_snapshot
from tests.web.test_tracking import ACTIVITY


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("realtime.node.FOLLOW_SECONDS", 0.05)
    monkeypatch.setattr("realtime.node.LINGER_SECONDS", 0.3)


async def test_many_panels_share_one_feed(running: Running) -> None:
    """Panels of a tenant that come at once wait for one load of one feed."""
    panels = await asyncio.gather(*(running.panel() for _ in range(10)))
    receipt = await running.post("activity-public", ACTIVITY)
    for panel in panels:
        await panel.until_position(receipt["position"])
        await equals_snapshot(running, panel)
    assert list(running.service.hub.audiences) == ["default"]


async def test_an_idle_feed_is_dropped(impatient: None, running: Running) -> None:
    """A while after its last panel left a feed is dropped; a later panel gets a new one, and exact figures."""
    panel = await running.panel()
    await panel.close()
    async with asyncio.timeout(5):
        while running.service.hub.audiences:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    await running.post("activity-public", ACTIVITY)
    await panel.resume()
    await equals_snapshot(running, panel)


async def test_who_subscribes_late_is_not_forgotten(impatient: None, running: Running) -> None:
    """A panel that connects to a feed about to be dropped, and subscribes in time, is served for good."""
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
