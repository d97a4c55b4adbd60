"""Lists: filters, searches, sorts and pages."""

import random
from typing import Any

import pytest

from storage.read import reports
from storage.read.endpoints import ENDPOINT_ORDERS
from tests.paths import API
from tests.samples.events import ACTIVITY, CALL, MESSAGE, TALK
from tests.servers.service import Running
from tests.web.reports.samples import LISTS, at, crowd, fill

pytestmark = pytest.mark.each_database


async def test_filters_select(running: Running) -> None:
    """user_id, endpoint, from (inclusive) and to (exclusive) select; a date means its beginning in the zone."""
    await fill(running)
    ada = await running.get("users/activities", user_id="ada")
    assert [item["timestamp"] for item in ada["items"]] == [at(3), at(2), at(1)]
    ranged = await running.get("users/activities", **{"from": at(2), "to": "2026-03-03"})
    assert [item["timestamp"] for item in ranged["items"]] == [at(2)]
    assert len((await running.get("conversations", user_id="bob"))["items"]) == 1
    assert len((await running.get("conversations", **{"from": "2026-03-02"}))["items"]) == 1
    calls = await running.get("api-usage", endpoint="/v1/chat", **{"from": at(2)})
    assert (len(calls["items"]), calls["stats"]) == (2, {"count": 2, "error_count": 2, "avg_response_time": 0.25})
    assert (await running.get("api-usage", endpoint="/none"))["stats"]["avg_response_time"] is None
    top = await running.get("users/top", **{"from": at(3)})
    assert [(item["user_id"], item["activity_count"]) for item in top["items"]] == [("ada", 1), ("cyd", 1)]


@pytest.mark.parametrize("name", LISTS)
async def test_pages_neither_overlap_nor_leave_out(running: Running, name: str) -> None:
    """Pages of two, joined by their cursors, are the whole list, also while new events arrive."""
    await fill(running)
    for number in range(5):
        await running.post("activity-public", {**ACTIVITY, "user_id": f"p{number}", "timestamp": at(4)})
        await running.post("message-public", {**MESSAGE, "message_id": f"p{number}", "conversation_id": f"p{number}"})
        await running.post("api-usage-public", {**CALL, "endpoint": f"/{number}"})
    # daily-stats without a range ends today; five days are enough.
    params: dict[str, Any] = {"days": 5} if name == "daily-stats" else {}
    whole = (await running.get(name, **params))["items"]
    paged, cursor = [], None
    while True:
        body = await running.get(name, limit=2, **params, **({"cursor": cursor} if cursor else {}))
        paged += body["items"]
        cursor = body["next"]
        assert len(body["items"]) <= 2
        if cursor is None:
            break
        assert set(cursor) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._~-")
    assert len(whole) > 2
    assert paged == whole


BAD = [
    ("users/activities", {"limit": "0"}, "limit"),
    ("users/activities", {"limit": "1001"}, "limit"),
    ("users/activities", {"limit": "ten"}, "limit"),
    ("users/activities", {"limit": "-1"}, "limit"),
    ("users/activities", {"limit": ["5", "6"]}, "limit"),
    ("users/activities", {"from": "yesterday"}, "from"),
    ("users/activities", {"from": "2026-13-01"}, "from"),
    ("users/activities", {"to": "2026-01-01T00:00:00"}, "to"),
    ("users/activities", {"from": "2026-02-01", "to": "2026-01-01"}, "to"),
    ("users/activities", {"user_id": ""}, "user_id"),
    ("users/activities", {"user_id": "a\0"}, "user_id"),
    ("users/activities", {"cursor": "!!"}, "cursor"),
    ("users/activities", {"cursor": "AAAA"}, "cursor"),
    ("users/activities", {"activity_type": ""}, "activity_type"),
    ("users/activities", {"activity_type": "x" * 101}, "activity_type"),
    ("users/activities", {"type_contains": ""}, "type_contains"),
    ("users/activities", {"type_contains": "x" * 101}, "type_contains"),
    ("users/activities", {"type_contains": "a\0"}, "type_contains"),
    ("users/list", {"active_only": "perhaps"}, "active_only"),
    ("users/list", {"search": ""}, "search"),
    ("users/list", {"search": "a\0"}, "search"),
    ("messages", {"conversation_id": "x" * 256}, "conversation_id"),
    ("daily-stats", {"days": "0"}, "days"),
    ("daily-stats", {"days": "100000"}, "days"),
    ("daily-stats", {"from": "0001-01-01"}, "from"),
    ("daily-stats", {"to": "0001-01-01"}, "to"),
    ("daily-stats", {"to": "9999-12-31T23:59:59Z"}, "to"),
    ("api-usage", {"endpoint": "x" * 600}, "endpoint"),
]


