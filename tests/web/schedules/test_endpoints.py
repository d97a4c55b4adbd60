"""Scheduled reports over REST."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from storage.credentials import read_audit
from tests.paths import API
from tests.servers.service import Running, start
from tests.web.schedules.samples import REQUEST

pytestmark = pytest.mark.each_database
PATH = f"{API}/report-schedules"


@pytest.fixture
async def sending(tmp_path: Path, database_url: str) -> AsyncIterator[Running]:
    """A service with a mail server in its settings, which nothing is sent to here."""
    found = await start(
        tmp_path,
        DATABASE_URL=database_url,
        TIMEZONE="Europe/Vienna",
        SMTP_URL="smtp+plain://127.0.0.1:9",
        MAIL_FROM="analytics@example.com",
        ALERTS_SECRET="a secret of the tests",
    )
    yield found
    await found.drop()


async def post(running: Running, tenant: str = "default", **changes: Any) -> httpx2.Response:
    body = {name: value for name, value in {**REQUEST, **changes}.items() if value is not ...}
    return await running.http.post(PATH, json=body, headers=running.admin(tenant))


async def test_a_schedule_is_added_listed_and_deleted(sending: Running) -> None:
    """A schedule is answered and listed as it was added, with its next time, and deleted for good; both are audited."""
    added = await post(sending)
    assert added.status_code == 201, added.text
    schedule = added.json()
    assert {name: schedule[name] for name in REQUEST} == REQUEST
    assert (schedule["author"], schedule["sent_at"], schedule["problem"]) == ("ada", None, None)
    listed = await sending.get("report-schedules")
    assert listed == {"items": [schedule], "timezone": "Europe/Vienna", "can_send": True}
    path = f"{PATH}/{schedule['id']}"
    assert (await sending.http.delete(path, headers=sending.admin("acme"))).status_code == 404
    assert (await sending.http.delete(path, headers=sending.admin())).status_code == 204
    assert (await sending.http.delete(path, headers=sending.admin())).status_code == 404
    assert (await sending.get("report-schedules"))["items"] == []
    async with sending.service.database.read() as connection:
        acts = [entry.action for entry in await read_audit(connection, 10)]
    assert acts == ["report unscheduled", "report scheduled"]


async def test_a_schedule_is_changed(sending: Running) -> None:
    """A changed schedule has the values that were given, keeps its id, and is due by its new time; without a new time
    it is due when it was. Another tenant, or what is not there, is a 404; each change is audited."""
    schedule = (await post(sending)).json()
    path = f"{PATH}/{schedule['id']}"
    wanted = {**REQUEST, "name": "Costs", "report": "costs", "paper": "us-letter", "recipients": ["cyd@example.com"]}
    same_time = await sending.http.put(path, json=wanted, headers=sending.admin())
    assert same_time.status_code == 200, same_time.text
    assert same_time.json() == {**schedule, **wanted}
    later = {**wanted, "every": "monthly", "on": 31, "at": "23:30"}
    changed = (await sending.http.put(path, json=later, headers=sending.admin())).json()
    assert changed == {**schedule, **later, "next_at": changed["next_at"]}
    assert changed["next_at"][14:16] == "30"
    assert (await sending.get("report-schedules"))["items"] == [changed]
    for place, headers in ((path, sending.admin("acme")), (f"{PATH}/ffffffff", sending.admin())):
        assert (await sending.http.put(place, json=later, headers=headers)).status_code == 404
    nonsense = await sending.http.put(path, json={**later, "at": "24:00"}, headers=sending.admin())
    assert (nonsense.status_code, nonsense.json()["field"]) == (422, "at")
    async with sending.service.database.read() as connection:
        acts = [entry.action for entry in await read_audit(connection, 10)]
    assert acts == ["report schedule changed", "report schedule changed", "report scheduled"]


async def test_tenants_are_apart(sending: Running) -> None:
    """A tenant sees its own schedules alone, and cannot send another one's view."""
    await post(sending)
    assert (await sending.get("report-schedules", "acme"))["items"] == []
    view = await sending.http.post(f"{API}/views", json={"name": "v", "page": "users"}, headers=sending.admin())
    assert (await post(sending, report=..., view=view.json()["id"])).status_code == 201
    refused = await post(sending, "acme", report=..., view=view.json()["id"])
    assert (refused.status_code, refused.json()["field"]) == (422, "view")


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"every": "hourly"}, "every"),
        ({"report": "everything"}, "report"),
        ({"report": ...}, "report"),
        ({"view": "ffffffff"}, "report"),
        ({"on": 8}, "on"),
        ({"every": "daily"}, "on"),
        ({"at": "24:00"}, "at"),
        ({"paper": "a0"}, "paper"),
        ({"language": "fr"}, "language"),
        ({"recipients": []}, "recipients"),
        ({"recipients": ["ada"] * 2}, "recipients"),
        ({"recipients": ["ada@example.com>\r\nBcc: eve@example.com"]}, "recipients"),
        ({"name": "  "}, "name"),
        ({"name": "a\nb"}, "name"),
        ({"color": "red"}, "color"),
    ],
)
async def test_nonsense_is_refused(sending: Running, changes: dict[str, Any], field: str) -> None:
    """A field that makes no sense is a 422 that names it."""
    answer = await post(sending, **changes)
    assert answer.status_code == 422, answer.text
    assert str(answer.json()["field"]).startswith(field)


async def test_a_report_is_scheduled_for_a_webhook(sending: Running) -> None:
    """A webhook among the targets of alerts may get a report, with or without recipients; no other target may."""
    for name, kind, address in (("hook", "webhook", "https://example.org/x"), ("ada", "email", "ada@example.org")):
        body = {"kind": kind, "address": address, "secret": None}
        path = f"{API}/alerts/targets/{name}"
        assert (await sending.http.put(path, json=body, headers=sending.admin())).status_code in (200, 409)
    added = await post(sending, recipients=[], targets=["hook"])
    assert added.status_code == 201, added.text
    assert (added.json()["recipients"], added.json()["targets"]) == ([], ["hook"])
    both = (await post(sending, targets=["hook"])).json()
    assert (both["recipients"], both["targets"]) == (REQUEST["recipients"], ["hook"])
    for targets in (["ada"], ["none"], ["hook", "ada@example.org"]):
        refused = await post(sending, targets=targets)
        assert (refused.status_code, refused.json()["field"]) == (422, "targets")
    assert (await post(sending, "acme", targets=["hook"])).status_code == 422


async def test_without_a_mail_server_nothing_is_mailed(running: Running) -> None:
    """A service that cannot send says so, and says which settings it needs."""
    answer = await post(running)
    assert answer.status_code == 409
    assert "ANALYTICS_SMTP_URL" in answer.json()["detail"]
    assert (await running.get("report-schedules"))["can_send"] is False
