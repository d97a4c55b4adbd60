"""The endpoints of scheduled reports: the admins of a tenant list, add, change and delete them."""

import re
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Annotated, Any, get_args

import msgspec
from msgspec import Meta
from starlette.requests import Request
from starlette.responses import Response

from storage.alerts.rule import RULE_ID
from storage.alerts.targets import read_targets
from storage.engine.database import Database
from storage.errors import TooManySchedules
from storage.model import clock
from storage.report_schedules import (
    MAX_SCHEDULES,
    Every,
    Schedule,
    add_schedule,
    change_schedule,
    delete_schedule,
    read_schedules,
)
from storage.saved_views import read_views
from web.http.documents import JSON, read_document
from web.http.etag import digest, matches, weak
from web.http.operations import Answer, Endpoint, JsonSchema, Operation, Parameter, text
from web.http.problems import MEDIA_TYPE, PROBLEM, Problem, invalid, not_found
from web.mail import Mailer
from web.ops.audit import PRINCIPAL
from web.pdf.report import LANGUAGES, NAMES, PAPERS
from web.reports import shapes
from web.reports.endpoints import HEADERS, PREFIX, Reports
from web.schedules.due import next_time
from web.settings import is_address

PATH = f"{PREFIX}/report-schedules"
SCHEDULE_PATH = f"{PATH}/{{schedule_id}}"
MAX_RECIPIENTS, MAX_TARGETS = 20, 10
_NO_WEBHOOK = "must be ids of webhooks among the targets of alerts"
_NO_SCHEDULE = "there is no such scheduled report"
_LAST_DAY = {"daily": None, "weekly": 7, "monthly": 31}
_ID = Parameter("schedule_id", "The `id` of the scheduled report.", {"type": "string"}, text(16))


def _enum(*choices: str) -> Meta:
    """Describe a choice; it is checked here, since an error of msgspec would repeat what is none."""
    return Meta(max_length=40, extra_json_schema={"enum": list(choices)})


class NewSchedule(msgspec.Struct, forbid_unknown_fields=True):
    """A report that is to be sent again and again.

    ``report`` or ``view``, the id of a saved view. ``on``: the day of the week (1 is Monday), or of the month (in
    shorter months the last one); 1 if it is left out. ``at``: the time of day in the tenant's zone.
    """

    name: Annotated[str, Meta(min_length=1, max_length=100)]
    every: Annotated[str, _enum(*get_args(Every))]
    recipients: Annotated[
        list[Annotated[str, Meta(min_length=3, max_length=254)]], Meta(max_length=MAX_RECIPIENTS)
    ] = []
    targets: Annotated[list[Annotated[str, Meta(min_length=1, max_length=64)]], Meta(max_length=MAX_TARGETS)] = []
    report: Annotated[str, _enum(*NAMES)] | None = None
    view: Annotated[str, Meta(min_length=1, max_length=16)] | None = None
    on: Annotated[int, Meta(ge=1, le=31)] | None = None
    at: Annotated[str, Meta(pattern="^([01][0-9]|2[0-3]):[0-5][0-9]$")] = "08:00"
    paper: Annotated[str, _enum(*PAPERS)] = "a4"
    language: Annotated[str, _enum(*LANGUAGES)] = "en"


SCHEDULE: JsonSchema = shapes.record(
    {
        "id": shapes.STRING,
        "name": shapes.STRING,
        "report": shapes.OPTIONAL,
        "view": shapes.OPTIONAL,
        "every": {"enum": list(get_args(Every))},
        "on": {"type": ["integer", "null"]},
        "at": shapes.STRING,
        "paper": {"enum": list(PAPERS)},
        "language": {"enum": list(LANGUAGES)},
        "recipients": {"type": "array", "items": shapes.STRING},
        "targets": {"type": "array", "items": shapes.STRING, "description": "Webhooks among the targets of alerts."},
        "author": shapes.STRING,
        "created_at": shapes.TIME,
        "next_at": {**shapes.TIME, "description": "When it is due next."},
        "sent_at": {"type": ["string", "null"], "description": "When it was last sent; null: never yet."},
        "problem": {**shapes.OPTIONAL, "description": "What went wrong the last time; null: nothing."},
    }
)
SCHEDULES: JsonSchema = shapes.record(
    {
        "items": {"type": "array", "items": SCHEDULE},
        "timezone": {**shapes.STRING, "description": "The zone of `at`."},
        "can_send": {"type": "boolean", "description": "Whether the service has a mail server."},
    }
)


