"""Lists as CSV, from the real service."""

import asyncio
import csv
import io
import json
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
from tests.samples.events import ACTIVITY, CALL, MESSAGE
from tests.servers.process import Process
from tests.servers.service import Running
from tests.web.reports.samples import LISTS, at, crowd, fill

each_database = pytest.mark.each_database

AS_CSV = {"Accept": "text/csv"}
NAMES = {
    "users/activities": "activities",
    "users/top": "top-users",
    "users/list": "users",
    "conversations": "conversations",
    "messages": "messages",
    "api-usage": "api-usage",
    "api-usage/endpoints": "api-endpoints",
    "daily-stats": "daily-stats",
}


async def export(running: Running, path: str, tenant: str = "default", **params: Any) -> httpx2.Response:
    response = await running.http.get(f"{API}/{path}", params=params, headers={**running.admin(tenant), **AS_CSV})
    assert response.status_code == 200, response.text
    return response


def read(text: str) -> tuple[list[str], list[dict[str, str]]]:
    """Give the header and the rows."""
    header, *rows = csv.reader(io.StringIO(text, newline=""))
    return header, [dict(zip(header, row, strict=True)) for row in rows]


def cell(value: Any) -> str:
    """Write a JSON value as its cell."""
    if value is None:
        return ""
    return json.dumps(value, separators=(",", ":")) if isinstance(value, dict) else str(value)


async def walk(running: Running, path: str, **params: Any) -> list[dict[str, Any]]:
    """Read all pages of a list."""
    items: list[dict[str, Any]] = []
    cursor: dict[str, str] = {}
    while True:
        body = await running.get(path, **params, limit=7, **cursor)
        items += body["items"]
        if body["next"] is None:
            return items
        cursor = {"cursor": body["next"]}


async def post_many(running: Running, events: list[dict[str, Any]]) -> None:
    for begin in range(0, len(events), 5000):
        response = await running.http.post(f"{TRACK}/batch", json=events[begin : begin + 5000])
        assert response.status_code == 201, response.text


async def populate(running: Running) -> None:
    await fill(running)
    await crowd(running, 1)
    await running.post(
        "activity-public", {**ACTIVITY, "extra_data": {"a": [1, "x,y"], "b": {"c": None}}, "timestamp": at(5)}
    )
    for number in range(20):
        await running.post("api-usage-public", {**CALL, "endpoint": f"/e/{number}", "user_id": "ada"})
        await running.post("message-public", {**MESSAGE, "message_id": f"e{number}", "conversation_id": f"e{number}"})


ASKED: list[tuple[str, dict[str, Any]]] = [
    *((name, {}) for name in LISTS if name != "daily-stats"),
    ("daily-stats", {"days": 9}),
    ("users/activities", {"user_id": "ada", "from": at(2)}),
    ("users/activities", {"activity_type": "login", "to": at(3)}),
    ("users/top", {"from": at(2)}),
    *(("users/list", {"sort": sort}) for sort in reports.USER_ORDERS),
    ("users/list", {"search": "a", "active_only": "true"}),
    ("conversations", {"status": "active"}),
    ("messages", {"conversation_id": "c1"}),
    ("api-usage", {"endpoint": "/e/3"}),
]


@each_database
async def test_csv_is_the_pages(running: Running) -> None:
    """Every list's CSV has the same rows, columns and order as all pages of its JSON, whatever the filters."""
    await populate(running)
    for path, params in ASKED:
        items = await walk(running, path, **params)
        header, rows = read((await export(running, path, **params)).text)
        assert rows, (path, params)
        assert header == list(items[0]), path
        assert rows == [{name: cell(value) for name, value in item.items()} for item in items], (path, params)


@pytest.mark.parametrize("path", LISTS)
async def test_csv_says_what_it_is(running: Running, path: str) -> None:
    """CSV is a file with a name, kept by nobody; without rows it still has its header."""
    response = await export(running, path, "nobody", **({"days": 1} if path == "daily-stats" else {}))
    assert response.headers["content-type"] == "text/csv; charset=utf-8; header=present"
    assert response.headers["content-disposition"] == f'attachment; filename="{NAMES[path]}.csv"'
    assert response.headers["cache-control"] == "private, no-store"
    assert "Accept" in response.headers["vary"]
    assert "etag" not in response.headers
    header, rows = read(response.text)
    document = (await running.http.get("/openapi.json")).json()
    contents = document["paths"][f"{API}/{path}"]["get"]["responses"]["200"]["content"]
    assert set(contents) == {"application/json", "text/csv"}
    shape = contents["application/json"]["schema"]["properties"]["items"]["items"]
    assert header == list(shape["properties"])
    assert len(rows) == (1 if path == "daily-stats" else 0)