@pytest.mark.no_database
@pytest.mark.parametrize(("name", "params", "field"), BAD)
async def test_a_bad_parameter_is_named(running: Running, name: str, params: dict[str, Any], field: str) -> None:
    """A parameter that breaks a rule is a 422 that names it."""
    response = await running.http.get(f"{API}/{name}", params=params, headers=running.admin())
    assert (response.status_code, response.json()["field"]) == (422, field)


async def test_a_cursor_fits_its_list_only(running: Running) -> None:
    """A cursor of one list is a 422 in another, and so is one that was tampered with."""
    from web.http.operations import write_cursor

    cursors = [
        write_cursor("activities", (at(1), 5)),
        write_cursor("daily-stats", ("not a day",)),
        write_cursor("daily-stats", ("0001-01-01",)),
        write_cursor("daily-stats", (10**30,)),
        write_cursor("daily-stats", ()),
        write_cursor("conversations", (at(1), 10**30)),
        write_cursor("conversations", (at(1),)),
        write_cursor("conversations", (5, at(1))),
    ]
    for cursor in cursors:
        for name in ("daily-stats", "conversations"):
            response = await running.http.get(f"{API}/{name}", params={"cursor": cursor}, headers=running.admin())
            assert (response.status_code, response.json()["field"]) == (422, "cursor"), (name, cursor)


CHOICES = [
    ("users/list", "sort", ("user_id", "username", "activity_count", "first_seen", "last_seen")),
    ("conversations", "status", ("active", "deleted")),
    ("conversations", "sort", tuple(reports.CONVERSATION_ORDERS)),
    ("api-usage", "sort", tuple(reports.CALL_ORDERS)),
    ("api-usage/endpoints", "sort", ENDPOINT_ORDERS),
    ("daily-stats", "sort", reports.DAY_ORDERS),
]


@pytest.mark.no_database
@pytest.mark.parametrize(("name", "field", "choices"), CHOICES)
async def test_choices_are_named(running: Running, name: str, field: str, choices: tuple[str, ...]) -> None:
    """A sort or a status that there is not is a 422 that names the parameter and what could be chosen."""
    for value in ("other", "", choices[0].upper()):
        response = await running.http.get(f"{API}/{name}", params={field: value}, headers=running.admin())
        assert (response.status_code, response.json()["field"]) == (422, field)
        assert all(choice in response.json()["detail"] for choice in choices)


async def test_filters_can_be_combined(running: Running) -> None:
    """activity_type and status select too, alone and with user_id."""
    await fill(running)
    await running.post("activity-public", {**ACTIVITY, "user_id": "ada", "activity_type": "logout", "timestamp": at(4)})
    await running.post(
        "conversation-public", {**TALK, "conversation_id": "c2", "action": "deleted", "timestamp": at(4)}
    )
    asked: list[tuple[str, dict[str, str], int]] = [
        ("users/activities", {"activity_type": "logout"}, 1),
        ("users/activities", {"activity_type": ACTIVITY["activity_type"]}, 5),
        ("users/activities", {"activity_type": ACTIVITY["activity_type"], "user_id": "ada"}, 3),
        ("users/activities", {"activity_type": "none"}, 0),
        ("conversations", {"status": "deleted"}, 1),
        ("conversations", {"status": "active"}, 1),
        ("conversations", {"status": "active", "user_id": "ada"}, 1),
        ("conversations", {"status": "deleted", "user_id": "ada"}, 0),
    ]
    for name, params, count in asked:
        items = (await running.get(name, **params))["items"]
        assert len(items) == count, (name, params)
        assert all(item[field] == value for item in items for field, value in params.items())


SORTS: dict[str, Any] = {
    "user_id": lambda user: (user["user_id"],),
    "username": lambda user: (user["username"] or "", user["user_id"]),
    "activity_count": lambda user: (-user["activity_count"], user["user_id"]),
    "first_seen": lambda user: (*(-ord(letter) for letter in user["first_seen"]), user["user_id"]),
    "last_seen": lambda user: (*(-ord(letter) for letter in user["last_seen"]), user["user_id"]),
}


