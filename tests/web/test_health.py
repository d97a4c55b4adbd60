"""Health, readiness, metrics and logs."""

import asyncio
import contextlib
import sqlite3
from pathlib import Path

from tests.conftest import API, TRACK, Running
from tests.process import Process
from tests.web.test_tracking import ACTIVITY


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


async def test_metrics_count(running: Running) -> None:
    """/metrics counts events, commits, frames and requests, and names no tenant and no user."""
    panel = await running.panel("acme")
    await running.post("activity-public", {**ACTIVITY, "user_id": "someone"}, "acme-key-0123456789")
    await running.http.post(f"{TRACK}/activity-public", json={})
    await panel.until(lambda: panel.panel.summary["total_activities"] == 1)
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
    """With every request logged, no query, token, key or content of an event is in the log."""
    import httpx
    from websockets.asyncio.client import connect
    from websockets.exceptions import InvalidStatus

    process = Process(tmp_path, ACCESS_LOG="all", LOG_LEVEL="debug")
    await process.start()
    token = process.command("token").stdout.strip()
    async with httpx.AsyncClient(base_url=process.url) as http:
        await http.get(f"{API}/users/activities?user_id=secret-user", headers={"Authorization": f"Bearer {token}"})
        await http.get(f"{API}/summary?token=secret-token")
        await http.get("/secret-path")
        await http.post(f"{TRACK}/activity-public", json={**ACTIVITY, "user_id": "secret-user"})
        await http.post(f"{TRACK}/activity-public", json={"secret-field": 1}, headers={"X-Tracking-Key": "secret-key"})
    url = process.url.replace("http", "ws")
    try:
        async with connect(f"{url}{API}/live?token=secret-token"):
            pass
    except InvalidStatus:
        pass
    async with connect(f"{url}{API}/live?q=secret", additional_headers={"Authorization": f"Bearer {token}"}) as socket:
        await socket.send('{"type":"secret-message"}')
        await socket.wait_closed()
    assert process.terminate() == 0
    log = process.log()
    assert f'"route": "{API}/users/activities"' in log
    assert "secret" not in log
    assert token not in log


async def test_an_endless_head_is_refused(running: Running) -> None:
    """A request whose head does not end is refused, and not held in memory."""
    reader, writer = await asyncio.open_connection("127.0.0.1", running.service.settings.port)
    writer.write(b"GET /health HTTP/1.1\r\n")
    with contextlib.suppress(ConnectionError):
        for number in range(2_000):
            writer.write(b"x-%d: %s\r\n" % (number, b"y" * 500))
            await writer.drain()
    with contextlib.suppress(ConnectionError):
        assert b"400" in await reader.readline()
    writer.close()
    assert (await running.http.get("/health")).status_code == 200
