"""How frames reach panels, prepared and through plain ASGI; and what a panel that does not read costs."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.exceptions import ConnectionClosed
from websockets.frames import Frame as WireFrame
from websockets.frames import Opcode

from realtime.transports.frames import Frame
from tests.samples.events import ACTIVITY
from tests.servers.service import Running, start
from tests.subscribers.backlog import buffered, flood, stalled
from tests.subscribers.live import LivePanel
from tests.subscribers.snapshots import equals_snapshot
from tests.subscribers.stream import StreamPanel


@given(st.sampled_from([0, 1, 125, 126, 65_535, 65_536, 100_000]))
def test_a_prepared_frame_is_what_a_library_writes(length: int) -> None:
    """The prepared bytes are those that websockets writes for the same text, at every length of the header."""
    payload = b"x" * length
    assert Frame(payload, "delta").wire == WireFrame(Opcode.TEXT, payload).serialize(mask=False, extensions=[])


@pytest.fixture(params=["prepared", "plain"])
async def either(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Running]:
    """A service on uvicorn with prepared frames, and on a server that does not know them."""
    # No test that floods a panel within the deadline is decided by how fast the machine is.
    found = await start(tmp_path, plain=request.param == "plain", WRITE_DEADLINE_SECONDS="120")
    yield found
    await found.stop()


@pytest.fixture(params=["prepared", "plain"])
async def impatient(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Running]:
    """Such a service, which waits two seconds for a panel."""
    found = await start(tmp_path, plain=request.param == "plain", WRITE_DEADLINE_SECONDS="2")
    yield found
    await found.stop()


async def test_both_ways_deliver(either: Running) -> None:
    """Snapshot, deltas, heartbeats and close codes arrive either way."""
    panel = await either.panel(token=either.token(seconds=2))
    for number in range(20):
        receipt = await either.post("activity-public", {**ACTIVITY, "user_id": f"u{number}"})
    await panel.until_position(receipt["position"])
    await equals_snapshot(either, panel)
    await panel.until(lambda: panel.closed is not None)
    assert panel.closed == (4401, "the token has expired")
    assert panel.frames[-1]["code"] == "token_expired"
    assert {frame["type"] for frame in panel.frames} == {"snapshot", "delta", "heartbeat", "error"}


async def test_either_way_counts_messages(either: Running) -> None:
    """Who says too much is closed with 4429 either way."""
    panel = await either.panel()
    with contextlib.suppress(ConnectionClosed):
        for _ in range(60):
            await panel.send(type="subscribe", topics=["summary"], position=None)
    await panel.until(lambda: panel.closed is not None)
    assert panel.closed == (4429, "the panel sends too many messages")
    assert panel.frames[-1] == {"type": "error", "code": "too_many_messages", "message": "at most 5 messages a second"}


async def test_a_stalled_panel_harms_nobody(either: Running) -> None:
    """A panel that does not read is passed over in bounded memory, while another one is sent everything."""
    slow, quick = await stalled(either), await either.panel()
    position = await flood(either, 50)
    await quick.until_position(position)
    assert len([frame for frame in quick.frames if frame["type"] == "delta"]) > 20
    # uvicorn's own send waits only beyond 64 KiB; a prepared frame waits as soon as anything is left.
    assert buffered(either) < 128 * 1024
    await equals_snapshot(either, quick)
    slow.thaw()


async def test_a_slow_panel_catches_up_in_one_frame(either: Running) -> None:
    """What a slow panel missed comes merged when it reads again, and leads to the exact snapshot."""
    slow = await stalled(either)
    await flood(either, 60)
    slow.thaw()
    snapshot = await either.get("snapshot")
    await slow.until_position(snapshot["position"])
    deltas = [frame for frame in slow.frames if frame["type"] == "delta"]
    assert len(deltas) < 50
    await equals_snapshot(either, slow)


async def test_the_kernel_holds_little_for_a_panel(running: Running) -> None:
    """A panel that does not read is noticed by what it was sent, far from the megabytes that the kernel would take."""
    stream = StreamPanel(running.url, running.token())
    await stream.open()
    panels: list[LivePanel | StreamPanel] = [await running.panel(), stream]
    for panel in panels:
        panel.freeze()
    # What the panel's own kernel takes is about 700 KB; without a bound the service's would take 15 MB.
    await flood(running, 60)
    (subscribers,) = running.service.hub.tenants.values()
    assert [listener.behind_since is None for listener in subscribers._subscribers] == [False, False]
    await stream.close()


async def test_past_the_deadline_it_is_4408(impatient: Running) -> None:
    """A panel that has not read for the write deadline is closed, and when it reads at last it sees 4408."""
    slow = await stalled(impatient)
    await flood(impatient, 130)
    slow.thaw()
    await slow.until(lambda: slow.closed is not None)
    assert slow.closed == (4408, "the panel does not read what it is sent")


async def test_a_panel_that_answers_no_ping_is_counted(running: Running) -> None:
    """A panel whose machine has gone is closed by the next ping, and that is seen in the metrics."""
    running.server.config.ws_ping_interval, running.server.config.ws_ping_timeout = 0.1, 0.2
    panel = await running.panel()
    panel.freeze()
    async with asyncio.timeout(5):
        while 'convoai_panel_closes_total{code="1011"} 1.0' not in (await running.http.get("/metrics")).text:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    panel.thaw()


async def test_a_dead_panel_is_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A panel that never reads again does not keep its socket, nor what was buffered for it."""
    monkeypatch.setattr("realtime.transports.websocket.ABORT_SECONDS", 0.3)
    found = await start(tmp_path, WRITE_DEADLINE_SECONDS="0.5")
    try:
        await stalled(found)
        await flood(found, 60)
        async with asyncio.timeout(5):
            while any(hasattr(item, "conn") for item in found.server.server_state.connections):  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        assert len(found.service.hub) == 0
    finally:
        await found.stop()
