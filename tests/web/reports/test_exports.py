"""Lists as CSV, from the real service."""

import asyncio
import json
from typing import Any

import pytest

from storage.errors import StorageUnavailable
from storage.read import reports
from storage.read.endpoints import ENDPOINT_ORDERS
from storage.read.reports import Listing
from tests.paths import API
from tests.samples.events import ACTIVITY, CALL, MESSAGE
from tests.servers.service import Running
from tests.web.reports.exports import AS_CSV, activities, export, post_many, read
from tests.web.reports.samples import LISTS, at, crowd, fill

each_database = pytest.mark.each_database

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
    ("users/activities", {"type_contains": "LOG"}),
    *(("conversations", {"sort": sort}) for sort in reports.CONVERSATION_ORDERS),
    *(("api-usage", {"sort": sort}) for sort in reports.CALL_ORDERS),
    *(("api-usage/endpoints", {"sort": sort}) for sort in ENDPOINT_ORDERS),
    *(("daily-stats", {"sort": sort, "days": 9}) for sort in reports.DAY_ORDERS),
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


@pytest.mark.parametrize("path", LISTS)
async def test_a_byte_order_mark_is_an_option(running: Running, path: str) -> None:
    """With bom=1 the CSV of each list begins with one, so that Excel reads UTF-8; without it nothing changes."""
    await running.post("activity-public", {**ACTIVITY, "user_id": "zoe", "username": "Zoë"})
    plain = (await export(running, path)).content
    assert (await export(running, path, bom="0")).content == plain
    assert (await export(running, path, bom="1")).content == b"\xef\xbb\xbf" + plain
    assert await running.get(path, bom="1") == await running.get(path)
    response = await running.http.get(f"{API}/{path}", params={"bom": "2"}, headers={**running.admin(), **AS_CSV})
    assert (response.status_code, response.json()["field"]) == (422, "bom")


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
