"""The admin's REST endpoints."""

import asyncio
import csv
import gzip
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError

from storage.model import clock
from tests.paths import API
from tests.samples.events import ACTIVITY, CALL, MESSAGE, TALK
from tests.servers.service import Running, start
from tests.web.reports.samples import LISTS, REPORTS, at, crowd, fill
from web.http import etag

pytestmark = pytest.mark.each_database


async def test_the_summary_is_flat_and_exact(running: Running) -> None:
    """The summary has the six figures, further ones beside them, and the position."""
    await fill(running)
    summary = await running.get("summary")
    position = summary.pop("position")
    assert summary == {
        "total_users": 3,
        "active_users_today": 0,
        "total_conversations": 2,
        "total_messages": 4,
        "total_tokens": 67,
        "avg_response_time": 1.0,
        "deleted_conversations": 0,
        "total_activities": 5,
        "total_api_calls": 3,
        "total_api_errors": 2,
        "avg_api_response_time": 0.25,
    }
    assert position == (await running.get("snapshot"))["position"]
    assert (await running.verdict()).differences == []


async def test_tokens_that_are_not_known_are_null(running: Running) -> None:
    """A message without tokens counts as a message, adds nothing to any sum of tokens, and is listed with null, not 0;
    so does one with null."""
    talk = {**MESSAGE, "conversation_id": "c1", "model_used": "small", "timestamp": at(1)}
    bare = {name: value for name, value in talk.items() if name != "token_count"}
    await running.post("message-public", {**talk, "message_id": "m0", "token_count": 5})
    await running.post("message-public", {**bare, "message_id": "m1"})
    await running.post("message-public", {**talk, "message_id": "m2", "token_count": None})
    await running.post("message-public", {**bare, "message_id": "m3", "conversation_id": "c2", "model_used": "new"})
    summary = await running.get("summary")
    assert (summary["total_messages"], summary["total_tokens"]) == (4, 5)
    found = {item["message_id"]: item["token_count"] for item in (await running.get("messages"))["items"]}
    assert found == {"m0": 5, "m1": None, "m2": None, "m3": None}
    talks = {item["conversation_id"]: item for item in (await running.get("conversations"))["items"]}
    assert [(talks[name]["message_count"], talks[name]["total_tokens"]) for name in ("c1", "c2")] == [(3, 5), (1, 0)]
    wanted = {"metrics": "model_messages,model_tokens", "interval": "day", "from": "2026-03-01", "to": "2026-03-02"}
    metrics = (await running.get("series", **wanted))["metrics"]
    assert (metrics["model_messages:small"], metrics["model_messages:new"]) == ([3], [1])
    assert (metrics["model_tokens:small"], metrics.get("model_tokens:new", [0])) == ([5], [0])
    answer = await running.http.get(f"{API}/messages", headers={**running.admin(), "Accept": "text/csv"})
    assert [row["token_count"] for row in csv.DictReader(answer.text.splitlines())] == ["", "", "", "5"]
    assert (await running.verdict()).differences == []


async def test_an_empty_tenant_is_zeros(running: Running) -> None:
    """A tenant nobody knows has zeros and empty lists, not an error; no mean is null."""
    summary = await running.get("summary", "nobody")
    assert summary["total_users"] == 0
    assert summary["avg_response_time"] is None
    for name in LISTS[:-1]:
        body = await running.get(name, "nobody")
        assert (body["items"], body["next"]) == ([], None)


async def test_means_are_null_or_exact(running: Running) -> None:
    """A message without a response time does not weigh on the mean; one of 0 does."""
    await running.post("message-public", {**MESSAGE, "message_id": "a"})
    assert (await running.get("summary"))["avg_response_time"] is None
    for number, seconds in enumerate((0, 0.1, 0.2)):
        await running.post("message-public", {**MESSAGE, "message_id": f"b{number}", "response_time": seconds})
    assert (await running.get("summary"))["avg_response_time"] == 0.1


