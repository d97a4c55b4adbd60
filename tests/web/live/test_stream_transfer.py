"""How event streams and CSV are transferred: without buffering, through nginx, and to clients of HTTP/1.0."""

import asyncio
import json
from pathlib import Path

import httpx2
import pytest

from tests.paths import API, LIVE
from tests.samples.events import ACTIVITY, MESSAGE
from tests.servers.ports import free_port
from tests.servers.proxies import nginx
from tests.servers.service import Running
from tests.subscribers.snapshots import equals_snapshot
from tests.subscribers.stream import StreamPanel


async def test_curl_follows(running: Running) -> None:
    """``curl -N`` shows events as they come."""
    asked = ["-sN", "-H", "Accept: text/event-stream", "-H", f"Authorization: Bearer {running.token()}"]
    curl = await asyncio.create_subprocess_exec("curl", *asked, running.url + LIVE, stdout=asyncio.subprocess.PIPE)
    assert curl.stdout is not None
    try:
        async with asyncio.timeout(10):
            assert (await curl.stdout.readline()).startswith(b"retry: ")
            assert (await curl.stdout.readline()) == b"event: snapshot\n"
            await running.post("message-public", MESSAGE)
            while not (await curl.stdout.readline()).startswith(b"event: delta"):
                pass
            assert (await curl.stdout.readline()).startswith(b"id: ")
            assert json.loads((await curl.stdout.readline()).removeprefix(b"data: "))["summary"]["total_messages"] == 1
    finally:
        curl.kill()
        await curl.wait()


async def test_a_client_of_http_1_0_gets_no_chunks(running: Running) -> None:
    """To HTTP/1.0 a stream, and a CSV, is what comes until the connection ends (RFC 9112, 6.3)."""
    panel = StreamPanel(running.url, running.token())
    await panel.open(version="1.0")
    assert "transfer-encoding" not in panel.headers
    receipt = await running.post("activity-public", ACTIVITY)
    await panel.until_position(receipt["position"])
    await equals_snapshot(running, panel)
    await running.service.live.drain()
    await panel.until(lambda: panel.ended is not None)
    assert panel.events[-1].name == "error"
    await panel.close()


@pytest.mark.parametrize("accept", ["text/csv", "application/json"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_an_answer_to_http_1_0_ends_with_its_connection(running: Running, accept: str, method: str) -> None:
    """A CSV of unknown length is not cut into chunks, what has a length keeps it, and HEAD has no body."""
    await running.post("activity-public", ACTIVITY)
    reader, writer = await asyncio.open_connection("127.0.0.1", running.service.settings.port)
    lines = [f"{method} {API}/users/activities HTTP/1.0", f"Accept: {accept}", "Connection: keep-alive"]
    lines += [f"{name}: {value}" for name, value in running.admin().items()]
    writer.write("\r\n".join([*lines, "", ""]).encode())
    head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    writer.close()
    assert head.startswith(b"HTTP/1.1 200 ")
    assert b"transfer-encoding" not in head.lower()
    assert (b"content-length" in head.lower()) == (accept == "application/json")
    asked = {**running.admin(), "Accept": accept}
    whole = (await running.http.get(f"{API}/users/activities", headers=asked)).content
    assert body == (whole if method == "GET" else b"")


async def test_a_stream_passes_nginx(running: Running, tmp_path: Path) -> None:
    """Through nginx with no line but proxy_pass, a stream and a CSV come as they do without it, and at once."""
    proxy = nginx(tmp_path, free_port(), running.service.settings.port)
    url = f"http://127.0.0.1:{proxy.port}"
    try:
        panel = StreamPanel(url, running.token())
        await panel.open()
        for number in range(5):
            receipt = await running.post("activity-public", {**ACTIVITY, "user_id": f"u{number}"})
            await panel.until_position(receipt["position"])
        await equals_snapshot(running, panel)
        assert {event.name for event in panel.events} >= {"snapshot", "delta"}
        asked = {**running.admin(), "Accept": "text/csv"}
        async with httpx2.AsyncClient(base_url=url) as client:
            passed = await client.get(f"{API}/users/activities", headers=asked)
        assert passed.content == (await running.http.get(f"{API}/users/activities", headers=asked)).content
        await panel.close()
    finally:
        proxy.stop()
