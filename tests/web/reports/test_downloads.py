"""Downloads that are slow, broken off, left, or too large for the disk."""

import asyncio
import random
import socket
import sqlite3
from pathlib import Path
from typing import Any

import httpx2
import pytest

from storage.errors import StorageUnavailable
from storage.read import reports
from storage.read.reports import Listing
from tests.faults.disk import small_disk
from tests.faults.scene import admin
from tests.paths import API, TRACK
from tests.samples.events import ACTIVITY
from tests.servers.process import Process
from tests.servers.service import Running
from tests.web.reports.exports import AS_CSV, activities, post_many, read


async def test_a_slow_download_holds_nothing(running: Running) -> None:
    """Downloads that nobody reads keep no connection to the database and little memory, and then go on to the end."""
    await post_many(running, activities(25_000, extra_data={"filler": "x" * 200}))
    # A small buffer, so that less is on its way than there is.
    buffer = [(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)]
    transport = httpx2.AsyncHTTPTransport(socket_options=buffer)
    async with httpx2.AsyncClient(transport=transport, timeout=30) as client:
        slow = [await client.send(request(running), stream=True) for _ in range(6)]
        pieces = [response.aiter_raw() for response in slow]
        sizes = [len(await anext(iterator)) for iterator in pieces]
        transports = [connection.transport for connection in running.server.server_state.connections]
        async with asyncio.timeout(20):
            while not any(transport.get_write_buffer_size() for transport in transports):  # noqa: ASYNC110
                await asyncio.sleep(0.03)
        await idle(running)
        assert max(transport.get_write_buffer_size() for transport in transports) < 1_000_000
        await running.post("activity-public", ACTIVITY)
        with sqlite3.connect(running.service.database.name) as database:
            _, in_log, folded = database.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        database.close()
        assert in_log == folded > 0
        rest = [sum([len(piece) async for piece in iterator]) for iterator in pieces]
    total = {first + more for first, more in zip(sizes, rest, strict=True)}
    assert len(total) == 1
    assert total.pop() > 6_000_000


async def idle(running: Running) -> None:
    """Wait until all that the sockets take is taken, and no connection to the database is in use for a while."""
    engine: Any = running.service.database._reading
    quiet = 0
    async with asyncio.timeout(20):
        while quiet < 10:
            await asyncio.sleep(0.03)
            quiet = 0 if engine.pool.checkedout() else quiet + 1


def request(running: Running) -> httpx2.Request:
    headers = {**running.admin(), **AS_CSV, "Accept-Encoding": "identity"}
    return running.http.build_request("GET", f"{API}/users/activities", headers=headers)


@pytest.mark.parametrize("encoding", ["identity", "gzip"])
async def test_a_failure_in_the_middle_breaks_the_connection(
    running: Running, monkeypatch: pytest.MonkeyPatch, encoding: str
) -> None:
    """A file that could not be finished does not look finished: the transfer ends in an error."""
    await post_many(running, activities(5000))
    whole, calls = reports.activities, 0

    async def fail(*arguments: Any) -> Listing:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise StorageUnavailable("the database cannot be read just now")
        return await whole(*arguments)

    monkeypatch.setattr(reports, "activities", fail)
    headers = {**running.admin(), **AS_CSV, "Accept-Encoding": encoding}
    async with running.http.stream("GET", f"{API}/users/activities", headers=headers) as response:
        assert response.status_code == 200
        with pytest.raises(httpx2.RemoteProtocolError, match="incomplete chunked read"):
            _ = [piece async for piece in response.aiter_raw()]


async def test_a_client_that_leaves_ends_its_export(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the client goes away, no further page is read."""
    await post_many(running, activities(25_000, extra_data={"filler": "x" * 200}))
    whole, calls = reports.activities, 0

    async def count(*arguments: Any) -> Listing:
        nonlocal calls
        calls += 1
        return await whole(*arguments)

    monkeypatch.setattr(reports, "activities", count)
    response = await running.http.send(request(running), stream=True)
    await anext(response.aiter_raw())
    await response.aclose()
    await asyncio.sleep(0.3)
    seen = calls
    await asyncio.sleep(0.3)
    assert calls == seen < 25
    assert not running.server.server_state.tasks


def people(count: int) -> list[dict[str, Any]]:
    """Make activities of so many users, whose ids cannot be compressed to less than half."""
    draw = random.Random(5)
    return [{"type": "activity", **ACTIVITY, "user_id": f"{draw.getrandbits(256):064x}"} for _ in range(count)]


async def test_copies_are_whole_however_they_are_sent(running: Running) -> None:
    """What is copied aside comes out the same gzipped and plain, short or longer than is kept in memory."""
    for count in (0, 10, 9000):
        await post_many(running, people(count))
        zipped, plain = [
            await running.http.get(
                f"{API}/users/list", headers={**running.admin(), **AS_CSV, "Accept-Encoding": coding}
            )
            for coding in ("gzip", "identity")
        ]
        assert (zipped.headers["content-encoding"], plain.headers.get("content-encoding")) == ("gzip", None)
        assert zipped.text == plain.text
        assert len(read(plain.text)[1]) == count


async def test_a_folder_without_room_is_a_507(tmp_path: Path) -> None:
    """Where the folder of temporary files is full an export is refused, with what to do, and nothing else fails; as
    soon as there is room it works.
    """
    with small_disk() as disk:
        service = Process(tmp_path)
        service.environment["TMPDIR"] = str(disk.folder)
        await service.start()
        try:
            async with httpx2.AsyncClient(base_url=service.url, timeout=60) as http:
                for begin in range(0, 20_000, 5000):
                    answer = await http.post(f"{TRACK}/batch", json=people(20_000)[begin : begin + 5000])
                    assert answer.status_code == 201
                headers = {"Authorization": f"Bearer {admin()}", **AS_CSV}
                disk.fill()
                refused = await http.get(f"{API}/users/list", headers=headers)
                assert (refused.status_code, refused.headers["content-type"]) == (507, "application/problem+json")
                assert "TMPDIR" in refused.json()["detail"]
                assert (await http.get(f"{API}/users/list", params={"limit": 100}, headers=headers)).status_code == 200
                assert (await http.get(f"{API}/users/activities", headers=headers)).status_code == 200
                disk.free()
                whole = await http.get(f"{API}/users/list", headers=headers)
                assert (whole.status_code, len(read(whole.text)[1])) == (200, 20_000)
        finally:
            assert service.terminate() == 0
        assert "Traceback" not in service.log()
        assert list(disk.folder.iterdir()) == []
