"""Sends scheduled reports when they are due. Every process of a service looks; each due time is sent by one of them."""

import asyncio
import random
from dataclasses import replace
from datetime import timedelta
from functools import partial

import structlog

from storage.alerts.deliveries import Result
from storage.alerts.targets import end_target, read_target
from storage.engine.database import Database
from storage.errors import StorageError
from storage.model import clock
from storage.report_schedules import Delivery, claim, finish, is_mail, read_due, take_due
from web.alerts.channels import Channels, Message
from web.http.problems import Problem
from web.mail import Mailer, MailFailed
from web.pdf.query import read_wanted
from web.pdf.report import Report, read_report
from web.pdf.typesetting.typesetter import NotInstalled, PdfFailed, Typesetter
from web.schedules.document import document
from web.schedules.due import covered, next_time
from web.schedules.message import id_of, message

log = structlog.get_logger()

LOOK_SECONDS = (8.0, 12.0)
"""The wait between two looks, drawn: processes that start together take turns."""
LATE = timedelta(hours=1)
"""How long after it was due a report is one that is late, and says so."""
RETRIES = tuple(timedelta(minutes=minutes) for minutes in (1, 5, 15, 60, 180, 360, 720))
"""After how long a message that failed is tried again; after the last one it is given up."""

_NOT_READ = "the report could not be read: the log of the service says why"


class ScheduledReports:
    """Looks for what is due, and sends it."""

    def __init__(self, database: Database, typesetter: Typesetter, mailer: Mailer, channels: Channels) -> None:
        self._database = database
        self._typesetter = typesetter
        self._mailer = mailer
        self._channels = channels
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to look."""
        self._task = asyncio.create_task(self._run(), name="scheduled reports")

    async def stop(self) -> None:
        """End; what was claimed and not sent is sent by another process, or after the next start."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(random.uniform(*LOOK_SECONDS))
            try:
                await self.run_once()
            except StorageError as error:
                log.warning("scheduled_reports_failed", error=type(error).__name__)
            except Exception:
                # It must go on whatever happens: no report would be sent any more.
                log.exception("scheduled_reports_broken")

    async def run_once(self) -> None:
        """Send what is due now."""
        now = clock.now()
        async with self._database.read() as connection:
            due, _ = await read_due(connection, now)
        moved = partial(next_time, self._database.days)
        for tenant_id in due:
            await self._database.write(partial(take_due, tenant_id=tenant_id, now=now, next_time=moved))
        async with self._database.read() as connection:
            _, ready = await read_due(connection, now)
        for tenant_id in ready:
            while (delivery := await self._database.write(partial(claim, tenant_id=tenant_id, now=now))) is not None:
                await self._send(delivery)

    async def _send(self, delivery: Delivery) -> None:
        try:
            report = await self._report(delivery)
            to_mail = any(map(is_mail, delivery.recipients))
            pdf = await self._typesetter.typeset(report.document) if to_mail else b""
        except (Problem, NotInstalled, PdfFailed) as error:
            is_gone = isinstance(error, Problem)
            await self._fail(delivery, delivery.recipients, str(error), is_permanent=is_gone)
            return
        except Exception as error:
            # It would be tried again without an end, and keep the reports of other tenants waiting.
            log.error("report_not_read", error=type(error).__name__, exc_info=not isinstance(error, StorageError))
            await self._fail(delivery, delivery.recipients, _NOT_READ, is_permanent=False)
            return
        is_late = clock.moment(clock.now()) - clock.moment(delivery.due_at) > LATE
        for recipient in delivery.recipients:
            if not is_mail(recipient):
                await self._post(delivery, recipient, report, late=is_late)
                continue
            written = message(delivery, recipient, report, pdf, self._database.days, late=is_late)
            try:
                await self._mailer.send(written)
            except MailFailed as error:
                await self._fail(delivery, (recipient,), str(error), is_permanent=error.is_permanent)
            else:
                await self._finish(delivery, (recipient,), None, None, clock.now())

    async def _post(self, delivery: Delivery, target_id: str, report: Report, *, late: bool) -> None:
        """Send the report to a webhook."""
        result = await self._posted(delivery, target_id, report, late=late)
        if result.error is None:
            await self._finish(delivery, (target_id,), None, None, clock.now())
            return
        if result.is_gone:
            await self._database.write(partial(end_target, tenant_id=delivery.tenant_id, target_id=target_id))
        await self._fail(delivery, (target_id,), result.error, is_permanent=result.is_final or result.is_gone)

    async def _posted(self, delivery: Delivery, target_id: str, report: Report, *, late: bool) -> Result:
        try:
            async with self._database.read() as connection:
                target = await read_target(connection, delivery.tenant_id, target_id)
        except KeyError:
            return Result("the target was deleted", is_final=True)
        if target.kind != "webhook" or target.ended_at is not None:
            return Result("the target is no webhook, or wants no more messages", is_final=True)
        message_id = id_of(delivery, target_id)
        days = covered(self._database.days, delivery.schedule, delivery.due_at)
        body = document(message_id, delivery, report, days, late=late)
        sent = Message(delivery.tenant_id, message_id, body, target_id, target.kind, target.sealed)
        return await self._channels.send(sent)

    async def _report(self, delivery: Delivery) -> Report:
        """Read the report, in one transaction; raises a :exc:`Problem` if its view is gone."""
        schedule, days = delivery.schedule, self._database.days
        named = {
            "of": schedule.report,
            "view": schedule.view_id,
            "paper": schedule.paper,
            "language": schedule.language,
        }
        query = {name: value for name, value in named.items() if value is not None}
        start, end = covered(days, schedule, delivery.due_at)
        async with self._database.read() as connection:
            wanted = await read_wanted(connection, delivery.tenant_id, query, days)
            wanted = replace(wanted, start=start, end=end, title=wanted.title or schedule.name)
            return await read_report(connection, self._database.epoch, delivery.tenant_id, days, wanted)

    async def _fail(self, delivery: Delivery, recipients: tuple[str, ...], why: str, *, is_permanent: bool) -> None:
        is_last = is_permanent or delivery.attempts > len(RETRIES)
        again_at = None
        if not is_last:
            again_at = clock.text(clock.moment(clock.now()) + RETRIES[delivery.attempts - 1])
        log.warning("report_not_sent", schedule=delivery.schedule.id, reason=why, given_up=is_last)
        await self._finish(delivery, recipients, why, again_at, None)

    async def _finish(
        self,
        delivery: Delivery,
        recipients: tuple[str, ...],
        problem: str | None,
        again_at: str | None,
        sent_at: str | None,
    ) -> None:
        await self._database.write(
            partial(
                finish, delivery=delivery, recipients=recipients, problem=problem, again_at=again_at, sent_at=sent_at
            )
        )
