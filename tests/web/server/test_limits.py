"""What the service takes from whoever connects, and for how long it waits."""

import asyncio
import contextlib
import gc
import gzip
import json
import socket
import time
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest
from starlette.routing import Route, WebSocketRoute
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus
from websockets.typing import Subprotocol

from realtime.connection import Connection
from realtime.protocol import SUBPROTOCOL
from tests.paths import API, TRACK
from tests.samples.events import ACTIVITY, BATCH
from tests.servers.process import Process
from tests.servers.service import Running, start
from web.live import line
from web.server.http_protocol import LEFT_OVER, READS, BoundedProtocol
from web.server.websocket_protocol import PreparedProtocol

HEAD = b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n"
POST = f"POST {TRACK}/activity-public HTTP/1.1\r\nHost: localhost\r\nContent-Length: 500\r\n\r\n".encode()


@pytest.fixture
async def impatient(tmp_path: Path) -> AsyncIterator[Running]:
    """A service that waits a moment only."""
    found = await start(tmp_path, HEAD_SECONDS="0.4", BODY_SECONDS="0.6", ANSWER_SECONDS="2")
    yield found
    await found.drop()


async def trickle(running: Running, first: bytes, drop: bytes, seconds: float = 5) -> tuple[bytes, float]:
    """Send *first*, then a *drop* every 50 ms, until the service ends it; tell its answer and how long it took."""
    reader, writer = await asyncio.open_connection("127.0.0.1", running.service.settings.port)
    started = time.monotonic()
    writer.write(first)

    async def go_on() -> None:
        while not writer.is_closing():
            writer.write(drop)
            await asyncio.sleep(0.05)

    dripping, answer = asyncio.create_task(go_on()), b""
    # What was answered before a drop met a closed connection is kept.
    with contextlib.suppress(ConnectionError):
        async with asyncio.timeout(seconds):
            while part := await reader.read(65536):
                answer += part
    dripping.cancel()
    writer.close()
    return answer, time.monotonic() - started


SLOW = {
    "nothing": (b"", b"", b""),
    "empty lines": (b"", b"\r\n", b""),
    "a head": (b"GET /health HTTP/1.1\r\n", b"x: y\r\n", b"408"),
    "a head after an answer": (HEAD + b"GET /health HTTP/1.1\r\n", b"x: y\r\n", b"408"),
    "empty lines after an answer": (HEAD, b"\r\n", b"200"),
    "a handshake": (f"GET {API}/live HTTP/1.1\r\nUpgrade: websocket\r\n".encode(), b"x: y\r\n", b"408"),
    "a body": (POST, b" ", b"408"),
    "a body in chunks": (POST.replace(b"Content-Length: 500", b"Transfer-Encoding: chunked"), b"1\r\n \r\n", b"408"),
    "a body that nobody reads": (HEAD[:-2] + b"Content-Length: 500\r\n\r\n", b" ", b"200"),
}


@pytest.mark.parametrize("name", SLOW)
async def test_who_trickles_is_cut(impatient: Running, name: str) -> None:
    """A head or a body that trickles in is ended in time, with a 408 where an answer is due."""
    first, drop, status = SLOW[name]
    answer, seconds = await trickle(impatient, first, drop)
    assert seconds < 2.5
    assert (status in answer) if status else answer == b""
    assert (b"408" in answer) == (status == b"408")
    async with asyncio.timeout(2):
        while impatient.server.server_state.tasks:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    assert (await impatient.http.get("/health")).status_code == 200