async def test_the_snapshot_has_what_a_panel_shows(running: Running) -> None:
    """The snapshot has the fields of the live one: summary, the last ten activities, the first five users."""
    for number in range(12):
        user = f"u{number % 6}"
        await running.post("activity-public", {**ACTIVITY, "user_id": user, "timestamp": at(1, minute=number)})
    await running.post("activity-public", {**ACTIVITY, "user_id": "u5", "timestamp": at(1)})
    snapshot = await running.get("snapshot")
    assert [item["timestamp"] for item in snapshot["activities"]] == [at(1, minute=n) for n in range(11, 1, -1)]
    assert [(item["user_id"], item["activity_count"]) for item in snapshot["top_users"]] == [
        ("u5", 3), ("u0", 2), ("u1", 2), ("u2", 2), ("u3", 2),
    ]  # fmt: skip
    assert snapshot["summary"]["total_users"] == 6


async def test_activities_carry_their_columns(running: Running) -> None:
    """An activity is listed with all its columns, extra_data as the object that was posted."""
    extra = {"a": [1, {"b": None}], "ü": "\\u0000 as text"}
    posted = {**ACTIVITY, "ip_address": "10.0.0.1", "user_agent": "test", "extra_data": extra, "timestamp": at(1)}
    await running.post("activity-public", posted)
    item = (await running.get("users/activities"))["items"][0]
    assert isinstance(item.pop("id"), int)
    assert item == posted


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


async def test_a_conversation_sums_its_messages(running: Running) -> None:
    """A conversation has its messages' count, tokens and mean; one that nobody created has its first message's user."""
    await fill(running)
    second, first = (await running.get("conversations"))["items"]
    assert (first["conversation_id"], first["message_count"], first["total_tokens"]) == ("c1", 3, 60)
    assert (first["avg_response_time"], first["status"], first["updated_at"]) == (1.0, "active", at(2))
    assert (second["conversation_id"], second["user_id"], second["created_at"]) == ("c2", "bob", at(2))


async def test_deleted_is_final(running: Running) -> None:
    """A deleted conversation stays so and counted, though its creation arrives late; the creator then owns it."""
    await running.post("conversation-public", {**TALK, "action": "deleted", "user_id": "x", "timestamp": at(3)})
    await running.post("message-public", {**MESSAGE, "user_id": "y", "timestamp": at(1)})
    assert (await running.get("conversations"))["items"][0]["user_id"] == "y"
    await running.post("conversation-public", {**TALK, "user_id": "z", "timestamp": at(2)})
    item = (await running.get("conversations"))["items"][0]
    assert (item["status"], item["user_id"], item["created_at"]) == ("deleted", "z", at(2))
    summary = await running.get("summary")
    assert (summary["total_conversations"], summary["deleted_conversations"]) == (1, 1)
    assert (await running.verdict()).differences == []


async def test_users_are_listed(running: Running) -> None:
    """users/list has first and last sight, and with active_only those with an event today."""
    await fill(running)
    await running.post("message-public", {**MESSAGE, "message_id": "now", "user_id": "zoe"})
    items = (await running.get("users/list"))["items"]
    assert [item["user_id"] for item in items] == ["ada", "bob", "cyd", "zoe"]
    assert items[0] == {
        "user_id": "ada", "username": "Ada", "first_seen": at(1), "last_seen": at(3), "activity_count": 3,
    }  # fmt: skip
    assert items[3]["username"] is None
    active = (await running.get("users/list", active_only="true"))["items"]
    assert [item["user_id"] for item in active] == ["zoe"]
    assert (await running.get("summary"))["active_users_today"] == 1


async def test_daily_stats_fill_the_gaps(running: Running) -> None:
    """daily-stats lists every day, newest first and today included, with total_users cumulative."""
    await fill(running)
    body = await running.get("daily-stats", **{"from": "2026-02-28", "to": "2026-03-05"})
    days = {item["date"]: item for item in body["items"]}
    assert list(days) == ["2026-03-04", "2026-03-03", "2026-03-02", "2026-03-01", "2026-02-28"]
    assert [item["total_users"] for item in body["items"]] == [3, 3, 2, 2, 0]
    assert [item["new_users"] for item in body["items"]] == [0, 1, 0, 2, 0]
    assert [item["active_users"] for item in body["items"]] == [0, 2, 2, 2, 0]
    second = days["2026-03-02"]
    assert (second["total_messages"], second["total_api_calls"], second["error_count"]) == (3, 2, 2)
    assert (second["total_conversations"], second["avg_response_time"]) == (1, 1.5)
    recent = (await running.get("daily-stats", days=3))["items"]
    today = datetime.now(UTC).date()
    assert [item["date"] for item in recent] == [(today - timedelta(days=n)).isoformat() for n in range(3)]
    assert recent[0]["total_users"] == 3
    assert len((await running.get("daily-stats"))["items"]) == 30