@pytest.mark.parametrize("sort", SORTS)
@pytest.mark.parametrize("seed", [1, 2])
async def test_each_sort_has_its_pages(running: Running, sort: str, seed: int) -> None:
    """Whatever users are sorted by, pages of any size are the whole list in that order, ties by user id."""
    await crowd(running, seed)
    whole = (await running.get("users/list", sort=sort, limit=1000))["items"]
    assert len(whole) > 20
    assert whole == sorted(whole, key=SORTS[sort])
    for limit in (1, 3, 7):
        paged: list[Any] = []
        cursor: dict[str, str] = {}
        while True:
            body = await running.get("users/list", sort=sort, limit=limit, **cursor)
            paged += body["items"]
            if body["next"] is None:
                break
            cursor = {"cursor": body["next"]}
        assert paged == whole


async def test_a_cursor_fits_its_sort_only(running: Running) -> None:
    """The cursor of one sort is a 422 in another, also where both keys look alike."""
    await crowd(running, 1)
    for sort in SORTS:
        cursor = (await running.get("users/list", sort=sort, limit=1))["next"]
        for other in SORTS:
            response = await running.http.get(
                f"{API}/users/list", params={"sort": other, "cursor": cursor}, headers=running.admin()
            )
            assert response.status_code == (200 if other == sort else 422)
            assert other == sort or response.json()["field"] == "cursor"


async def test_search_finds_what_is_written(running: Running) -> None:
    """search finds a part of id or name whatever its case; %, _ and the backslash stand for themselves."""
    names = {"u1": "100%", "u2": "snake_case", "u3": "back\\slash", "u4": "Ada Lovelace", "u5": "a/b", "Xu6": "plain"}
    for user_id, name in names.items():
        await running.post("activity-public", {**ACTIVITY, "user_id": user_id, "username": name})
    await running.post("message-public", {**MESSAGE, "user_id": "nameless_7"})
    found = {
        "%": ["u1"],
        "_": ["nameless_7", "u2"],
        "\\": ["u3"],
        "/": ["u5"],
        "LOVE": ["u4"],
        "xU": ["Xu6"],
        "U": ["Xu6", "u1", "u2", "u3", "u4", "u5"],
        "NAMELESS": ["nameless_7"],
        "a_a": [],
        "'": [],
    }
    for search, expected in found.items():
        items = (await running.get("users/list", search=search))["items"]
        assert [item["user_id"] for item in items] == expected, search
    paged = await running.get("users/list", search="u", sort="username", limit=2, active_only="true")
    rest = await running.get("users/list", search="u", sort="username", active_only="true", cursor=paged["next"])
    names_found = [item["username"] for item in (*paged["items"], *rest["items"])]
    assert names_found == sorted(name for name in names.values())


async def test_a_part_of_the_type_finds_activities(running: Running) -> None:
    """type_contains finds a part of the type whatever its case, also with other filters; %, _ stand for themselves."""
    types = ["login", "logout", "LOGIN_failed", "message_sent", "100%"]
    for number, kind in enumerate(types):
        await running.post(
            "activity-public", {**ACTIVITY, "user_id": "ada", "activity_type": kind, "timestamp": at(1, number)}
        )
    found = {
        "log": ["LOGIN_failed", "logout", "login"],
        "LogIn": ["LOGIN_failed", "login"],
        "_": ["message_sent", "LOGIN_failed"],
        "%": ["100%"],
        "logged": [],
    }
    for part, expected in found.items():
        body = await running.get("users/activities", type_contains=part, **{"from": at(1, 0), "to": at(2)})
        assert [item["activity_type"] for item in body["items"]] == expected, part
    assert [
        item["activity_type"] for item in await pages(running, "users/activities", type_contains="log", limit=1)
    ] == found["log"]
    both = await running.get("users/activities", type_contains="log", activity_type="logout", user_id="ada")
    assert [item["activity_type"] for item in both["items"]] == ["logout"]
    assert (await running.get("users/activities", type_contains="log", user_id="bob"))["items"] == []


ORDERS: dict[str, tuple[dict[str, Any], dict[str, tuple[str, str]]]] = {
    "conversations": (
        {},
        {name: (name, "id") for name in reports.CONVERSATION_ORDERS},
    ),
    "api-usage": ({}, {name: (name, "id") for name in reports.CALL_ORDERS}),
    "daily-stats": (
        {"from": "2026-02-20", "to": "2026-03-06"},
        {name: (name, "date") for name in reports.DAY_ORDERS},
    ),
}


