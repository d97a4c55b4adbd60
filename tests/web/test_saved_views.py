"""Saved views over REST."""

import asyncio
from typing import Any

import pytest

from storage.credentials import AuditEntry, read_audit
from storage.engine.database import WriteTransaction
from storage.retention.erasure import forget
from storage.retention.steps import Steps
from storage.saved_views import FILTERS, MAX_VIEWS, SavedView, add_view
from tests.paths import API
from tests.samples.events import ACTIVITY
from tests.servers.service import Running

pytestmark = pytest.mark.each_database

VIEW = {"name": "Ada's failures", "page": "calls", "filters": {"user_id": "ada", "status": "5xx"}, "range": "7d"}


async def send(running: Running, method: str, path: str = "views", tenant: str = "default", **options: Any) -> Any:
    return await running.http.request(method, f"{API}/{path}", headers=running.admin(tenant), **options)


async def saved(running: Running, tenant: str = "default", **fields: Any) -> dict[str, Any]:
    answer = await send(running, "POST", tenant=tenant, json={**VIEW, **fields})
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


async def names(running: Running, tenant: str = "default") -> list[str]:
    return [item["name"] for item in (await running.get("views", tenant))["items"]]


async def audited(running: Running) -> list[AuditEntry]:
    async with running.service.database.read() as connection:
        return await read_audit(connection, 100)


async def test_a_view_is_saved_renamed_and_deleted(running: Running) -> None:
    """A view is listed as it was saved, by name; it gets another name, and is deleted for good."""
    first, other = await saved(running), await saved(running, name="A", filters={}, range=None)
    assert {name: first[name] for name in ("name", "page", "range")} == {
        name: VIEW[name] for name in ("name", "page", "range")
    }
    assert first["filters"] == {**dict.fromkeys(FILTERS), "user_id": "ada", "status": "5xx"}
    assert (await running.get("views"))["items"] == [other, first]
    renamed = await send(running, "PATCH", f"views/{first['id']}", json={"name": "  Zoë 😀 "})
    assert (renamed.status_code, renamed.json()) == (200, {**first, "name": "Zoë 😀"})
    assert (await running.get("views"))["items"] == [other, renamed.json()]
    deleted = await send(running, "DELETE", f"views/{first['id']}")
    assert (deleted.status_code, deleted.content) == (204, b"")
    assert await names(running) == ["A"]
    for method in ("DELETE", "PATCH"):
        answer = await send(running, method, f"views/{first['id']}", json={"name": "B"})
        assert (answer.status_code, answer.json()["field"]) == (404, "view_id")


async def test_each_change_is_audited(running: Running) -> None:
    """The database says who saved, renamed and deleted which view, by its id: its name may be a person's."""
    view = await saved(running)
    await send(running, "PATCH", f"views/{view['id']}", json={"name": "B"})
    await send(running, "PATCH", f"views/{view['id']}", json={"name": "B"})
    await send(running, "DELETE", f"views/{view['id']}")
    await send(running, "DELETE", f"views/{view['id']}")
    acts = sorted(await audited(running), key=lambda act: act.at)
    assert {(act.tenant_id, act.actor, act.target) for act in acts} == {("default", "ada", view["id"])}
    assert sorted(act.action for act in acts) == ["view deleted", "view renamed", "view saved"]


async def test_an_etag_saves_the_list(running: Running) -> None:
    """If-None-Match gets 304 until a view changes; an event changes nothing."""
    await saved(running)
    first = await send(running, "GET")
    known = {**running.admin(), "If-None-Match": first.headers["etag"]}
    await running.post("activity-public", ACTIVITY)
    assert (await running.http.get(f"{API}/views", headers=known)).status_code == 304
    await saved(running, name="B")
    assert (await running.http.get(f"{API}/views", headers=known)).status_code == 200


async def test_tenants_have_views_of_their_own(running: Running) -> None:
    """Views of one tenant cannot be seen, renamed or deleted by another, which may use the same name."""
    ours, theirs = await saved(running, "acme"), await saved(running, "globex")
    assert (await running.get("views", "acme"))["items"] == [ours]
    for method in ("DELETE", "PATCH"):
        assert (await send(running, method, f"views/{theirs['id']}", "acme", json={"name": "B"})).status_code == 404
    assert (await running.get("views", "globex"))["items"] == [theirs]
    assert await names(running, "nobody") == []
    assert (await running.get("summary", "acme"))["total_users"] == 0


async def test_names_are_unique(running: Running) -> None:
    """A name that another view has is a 409, when a view is saved and when it is renamed; its own name is not."""
    first, _ = await saved(running), await saved(running, name="B")
    taken = await send(running, "POST", json=VIEW)
    assert (taken.status_code, taken.json()["field"]) == (409, "name")
    assert "Ada" not in taken.text
    assert (await send(running, "PATCH", f"views/{first['id']}", json={"name": "B"})).status_code == 409
    assert (await send(running, "PATCH", f"views/{first['id']}", json={"name": VIEW["name"]})).status_code == 200
    assert await names(running) == [VIEW["name"], "B"]


