"""The live endpoint as an event stream, from its head to the last event."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from realtime.protocol import TOPICS
from realtime.transports.eventstream import PlainStream
from tests.paths import API, LIVE
from tests.samples.events import ACTIVITY
from tests.servers.service import Running, start
from tests.subscribers.backlog import flood
from tests.subscribers.snapshots import equals_snapshot
from tests.subscribers.stream import StreamPanel

Follow = Callable[..., Awaitable[StreamPanel]]
STREAM = {"Accept": "text/event-stream"}


@pytest.fixture(params=["prepared", "plain"])
async def either(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Running]:
    """A service on uvicorn that offers its transports, and on a server that does not."""
    found = await start(tmp_path, plain=request.param == "plain", WRITE_DEADLINE_SECONDS="2")
    yield found
    await found.drop()


@pytest.fixture
async def follow() -> AsyncIterator[Follow]:
    """Opens streams, and closes them at the end."""
    panels: list[StreamPanel] = []

    async def open_stream(running: Running, token: str = "", **query: str) -> StreamPanel:
        panel = StreamPanel(running.url, token or running.token(), **query)
        panels.append(panel)
        await panel.open()
        await panel.until(lambda: bool(panel.frames) or panel.ended is not None)
        return panel

    yield open_stream
    for panel in panels:
        await panel.close()


async def test_a_stream_is_fed_as_a_socket_is(either: Running, follow: Follow) -> None:
    """Snapshot, deltas and heartbeats are those of a WebSocket, each an event named by its type, with its position."""
    panel = await follow(either)
    (listener,) = either.service.hub.tenants["default"]._subscribers
    assert isinstance(listener.sink, PlainStream) == (either.server.config.http == "httptools")
    beside = await either.panel()
    assert panel.status == 200
    assert panel.frames[0]["type"] == "snapshot"
    assert panel.frames[0]["heartbeat_seconds"] == 0.5
    for number in range(20):
        receipt = await either.post("activity-public", {**ACTIVITY, "user_id": f"u{number}"})
    await panel.until_position(receipt["position"])
    await equals_snapshot(either, panel)
    await beside.until_position(receipt["position"])
    assert panel.state.shown() == beside.state.shown()
    await panel.until(lambda: panel.frames[-1]["type"] == "heartbeat" and panel.state.agrees)
    for event in panel.events:
        frame = json.loads(event.data)
        assert (event.name, event.id) == (frame["type"], frame["position"])
    assert {event.name for event in panel.events} == {"snapshot", "delta", "heartbeat"}


async def test_a_stream_is_not_held_up(running: Running, follow: Follow) -> None:
    """Nothing between may gather or keep what is streamed; a browser's own client is told a drawn delay."""
    panel = StreamPanel(running.url, running.token())
    await panel.open(Accept_Encoding="gzip")
    await panel.until(lambda: bool(panel.frames))
    assert panel.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert panel.headers["cache-control"] == "no-store"
    assert panel.headers["x-accel-buffering"] == "no"
    assert "content-encoding" not in panel.headers
    assert "content-length" not in panel.headers
    other = await follow(running)
    retries = [event.retry for event in (panel.events[0], other.events[0])]
    assert all(retry is not None and 500 <= retry <= 5000 for retry in retries)
    assert retries[0] != retries[1]
    await panel.close()


async def test_a_stream_resumes(running: Running, follow: Follow) -> None:
    """Last-Event-ID, or the parameter ``position``, brings one merged delta of what was missed, and no snapshot."""
    panel = await follow(running)
    await panel.close()
    for number in range(15):
        await running.post("activity-public", {**ACTIVITY, "user_id": f"u{number}"})
    panel.frames.clear()
    await panel.resume()
    await equals_snapshot(running, panel)
    assert [frame["type"] for frame in panel.frames if frame["type"] != "heartbeat"] == ["delta"]
    other = await follow(running, position=panel.state.position)
    assert set(other.frames[0]) == {"type", "position", "at", "heartbeat_seconds"}
    unknown = await follow(running, position="abcd.5.ff")
    assert unknown.frames[0]["type"] == "snapshot"