async def test_a_late_event_moves_the_first_sight(running: Running) -> None:
    """An earlier event that arrives late moves the user's first day, and with it every total between."""
    await running.post("activity-public", {**ACTIVITY, "timestamp": at(3)})
    await running.post("activity-public", {**ACTIVITY, "timestamp": at(1)})
    body = await running.get("daily-stats", **{"from": "2026-03-01", "to": "2026-03-04"})
    assert [(item["total_users"], item["new_users"]) for item in body["items"]] == [(1, 0), (1, 0), (1, 1)]


async def test_the_zone_cuts_the_days(tmp_path: Path, database_url: str) -> None:
    """ANALYTICS_TIMEZONE decides to which day an event belongs, and where a date begins."""
    found = await start(tmp_path, DATABASE_URL=database_url, TIMEZONE="Asia/Tokyo")
    try:
        await found.post("activity-public", {**ACTIVITY, "timestamp": "2026-03-01T14:59:00Z"})
        await found.post("activity-public", {**ACTIVITY, "timestamp": "2026-03-01T15:00:00Z"})
        body = await found.get("daily-stats", **{"from": "2026-03-01", "to": "2026-03-03"})
        assert [(item["date"], item["active_users"]) for item in body["items"]] == [
            ("2026-03-02", 1), ("2026-03-01", 1),
        ]  # fmt: skip
        day = await found.get("users/activities", **{"from": "2026-03-02"})
        assert len(day["items"]) == 1
        assert (await found.verdict()).differences == []
    finally:
        await found.stop()


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


async def test_messages_are_listed(running: Running) -> None:
    """messages lists the messages of one conversation or of all, newest first, with their columns."""
    await fill(running)
    items = (await running.get("messages", conversation_id="c1"))["items"]
    assert [item["message_id"] for item in items] == ["m2", "m1", "m0"]
    assert isinstance(items[0].pop("id"), int)
    assert items[0] == {
        "message_id": "m2", "conversation_id": "c1", "user_id": "ada", "role": MESSAGE["role"], "token_count": 30,
        "response_time": 2.0, "model_used": None, "created_at": at(2),
    }  # fmt: skip
    everything = (await running.get("messages"))["items"]
    assert [item["message_id"] for item in everything] == ["m9", "m2", "m1", "m0"]
    assert everything[0]["response_time"] is None
    assert (await running.get("messages", conversation_id="c3"))["items"] == []
    assert len((await running.get("messages", **{"from": at(2)}))["items"]) == 3


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


@pytest.mark.parametrize("name", REPORTS)
async def test_an_etag_saves_the_body(running: Running, name: str) -> None:
    """If-None-Match gets 304 until a commit changes the position; without a token it gets 401 all the same."""
    await running.post("activity-public", ACTIVITY)
    first = await running.http.get(f"{API}/{name}", headers=running.admin())
    assert first.headers["cache-control"] == "private, no-cache"
    known = first.headers["etag"]
    assert known.startswith('W/"')
    for value in (known, known.removeprefix("W/"), f'"other", {known}', "*"):
        again = await running.http.get(f"{API}/{name}", headers={**running.admin(), "If-None-Match": value})
        assert (again.status_code, again.content) == (304, b"")
    assert (await running.http.get(f"{API}/{name}", headers={"If-None-Match": known})).status_code == 401
    await running.post("activity-public", ACTIVITY)
    changed = await running.http.get(f"{API}/{name}", headers={**running.admin(), "If-None-Match": known})
    assert changed.status_code == 200


