"""A stop, seen from its panels and from those who post: no request is lost, and they do not all reconnect at once."""

import asyncio
import json
import re
import signal
import sqlite3
import time
from pathlib import Path

import httpx2
import pytest

from realtime.drain import drain
from realtime.protocol import TOPICS
from tests.paths import TRACK
from tests.servers.process import Process
from tests.servers.service import start
from tests.servers.settings import SECRET
from tests.subscribers.live import Fed, LivePanel
from tests.subscribers.stream import StreamPanel
from web.auth.tokens import ADMIN, make_token
from web.server import http_protocol

READY = b"GET /ready HTTP/1.1\r\nHost: a\r\n\r\n"
DRAINING = b'"status":"draining"'
SOCKETS, STREAMS = 60, 20
DRAIN_SECONDS = 2.0

Watcher = LivePanel | StreamPanel


class Poster:
    """Posts events one after the other, and keeps the ids of those that were acknowledged."""

    def __init__(self, url: str) -> None:
        self._url = f"{url}{TRACK}/activity-public"
        self.acknowledged: list[str] = []

    async def run(self, name: str) -> None:
        """Post until the service is gone."""
        async with httpx2.AsyncClient() as client:
            number = 0
            while True:
                event_id = f"{name}-{number}"
                try:
                    answer = await client.post(self._url, json=event(event_id))
                except httpx2.TransportError:
                    return
                if answer.status_code == 201:
                    self.acknowledged.append(event_id)
                number += 1
                await asyncio.sleep(0.005)


def event(event_id: str) -> dict[str, str]:
    return {"event_id": event_id, "user_id": event_id, "username": "Ada", "activity_type": "login"}


async def watchers(service: Process, token: str) -> tuple[list[LivePanel], list[StreamPanel]]:
    sockets = [LivePanel(service.url, token) for _ in range(SOCKETS)]
    streams = [StreamPanel(service.url, token) for _ in range(STREAMS)]
    for socket in sockets:
        await socket.open()
    for stream in streams:
        await stream.open()
    return sockets, streams


async def ends(panel: Watcher) -> float:
    """Wait until the service has sent a panel away, and tell when."""
    if isinstance(panel, LivePanel):
        await panel.until(lambda: panel.closed is not None, 30)
    else:
        await panel.until(lambda: panel.ended is not None, 30)
    return time.monotonic()


async def equal(panel: Fed, service: Process, token: str) -> None:
    headers = {"Authorization": f"Bearer {token}"}
    async with httpx2.AsyncClient(headers=headers) as client:
        snapshot = (await client.get(f"{service.url}/api/v1/analytics/snapshot")).json()
    assert panel.state.position == snapshot["position"]
    assert panel.state.shown() == {key: snapshot[key] for key in TOPICS}


async def test_a_stop_under_load_loses_nothing_and_nobody(tmp_path: Path) -> None:
    """On SIGTERM panels are sent away one batch after the other, each with a delay; what was acknowledged is there."""
    token = make_token(SECRET, "ada", [ADMIN], "default", 3600)
    service = Process(tmp_path, DRAIN_SECONDS=f"{DRAIN_SECONDS:g}", STOP_SECONDS="6")
    await service.start()
    sockets, streams = await watchers(service, token)
    poster = Poster(service.url)
    posting = [asyncio.create_task(poster.run(f"p{number}")) for number in range(3)]
    async with asyncio.timeout(60):
        while len(poster.acknowledged) < 60:  # noqa: ASYNC110 - it makes progress
            await asyncio.sleep(0.01)

    everyone: list[Watcher] = [*sockets, *streams]
    began, ended = time.monotonic(), asyncio.gather(*map(ends, everyone))
    assert await asyncio.to_thread(service.terminate) == 0
    took = time.monotonic() - began
    times = sorted(at - began for at in await ended)
    await asyncio.gather(*posting)
    assert took < 6
    # Spread over the drain: in no quarter of it more than half of them.
    assert DRAIN_SECONDS * 0.7 < times[-1] - times[0] < DRAIN_SECONDS * 1.5
    for quarter in range(4):
        begin = times[0] + quarter * DRAIN_SECONDS / 4
        assert len([at for at in times if begin <= at < begin + DRAIN_SECONDS / 4]) < len(times) / 2
    delays = set()
    for socket in sockets:
        assert socket.closed is not None
        code, reason = socket.closed
        assert (code, socket.frames[-1]["code"], socket.frames[-1]["message"]) == (1012, "restarting", reason)
        delays.add(reason)
    for stream in streams:
        last = stream.events[-1]
        assert (last.name, stream.frames[-1]["code"], stream.ended) == ("error", "restarting", True)
        assert last.retry is not None
        assert f"retry after {last.retry / 1000:.1f} s" == stream.frames[-1]["message"]
        delays.add(stream.frames[-1]["message"])
    found = [float(re.fullmatch(r"retry after ([0-9.]+) s", delay)[1]) for delay in delays]  # type: ignore[index]
    assert 0.5 <= min(found) < 2
    assert 3 < max(found) <= 5

    await service.start()
    async with httpx2.AsyncClient() as client:
        for event_id in poster.acknowledged:
            answer = await client.post(f"{service.url}{TRACK}/activity-public", json=event(event_id))
            assert answer.json()["duplicates"] == 1
    some: list[Watcher] = [*sockets[::20], *streams[::10]]
    for panel in some:
        panel.frames.clear()
        await panel.resume()
        await panel.until(lambda watcher=panel: bool(watcher.frames))  # type: ignore[misc]
        assert panel.frames[0]["type"] == "delta"
        await equal(panel, service, token)
        await panel.close()
    for stream in streams:
        await stream.close()
    assert service.terminate() == 0


