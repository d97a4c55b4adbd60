"""Scheduled reports as they arrive at a real mail server."""

import asyncio
import csv
import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from email.message import EmailMessage
from functools import partial
from typing import Any

import pytest
import time_machine

from storage.alerts.targets import Target, put_target
from storage.engine.database import Database
from storage.engine.urls import database_at
from storage.report_schedules import CLAIM_TIME, change_schedule, read_schedules
from tests.receivers.webhooks import SECRET, receiver
from tests.servers.mail import MailServer, mail_server
from tests.servers.service import Running
from tests.web.pdf.pages import text
from tests.web.pdf.samples import fill
from tests.web.schedules.samples import keep
from web import mail
from web.alerts import webhook
from web.alerts.channels import Channels
from web.alerts.seal import Address, Seal, Secret
from web.alerts.webhook import read_secret
from web.mail import Mailer
from web.pdf.report import read_report
from web.pdf.typesetting import typesetter
from web.pdf.typesetting.typesetter import Typesetter
from web.schedules.due import next_time
from web.schedules.endpoints import MAX_RECIPIENTS, MAX_TARGETS
from web.schedules.sender import ScheduledReports
from web.settings import Settings

pytestmark = pytest.mark.each_database
SEALED = {"ANALYTICS_ALERTS_SECRET": "a secret of the tests"}


@asynccontextmanager
async def sender(database: Database, server: MailServer) -> AsyncIterator[ScheduledReports]:
    """What one process runs."""
    settings = {"ANALYTICS_SMTP_URL": server.url, "ANALYTICS_MAIL_FROM": "analytics@example.com"}
    made, read = Typesetter(), Settings.read({**settings, "ANALYTICS_ALERTS_NETWORKS": "127.0.0.0/8", **SEALED})
    channels = Channels(read)
    try:
        yield ScheduledReports(database, made, Mailer(read), channels)
    finally:
        await made.stop()
        await channels.close()


def body(message: EmailMessage) -> str:
    found = message.get_body()
    assert found is not None
    return str(found.get_content()).replace("\r\n", "\n")


def files(message: EmailMessage) -> dict[str, bytes]:
    return {str(part.get_filename()): part.get_payload(decode=True) for part in message.iter_attachments()}  # type: ignore[misc]


async def test_a_report_arrives_when_it_is_due(running: Running) -> None:
    """At its time a report is sent once to each recipient: figures in the text, the PDF and the CSV of the same day."""
    await fill(running)
    database = running.service.database
    recipients = ("ada@example.com", "bob@example.com")
    await keep(database, next_at="2026-03-06T08:00:00.000Z", recipients=recipients)
    async with mail_server() as server, sender(database, server) as reports:
        with time_machine.travel("2026-03-06T07:59:59Z", tick=False):
            await reports.run_once()
        assert server.messages == []
        with time_machine.travel("2026-03-06T08:00:05Z", tick=False):
            await reports.run_once()
            await reports.run_once()
    assert sorted(server.recipients) == list(recipients)
    message = server.messages[0]
    assert message["Subject"] == "Daily figures"
    assert "Messages: 5 (+25.0%)" in body(message)
    assert "Range: 5 Mar 2026" in body(message)
    found = files(message)
    assert list(found) == ["overview.pdf", "overview.csv"]
    printed = text(found["overview.pdf"])
    assert "Range: 5 Mar 2026 " in printed
    assert "Daily figures" in printed
    rows = list(csv.DictReader(io.StringIO(found["overview.csv"].decode("utf-8-sig"))))
    assert [row["start"] for row in rows] == [f"2026-03-05T{hour:02d}:00:00.000Z" for hour in range(24)]
    assert sum(int(row["messages"]) for row in rows) == 5
    assert message["Message-ID"] != server.messages[1]["Message-ID"]
    async with database.read() as connection:
        [schedule] = await read_schedules(connection, "default")
    assert (schedule.next_at, schedule.sent_at, schedule.problem) == (
        "2026-03-07T08:00:00.000Z",
        "2026-03-06T08:00:05.000Z",
        None,
    )


async def test_two_processes_send_one(running: Running, database_url: str) -> None:
    """However many senders look at once, each recipient gets one message; on PostgreSQL these are of two services."""
    first = second = running.service.database
    if database_url.startswith("postgresql"):
        second = database_at(database_url)
        await second.open()
    for number in range(3):
        await keep(first, name=f"Report {number}")
    async with mail_server() as server:
        async with sender(first, server) as one, sender(second, server) as two, sender(second, server) as three:
            with time_machine.travel("2026-03-04T08:00:05Z", tick=False):
                await asyncio.gather(*(reports.run_once() for reports in (one, two, three)))
        assert sorted(message["Subject"] for message in server.messages) == ["Report 0", "Report 1", "Report 2"]
    if second is not first:
        await second.close()