class Schedules:
    """The endpoints."""

    def __init__(self, database: Database, reports: Reports, mailer: Mailer) -> None:
        self._database = database
        self._reports = reports
        self._mailer = mailer

    def operations(self) -> list[Operation]:
        """List the endpoints."""
        problems = {
            400: "The body is not JSON.",
            409: f"The service has no mail server, or the tenant has {MAX_SCHEDULES} scheduled reports.",
            413: "The body is too large.",
            415: "The body is not sent as application/json.",
        }
        added = {status: Answer(meaning, PROBLEM, MEDIA_TYPE) for status, meaning in problems.items()}
        missing = Answer("There is no such scheduled report.", PROBLEM, MEDIA_TYPE)
        return [
            _operation("GET", PATH, "getSchedules", "Scheduled reports", self._list, {200: _answer(SCHEDULES)}),
            _operation(
                "POST",
                PATH,
                "addSchedule",
                "Send a report again and again",
                self._add,
                {201: _answer(SCHEDULE), **added},
            ),
            _operation(
                "PUT",
                SCHEDULE_PATH,
                "changeSchedule",
                "Give a scheduled report other values",
                self._change,
                {200: _answer(SCHEDULE), **added, 404: missing},
            ),
            _operation(
                "DELETE",
                SCHEDULE_PATH,
                "deleteSchedule",
                "Delete a scheduled report",
                self._delete,
                {204: Answer("It is deleted."), 404: missing},
            ),
        ]

    async def _list(self, request: Request) -> Response:
        tenant_id = await self._reports.admit(request)
        async with self._reports.light_turn(request), self._database.read() as connection:
            schedules = await read_schedules(connection, tenant_id)
        zone = self._database.days.zone.key
        body = {"items": list(map(_item, schedules)), "timezone": zone, "can_send": self._mailer.is_configured}
        written = msgspec.json.encode(body)
        headers = {**HEADERS, "ETag": weak(digest(written))}
        if matches(request.headers.get("if-none-match", ""), headers["ETag"]):
            return Response(status_code=304, headers=headers)
        return Response(written, headers=headers, media_type=JSON)

    async def _add(self, request: Request) -> Response:
        tenant_id = await self._reports.admit(request)
        schedule = await self._asked(request)
        async with self._reports.light_turn(request):
            await self._check(tenant_id, schedule)
            add = partial(add_schedule, actor=schedule.author, tenant_id=tenant_id, schedule=schedule)
            try:
                added = await self._database.write(add)
            except TooManySchedules as error:
                raise Problem(409, str(error)) from None
        return Response(msgspec.json.encode(_item(added)), 201, {"Cache-Control": "no-store"}, JSON)

    async def _change(self, request: Request) -> Response:
        tenant_id = await self._reports.admit(request)
        schedule_id = _schedule_id(request)
        schedule = await self._asked(request)
        change = partial(
            change_schedule,
            actor=schedule.author,
            tenant_id=tenant_id,
            schedule_id=schedule_id,
            schedule=schedule,
            now=clock.now(),
            next_time=partial(next_time, self._database.days),
        )
        async with self._reports.light_turn(request):
            await self._check(tenant_id, schedule)
            try:
                changed = await self._database.write(change)
            except KeyError:
                raise not_found(_ID.name, _NO_SCHEDULE) from None
        return Response(msgspec.json.encode(_item(changed)), 200, {"Cache-Control": "no-store"}, JSON)

    async def _asked(self, request: Request) -> Schedule:
        """Read what is asked for; raises a :exc:`Problem`, also if nothing can be sent."""
        asked = await read_document(request, NewSchedule)
        schedule = self._checked(asked, request.scope[PRINCIPAL].subject)
        if asked.recipients and not self._mailer.is_configured:
            raise Problem(409, "the service has no mail server: set ANALYTICS_SMTP_URL and ANALYTICS_MAIL_FROM")
        return schedule

    async def _delete(self, request: Request) -> Response:
        tenant_id = await self._reports.admit(request)
        schedule_id = _schedule_id(request)
        actor = request.scope[PRINCIPAL].subject
        try:
            async with self._reports.light_turn(request):
                await self._database.write(
                    partial(delete_schedule, actor=actor, tenant_id=tenant_id, schedule_id=schedule_id)
                )
        except KeyError:
            raise not_found(_ID.name, _NO_SCHEDULE) from None
        return Response(status_code=204, headers={"Cache-Control": "no-store"})

    async def _check(self, tenant_id: str, schedule: Schedule) -> None:
        """See that view and targets are there; raises a 422 :exc:`Problem`."""
        async with self._database.read() as connection:
            views = {view.id for view in await read_views(connection, tenant_id)}
            targets = {target.id for target in await read_targets(connection, tenant_id) if target.kind == "webhook"}
        if schedule.view_id is not None and schedule.view_id not in views:
            raise invalid("view", "there is no such view")
        if not targets.issuperset(schedule.targets):
            raise invalid("targets", _NO_WEBHOOK)

    def _checked(self, asked: NewSchedule, author: str) -> Schedule:
        """Check what types do not say; raises a 422 :exc:`Problem`."""
        _check_choices(asked)
        if (asked.report is None) == (asked.view is None):
            raise invalid("report", "give either a report or a view")
        if not (name := asked.name.strip()):
            raise invalid("name", "must not be of spaces alone")
        if not all(map(is_address, asked.recipients)):
            raise invalid("recipients", "must be e-mail addresses such as ops@example.com")
        if not all(map(RULE_ID.fullmatch, asked.targets)):
            raise invalid("targets", _NO_WEBHOOK)
        if not asked.recipients and not asked.targets:
            raise invalid("recipients", "name somebody, or a webhook in targets")
        arrived = clock.now()
        schedule = Schedule(
            name=name,
            report=asked.report,
            view_id=asked.view,
            every=asked.every,
            on_day=None if asked.every == "daily" else asked.on or 1,
            at_time=asked.at,
            paper=asked.paper,
            language=asked.language,
            recipients=tuple(dict.fromkeys((*asked.recipients, *asked.targets))),
            author=author,
            created_at=arrived,
            next_at="",
        )
        return replace(schedule, next_at=next_time(self._database.days, schedule, arrived))