async def download(running: Running, room: int) -> tuple[socket.socket, bytes]:
    """Ask for a CSV of several megabytes, with so much *room* to receive it; gives what came of it first."""
    rows = [{**BATCH[0], "event_id": str(number), "user_agent": "x" * 1000} for number in range(9000)]
    for part in range(0, len(rows), 3000):
        await running.http.post(f"{TRACK}/batch", json=rows[part : part + 3000])
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, room)
    client.setblocking(False)
    loop = asyncio.get_running_loop()
    await loop.sock_connect(client, ("127.0.0.1", running.service.settings.port))
    lines = [f"GET {API}/users/activities HTTP/1.1", "Host: x", "Connection: close", "Accept: text/csv"]
    lines += [f"{name}: {value}" for name, value in running.admin().items()]
    await loop.sock_sendall(client, "\r\n".join([*lines, "", ""]).encode())
    return client, await loop.sock_recv(client, 4096)


async def rest(client: socket.socket, pace: float) -> bytes:
    """Read on, so many bytes a second, until the service ends it."""
    loop, parts = asyncio.get_running_loop(), []
    with contextlib.suppress(ConnectionResetError):
        while part := await loop.sock_recv(client, 65536):
            parts.append(part)
            await asyncio.sleep(len(part) / pace)
    client.close()
    return b"".join(parts)


async def test_who_does_not_read_is_cut(impatient: Running) -> None:
    """A download that is left unread is broken off in time, and leaves nothing behind."""
    client, first = await download(impatient, 4096)
    assert b" 200 OK" in first
    async with asyncio.timeout(5):
        while impatient.server.server_state.connections and impatient.server.server_state.tasks:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    assert not (await rest(client, 1e12)).endswith(b"0\r\n\r\n")
    assert (await impatient.http.get("/health")).status_code == 200


async def test_who_reads_slowly_is_served(impatient: Running) -> None:
    """A download that goes on, however slowly, is not broken off: it outlasts the deadline and is whole."""
    client, _ = await download(impatient, 1 << 18)
    began = time.monotonic()
    assert (await rest(client, 3e6)).endswith(b"0\r\n\r\n")
    assert time.monotonic() - began > impatient.service.settings.answer_seconds


async def test_who_is_quick_is_not_cut(impatient: Running) -> None:
    """A connection lives on beyond every deadline as long as each of its requests comes in time."""
    async with httpx2.AsyncClient(base_url=impatient.url, limits=httpx2.Limits(max_connections=1)) as http:
        for _ in range(12):
            assert (await http.post(f"{TRACK}/activity-public", json=ACTIVITY)).status_code == 201
            await asyncio.sleep(0.15)
        await asyncio.sleep(1.5)
        assert (await http.get("/health")).status_code == 200
    connections = impatient.server.server_state.connections
    assert len(connections) <= 1


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
        if len(data) > LEFT_OVER and not self._is_answering:
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


