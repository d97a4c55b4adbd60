"""The reports about one thing over REST, the filters of the lists beside them, and the search that leads to them."""

from typing import Any

import pytest

from storage.retention.erasure import forget
from storage.retention.steps import Steps
from tests.paths import API
from tests.samples.events import ACTIVITY, CALL, MESSAGE, TALK
from tests.servers.service import Running
from tests.web.reports.samples import at, fill

pytestmark = pytest.mark.each_database

MARCH = {"from": "2026-03-01", "to": "2026-03-05", "interval": "day"}
DETAILS: list[tuple[str, dict[str, str]]] = [
    ("users/detail", {"user_id": "ada", **MARCH}),
    ("conversations/detail", {"conversation_id": "c1"}),
    ("api-usage/endpoints/detail", {"endpoint": "/v1/chat", **MARCH}),
    ("models/detail", {"model_used": "large", **MARCH}),
]


async def test_each_figure_of_a_user_is_that_of_the_lists(running: Running) -> None:
    """A user's figures over a range are as many as the lists have of that user in it."""
    await fill(running)
    await running.post("api-usage-public", {**CALL, "user_id": "ada", "status_code": 502, "timestamp": at(3)})
    found = await running.get("users/detail", user_id="ada", **MARCH)
    assert (found["username"], found["first_seen"], found["last_seen"]) == ("Ada", at(1), at(3))
    assert found["start"] == [f"2026-03-0{day}T00:00:00.000Z" for day in range(1, 5)]
    assert found["metrics"]["messages"] == [1, 2, 0, 0]
    lists = {
        "activities": await running.get(
            "users/activities", user_id="ada", **{"from": "2026-03-01", "to": "2026-03-05"}
        ),
        "messages": await running.get("messages", user_id="ada"),
        "conversations": await running.get("conversations", user_id="ada"),
        "api_calls": await running.get("api-usage", user_id="ada"),
        "api_errors": await running.get("api-usage", user_id="ada", status="5xx"),
    }
    assert {name: len(body["items"]) for name, body in lists.items()} == {
        name: found["figures"][name] for name in lists
    }
    assert found["figures"]["tokens"] == sum(item["token_count"] for item in lists["messages"]["items"])
    assert found["position"] == lists["messages"]["position"]


async def test_a_conversation_has_its_timeline(running: Running) -> None:
    """Messages of a conversation, oldest first, page by page, are all of those that its report counts."""
    await fill(running)
    found = await running.get("conversations/detail", conversation_id="c1")
    assert (found["user_id"], found["username"], found["message_count"], found["status"]) == ("ada", "Ada", 3, "active")
    assert (found["first_message_at"], found["last_message_at"], found["deleted_at"]) == (at(1), at(2), None)
    timeline: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        body = await running.get("messages", conversation_id="c1", sort="oldest", limit=2, **cursor)
        timeline += [item["message_id"] for item in body["items"]]
        if body["next"] is None:
            break
        cursor = {"cursor": body["next"]}
    assert timeline == ["m0", "m1", "m2"]
    await running.post("conversation-public", {**TALK, "user_id": "ada", "action": "deleted", "timestamp": at(4)})
    assert (await running.get("conversations/detail", conversation_id="c1"))["deleted_at"] == at(4)


async def test_an_endpoint_has_the_figures_of_its_calls(running: Running) -> None:
    """An endpoint's figures and statuses are those of the list of its calls."""
    await fill(running)
    found = await running.get("api-usage/endpoints/detail", endpoint="/v1/chat", **MARCH)
    assert found["figures"] == (await running.get("api-usage", endpoint="/v1/chat"))["stats"]
    assert {item["status_code"]: item["count"] for item in found["status_codes"]} == {200: 1, 500: 1, 503: 1}
    for status, count in (("503", 1), ("5xx", 2), ("2xx", 1), ("404", 0)):
        assert (await running.get("api-usage", status=status))["stats"]["count"] == count