async def test_topics_are_chosen(running: Running, follow: Follow) -> None:
    """A stream has the topics it asks for, all if it asks for none; an unknown one is a 422."""
    panel = await follow(running, topics="summary,top_users")
    assert set(panel.frames[0]) & set(TOPICS) == {"summary", "top_users"}
    whole = await follow(running)
    assert set(whole.frames[0]) & set(TOPICS) == set(TOPICS)
    for wrong in ("secrets", "", "summary,summary", "summary,"):
        response = await running.http.get(LIVE, params={"topics": wrong}, headers={**running.admin(), **STREAM})
        assert (response.status_code, response.json()["field"]) == (422, "topics")


async def test_who_asks_for_neither_is_told_how(running: Running) -> None:
    """A GET that asks for no event stream is a 406 that says what to ask for; HEAD gives the head alone."""
    response = await running.http.get(LIVE, headers=running.admin())
    assert response.status_code == 406
    assert "text/event-stream" in response.json()["detail"]
    response = await running.http.head(LIVE, headers={**running.admin(), **STREAM})
    assert (response.status_code, response.content) == (200, b"")


async def test_who_may_follow(tmp_path: Path) -> None:
    """Token and origin decide as for a WebSocket; a token in the query opens nothing."""
    found = await start(tmp_path, ALLOWED_ORIGINS="https://admin.example.com")
    try:
        for headers, params, status in (
            ({}, {}, 401),
            ({}, {"token": found.token()}, 401),
            ({"Authorization": f"Bearer {found.token(seconds=-5)}"}, {}, 401),
            ({"Authorization": f"Bearer {found.token(roles=['user'])}"}, {}, 403),
            ({**found.admin(), "Origin": "https://evil.example.com"}, {}, 403),
        ):
            response = await found.http.get(LIVE, params=params, headers={**STREAM, **headers})
            assert response.status_code == status
        panel = StreamPanel(found.url, found.token())
        await panel.open(Origin="https://admin.example.com")
        assert panel.headers["access-control-allow-origin"] == "https://admin.example.com"
        await panel.close()
        ask = {
            "Origin": "https://admin.example.com",
            "Access-Control-Request-Method": "GET",
            "Access-Control-Request-Headers": "authorization,last-event-id",
        }
        assert (await found.http.options(LIVE, headers=ask)).status_code == 200
    finally:
        await found.drop()


async def test_a_token_ends_the_stream(either: Running, follow: Follow) -> None:
    """When its token ends a stream gets an error event, and then ends as HTTP ends."""
    panel = await follow(either, either.token(seconds=2))
    await panel.until(lambda: panel.ended is not None)
    assert panel.ended
    assert (panel.events[-1].name, panel.events[-1].id, panel.frames[-1]["code"]) == ("error", None, "token_expired")


@pytest.mark.parametrize("limit", ["MAX_CONNECTIONS", "MAX_CONNECTIONS_PER_USER", "MAX_CONNECTIONS_PER_ADDRESS"])
async def test_streams_and_sockets_share_the_limits(tmp_path: Path, follow: Follow, limit: str) -> None:
    """A stream takes a panel's place; over a limit it is a 503 that says when to come back, and there is room again."""
    found = await start(tmp_path, plain=False, **{limit: "2"})
    try:
        first, _ = await follow(found), await found.panel()
        response = await found.http.get(LIVE, headers={**found.admin(), **STREAM})
        assert response.status_code == 503
        assert 1 <= int(response.headers["retry-after"]) <= 5
        assert (await found.panel()).closed == (1013, "too many connections")
        await first.close()
        async with asyncio.timeout(5):
            while (await panels(found)) > 1:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        assert (await follow(found)).status == 200
    finally:
        await found.drop()


async def panels(running: Running) -> float:
    """How many panels the service says are connected."""
    text = (await running.http.get("/metrics")).text
    return float(text.partition("\nconvoai_panels ")[2].partition("\n")[0])