async def test_a_slow_service_cuts_nobody(impatient: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """However long the service takes to answer, who sent a whole request gets the answer, and so does the next one."""
    touch = impatient.service.database.write

    async def slowly(work: object) -> object:
        await asyncio.sleep(1.2)
        return await touch(work)  # type: ignore[arg-type]

    monkeypatch.setattr(impatient.service.database, "write", slowly)
    reader, writer = await asyncio.open_connection("127.0.0.1", impatient.service.settings.port)
    writer.write(b"GET /ready HTTP/1.1\r\nHost: x\r\n\r\n" + HEAD[:20])
    assert b"200" in await reader.readline()
    writer.write(HEAD[20:])
    async with asyncio.timeout(2):
        await reader.readuntil(b'{"status":"ok"}')
    writer.close()


async def test_who_goes_away_is_no_error(tmp_path: Path) -> None:
    """A client that goes away in the middle of its body leaves no error in the log."""
    process = Process(tmp_path, ACCESS_LOG="all", BODY_SECONDS="0.3")
    await process.start()
    port = int(process.environment["ANALYTICS_PORT"])
    for wait in (0.0, 0.6):
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(POST + b"{")
        await writer.drain()
        await asyncio.sleep(0.1 + wait)
        writer.close()
    await asyncio.sleep(0.1)
    assert process.terminate() == 0
    assert "Traceback" not in process.log()
    assert process.log().count('"status": 400') == 2


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


async def test_a_herd_is_let_in_at_a_pace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Panels that come at once are let in one after the other, all of them; a post does not wait for them."""
    monkeypatch.setattr(line, "JOINS_AT_ONCE", 2)
    monkeypatch.setattr(line, "JOINS_PER_SECOND", 5.0)
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
async def slow_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Running]:
    """A service that lets one panel in, and the next one five seconds later."""
    monkeypatch.setattr(line, "JOINS_AT_ONCE", 1)
    monkeypatch.setattr(line, "JOINS_PER_SECOND", 0.2)
    found = await start(tmp_path)
    yield found
    await found.drop()


async def test_a_stop_sends_away_who_waits_for_a_turn(slow_line: Running) -> None:
    """A panel that has not been let in yet is told to come back when the service stops, and is not waited for."""
    await slow_line.panel()
    waiting = asyncio.create_task(slow_line.panel())
    await asyncio.sleep(0.2)
    began = time.monotonic()
    stopping = asyncio.create_task(slow_line.server.shutdown())
    with pytest.raises(InvalidStatus) as refused:
        await waiting
    await stopping
    assert time.monotonic() - began < 3
    assert (refused.value.response.status_code, "Retry-After" in refused.value.response.headers) == (503, True)


async def test_a_line_that_is_too_long_is_refused(slow_line: Running) -> None:
    """Whoever would wait for longer than panels do is told to come back, at once; the line gets no longer by that."""
    await slow_line.panel()
    coming = [asyncio.create_task(slow_line.panel()) for _ in range(4)]
    await asyncio.sleep(0.3)
    refused = [task.exception() for task in coming if task.done()]
    assert len(refused) == 3
    for error in refused:
        assert isinstance(error, InvalidStatus)
        assert (error.response.status_code, error.response.headers["Retry-After"]) == (503, "5")
    for task in coming:
        task.cancel()
    await asyncio.gather(*coming, return_exceptions=True)


async def test_strangers_take_no_place_in_the_line(slow_line: Running) -> None:
    """Handshakes without a token, with a wrong one, or for another path do not keep an admin waiting."""
    for protocols in ([Subprotocol(SUBPROTOCOL)], [Subprotocol(SUBPROTOCOL), Subprotocol("bearer.x")]):
        for path in ("", "/elsewhere"):
            with pytest.raises(InvalidStatus):
                await connect(f"{slow_line.url.replace('http', 'ws')}{API}/live{path}", subprotocols=protocols)
    async with asyncio.timeout(2):
        await slow_line.panel()


async def test_subjects_take_turns_in_the_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many panels of one subject wait, another subject's panel comes after the next of them."""
    monkeypatch.setattr(line, "JOINS_AT_ONCE", 1)
    monkeypatch.setattr(line, "JOINS_PER_SECOND", 4.0)
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


async def test_an_upgrade_is_the_only_request(slow_line: Running) -> None:
    """An upgrade behind requests that are not answered yet is refused: two of them would share a connection."""
    await slow_line.panel()
    token = f"bearer.{slow_line.token()}"
    upgrade = (
        f"GET {API}/live HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
        f"Sec-WebSocket-Protocol: {SUBPROTOCOL}, {token}\r\n\r\n"
    ).encode()
    answer, seconds = await trickle(slow_line, HEAD + HEAD + upgrade + upgrade, b"")
    assert seconds < 3
    assert b"HTTP/1.1 400 Bad Request" in answer
    assert b"101 Switching" not in answer


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
        assert int(refused.headers["retry-after"]) in range(15, 22)
        for tenant, activities in taken.items():
            assert (await found.get("summary", tenant))["total_activities"] == activities
    finally:
        await found.stop()


async def test_by_default_no_rate_is_refused(running: Running) -> None:
    """Without the setting, batches of the largest size are taken one after the other."""
    for _ in range(3):
        assert (await running.http.post(f"{TRACK}/batch", json=[BATCH[0]] * 10_000)).status_code == 201