@pytest.mark.parametrize("path", ORDERS)
async def test_other_lists_have_their_sorts(running: Running, path: str) -> None:
    """Each documented order is descending with ties newest first and null last, and its pages are the whole list."""
    await talk(running)
    params, orders = ORDERS[path]
    for sort, (field, tie) in orders.items():
        whole = (await running.get(path, sort=sort, limit=1000, **params))["items"]
        assert len(whole) > 10
        expected = sorted(whole, key=lambda item: item[tie], reverse=True)
        expected.sort(key=lambda item: (item[field] is not None, item[field] or 0), reverse=True)
        assert whole == expected, sort
        for limit in (1, 4):
            assert await pages(running, path, sort=sort, limit=limit, **params) == whole, sort
    default = (await running.get(path, limit=1000, **params))["items"]
    assert default == (await running.get(path, sort=next(iter(orders)), limit=1000, **params))["items"]


async def test_endpoints_have_their_sorts(running: Running) -> None:
    """Endpoints are sorted by name or, descending, by each figure, ties by name; pages are the whole list."""
    await talk(running)
    keys: dict[str, Any] = {
        **{name: lambda item, name=name: -item[name] for name in ("count", "error_count", "avg_response_time")},
        "p95_response_time": lambda item: -item["p95_response_time"],
        "endpoint": lambda _: 0,
        "error_rate": lambda item: -(item["error_count"] * 1_000_000 // item["count"]),
    }
    assert set(keys) == set(ENDPOINT_ORDERS)
    for sort, key in keys.items():
        whole = (await running.get("api-usage/endpoints", sort=sort, limit=1000))["items"]
        assert len(whole) == 7
        assert whole == sorted(whole, key=lambda item: (key(item), item["endpoint"])), sort
        for limit in (1, 3):
            assert await pages(running, "api-usage/endpoints", sort=sort, limit=limit) == whole, sort


async def test_a_cursor_fits_the_sort_of_its_list(running: Running) -> None:
    """A cursor of one order is a 422 in each other order of the same list."""
    await talk(running)
    orders = {
        "conversations": reports.CONVERSATION_ORDERS,
        "api-usage": reports.CALL_ORDERS,
        "api-usage/endpoints": ENDPOINT_ORDERS,
        "daily-stats": reports.DAY_ORDERS,
    }
    for path, names in orders.items():
        for sort in names:
            cursor = (await running.get(path, sort=sort, limit=1))["next"]
            for other in names:
                response = await running.http.get(
                    f"{API}/{path}", params={"sort": other, "cursor": cursor}, headers=running.admin()
                )
                assert response.status_code == (200 if other == sort else 422), (path, sort, other)


async def test_days_have_their_tokens(running: Running) -> None:
    """total_tokens of a day are those of its messages, as far as they are known."""
    await fill(running)
    await running.post("message-public", {**MESSAGE, "message_id": "n", "token_count": None, "timestamp": at(2)})
    days = (await running.get("daily-stats", **{"from": at(1, 0), "to": at(4, 0)}))["items"]
    assert [(day["date"][-2:], day["total_tokens"]) for day in days] == [
        ("03", 0), ("02", 57), ("01", 10),
    ]  # fmt: skip


async def talk(running: Running) -> None:
    """Conversations and API calls over ten days, with ties in everything, and some without a response time."""
    draw = random.Random(3)
    batch: list[dict[str, Any]] = []
    for number in range(90):
        when, user = at(draw.randrange(1, 11), draw.randrange(24)), f"u{draw.randrange(5)}"
        message = {
            "type": "message",
            "message_id": f"t{number}",
            "conversation_id": f"t{draw.randrange(20)}",
            "role": "user",
            "token_count": draw.randrange(3),
        }
        call = {"type": "api_usage", "endpoint": f"/{draw.randrange(7)}", "method": "GET"}
        answered = {"response_time": draw.randrange(4) / 4} if number % 3 else {}
        status = {"status_code": draw.choice((200, 404, 500)), "response_time": draw.randrange(4) / 4}
        batch.append({**message, **answered, "user_id": user, "timestamp": when})
        batch.append({**call, **status, "user_id": user, "timestamp": when})
    response = await running.http.post(f"{API}/track/batch", json=batch)
    assert response.json()["rejected"] == []


async def pages(running: Running, path: str, **params: Any) -> list[Any]:
    """Read all pages of a list."""
    items: list[Any] = []
    cursor: dict[str, str] = {}
    while True:
        body = await running.get(path, **params, **cursor)
        items += body["items"]
        if body["next"] is None:
            return items
        cursor = {"cursor": body["next"]}