def _check_choices(asked: NewSchedule) -> None:
    choices: Mapping[str, tuple[Any, ...]] = {
        "every": get_args(Every),
        "report": (None, *NAMES),
        "paper": PAPERS,
        "language": LANGUAGES,
    }
    for field, known in choices.items():
        if getattr(asked, field) not in known:
            raise invalid(field, f"must be one of {', '.join(name for name in known if name is not None)}")
    last = _LAST_DAY[asked.every]
    if asked.on is not None and (last is None or asked.on > last):
        raise invalid("on", "is for weekly (1 to 7) and monthly (1 to 31) reports")


def _schedule_id(request: Request) -> str:
    """Read what the path names; raises a 404 :exc:`Problem` for what cannot be the id of anything."""
    found = str(request.path_params[_ID.name])
    if not re.fullmatch("[0-9a-f]{8}", found):
        raise not_found(_ID.name, _NO_SCHEDULE)
    return found


def _item(schedule: Schedule) -> dict[str, Any]:
    told = {"recipients": schedule.addresses, "targets": schedule.targets}
    renamed = {"view": schedule.view_id, "on": schedule.on_day, "at": schedule.at_time}
    known = {**vars(schedule), **renamed, **told}
    return {name: known[name] for name in SCHEDULE["properties"]}


def _answer(shape: JsonSchema) -> Answer:
    return Answer("The scheduled reports." if shape is SCHEDULES else "The scheduled report.", shape)


def _operation(
    method: str, path: str, name: str, title: str, endpoint: Endpoint, answers: Mapping[int, Answer]
) -> Operation:
    body: dict[str, JsonSchema] = {JSON: _body()} if method in ("POST", "PUT") else {}
    parameters = (_ID,) if path == SCHEDULE_PATH else ()
    return Operation(
        method,
        path,
        name,
        "Scheduled reports",
        title,
        endpoint,
        answers,
        access="admin",
        parameters=parameters,
        body=body,
    )


def _body() -> JsonSchema:
    schema = msgspec.json.schema(NewSchedule)
    described: JsonSchema = schema["$defs"][NewSchedule.__name__]
    return described