@each_database
async def test_limit_and_cursor_are_obeyed(running: Running) -> None:
    """With a limit, CSV is one page; with a cursor, it is all behind it."""
    await populate(running)
    for path in ("users/activities", "users/list"):
        items = await walk(running, path)
        limited = read((await export(running, path, limit=3)).text)[1]
        assert [row["user_id"] for row in limited] == [item["user_id"] for item in items[:3]]
        cursor = (await running.get(path, limit=3))["next"]
        rest = read((await export(running, path, cursor=cursor)).text)[1]
        assert [row["user_id"] for row in rest] == [item["user_id"] for item in items[3:]]


async def test_errors_are_problems(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is wrong before the first row is a problem document, not half a file."""
    for headers, params, status in (
        ({}, {}, 401),
        ({"Authorization": f"Bearer {running.token(roles=['user'])}"}, {}, 403),
        (running.admin(), {"limit": "x"}, 422),
        (running.admin(), {"cursor": "x"}, 422),
    ):
        response = await running.http.get(f"{API}/users/activities", params=params, headers={**headers, **AS_CSV})
        assert (response.status_code, response.headers["content-type"]) == (status, "application/problem+json")

    async def fail(*_arguments: object) -> Listing:
        raise StorageUnavailable("the database cannot be read just now")

    for path, name in (("users/activities", "activities"), ("users/list", "users")):
        monkeypatch.setattr(reports, name, fail)
        response = await running.http.get(f"{API}/{path}", headers={**running.admin(), **AS_CSV})
        assert (response.status_code, response.headers["retry-after"]) == (503, "1")


async def test_head_has_no_rows(running: Running) -> None:
    """HEAD is answered with the headers alone."""
    await populate(running)
    response = await running.http.head(f"{API}/users/activities", headers={**running.admin(), **AS_CSV})
    assert (response.status_code, response.content) == (200, b"")
    assert "activities.csv" in response.headers["content-disposition"]


async def test_formulas_are_harmless(running: Running) -> None:
    """A name that a spreadsheet would run is text in the file, and as it was in JSON."""
    name = '=HYPERLINK("http://evil","x")'
    await running.post("activity-public", {**ACTIVITY, "username": name, "user_agent": " @x\n"})
    row = read((await export(running, "users/activities")).text)[1][0]
    assert (row["username"], row["user_agent"]) == (f"'{name}", "' @x\n")
    assert (await running.get("users/activities"))["items"][0]["username"] == name


def activities(count: int, **fields: Any) -> list[dict[str, Any]]:
    return [
        {"type": "activity", **ACTIVITY, "user_id": f"u{n % 500}", "timestamp": at(1 + n % 28, n % 24), **fields}
        for n in range(count)
    ]


@each_database
@pytest.mark.parametrize("encoding", ["identity", "gzip"])
async def test_an_export_is_of_one_moment(running: Running, encoding: str) -> None:
    """While events are being posted, an export holds exactly the rows that were there when it began."""
    await post_many(running, activities(6000))
    before = {item["id"] for item in await pages_of(running, "users/activities")}
    headers = {**running.admin(), **AS_CSV, "Accept-Encoding": encoding}
    async with running.http.stream("GET", f"{API}/users/activities", headers=headers) as response:
        pieces = response.aiter_text()
        text = await anext(pieces)
        # Newer, older and as old as what is there already.
        for number in range(20):
            await post_many(running, activities(50, timestamp=at(1 + number, 23, 59)))
        text += "".join([piece async for piece in pieces])
    rows = read(text)[1]
    assert len(rows) == len(before) == 6000
    assert {int(row["id"]) for row in rows} == before


async def pages_of(running: Running, path: str) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = []
    cursor: dict[str, str] = {}
    while True:
        body = await running.get(path, limit=1000, **cursor)
        items += body["items"]
        if body["next"] is None:
            return items
        cursor = {"cursor": body["next"]}


@each_database
async def test_users_are_of_one_moment_too(running: Running) -> None:
    """While counts grow, an export by counts has every user once, and the counts of one moment."""
    await post_many(running, [{**event, "user_id": f"u{n}"} for n, event in enumerate(activities(7000))])
    total = 7000

    async def post() -> None:
        for _ in range(30):
            await post_many(running, activities(100))

    posting = asyncio.create_task(post())
    for _ in range(3):
        rows = read((await export(running, "users/list", sort="activity_count")).text)[1]
        assert len({row["user_id"] for row in rows}) == len(rows) == 7000
        counted = sum(int(row["activity_count"]) for row in rows)
        assert counted >= total
        assert (counted - 7000) % 100 == 0
        total = counted
    await posting


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
        await idle(running)
        transports = [connection.transport for connection in running.server.server_state.connections]
        assert 0 < max(transport.get_write_buffer_size() for transport in transports) < 1_000_000
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
