"""Scheduled reports, and what of them has to be sent. Every statement about their tables.

What is due becomes rows, one a recipient, in the transaction that moves the schedule on: so each due time is taken
once, by whichever process. Who sends claims rows until a time; if it dies, another one claims them after that. Between
the word of the mail server and the row's removal a crash makes a second message, of the same Message-ID.
"""

import json
import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Literal

from sqlalchemy import ColumnElement, Connection, and_, delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from storage.credentials import record
from storage.errors import TooManySchedules
from storage.model import clock
from storage.tables import heads
from storage.tables.schema import report_deliveries, report_schedules

Every = Literal["daily", "weekly", "monthly"]
MAX_SCHEDULES = 50
"""How many a tenant may have."""
AT_A_TIME = 100
"""How many schedules or deliveries are looked at in one step."""
ID_BYTES, CLAIM_BYTES = 4, 16
CLAIM_TIME = timedelta(minutes=25)
"""How long rows are claimed: longer than it may take to make a report and to send it to all recipients, 20 of them."""
MAX_PROBLEM = 200

_schedules, _rows = report_schedules.c, report_deliveries.c


@dataclass(frozen=True)
class Schedule:
    """One schedule.

    ``every`` is one of :data:`Every`; ``on_day`` is the day of the week (1 is Monday) or of the month, None if it is
    sent each day; ``at_time`` the local time of day such as ``08:00``. Either ``report`` or ``view_id`` is given.
    ``recipients`` are e-mail addresses, and ids of targets of alerts, which have no @. ``next_at`` is when it is due
    next, ``sent_at`` when it was last sent (None: never yet), ``problem`` what went wrong
    the last time (None: nothing).
    """

    name: str
    report: str | None
    view_id: str | None
    every: str
    on_day: int | None
    at_time: str
    paper: str
    language: str
    recipients: tuple[str, ...]
    author: str
    created_at: str
    next_at: str
    sent_at: str | None = None
    problem: str | None = None
    id: str = ""

    @property
    def addresses(self) -> list[str]:
        """Its e-mail addresses."""
        return [recipient for recipient in self.recipients if is_mail(recipient)]

    @property
    def targets(self) -> list[str]:
        """The ids of the targets of alerts that it is sent to."""
        return [recipient for recipient in self.recipients if not is_mail(recipient)]


def is_mail(recipient: str) -> bool:
    """Say whether a recipient is an e-mail address; else it is the id of a target."""
    return "@" in recipient


_COLUMNS = tuple(_schedules[name] for name in Schedule.__dataclass_fields__)
NextTime = Callable[[Schedule, str], str]
"""Says when a schedule is due for the first time after a moment."""


@dataclass(frozen=True)
class Delivery:
    """What one process has claimed: a due time of a schedule, and to whom it has to be sent.

    ``missed``: so many due times before it were never sent. ``attempts`` counts this one.
    """

    tenant_id: str
    schedule: Schedule
    due_at: str
    missed: int
    recipients: tuple[str, ...]
    attempts: int
    claim: str


async def read_schedules(connection: AsyncConnection, tenant_id: str) -> list[Schedule]:
    """Read the schedules of a tenant, by the time when they are due."""
    query = select(*_COLUMNS).where(_schedules.tenant_id == tenant_id).order_by(_schedules.next_at, _schedules.id)
    return [_schedule(row) for row in await connection.execute(query)]


def add_schedule(connection: Connection, actor: str, tenant_id: str, schedule: Schedule) -> Schedule:
    """Keep a new schedule; raises :exc:`TooManySchedules`."""
    heads.lock(connection, tenant_id)
    if (connection.scalar(select(func.count()).where(_schedules.tenant_id == tenant_id)) or 0) >= MAX_SCHEDULES:
        raise TooManySchedules(f"the tenant has {MAX_SCHEDULES} scheduled reports: delete one first")
    added = replace(schedule, id=secrets.token_hex(ID_BYTES))
    values = {**vars(added), "tenant_id": tenant_id, "recipients": json.dumps(added.recipients)}
    connection.execute(report_schedules.insert(), [values])
    record(connection, tenant_id, actor, "report scheduled", added.id)
    return added


def change_schedule(
    connection: Connection,
    actor: str,
    tenant_id: str,
    schedule_id: str,
    schedule: Schedule,
    now: str,
    next_time: NextTime,
) -> Schedule:
    """Give a schedule other values; raises ``KeyError`` if there is no such one.

    What is due already is sent, and so is what waits for another attempt, but not to those who get it no more.
    """
    heads.lock(connection, tenant_id)
    row = connection.execute(select(*_COLUMNS).where(_is(tenant_id, schedule_id))).one_or_none()
    if row is None:
        raise KeyError(schedule_id)
    kept = _schedule(row)
    stays = _timing(kept) == _timing(schedule) or kept.next_at <= now
    next_at = kept.next_at if stays else next_time(schedule, now)
    changed = replace(schedule, id=kept.id, created_at=kept.created_at, next_at=next_at, sent_at=kept.sent_at)
    values = {**vars(changed), "recipients": json.dumps(changed.recipients)}
    connection.execute(update(report_schedules).where(_is(tenant_id, schedule_id)).values(values))
    gone = and_(_rows.tenant_id == tenant_id, _rows.schedule_id == schedule_id)
    connection.execute(delete(report_deliveries).where(gone, _rows.recipient.not_in(changed.recipients)))
    record(connection, tenant_id, actor, "report schedule changed", schedule_id)
    return changed


def _timing(schedule: Schedule) -> tuple[str, int | None, str]:
    return schedule.every, schedule.on_day, schedule.at_time