async def test_a_missed_one_is_sent_late_and_says_so(running: Running) -> None:
    """After a time without service the last report is sent; it says that it is late, and how many were missed."""
    database = running.service.database
    await keep(database, language="de")
    async with mail_server() as server, sender(database, server) as reports:
        with time_machine.travel("2026-03-07T06:00:00Z", tick=False):
            await reports.run_once()
    [message] = server.messages
    assert message["Subject"] == "Verspätet: Daily figures"
    assert "Dieser Bericht war am 6. März 2026, 08:00 fällig" in body(message)
    assert "nie gesendet wurden: 2." in body(message)
    assert "Zeitraum: 5. März 2026" in body(message)


async def test_what_fails_is_tried_again(running: Running) -> None:
    """A server that cannot take a message now gets it later, with the same id; who has it already does not."""
    database = running.service.database
    await keep(database, recipients=("ada@example.com", "bob@example.com", "cyd@example.com"))
    async with mail_server() as server, sender(database, server) as reports:
        server.refuses = {"bob@example.com": "451 later", "cyd@example.com": "550 never"}
        with time_machine.travel("2026-03-04T08:00:05Z", tick=False):
            await reports.run_once()
            await reports.run_once()
        assert server.recipients == ["ada@example.com"]
        async with database.read() as connection:
            [schedule] = await read_schedules(connection, "default")
        assert schedule.problem == "the mail server refused the recipient: 550"
        server.refuses = {"cyd@example.com": "550 never"}
        with time_machine.travel("2026-03-04T08:01:06Z", tick=False):
            await reports.run_once()
        assert server.recipients == ["ada@example.com", "bob@example.com"]


async def test_a_schedule_that_is_changed_while_it_is_sent(running: Running) -> None:
    """Once a schedule was changed, an attempt that waits is made for those who still get it, with the id it had, and
    what was due already is sent to all who get it now."""
    database, waiting = running.service.database, ("ada@example.com", "bob@example.com")
    kept = await keep(database, recipients=waiting)
    other = await keep(database, name="Other", next_at="2026-03-04T08:00:30.000Z")
    days = database.days
    change = partial(change_schedule, actor="ada", tenant_id="default", next_time=partial(next_time, days))
    async with mail_server() as server, sender(database, server) as reports:
        server.answer = "451 later"
        with time_machine.travel("2026-03-04T08:00:05Z", tick=False):
            await reports.run_once()
        server.answer = "250 OK"
        now = "2026-03-04T08:00:40.000Z"
        turned = replace(kept, recipients=("cyd@example.com", "bob@example.com"), at_time="09:00")
        moved = await database.write(partial(change, schedule_id=kept.id, schedule=turned, now=now))
        assert moved.next_at == "2026-03-04T09:00:00.000Z"
        late = replace(other, recipients=("cyd@example.com",), at_time="10:00")
        due = await database.write(partial(change, schedule_id=other.id, schedule=late, now=now))
        assert due.next_at == other.next_at
        with time_machine.travel("2026-03-04T08:01:06Z", tick=False):
            await reports.run_once()
    assert sorted(server.recipients) == ["bob@example.com", "cyd@example.com"]
    assert {str(message["Subject"]) for message in server.messages} == {"Daily figures", "Other"}
    async with database.read() as connection:
        times = {schedule.name: schedule.next_at for schedule in await read_schedules(connection, "default")}
    assert times == {"Daily figures": "2026-03-04T09:00:00.000Z", "Other": "2026-03-04T10:00:00.000Z"}


