"""What a post costs its sender: rate, memory, turns."""

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx2
import pytest
from starlette.requests import Request

from storage.fairness.shares import FairShares
from storage.fairness.turns import Turns
from storage.model.batch import MAX_EVENTS
from tests.paths import TRACK
from tests.samples.events import ACTIVITY, BATCH
from tests.servers.service import Running, start
from web.auth.ingest import IngestIdentity
from web.ingest.intake import READS, Intake
from web.ingest.rates import Rates

ACME, GLOBEX = {"X-Tracking-Key": "acme-key-0123456789"}, {"X-Tracking-Key": "globex-key-0123456789"}


async def post(running: Running, headers: dict[str, str], body: bytes, name: str = "batch") -> httpx2.Response:
    return await running.http.post(f"{TRACK}/{name}", content=body, headers=headers)


@pytest.mark.parametrize("name", ["batch", "activity-public"])
async def test_what_is_no_event_is_paid_for(tmp_path: Path, name: str) -> None:
    """A body counts against the rate of its sender by its bytes, also if it turns out to be no JSON at all."""
    found = await start(tmp_path, TRACKING_EVENTS_PER_SECOND="1", TRACKING_BURST_EVENTS="20")
    try:
        answers = [(await post(found, ACME, b"[{" * 25_000, name)).status_code for _ in range(2)]
        assert answers == [400, 429]
        # One event a second comes back meanwhile.
        assert 429 in [(await post(found, GLOBEX, b"{", name)).status_code for _ in range(60)]
        assert (await post(found, {}, json.dumps(BATCH).encode())).status_code == 201
    finally:
        await found.stop()


async def unfinished(running: Running, size: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Begin a batch of acme, and send *size* bytes of a body that is longer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", running.service.settings.port)
    head = f"POST {TRACK}/batch HTTP/1.1\r\nHost: x\r\nX-Tracking-Key: acme-key-0123456789\r\n"
    writer.write(f"{head}Content-Length: {size + 1}\r\n\r\n".encode() + b" " * size)
    await writer.drain()
    return reader, writer


async def test_unfinished_bodies_hold_a_share_of_memory(tmp_path: Path) -> None:
    """What bodies hold is bounded: a key gets 429 beyond its share, others go on, and what ends is given back."""
    found = await start(tmp_path, MEMORY_MB="1")
    memory = found.service.memory
    try:
        lines = [await unfinished(found, 100_000) for _ in range(8)]
        refused = lines[3:]
        for reader, _ in refused:
            assert b" 429 " in await asyncio.wait_for(reader.readline(), 5)
            assert b"retry-after: 1" in (await reader.readuntil(b"\r\n\r\n")).lower()
        assert 0 < memory.used <= 350_000
        assert (await post(found, ACME, json.dumps(BATCH * 400).encode())).status_code == 429
        assert (await post(found, ACME, json.dumps(ACTIVITY).encode(), "activity-public")).status_code == 201
        assert (await post(found, GLOBEX, json.dumps(BATCH * 400).encode())).status_code == 201
        for _, writer in lines:
            writer.close()
        async with asyncio.timeout(5):
            while memory.used:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        assert (await post(found, ACME, json.dumps(BATCH * 400).encode())).status_code == 201
    finally:
        await found.stop()
    assert memory.used == 0


@pytest.mark.parametrize("body", [b"[", b"[1,", json.dumps(BATCH * 100).encode(), b"x" * (17 << 20)])
async def test_every_end_gives_memory_back(running: Running, body: bytes) -> None:
    """Whatever becomes of a post, it holds nothing afterwards."""
    await post(running, ACME, body)
    await post(running, {**ACME, "Content-Encoding": "gzip"}, body)
    assert running.service.memory.used == 0


async def test_many_posts_of_one_tenant_delay_no_other(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """A post of another tenant is served before those of a crowd that came earlier."""
    served = Turns("posts", 100, 1, 1000)
    monkeypatch.setattr(running.service.ingest, "served", served)
    body = json.dumps(ACTIVITY).encode()
    crowd = [asyncio.create_task(post(running, ACME, body, "activity-public")) for _ in range(60)]
    while not served._lines:  # noqa: ASYNC110
        await asyncio.sleep(0)
    assert (await post(running, GLOBEX, body, "activity-public")).status_code == 201
    assert sum(task.done() for task in crowd) < 60
    assert {answer.status_code for answer in await asyncio.gather(*crowd)} == {201}


async def test_a_batch_is_read_in_turns(running: Running) -> None:
    """While a batch of the largest size is read, others have many turns."""
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    task = asyncio.create_task(others())
    body = json.dumps([{"type": "activity"}] * MAX_EVENTS).encode()
    answer = await post(running, ACME, body)
    task.cancel()
    assert len(answer.json()["rejected"]) == MAX_EVENTS
    assert turns > 50


async def test_large_bodies_are_read_a_few_at_a_time() -> None:
    """Of large bodies that come together only a few are read on in one turn of the loop, so that others have theirs."""
    reads = 0

    async def body() -> bytes | bytearray | memoryview:
        left = 20

        async def receive() -> dict[str, Any]:
            nonlocal left, reads
            left, reads = left - 1, reads + 1
            return {"type": "http.request", "body": b" " * 100_000, "more_body": left > 0}

        scope = {"type": "http", "method": "POST", "headers": []}
        with intake.begin(IngestIdentity("acme", "acme-key")) as post:
            return await post.body(Request(scope, receive), 1 << 24)

    intake = Intake(Rates(0, 0), FairShares("memory", 1 << 30, 1.0, 1.0))
    bodies = asyncio.gather(*(body() for _ in range(20)))
    seen = []
    while not bodies.done():
        before = reads
        await asyncio.sleep(0)
        seen.append(reads - before)
    assert [len(each) for each in await bodies] == [2_000_000] * 20
    assert max(seen[2:]) <= 2 * READS