def delete_schedule(connection: Connection, actor: str, tenant_id: str, schedule_id: str) -> None:
    """Delete a schedule, and what of it is still to be sent; raises ``KeyError`` if there is no such one."""
    heads.lock(connection, tenant_id)
    if not connection.execute(delete(report_schedules).where(_is(tenant_id, schedule_id))).rowcount:
        raise KeyError(schedule_id)
    mine = and_(_rows.tenant_id == tenant_id, _rows.schedule_id == schedule_id)
    connection.execute(delete(report_deliveries).where(mine))
    record(connection, tenant_id, actor, "report unscheduled", schedule_id)


async def read_due(connection: AsyncConnection, now: str) -> tuple[list[str], list[str]]:
    """Name the tenants that have a schedule that is due, and those that have something to send."""
    schedules = select(_schedules.tenant_id).where(_schedules.next_at <= now).distinct().limit(AT_A_TIME)
    deliveries = select(_rows.tenant_id).where(_rows.try_at <= now).distinct().limit(AT_A_TIME)
    return list(await connection.scalars(schedules)), list(await connection.scalars(deliveries))


def take_due(connection: Connection, tenant_id: str, now: str, next_time: NextTime) -> int:
    """Make rows to send of the schedules that are due, and move these on; gives how many there were.

    Of several due times that were missed only the last one is sent, and it says how many were.
    """
    heads.lock(connection, tenant_id)
    due = and_(_schedules.tenant_id == tenant_id, _schedules.next_at <= now)
    schedules = [_schedule(row) for row in connection.execute(select(*_COLUMNS).where(due).limit(AT_A_TIME))]
    for schedule in schedules:
        at, missed = schedule.next_at, 0
        while (following := next_time(schedule, at)) <= now:
            at, missed = following, missed + 1
        _add_rows(connection, tenant_id, schedule, at, missed)
        moved = update(report_schedules).where(_is(tenant_id, schedule.id)).values(next_at=following)
        connection.execute(moved)
    return len(schedules)


def _add_rows(connection: Connection, tenant_id: str, schedule: Schedule, due_at: str, missed: int) -> None:
    common = {"tenant_id": tenant_id, "schedule_id": schedule.id, "due_at": due_at, "missed": missed}
    rows = [
        {**common, "recipient": recipient, "attempts": 0, "try_at": due_at, "claim": None}
        for recipient in schedule.recipients
    ]
    connection.execute(report_deliveries.insert(), rows)


def claim(connection: Connection, tenant_id: str, now: str) -> Delivery | None:
    """Claim what is to be sent of one due time; None if there is nothing."""
    heads.lock(connection, tenant_id)
    ready = and_(_rows.tenant_id == tenant_id, _rows.try_at <= now)
    oldest = (
        select(_rows.schedule_id, _rows.due_at, _rows.missed).where(ready).order_by(_rows.due_at, _rows.schedule_id)
    )
    first = connection.execute(oldest.limit(1)).one_or_none()
    if first is None:
        return None
    schedule_id, due_at, missed = first
    found = connection.execute(select(*_COLUMNS).where(_is(tenant_id, schedule_id))).one()
    mine = and_(ready, _rows.schedule_id == schedule_id, _rows.due_at == due_at)
    name, until = secrets.token_hex(CLAIM_BYTES), clock.text(clock.moment(now) + CLAIM_TIME)
    taken = update(report_deliveries).where(mine).values(claim=name, try_at=until, attempts=_rows.attempts + 1)
    connection.execute(taken)
    claimed = select(_rows.recipient, _rows.attempts).where(_claimed(tenant_id, schedule_id, due_at, name))
    rows = connection.execute(claimed.order_by(_rows.recipient)).all()
    recipients = tuple(recipient for recipient, _ in rows)
    attempts = max(attempts for _, attempts in rows)
    return Delivery(tenant_id, _schedule(found), due_at, missed, recipients, attempts, name)


def finish(
    connection: Connection,
    delivery: Delivery,
    recipients: Iterable[str],
    problem: str | None,
    again_at: str | None,
    sent_at: str | None,
) -> None:
    """Record how it went for some *recipients* of what was claimed.

    *again_at*: they are tried again then (None: they are done with). *sent_at*: they have it since then.
    """
    heads.lock(connection, delivery.tenant_id)
    mine = and_(
        _claimed(delivery.tenant_id, delivery.schedule.id, delivery.due_at, delivery.claim),
        _rows.recipient.in_(list(recipients)),
    )
    if again_at is None:
        connection.execute(delete(report_deliveries).where(mine))
    else:
        connection.execute(update(report_deliveries).where(mine).values(try_at=again_at, claim=None))
    told = {"problem": None if problem is None else problem[:MAX_PROBLEM]}
    told |= {} if sent_at is None else {"sent_at": sent_at}
    connection.execute(update(report_schedules).where(_is(delivery.tenant_id, delivery.schedule.id)).values(told))


def _claimed(tenant_id: str, schedule_id: str, due_at: str, name: str) -> ColumnElement[bool]:
    of_time = and_(_rows.tenant_id == tenant_id, _rows.schedule_id == schedule_id, _rows.due_at == due_at)
    return and_(of_time, _rows.claim == name)


def _is(tenant_id: str, schedule_id: str) -> ColumnElement[bool]:
    return and_(_schedules.tenant_id == tenant_id, _schedules.id == schedule_id)


def _schedule(row: Iterable[object]) -> Schedule:
    values = dict(zip(Schedule.__dataclass_fields__, row, strict=True))
    return Schedule(**{**values, "recipients": tuple(json.loads(str(values["recipients"])))})  # type: ignore[arg-type]