async def test_a_report_is_posted_to_a_webhook(running: Running) -> None:
    """At its time a report is posted to a webhook as signed JSON with its figures and rows, and no PDF is made of it;
    an attempt that fails is made again with the same id, and a target that is gone is given up."""
    await fill(running)
    database = running.service.database
    async with receiver() as hook, mail_server() as server, sender(database, server) as reports:
        address = Address(hook.url, (Secret(read_secret(SECRET)),))
        sealed = Seal(Settings.read(SEALED)).close("default", "hook", address)
        target = Target("hook", "webhook", hook.url, sealed, "ada")
        await database.write(partial(put_target, tenant_id="default", target=target))
        kept = await keep(database, next_at="2026-03-06T08:00:00.000Z", recipients=("hook", "gone"))
        hook.statuses = [500, 204]
        for time in ("2026-03-06T08:00:05Z", "2026-03-06T08:01:06Z"):
            with time_machine.travel(time, tick=False):
                await reports.run_once()
                async with database.read() as connection:
                    [schedule] = await read_schedules(connection, "default")
                found = [item.verify() for item in hook.received[-1:]]
    assert server.messages == []
    assert len({item.id for item in hook.received}) == 1
    assert len(hook.received) == 2
    [document] = found
    data = document["data"]
    assert (document["type"], document["timestamp"]) == ("report.scheduled", "2026-03-06T08:00:00.000Z")
    assert (data["id"], data["schedule"], data["name"]) == (hook.received[0].id, kept.id, "Daily figures")
    assert (data["from"], data["to"]) == ("2026-03-05T00:00:00.000Z", "2026-03-06T00:00:00.000Z")
    assert {"label": "Messages", "value": "5", "note": "+25.0%"} in data["figures"]
    assert sum(row["messages"] for row in data["rows"]) == 5
    pdf = await running.http.get(data["pdf"], headers=running.admin())
    assert (pdf.status_code, pdf.headers["content-type"]) == (200, "application/pdf")
    assert schedule.sent_at == "2026-03-06T08:01:06.000Z"


async def test_a_sender_that_died_is_replaced(running: Running) -> None:
    """What a process had claimed when it ended is sent by another one after 25 minutes."""
    database = running.service.database
    await keep(database)
    async with mail_server() as server, sender(database, server) as died, sender(database, server) as other:
        server.takes.clear()
        with time_machine.travel("2026-03-04T08:00:05Z", tick=False):
            task = asyncio.create_task(died.run_once())
            await asyncio.wait_for(server.asked.wait(), 30)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            server.takes.set()
            await other.run_once()
        taken = len(server.messages)
        with time_machine.travel("2026-03-04T08:25:06Z", tick=False):
            await other.run_once()
    assert len(server.messages) == taken + 1
    assert len({message["Message-ID"] for message in server.messages}) == 1


async def test_tenants_get_their_own_figures(running: Running) -> None:
    """Each tenant's report has that tenant's figures."""
    await fill(running, "acme-key-0123456789")
    database = running.service.database
    for tenant in ("default", "acme"):
        await keep(database, tenant, name=tenant, next_at="2026-03-06T08:00:00.000Z")
    async with mail_server() as server, sender(database, server) as reports:
        with time_machine.travel("2026-03-06T08:00:05Z", tick=False):
            await reports.run_once()
    found = {str(message["Subject"]): body(message) for message in server.messages}
    assert "Messages: 0" in found["default"]
    assert "Messages: 5" in found["acme"]


async def test_a_view_that_is_gone_is_given_up(running: Running) -> None:
    """A schedule whose view was deleted sends nothing, and says why."""
    database = running.service.database
    await keep(database, report=None, view_id="ffffffff")
    async with mail_server() as server, sender(database, server) as reports:
        with time_machine.travel("2026-03-04T08:00:05Z", tick=False):
            await reports.run_once()
    assert server.messages == []
    async with database.read() as connection:
        [schedule] = await read_schedules(connection, "default")
    assert schedule.problem == "view: there is no such view"


async def test_a_report_that_cannot_be_read_keeps_no_other_waiting(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fault in reading a tenant's report is a failure of that report, which is tried again; others are sent."""
    database = running.service.database

    async def faulty(connection: Any, epoch: str, tenant_id: str, *more: Any) -> Any:
        if tenant_id == "acme":
            raise LookupError
        return await read_report(connection, epoch, tenant_id, *more)

    monkeypatch.setattr("web.schedules.sender.read_report", faulty)
    for tenant_id in ("acme", "default"):
        await keep(database, tenant_id, next_at="2026-03-06T08:00:00.000Z")
    async with mail_server() as server, sender(database, server) as reports:
        with time_machine.travel("2026-03-06T08:00:05Z", tick=False):
            await reports.run_once()
    assert len(server.messages) == 1
    async with database.read() as connection:
        (schedule,) = await read_schedules(connection, "acme")
    assert (schedule.sent_at, schedule.problem is None) == (None, False)


def test_rows_are_claimed_for_as_long_as_sending_may_take() -> None:
    """No other process sends a report while one does, however long the mail server takes for each recipient."""
    longest = MAX_RECIPIENTS * mail.SECONDS + MAX_TARGETS * webhook.SECONDS + typesetter.SECONDS
    assert CLAIM_TIME.total_seconds() > longest
