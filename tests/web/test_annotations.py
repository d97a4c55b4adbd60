"""Annotations over REST."""

import asyncio
from typing import Any

import pytest

from storage.credentials import AuditEntry, read_audit
from tests.paths import API
from tests.samples.events import ACTIVITY
from tests.servers.service import Running

pytestmark = pytest.mark.each_database

DEPLOY = {"kind": "deploy", "text": "v2.4.1 😀", "at": "2026-03-02T12:00:00Z", "link": "https://ci.example.org/1?a=b#c"}
INCIDENT = {"kind": "incident", "text": "slow", "at": "2026-03-01T23:00:00+01:00", "until": "2026-03-02T03:00:00Z"}


async def send(running: Running, method: str, path: str = "annotations", tenant: str = "default", **more: Any) -> Any:
    return await running.http.request(method, f"{API}/{path}", headers=running.admin(tenant), **more)


async def added(running: Running, tenant: str = "default", **fields: Any) -> dict[str, Any]:
    answer = await send(running, "POST", tenant=tenant, json=fields)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


async def texts(running: Running, tenant: str = "default", **params: Any) -> list[str]:
    return [item["text"] for item in (await running.get("annotations", tenant, **params))["items"]]


async def audited(running: Running) -> list[AuditEntry]:
    async with running.service.database.read() as connection:
        return await read_audit(connection, 100)


async def test_an_annotation_is_added_listed_and_deleted(running: Running) -> None:
    """An annotation is answered and listed as it was added, with its author, latest first, and deleted for good."""
    deploy, incident = await added(running, **DEPLOY), await added(running, **INCIDENT)
    assert {name: deploy[name] for name in ("kind", "text", "link", "until", "author")} == {
        "kind": "deploy",
        "text": "v2.4.1 😀",
        "link": DEPLOY["link"],
        "until": None,
        "author": "ada",
    }
    assert (incident["at"], incident["until"]) == ("2026-03-01T22:00:00.000Z", "2026-03-02T03:00:00.000Z")
    listed = await running.get("annotations")
    assert listed["items"] == [deploy, incident]
    deleted = await send(running, "DELETE", f"annotations/{deploy['id']}")
    assert (deleted.status_code, deleted.content) == (204, b"")
    assert await texts(running) == ["slow"]
    for unknown in (deploy["id"], "x", "0" * 16):
        again = await send(running, "DELETE", f"annotations/{unknown}")
        assert (again.status_code, again.json()["field"]) == (404, "annotation_id")


async def test_a_range_has_what_happened_in_it(running: Running) -> None:
    """A range lists annotations of which a part lies in it, also those that began before; a kind selects."""
    await added(running, **DEPLOY)
    await added(running, **INCIDENT)
    for start, end, found in (
        ("2026-03-02T01:00:00Z", "2026-03-02T02:00:00Z", ["slow"]),
        ("2026-03-02T03:00:00Z", "2026-03-02T12:00:00Z", ["slow"]),
        ("2026-03-02T03:00:00.001Z", "2026-03-02T12:00:00.001Z", ["v2.4.1 😀"]),
        ("2026-03-01T00:00:00Z", "2026-03-01T22:00:00Z", []),
        ("2026-03-01", "2026-03-03", ["v2.4.1 😀", "slow"]),
    ):
        assert await texts(running, **{"from": start, "to": end}) == found, (start, end)
    assert await texts(running, kind="incident") == ["slow"]


async def test_pages_hold_each_once(running: Running) -> None:
    """Small pages give what one large page gives, also of annotations of one time."""
    for number in range(7):
        await added(running, text=f"n{number}", at=f"2026-03-0{number % 2 + 1}")
    whole, cursor, seen = await texts(running), None, []
    while True:
        page = await running.get("annotations", limit=2, **({"cursor": cursor} if cursor else {}))
        seen += [item["text"] for item in page["items"]]
        cursor = page["next"]
        if cursor is None:
            break
    assert seen == whole
    assert len(seen) == 7


async def test_an_annotation_without_a_time_is_of_now(running: Running) -> None:
    """Without a time and a kind an annotation is a note of the moment at which it arrived."""
    note = await added(running, text="  hello ")
    assert (note["kind"], note["text"], note["at"], note["link"]) == ("note", "hello", note["created_at"], None)


