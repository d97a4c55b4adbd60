"""Lists: filters, searches, sorts and pages."""

from typing import Any

import pytest

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