async def test_models_are_a_filter(running: Running) -> None:
    """With model_used, messages are those of the model, and conversations those with such a message."""
    await fill(running)
    await running.post(
        "message-public",
        {**MESSAGE, "message_id": "big", "conversation_id": "c2", "model_used": "large", "timestamp": at(3)},
    )
    found = await running.get("models/detail", model_used="large", **MARCH)
    assert found["figures"] == {"messages": 1, "tokens": 7, "avg_response_time": None}
    assert [item["message_id"] for item in (await running.get("messages", model_used="large"))["items"]] == ["big"]
    talks = (await running.get("conversations", model_used="large"))["items"]
    assert [item["conversation_id"] for item in talks] == ["c2"]
    assert (await running.get("messages", model_used="none"))["items"] == []


@pytest.mark.parametrize(("path", "params"), DETAILS)
async def test_each_report_has_an_etag(running: Running, path: str, params: dict[str, str]) -> None:
    """If-None-Match saves the body until a commit; without a token there is no answer."""
    await fill(running)
    first = await running.http.get(f"{API}/{path}", params=params, headers=running.admin())
    assert first.status_code == 200
    known = {"If-None-Match": first.headers["etag"]}
    again = await running.http.get(f"{API}/{path}", params=params, headers={**running.admin(), **known})
    # The next minute has another one, as series do.
    assert again.status_code == 304 or again.headers["etag"] != first.headers["etag"]
    assert (await running.http.get(f"{API}/{path}", params=params, headers=known)).status_code == 401
    await running.post("activity-public", ACTIVITY)
    changed = await running.http.get(f"{API}/{path}", params=params, headers={**running.admin(), **known})
    assert changed.status_code == 200


async def test_unknown_things(running: Running) -> None:
    """A user or a conversation that no event names is a 404 that names the parameter and not its value; an endpoint or
    a model has zeros, as an unknown tenant has."""
    await fill(running)
    for path, field in (("users/detail", "user_id"), ("conversations/detail", "conversation_id")):
        for tenant, value in (("default", "secret"), ("acme", "ada" if field == "user_id" else "c1")):
            answer = await running.http.get(f"{API}/{path}", params={field: value}, headers=running.admin(tenant))
            assert (answer.status_code, answer.json()["field"]) == (404, field)
            assert answer.headers["content-type"] == "application/problem+json"
            assert value not in answer.text
    for path, params in DETAILS[2:]:
        figures = (await running.get(path, "acme", **params))["figures"]
        assert set(figures.values()) == {0, None}


BAD = [
    ("users/detail", {}, "user_id"),
    ("users/detail", {"user_id": ""}, "user_id"),
    ("users/detail", {"user_id": "u", "interval": "week"}, "interval"),
    ("users/detail", {"user_id": "u", "from": "2026-03-02", "to": "2026-03-01"}, "to"),
    ("users/detail", {"user_id": "u", "from": "2000-01-01", "interval": "minute"}, "interval"),
    ("conversations/detail", {}, "conversation_id"),
    ("conversations/detail", {"conversation_id": "x" * 256}, "conversation_id"),
    ("api-usage/endpoints/detail", {}, "endpoint"),
    ("models/detail", {}, "model_used"),
    ("search", {}, "part"),
    ("search", {"part": "a\0"}, "part"),
    ("search", {"part": "a", "limit": "21"}, "limit"),
    ("messages", {"sort": "slowest"}, "sort"),
    ("messages", {"model_used": ""}, "model_used"),
    ("conversations", {"model_used": "x" * 256}, "model_used"),
    ("api-usage", {"status": "600"}, "status"),
    ("api-usage", {"status": "5x"}, "status"),
    ("api-usage", {"status": "\u0665\u0660\u0660"}, "status"),
]


@pytest.mark.no_database
@pytest.mark.parametrize(("path", "params", "field"), BAD)
async def test_a_bad_parameter_is_named(running: Running, path: str, params: dict[str, Any], field: str) -> None:
    """A parameter that is missing or breaks a rule is a 422 that names it."""
    answer = await running.http.get(f"{API}/{path}", params=params, headers=running.admin())
    assert (answer.status_code, answer.json()["field"]) == (422, field)


