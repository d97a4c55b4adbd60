"""What the service takes from whoever connects, how much of it, and how often."""

import asyncio
import contextlib
import gc
import gzip
import json
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest
from starlette.routing import Route, WebSocketRoute

from realtime.connection import Connection
from tests.paths import API, TRACK
from tests.samples.events import ACTIVITY, BATCH
from tests.servers.service import Running, start
from tests.web.server.requests import HEAD
from web.server.http_protocol import READS, UNREAD_BODY, BoundedProtocol
from web.server.websocket_protocol import PreparedProtocol

CHUNKED = f"POST {TRACK}/batch HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
UNBOUNDED = {
    "a target": (b"GET /", b"a", 414),
    "a field": (HEAD[:-2] + b"x: ", b"a", 431),
    "short fields": (HEAD[:-2], b"a:b\r\n", 431),
    "tiny chunks": (CHUNKED, b"1\r\n \r\n", 400),
    "an extension of a chunk": (CHUNKED + b"1;", b"a", 431),
    "a field behind a body": (CHUNKED.replace(b"/batch", b"/none") + b"0\r\nx: ", b"a", 431),
    "short fields behind a body": (CHUNKED.replace(b"/batch", b"/none") + b"0\r\n", b"a:b\r\n", 431),
}


@pytest.mark.parametrize("name", UNBOUNDED)
async def test_what_has_no_end_is_cut_early(running: Running, name: str) -> None:
    """Whatever is sent without an end, before a body, in it or after it, is refused after some kilobytes."""
    first, again, status = UNBOUNDED[name]
    reader, writer = await asyncio.open_connection("127.0.0.1", running.service.settings.port)
    writer.write(first)
    sent, answer = 0, b""
    with contextlib.suppress(ConnectionError):
        while not reader.at_eof() and sent < 1 << 20:
            writer.write(again * (1000 // len(again)))
            await writer.drain()
            sent += 1000
            await asyncio.sleep(0)
    with contextlib.suppress(ConnectionError):
        answer = await reader.read()
    writer.close()
    assert sent < 1 << 20
    assert (b"HTTP/1.1 %d " % status) in answer or answer == b""


@pytest.mark.parametrize("name", UNBOUNDED)
async def test_what_has_no_end_is_told_why(running: Running, name: str) -> None:
    """In one read or in many, the answer says what there was too much of; a neighbour's request is served."""
    first, again, status = UNBOUNDED[name]
    reader, writer = await asyncio.open_connection("127.0.0.1", running.service.settings.port)
    writer.write(first + again * (60_000 // len(again)))
    async with asyncio.timeout(5):
        answer = await reader.read()
    writer.close()
    assert b"HTTP/1.1 %d " % status in answer
    assert (await running.http.get("/health")).status_code == 200


async def test_pipelined_requests_are_bounded(running: Running) -> None:
    """Of thousands of requests that come at once some are answered, in their order, and then the connection ends."""
    reader, writer = await asyncio.open_connection("127.0.0.1", running.service.settings.port)
    writer.write(HEAD * 5000)
    answers = b""
    with contextlib.suppress(ConnectionError):
        while part := await reader.read(65_536):
            answers += part
    writer.close()
    assert 1 < answers.count(b"HTTP/1.1 200 OK") <= 20
    assert b"HTTP/1.1 4" not in answers
    # The client is told not to wait for the others.
    assert answers.count(b"connection: close") == 1


async def test_a_body_in_chunks_is_taken(running: Running) -> None:
    """A batch that is streamed line by line is taken, however many lines it has."""
    event = json.dumps(BATCH[0]).encode() + b"\n"

    async def lines() -> AsyncIterator[bytes]:
        for _ in range(9_000):
            yield event

    headers = {"Content-Type": "application/x-ndjson"}
    answer = await running.http.post(f"{TRACK}/batch", content=lines(), headers=headers)
    assert answer.json()["recorded"] == 9_000


async def test_the_rest_of_a_refused_body_is_read_in_turn(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who goes on sending a body that was refused is read a little at a time, and may ask again on the connection."""
    turn, turns = 0, list[int]()
    received = BoundedProtocol.data_received

    def note(self: BoundedProtocol, data: bytes) -> None:
        if len(data) > UNREAD_BODY and not self._is_answering:
            turns.append(turn)
        received(self, data)

    async def send() -> list[bytes]:
        reader, writer = await asyncio.open_connection("127.0.0.1", running.service.settings.port)
        writer.write(
            f"POST {TRACK}/activity-public HTTP/1.1\r\nHost: localhost\r\nContent-Length: {4 << 20}\r\n\r\n".encode()
        )
        answers = [await asyncio.wait_for(reader.readuntil(b"}"), 20)]
        writer.write(b" " * (4 << 20) + HEAD)
        answers.append(await asyncio.wait_for(reader.readuntil(b"}"), 20))
        writer.close()
        return answers

    monkeypatch.setattr(BoundedProtocol, "data_received", note)
    clients = asyncio.gather(*(send() for _ in range(10)))
    while not clients.done():
        turn += 1
        await asyncio.sleep(0)
    for refused, answered in await clients:
        assert refused.startswith(b"HTTP/1.1 413")
        assert answered.startswith(b"HTTP/1.1 200")
    # All may come with their first part at once.
    assert max(Counter(turns[20:]).values()) <= 2 * READS


async def test_the_rest_of_a_refused_body_has_its_time(tmp_path: Path) -> None:
    """Who goes on for ever with a body that was refused is cut, though its connection is paused in between."""
    found = await start(tmp_path, BODY_SECONDS="0.3", HEAD_SECONDS="0.3")

    async def flood() -> None:
        _, writer = await asyncio.open_connection("127.0.0.1", found.service.settings.port)
        writer.write(
            f"POST {TRACK}/activity-public HTTP/1.1\r\nHost: localhost\r\nContent-Length: {1 << 50}\r\n\r\n".encode()
        )
        with contextlib.suppress(ConnectionError):
            while True:
                writer.write(b" " * 65_536)
                await writer.drain()
        writer.close()

    async with asyncio.timeout(10):
        await asyncio.gather(*(flood() for _ in range(4)))
    await found.stop()


async def test_every_answer_has_the_security_headers(running: Running, caplog: pytest.LogCaptureFixture) -> None:
    """Whatever is asked for is answered with the security headers, each once, and without a server's name."""
    paths = {route.path for route in running.service.app.routes if isinstance(route, Route | WebSocketRoute)}
    asked = [running.http.build_request("GET", path.replace("{name}", "none")) for path in sorted(paths)]
    asked += [running.http.build_request("GET", f"{API}/summary", headers=running.admin())]
    asked += [running.http.build_request("GET", f"{API}/users/top", headers={**running.admin(), "Accept": "text/csv"})]
    asked += [running.http.build_request("POST", f"{TRACK}/activity-public", json=event) for event in (ACTIVITY, {})]
    upgrade = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13"}
    key = {"Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA=="}
    asked += [running.http.build_request("GET", f"{API}/live", headers={**upgrade, **key})]
    for request in asked:
        answer = await running.http.send(request)
        names = [name.lower() for name, _ in answer.headers.multi_items()]
        assert "server" not in names, request.url
        for name, value in (("x-content-type-options", "nosniff"), ("referrer-policy", "no-referrer")):
            assert answer.headers.get_list(name) == [value], request.url
        if answer.headers.get("content-type", "").startswith("text/html"):
            assert "default-src 'none'" in answer.headers["content-security-policy"]
        if request.url.path.startswith(API) and request.method == "GET":
            assert answer.headers["cache-control"] in ("no-store", "private, no-cache", "private, no-store"), (
                request.url
            )
    assert not caplog.records
    panel = await running.panel()
    assert panel.socket.response is not None
    assert panel.socket.response.headers["X-Content-Type-Options"] == "nosniff"
    assert "Server" not in panel.socket.response.headers


async def test_an_ended_connection_leaves_nothing_to_collect(tmp_path: Path) -> None:
    """What a connection held is gone with it: to find it the collector would stop the service, for ever longer."""
    found = await start(tmp_path)

    def held() -> int:
        kinds = (BoundedProtocol, PreparedProtocol, Connection)
        return sum(isinstance(thing, kinds) for thing in gc.get_objects())

    gc.collect()
    gc.disable()
    try:
        before = held()
        panel = await found.panel()
        await found.post("activity-public", ACTIVITY)
        assert held() == before + 3
        await panel.close()
        await found.http.aclose()
        async with asyncio.timeout(5):
            while held() > before:  # noqa: ASYNC110 - nobody tells of an end
                await asyncio.sleep(0.01)
    finally:
        gc.enable()
    await found.drop()


async def test_a_bomb_costs_no_memory(running: Running) -> None:
    """A gzip body that would become 4 GB is refused at the limit, also one that is packed twice or in many members."""
    zeros = gzip.compress(b" " * (1 << 20))
    bombs = {
        "large": (zeros * 400, 413),
        "twice": (gzip.compress(zeros * 400), 400),
        "empty members": (gzip.compress(b"") * 5_000 + gzip.compress(b"[]"), 201),
        "more members than a batch has events": (gzip.compress(b"") * 200_000 + gzip.compress(b"[]"), 400),
    }
    headers = {"Content-Encoding": "gzip", "Content-Type": "application/json"}
    for name, (body, status) in bombs.items():
        async with asyncio.timeout(5):
            answer = await running.http.post(f"{TRACK}/batch", content=body, headers=headers)
        assert answer.status_code == status, name
    packed = await running.http.post(
        f"{TRACK}/batch", content=gzip.compress(b"[]"), headers={**headers, "Content-Encoding": "gzip, gzip"}
    )
    assert packed.status_code == 415
    single = gzip.compress(b"{}")
    refused = await running.http.post(f"{TRACK}/activity-public", content=single, headers=headers)
    assert refused.status_code == 415
    assert (await running.http.post(f"{TRACK}/batch", json=BATCH)).status_code == 201


async def test_the_tracking_rate_is_bounded(tmp_path: Path) -> None:
    """Over its rate a key gets 429 with Retry-After, and after that time it may post again; nothing else is touched."""
    found = await start(tmp_path, TRACKING_EVENTS_PER_SECOND="1", TRACKING_BURST_EVENTS="20")

    async def post(key: str | None, name: str = "activity-public", body: object = ACTIVITY) -> httpx2.Response:
        headers = {} if key is None else {"X-Tracking-Key": key}
        return await found.http.post(f"{TRACK}/{name}", json=body, headers=headers)

    try:
        taken = {}
        for tenant, key in (("acme", "acme-key-0123456789"), ("globex", "globex-key-0123456789"), ("default", None)):
            answers = [await post(key) for _ in range(40)]
            counts = [answer.status_code for answer in answers]
            assert counts.count(429) >= 5
            assert counts[:20] == [201] * 20
            refused = next(answer for answer in answers if answer.status_code == 429)
            assert refused.headers["retry-after"] == "1"
            assert refused.headers["content-type"] == "application/problem+json"
            await asyncio.sleep(1)
            assert (await post(key)).status_code == 201
            taken[tenant] = counts.count(201) + 1
        taken["default"] += 10
        assert (await post("own-key-0123456789", "batch", BATCH * 10)).status_code == 201
        refused = await post("own-key-0123456789", "batch", BATCH)
        assert refused.status_code == 429
        assert int(refused.headers["retry-after"]) in range(25, 33)
        for tenant, activities in taken.items():
            assert (await found.get("summary", tenant))["total_activities"] == activities
    finally:
        await found.stop()


async def test_by_default_no_rate_is_refused(running: Running) -> None:
    """Without the setting, batches of the largest size are taken one after the other."""
    for _ in range(3):
        assert (await running.http.post(f"{TRACK}/batch", json=[BATCH[0]] * 10_000)).status_code == 201