async def frozen(running: Running) -> StreamPanel:
    """Open a stream whose socket soon takes no more."""
    before = set(running.server.server_state.connections)
    panel = StreamPanel(running.url, running.token())
    await panel.open(limit=1 << 10)
    new = set(running.server.server_state.connections) - before
    for connection in new:
        connection.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65_536)
    panel.freeze()
    return panel


async def test_a_stalled_stream_harms_nobody(either: Running, follow: Follow) -> None:
    """A stream that is not read is passed over in bounded memory; read again, it catches up in few frames, exactly."""
    slow, quick = await frozen(either), await follow(either)
    position = await flood(either, 50)
    await quick.until_position(position)
    buffered = [item.transport.get_write_buffer_size() for item in either.server.server_state.connections]
    assert max(buffered) < 128 * 1024
    slow.thaw()
    await slow.until_position(position)
    assert len([frame for frame in slow.frames if frame["type"] == "delta"]) < 45
    await equals_snapshot(either, slow)
    await slow.close()


async def test_past_the_deadline_a_stream_ends(either: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stream that is not read for the write deadline is ended and counted, and its connection given up."""
    monkeypatch.setattr("realtime.transports.eventstream.ABORT_SECONDS", 0.3)
    monkeypatch.setattr("realtime.transports.websocket.ABORT_SECONDS", 0.3)
    monkeypatch.setattr("realtime.connection.ABORT_SECONDS", 0.3)
    slow = await frozen(either)
    await flood(either, 130)
    async with asyncio.timeout(5):
        # It is counted when it has had its moment to take the end.
        while 'convoai_panel_closes_total{code="4408"} 1.0' not in (await either.http.get("/metrics")).text:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    assert len(either.service.hub) == 0
    slow.thaw()
    await slow.until(lambda: slow.ended is not None)
    await slow.close()
    # Plain ASGI cannot cut: uvicorn lets go when the panel has taken the rest, or is gone.
    async with asyncio.timeout(5):
        while any(item.transport.is_closing() for item in either.server.server_state.connections):  # noqa: ASYNC110
            await asyncio.sleep(0.02)


async def test_a_panel_that_goes_is_forgotten(either: Running, follow: Follow) -> None:
    """When a stream's client is gone, its place is free at once."""
    panel = await follow(either)
    assert len(either.service.hub) == 1
    await panel.close()
    async with asyncio.timeout(5):
        while len(either.service.hub):  # noqa: ASYNC110
            await asyncio.sleep(0.02)


async def test_a_disagreement_is_reported_with_the_next_stream(running: Running, follow: Follow) -> None:
    """A stream has no way back, so it is opened anew, without a position, and names the one that was wrong."""
    panel = await follow(running)
    again = await follow(running, disagree=panel.state.position)
    assert again.frames[0]["type"] == "snapshot"
    running.disagreements = 1


async def test_a_stream_does_not_stretch_the_times_of_requests(running: Running, follow: Follow) -> None:
    """What is measured of a stream is how soon it began, not how long its panel stayed."""
    panel = await follow(running)
    await asyncio.sleep(0.6)
    await panel.close()
    line = f'convoai_http_request_seconds_sum{{route="{LIVE}"}} '
    async with asyncio.timeout(5):
        while line not in (text := (await running.http.get("/metrics")).text):  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    assert float(text.partition(line)[2].partition("\n")[0]) < 0.5


async def test_the_stream_is_described(running: Running) -> None:
    """The API's description has the stream, with its media type and each answer."""
    document = (await running.http.get("/openapi.json")).json()
    described = document["paths"][f"{API}/live"]["get"]
    assert set(described["responses"]) == {"200", "401", "403", "406", "422", "429", "503"}
    assert "text/event-stream" in described["responses"]["200"]["content"]
    names = [parameter["name"] for parameter in described["parameters"]]
    assert names == ["topics", "position", "disagree", "metric", "by", "range", "limit"]