async def test_no_report_leads_to_another_tenant(running: Running) -> None:
    """Reports about one thing, and the search, show the token's tenant alone, also if both have a thing of one name."""
    for key, secret in (("acme-key-0123456789", "acme"), ("globex-key-0123456789", "globex")):
        await running.post("activity-public", {**ACTIVITY, "user_id": "ada", "username": secret}, key)
        await running.post("conversation-public", {**TALK, "user_id": secret}, key)
        message = {**MESSAGE, "user_id": secret, "model_used": "large"}
        await running.post("message-public", message, key)
        await running.post("message-public", {**message, "message_id": "m2", "model_used": f"shared-{secret}"}, key)
        await running.post("api-usage-public", {**CALL, "user_id": secret}, key)
        await running.post("api-usage-public", {**CALL, "endpoint": f"/shared/{secret}"}, key)
    today = {"interval": "day"}
    for path, params in [*DETAILS, *(("search", {"part": part}) for part in ("a", "c", "g", "/", "shared"))]:
        params = {**params, **today} if "interval" in params else params
        params = {name: value for name, value in params.items() if name not in ("from", "to")}
        answer = await running.http.get(f"{API}/{path}", params=params, headers=running.admin("acme"))
        assert answer.status_code == 200, answer.text
        assert "globex" not in answer.text
        assert path == "search" or "acme" in answer.text


async def test_an_erased_user_is_unknown(running: Running) -> None:
    """After an erasure the user is a 404, also for who holds an ETag of before, and no search finds it."""
    await fill(running)
    params = {"user_id": "ada", **MARCH}
    before = await running.http.get(f"{API}/users/detail", params=params, headers=running.admin())
    assert [item["user_id"] for item in (await running.get("search", part="ad"))["users"]] == ["ada"]
    await forget(Steps(running.service.database, 100, rest=0), "default", "ada")
    known = {**running.admin(), "If-None-Match": before.headers["etag"]}
    assert (await running.http.get(f"{API}/users/detail", params=params, headers=known)).status_code == 404
    assert (await running.get("search", part="ad"))["users"] == []
    assert (await running.get("conversations/detail", conversation_id="c2"))["username"] == "Bob"


async def test_the_search_finds_by_beginning_or_part(running: Running) -> None:
    """Users and conversations are found by the beginning of their id, endpoints and models by a part, without regard to
    their capital letters; each at most as often as the limit says, in order."""
    for name in ("ada", "adam", "Ada", "bob%", "bob_x"):
        await running.post("activity-public", {**ACTIVITY, "user_id": name, "username": name.title()})
    for name in ("a1", "a2", "b1"):
        await running.post("conversation-public", {**TALK, "conversation_id": name, "user_id": "ada"})
    for name in ("/v1/Chat", "/v1/models", "/100%"):
        await running.post("api-usage-public", {**CALL, "endpoint": name})
    for name in ("GPT-4o", "small"):
        await running.post("message-public", {**MESSAGE, "message_id": name, "model_used": name})
    found = await running.get("search", part="ada")
    assert [item["user_id"] for item in found["users"]] == ["ada", "adam"]
    assert found["users"][0]["username"] == "Ada"
    assert [item["user_id"] for item in (await running.get("search", part="bob%"))["users"]] == ["bob%"]
    talks = (await running.get("search", part="a", limit=1))["conversations"]
    assert talks == [{"conversation_id": "a1", "user_id": "ada"}]
    for part, endpoints in (("chat", ["/v1/Chat"]), ("V1", ["/v1/Chat", "/v1/models"]), ("%", ["/100%"])):
        assert [item["endpoint"] for item in (await running.get("search", part=part))["endpoints"]] == endpoints
    assert (await running.get("search", part="gpt"))["models"] == [{"model_used": "GPT-4o"}]