async def test_an_upgrade_changes_every_etag(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """A 304 does not outlive the version that the body was of: another one may answer otherwise from the same data."""
    paths = (f"{API}/summary", f"{API}/users/list", f"{API}/series?metrics=messages&interval=day")
    known = {path: (await running.http.get(path, headers=running.admin())).headers["etag"] for path in paths}
    for build, status in ((etag.BUILD, 304), ("another", 200)):
        monkeypatch.setattr(etag, "BUILD", build)
        for path in paths:
            headers = {**running.admin(), "If-None-Match": known[path]}
            assert (await running.http.get(path, headers=headers)).status_code == status, path


async def test_answers_are_gzipped(running: Running) -> None:
    """A report is gzipped for those who take it, with the same ETag; what is short is not, nor is a tracking answer."""
    await crowd(running, 1)
    headers = {**running.admin(), "Accept-Encoding": "gzip"}
    async with running.http.stream("GET", f"{API}/users/list", headers=headers) as response:
        body = b"".join([chunk async for chunk in response.aiter_raw()])
    plain = await running.http.get(f"{API}/users/list", headers={**running.admin(), "Accept-Encoding": "identity"})
    assert response.headers["content-encoding"] == "gzip"
    assert "content-encoding" not in plain.headers
    assert gzip.decompress(body) == plain.content
    assert response.headers["etag"] == plain.headers["etag"]
    for answer in (response, plain):
        vary = {name.strip() for name in answer.headers["vary"].split(",")}
        assert vary == {"Authorization", "Origin", "Accept", "Accept-Encoding"}
    again = await running.http.get(f"{API}/users/list", headers={**headers, "If-None-Match": response.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    short = await running.http.get(f"{API}/summary", headers=headers)
    assert "content-encoding" not in short.headers
    posted = await running.http.post(f"{API}/track/activity-public", json=ACTIVITY, headers={"Accept-Encoding": "gzip"})
    assert "vary" not in posted.headers


async def test_figures_and_position_are_of_one_moment(running: Running) -> None:
    """While others write, figures and position belong together: with one message a commit, they are equal."""
    done = False

    async def write() -> None:
        number = 0
        while not done:
            number += 1
            await running.post("message-public", {**MESSAGE, "message_id": f"w{number}", "token_count": 1})

    async def read() -> None:
        for _ in range(60):
            for name in ("snapshot", "summary"):
                body = await running.get(name)
                sequence = int(body["position"].split(".")[1])
                figures = body.get("summary", body)
                assert (figures["total_messages"], figures["total_tokens"]) == (sequence, sequence)

    writer = asyncio.create_task(write())
    await asyncio.gather(*(read() for _ in range(3)))
    done = True
    await writer


async def test_no_parameter_leads_to_another_tenant(running: Running) -> None:
    """Whatever is asked, each endpoint shows the token's tenant alone."""
    for key, user in (("acme-key-0123456789", "acme-user"), ("globex-key-0123456789", "globex-user")):
        await running.post("activity-public", {**ACTIVITY, "user_id": user}, key)
        await running.post("message-public", {**MESSAGE, "user_id": user}, key)
        await running.post("api-usage-public", {**CALL, "endpoint": f"/{user}"}, key)
    tricks: list[dict[str, str]] = [
        {},
        {"tenant": "globex"},
        {"tenant_id": "globex"},
        {"user_id": "globex-user"},
        {"endpoint": "/globex-user"},
        {"from": "1970-01-01"},
    ]
    for name in REPORTS:
        for params in tricks:
            response = await running.http.get(f"{API}/{name}", params=params, headers=running.admin("acme"))
            assert response.status_code == 200
            assert "globex" not in response.text
        theirs = (await running.get("users/activities", "globex", limit=1))["next"]
        assert theirs is None


async def test_midnight_changes_the_etag(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """On another day the same position is another answer: no 304."""
    await running.post("activity-public", ACTIVITY)
    token = {"Authorization": f"Bearer {running.token(seconds=10**6)}"}
    first = await running.http.get(f"{API}/summary", headers=token)
    assert first.json()["active_users_today"] == 1
    monkeypatch.setattr(clock, "unix", lambda: time.time() + 86_400)
    later = await running.http.get(f"{API}/summary", headers={**token, "If-None-Match": first.headers["etag"]})
    assert (later.status_code, later.json()["active_users_today"]) == (200, 0)


async def test_a_database_that_cannot_be_read_is_503(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the database is out of reach a report is a 503 with Retry-After, without a word of what was asked."""

    async def fail(*_arguments: object) -> None:
        raise OperationalError("SELECT secret", {"user": "secret"}, OSError("disk"))

    monkeypatch.setattr("web.reports.endpoints.read_head", fail)
    response = await running.http.get(f"{API}/summary", headers=running.admin())
    assert (response.status_code, response.headers["retry-after"]) == (503, "1")
    assert "secret" not in response.text