async def test_there_are_so_many_views(running: Running) -> None:
    """A tenant has 200 views at the most, however many are saved at once; the next one is a 409."""

    def fill_up(connection: WriteTransaction) -> None:
        for number in range(MAX_VIEWS - 2):
            add_view(connection, "ada", "default", SavedView(f"view {number}", "users"))

    await running.service.database.write(fill_up)
    answers = await asyncio.gather(*(send(running, "POST", json={**VIEW, "name": f"n{number}"}) for number in range(6)))
    assert sorted(answer.status_code for answer in answers) == [201, 201, 409, 409, 409, 409]
    assert len(await names(running)) == MAX_VIEWS
    assert (await send(running, "POST", "views", "acme", json=VIEW)).status_code == 201


BAD: list[tuple[dict[str, Any], str]] = [
    ({"name": ""}, "name"),
    ({"name": "   "}, "name"),
    ({"name": "x" * 101}, "name"),
    ({"name": "a\nb"}, "name"),
    ({"name": "a\0"}, "name"),
    ({"name": 5}, "name"),
    ({"name": None}, "name"),
    ({"page": ""}, "page"),
    ({"page": "javascript:alert(1)"}, "page"),
    ({"page": "x" * 41}, "page"),
    ({"range": "secret value"}, "range"),
    ({"range": "9" * 61}, "range"),
    ({"filters": None}, "filters"),
    ({"filters": {"secret": "x"}}, "filters.secret"),
    ({"filters": {"user_id": ""}}, "filters.user_id"),
    ({"filters": {"user_id": "secret\0"}}, "filters.user_id"),
    ({"filters": {"user_id": "x" * 256}}, "filters.user_id"),
    ({"filters": {"endpoint": "x" * 513}}, "filters.endpoint"),
    ({"filters": {"status": 5}}, "filters.status"),
    ({"unknown": 1}, "unknown"),
]


@pytest.mark.no_database
@pytest.mark.parametrize(("fields", "field"), BAD)
async def test_a_bad_view_is_refused(running: Running, fields: dict[str, Any], field: str) -> None:
    """A view that breaks a rule is a 422 that names the field and not its value; nothing is saved."""
    answer = await send(running, "POST", json={**VIEW, **fields})
    assert (answer.status_code, answer.json()["field"]) == (422, field), answer.text
    assert "secret" not in answer.text.replace("filters.secret", "")
    assert await names(running) == []
    assert await audited(running) == []


@pytest.mark.no_database
async def test_what_is_no_view_is_refused(running: Running) -> None:
    """A body that is no JSON, too large or of another media type is refused, and so is who is no admin."""
    sent = {"Content-Type": "application/json", **running.admin()}
    bodies = ((b"{", 400), (b"[]", 422), (b"\xff", 400), (b" " * 17_000, 413), (b"[" * 10_000, 422))
    for body, status in bodies:
        answer = await running.http.post(f"{API}/views", content=body, headers=sent)
        assert answer.status_code == status, body[:10]
        assert answer.headers["content-type"] == "application/problem+json"
    for media in ("text/plain", "application/x-www-form-urlencoded", ""):
        headers = {**running.admin(), "Content-Type": media}
        assert (await running.http.post(f"{API}/views", content=b"{}", headers=headers)).status_code == 415
    token = running.token(roles=["user"])
    for method, path in (("GET", "views"), ("POST", "views"), ("PATCH", "views/x"), ("DELETE", "views/x")):
        for headers, status in (({}, 401), ({"Authorization": f"Bearer {token}"}, 403)):
            answer = await running.http.request(method, f"{API}/{path}", headers=headers, json=VIEW)
            assert answer.status_code == status
    assert await names(running) == []


async def test_a_forgotten_user_is_in_no_view(running: Running) -> None:
    """An erasure removes the views that name the user, in that tenant alone, also if no event names the user."""
    key = "acme-key-0123456789"
    for tenant in ("default", "acme"):
        await running.post("activity-public", {**ACTIVITY, "user_id": "ada"}, key if tenant == "acme" else None)
        await saved(running, tenant)
        await saved(running, tenant, name="others", filters={"user_id": "bob"})
        await saved(running, tenant, name="everything", filters={})
    steps = Steps(running.service.database, 100, rest=0)
    assert (await forget(steps, "default", "ada"))["saved_views"] == 1
    assert await names(running) == ["everything", "others"]
    assert await names(running, "acme") == [VIEW["name"], "everything", "others"]
    assert (await forget(steps, "default", "bob"))["saved_views"] == 1
    assert await names(running) == ["everything"]
    assert (await running.verdict()).differences == []
