"""In which order panels that come at once are let in."""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus
from websockets.typing import Subprotocol

from realtime.protocol import SUBPROTOCOL
from tests.paths import API
from tests.samples.events import ACTIVITY
from tests.servers.service import Running, start
from tests.web.server.requests import HEAD, trickle
from web.live import handshakes


async def test_the_rate_of_handshakes_is_limited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Panels that come at once are let in one after the other, all of them; a post does not wait for them."""
    monkeypatch.setattr(handshakes, "HANDSHAKES_AT_ONCE", 2)
    monkeypatch.setattr(handshakes, "HANDSHAKES_PER_SECOND", 5.0)
    found = await start(tmp_path)
    began = time.monotonic()
    coming = [asyncio.create_task(found.panel()) for _ in range(6)]
    await found.post("activity-public", ACTIVITY)
    assert sum(task.done() for task in coming) < 6
    panels = await asyncio.gather(*coming)
    assert time.monotonic() - began >= (6 - 2) / 5
    position = (await found.get("summary"))["position"]
    for panel in panels:
        await panel.until_position(position)
    await found.stop()


@pytest.fixture
async def slow_queue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Running]:
    """A service that lets one panel in, and the next one five seconds later."""
    monkeypatch.setattr(handshakes, "HANDSHAKES_AT_ONCE", 1)
    monkeypatch.setattr(handshakes, "HANDSHAKES_PER_SECOND", 0.2)
    found = await start(tmp_path)
    yield found
    await found.drop()


async def test_a_stop_sends_away_who_waits_for_a_turn(slow_queue: Running) -> None:
    """A panel that has not been let in yet is told to come back when the service stops, and is not waited for."""
    await slow_queue.panel()
    waiting = asyncio.create_task(slow_queue.panel())
    await asyncio.sleep(0.2)
    began = time.monotonic()
    stopping = asyncio.create_task(slow_queue.server.shutdown())
    with pytest.raises(InvalidStatus) as refused:
        await waiting
    await stopping
    assert time.monotonic() - began < 3
    assert (refused.value.response.status_code, "Retry-After" in refused.value.response.headers) == (503, True)


async def test_a_queue_that_is_too_long_is_refused(slow_queue: Running) -> None:
    """Whoever would wait for longer than panels do is told to come back, at once; the line gets no longer by that."""
    await slow_queue.panel()
    coming = [asyncio.create_task(slow_queue.panel()) for _ in range(4)]
    await asyncio.sleep(0.3)
    refused = [task.exception() for task in coming if task.done()]
    assert len(refused) == 3
    for error in refused:
        assert isinstance(error, InvalidStatus)
        assert (error.response.status_code, error.response.headers["Retry-After"]) == (503, "5")
    for task in coming:
        task.cancel()
    await asyncio.gather(*coming, return_exceptions=True)


async def test_unauthenticated_clients_take_no_place_in_the_queue(slow_queue: Running) -> None:
    """Handshakes without a token, with a wrong one, or for another path do not keep an admin waiting."""
    for protocols in ([Subprotocol(SUBPROTOCOL)], [Subprotocol(SUBPROTOCOL), Subprotocol("bearer.x")]):
        for path in ("", "/elsewhere"):
            with pytest.raises(InvalidStatus):
                await connect(f"{slow_queue.url.replace('http', 'ws')}{API}/live{path}", subprotocols=protocols)
    async with asyncio.timeout(2):
        await slow_queue.panel()


async def test_subjects_take_turns_in_the_queue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many panels of one subject wait, another subject's panel comes after the next of them."""
    monkeypatch.setattr(handshakes, "HANDSHAKES_AT_ONCE", 1)
    monkeypatch.setattr(handshakes, "HANDSHAKES_PER_SECOND", 4.0)
    found = await start(tmp_path)
    came: list[str] = []

    async def come(sub: str) -> None:
        await found.panel(token=found.token(sub=sub))
        came.append(sub)

    herd = [asyncio.create_task(come("ada")) for _ in range(8)]
    async with asyncio.timeout(5):
        while not came:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    await come("eve")
    assert came.count("ada") <= 4
    await asyncio.gather(*herd)
    await found.drop()


async def test_an_upgrade_is_the_only_request(slow_queue: Running) -> None:
    """An upgrade behind requests that are not answered yet is refused: two of them would share a connection."""
    await slow_queue.panel()
    token = f"bearer.{slow_queue.token()}"
    upgrade = (
        f"GET {API}/live HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
        f"Sec-WebSocket-Protocol: {SUBPROTOCOL}, {token}\r\n\r\n"
    ).encode()
    answer, seconds = await trickle(slow_queue, HEAD + HEAD + upgrade + upgrade, b"")
    assert seconds < 3
    assert b"HTTP/1.1 400 Bad Request" in answer
    assert b"101 Switching" not in answer