async def test_a_stop_while_it_opens_is_not_lost(tmp_path: Path) -> None:
    """SIGTERM before the service is open ends it as soon as it is."""
    sqlite3.connect(tmp_path / "analytics.db").close()
    other = sqlite3.connect(tmp_path / "analytics.db", isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    service = Process(tmp_path)
    starting = asyncio.create_task(service.start())
    while service.pid is None or not catches(service.pid, signal.SIGTERM):  # noqa: ASYNC110 - it is another process
        await asyncio.sleep(0.005)
    service.signal(signal.SIGTERM)
    other.execute("ROLLBACK")
    other.close()
    starting.cancel()
    await asyncio.gather(starting, return_exceptions=True)
    await has_ended(service)
    assert '"event": "stopped"' in service.log()


async def has_ended(service: Process) -> None:
    async with asyncio.timeout(30):
        while service.pid is not None:  # noqa: ASYNC110 - it is another process
            await asyncio.sleep(0.02)


def catches(pid: int, number: int) -> bool:
    """Whether a process has a handler for a signal (proc(5): the mask of those it catches)."""
    mask = re.search(r"^SigCgt:\s*(\w+)", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    return mask is not None and bool(int(mask[1], 16) >> (number - 1) & 1)


async def test_a_stop_with_few_panels_is_quick(tmp_path: Path) -> None:
    """A drain takes no longer than its batches need: one panel is sent away at once."""
    service = Process(tmp_path, DRAIN_SECONDS="30", STOP_SECONDS="60")
    await service.start()
    panel = LivePanel(service.url, make_token(SECRET, "ada", [ADMIN], "default", 3600))
    await panel.open()
    began = time.monotonic()
    assert await asyncio.to_thread(service.terminate) == 0
    assert time.monotonic() - began < 5
    await panel.until(lambda: panel.closed is not None)
    assert panel.closed is not None
    assert panel.closed[0] == 1012


async def test_panels_that_do_not_read_hold_no_stop_up(tmp_path: Path) -> None:
    """Panels that take nothing, not even their close, are cut when the time is over."""
    service = Process(tmp_path, DRAIN_SECONDS="1", STOP_SECONDS="3", WRITE_DEADLINE_SECONDS="60")
    await service.start()
    token = make_token(SECRET, "ada", [ADMIN], "default", 3600)
    frozen: list[Watcher] = [LivePanel(service.url, token), StreamPanel(service.url, token)]
    for panel in frozen:
        await panel.open()
        panel.freeze()
    async with httpx2.AsyncClient() as client:
        for number in range(150):
            fields = {"user_id": "αβγδε"[number % 5] * 255, "username": "😀" * 255, "activity_type": "😀" * 100}
            await client.post(f"{service.url}{TRACK}/activity-public", json=fields)
            await asyncio.sleep(0.02)
    began = time.monotonic()
    assert await asyncio.to_thread(service.terminate) == 0
    assert time.monotonic() - began < 5
    for panel in frozen:
        panel.thaw()
        await panel.close()


async def test_no_request_lands_on_a_service_that_stops(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Idle connections are closed, what is on its way is the last of its connection, nobody new comes in."""
    monkeypatch.setattr(http_protocol, "FIRST_REQUEST_SECONDS", 5)
    running = await start(tmp_path)
    port = running.service.settings.port
    body = json.dumps(event("half")).encode()
    head = f"POST {TRACK}/activity-public HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    idle, new, begun, half = [await asyncio.open_connection("127.0.0.1", port) for _ in range(4)]
    idle[1].write(b"GET /health HTTP/1.1\r\nHost: a\r\n\r\n")
    assert b"connection: close" not in await idle[0].readuntil(b'"ok"}')
    begun[1].write(READY[:10])
    half[1].write(head + body[:10])
    while len(running.server.server_state.connections) < 4:  # noqa: ASYNC110 - uvicorn has no event for it
        await asyncio.sleep(0.005)
    stopping = asyncio.create_task(running.stop())

    assert await idle[0].read() == b""
    with pytest.raises(OSError, match="Connect"):
        await asyncio.open_connection("127.0.0.1", port)
    half[1].write(body[10:])
    new[1].write(READY)
    begun[1].write(READY[10:])
    for (reader, _), line, status in (
        (half, b" 201 ", b'"recorded":1'),
        (new, b" 503 ", DRAINING),
        (begun, b" 503 ", DRAINING),
    ):
        answer = await reader.read()
        assert line in answer
        assert b"connection: close" in answer
        assert status in answer
    await stopping
    for _, writer in (idle, new, begun, half):
        writer.close()


async def test_a_drain_of_no_time_is_one_batch() -> None:
    """With no time to spread them over, and with no panels at all, nothing is waited for."""
    sent = []

    class SubscriberState:
        def close_for_restart(self) -> None:
            sent.append(self)

    await drain([SubscriberState(), SubscriberState()], 0, 60)  # type: ignore[list-item]
    assert len(sent) == 2
    await drain([], 5, 60)
