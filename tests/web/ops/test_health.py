"""Health, readiness, metrics and logs."""

import asyncio
import contextlib
import sqlite3
from pathlib import Path

import psycopg

from tests.paths import API, TRACK
from tests.samples.events import ACTIVITY
from tests.servers.postgres import Postgres
from tests.servers.process import Process
from tests.servers.service import Running, start
from tests.servers.settings import environment


async def test_health_says_alive(running: Running) -> None:
    """/health is open to everyone and says ok."""
    response = await running.http.get("/health")
    assert (response.status_code, response.json()) == (200, {"status": "ok"})


async def test_ready_follows_the_database(running: Running, tmp_path: Path) -> None:
    """/ready is 503 only while the database cannot be written, and heals by itself."""
    assert (await running.http.get("/ready")).json() == {"status": "ready", "database": "ok", "broker": "ok"}
    other = sqlite3.connect(tmp_path / "analytics.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    response = await running.http.get("/ready")
    assert (response.status_code, response.json()["status"]) == (503, "unavailable")
    other.execute("ROLLBACK")
    other.close()
    assert (await running.http.get("/ready")).status_code == 200


async def test_ready_does_not_wait_for_another_process(tmp_path: Path, postgres: Postgres) -> None:
    """While a process stands still in its own test of the database, the others are ready; and commits are made."""
    name = postgres.create()
    running = await start(tmp_path, DATABASE_URL=postgres.url(name))
    assert (await running.http.get("/ready")).status_code == 200
    with psycopg.connect(postgres.url(name).replace("+psycopg", "")) as frozen:
        frozen.execute("UPDATE about SET value = value WHERE name = 'touched'")
        answers = await asyncio.gather(*(running.http.get("/ready") for _ in range(8)))
        assert {answer.status_code for answer in answers} == {200}
        await running.post("activity-public", ACTIVITY)
        frozen.rollback()
    await running.drop()
    postgres.drop(name)


async def test_metrics_count(running: Running) -> None:
    """/metrics counts events, commits, frames and requests, and names no tenant and no user."""
    panel = await running.panel("acme")
    await running.post("activity-public", {**ACTIVITY, "user_id": "someone"}, "acme-key-0123456789")
    await running.http.post(f"{TRACK}/activity-public", json={})
    await panel.until(lambda: panel.state.summary["total_activities"] == 1)
    text = (await running.http.get("/metrics")).text
    for line in (
        'convoai_events_total{kind="activity",outcome="recorded"} 1.0',
        'convoai_events_total{kind="activity",outcome="rejected"} 1.0',
        "convoai_commits_total 1.0",
        "convoai_panels 1.0",
        'convoai_frames_total{kind="snapshot"} 1.0',
        "convoai_broker_delivering 1.0",
        "convoai_feeds 1.0",
    ):
        assert line in text, line
    assert "acme" not in text
    assert "someone" not in text


async def test_unknown_paths_are_problems(running: Running) -> None:
    """404 and 405 are problem documents too, and 405 says what is allowed."""
    missing = await running.http.get("/api/v1/analytics/nothing")
    assert (missing.status_code, missing.headers["content-type"]) == (404, "application/problem+json")
    wrong = await running.http.delete(f"{API}/summary")
    assert wrong.status_code == 405
    assert "GET" in wrong.headers["allow"]
    assert wrong.json()["status"] == 405


async def test_a_bug_is_a_500_that_tells_nothing(running: Running) -> None:
    """An unforeseen error is a problem document without a word about its cause."""

    def fail() -> None:
        raise ZeroDivisionError("secret detail")

    running.service.database.days.today = fail  # type: ignore[method-assign,assignment]
    async with running.http.stream("GET", f"{API}/summary", headers=running.admin()) as response:
        body = (await response.aread()).decode()
    assert response.status_code == 500
    assert "secret detail" not in body
    assert response.headers["content-type"] == "application/problem+json"


async def test_logs_hold_templates_alone(tmp_path: Path) -> None:
    """With all requests logged, nothing that a client sent is in a log: no path, query, header, token, key or event."""
    import httpx2

    process = Process(tmp_path, ACCESS_LOG="all", LOG_LEVEL="debug", AUDIT_LOG="on", TRACKING_EVENTS_PER_SECOND="1000")
    await process.start()
    token = process.command("token", "--sub", "ada").stdout.strip()
    key = process.command("keys", "add", "--name", "bot").stdout.strip()
    await asyncio.sleep(1.3)
    admin = {"Authorization": f"Bearer {token}", "Cookie": "s=secret", "User-Agent": "secret", "X-Request-Id": "secret"}
    event = {**ACTIVITY, "user_id": "secret-user", "username": "secret", "extra_data": {"secret": "secret"}}
    batch = [{"type": "activity", **event}, {"type": "secret"}, "secret", {"type": "message", "message_id": "secret"}]
    async with httpx2.AsyncClient(base_url=process.url) as http:
        await http.get(f"{API}/users/activities?user_id=secret-user&cursor=secret&secret=1", headers=admin)
        await http.get(
            f"{API}/users/top?limit=secret", headers={**admin, "Accept": "secret", "If-None-Match": "secret"}
        )
        await http.get(f"{API}/summary?token=secret-token", headers={"Origin": "http://secret"})
        await http.get(f"{API}/summary", headers={"Authorization": "Bearer secret.secret.secret"})
        await http.get("/secret-path")
        await http.request("SECRET", f"{API}/summary")
        for headers in (
            {},
            {"X-Tracking-Key": key},
            {"X-Tracking-Key": "secret-key"},
            {"Authorization": "Bearer secret"},
        ):
            for body in (event, {"secret-field": 1}, batch, {**event, "event_id": "secret" * 99}):
                await http.post(f"{TRACK}/activity-public?secret", json=body, headers=headers)
                await http.post(f"{TRACK}/batch", json=body, headers=headers)
        for content in (b"{secret", b"secret\xff", b'{"secret":' * 2000, b"[secret, secret]"):
            for encoding in ("identity", "gzip", "secret"):
                headers = {"Content-Encoding": encoding, "Content-Type": "application/json"}
                await http.post(f"{TRACK}/batch", content=content, headers=headers)
                await http.post(f"{TRACK}/message-public", content=content, headers=headers)
    await _whisper(process, token)
    assert process.terminate() == 0
    log = process.log() + process.audit()
    assert f'"route": "{API}/users/activities"' in log
    assert "secret" not in log.lower()
    assert "Traceback" not in log
    for hidden in (token, token.rpartition(".")[2], key, environment(tmp_path)["ANALYTICS_JWT_SECRET"]):
        assert hidden not in log


async def _whisper(process: Process, token: str) -> None:
    """Say secrets over the live endpoint, in the handshake and in messages, right and wrong ones."""
    from websockets.asyncio.client import connect
    from websockets.exceptions import ConnectionClosed, InvalidHandshake
    from websockets.typing import Subprotocol

    url = f"{process.url.replace('http', 'ws')}{API}/live?token=secret"
    for protocols in (["analytics.v1", "bearer.secret"], ["secret"], ["analytics.v1", f"bearer.{token}"]):
        with contextlib.suppress(InvalidHandshake):
            async with connect(url, subprotocols=[Subprotocol(name) for name in protocols]) as socket:
                await socket.send('{"type":"subscribe","topics":["summary"],"position":"secret"}')
                await socket.recv()
                await socket.send('{"type":"refresh","token":"secret"}')
                await socket.wait_closed()
    for message in (
        '{"type":"secret"}',
        "secret",
        b"secret\xff",
        '{"type":"refresh","token":["secret"]}',
        "secret" * 9999,
    ):
        async with connect(url, additional_headers={"Authorization": f"Bearer {token}", "Cookie": "secret"}) as socket:
            await socket.send(message)
            with contextlib.suppress(ConnectionClosed):
                await socket.wait_closed()
    port = int(process.environment["ANALYTICS_PORT"])
    for raw in (
        b"secret\r\n\r\n",
        b"GET /secret HTTP/9.9\r\nsecret\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: secret\r\n\r\n",
    ):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(raw)
        await reader.read(100)
        writer.close()


async def test_an_endless_head_is_refused(running: Running) -> None:
    """A request whose head does not end is refused, and not held in memory."""
    reader, writer = await asyncio.open_connection("127.0.0.1", running.service.settings.port)
    writer.write(b"GET /health HTTP/1.1\r\n")
    with contextlib.suppress(ConnectionError):
        for number in range(2_000):
            writer.write(b"x-%d: %s\r\n" % (number, b"y" * 500))
            await writer.drain()
    with contextlib.suppress(ConnectionError):
        assert b"431" in await reader.readline()
    writer.close()
    assert (await running.http.get("/health")).status_code == 200