async def test_a_new_annotation_moves_the_position_and_no_figure(running: Running) -> None:
    """An annotation is one change: open dashboards get a delta with the new position, the list's ETag changes, and
    every figure stays, as the recount says."""
    await running.post("activity-public", ACTIVITY)
    panel = await running.panel()
    before, known = await running.get("summary"), await send(running, "GET")
    annotation = await added(running, **DEPLOY)
    after = await running.get("summary")
    assert int(after["position"].split(".")[1]) == int(before["position"].split(".")[1]) + 1
    assert {**after, "position": ""} == {**before, "position": ""}
    await panel.until_position(after["position"])
    assert panel.frames[-1]["type"] == "delta"
    again = {**running.admin(), "If-None-Match": known.headers["etag"]}
    assert (await running.http.get(f"{API}/annotations", headers=again)).status_code == 200
    await send(running, "DELETE", f"annotations/{annotation['id']}")
    assert (await running.verdict()).differences == []


async def test_each_change_of_an_annotation_is_audited(running: Running) -> None:
    """The database says who added and who deleted which annotation, by its id: its text is not repeated."""
    annotation = await added(running, **DEPLOY)
    await send(running, "DELETE", f"annotations/{annotation['id']}")
    await send(running, "DELETE", f"annotations/{annotation['id']}")
    acts = [(act.tenant_id, act.actor, act.action, act.target) for act in await audited(running)]
    assert sorted(acts) == [
        ("default", "ada", "annotation added", f"{annotation['id']} deploy"),
        ("default", "ada", "annotation deleted", annotation["id"]),
    ]


async def test_annotations_are_of_one_tenant(running: Running) -> None:
    """Annotations of one tenant are neither listed nor deleted by another."""
    theirs = await added(running, "acme", **DEPLOY)
    assert await texts(running) == []
    assert (await send(running, "DELETE", f"annotations/{theirs['id']}")).status_code == 404
    assert await texts(running, "acme") == ["v2.4.1 😀"]


async def test_there_are_so_many_annotations(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond the bound of a tenant an annotation is a 409, however many arrive at once; another tenant has its own."""
    monkeypatch.setattr("storage.annotations.MAX_ANNOTATIONS", 3)
    answers = await asyncio.gather(*(send(running, "POST", json=DEPLOY) for _ in range(5)))
    assert sorted(answer.status_code for answer in answers) == [201, 201, 201, 409, 409]
    assert (await send(running, "POST", tenant="acme", json=DEPLOY)).status_code == 201


BAD: list[tuple[dict[str, Any], str]] = [
    ({"text": ""}, "text"),
    ({"text": "   "}, "text"),
    ({"text": "x" * 501}, "text"),
    ({"text": "a\nb"}, "text"),
    ({"text": None}, "text"),
    ({"kind": "secret"}, "kind"),
    ({"at": "secret"}, "at"),
    ({"at": "2026-03-01T12:00:00"}, "at"),
    ({"at": 5}, "at"),
    ({"until": "2026-03-02T12:00:00Z"}, "until"),
    ({"until": "2026-03-01"}, "until"),
    ({"until": "secret"}, "until"),
    ({"link": "javascript:alert('secret')"}, "link"),
    ({"link": "ftp://secret.example.org"}, "link"),
    ({"link": "https://"}, "link"),
    ({"link": "https://[secret"}, "link"),
    ({"link": "https://user:secret@example.org"}, "link"),
    ({"link": "https://example.org/a secret"}, "link"),
    ({"link": "https://example.org/" + "x" * 2000}, "link"),
    ({"unknown": 1}, "unknown"),
]


@pytest.mark.no_database
@pytest.mark.parametrize(("fields", "field"), BAD)
async def test_a_bad_annotation_is_refused(running: Running, fields: dict[str, Any], field: str) -> None:
    """An annotation that breaks a rule is a 422 that names the field and not its value; nothing is added."""
    answer = await send(running, "POST", json={**DEPLOY, **fields})
    assert (answer.status_code, answer.json()["field"]) == (422, field), answer.text
    assert "secret" not in answer.text
    assert await texts(running) == []


@pytest.mark.no_database
async def test_only_admins_annotate(running: Running) -> None:
    """Without a token, with one that is no admin's, and with a tracking key, an annotation is refused."""
    token = running.token(roles=["viewer"])
    for headers, status in (({}, 401), ({"Authorization": f"Bearer {token}"}, 403), ({"X-Tracking-Key": "k"}, 401)):
        answer = await running.http.post(f"{API}/annotations", json=DEPLOY, headers=headers)
        assert answer.status_code == status
