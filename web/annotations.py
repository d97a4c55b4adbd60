"""The endpoints that change annotations: an admin, or a program with an admin's token, adds and deletes them.

Their list is one of ``reports/lists.py``.
"""

import re
from collections.abc import Mapping
from typing import Annotated, Any, get_args
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta
from starlette.requests import Request
from starlette.responses import Response

from storage.annotations import MAX_ANNOTATIONS, Annotation, Kind, add, remove
from storage.engine.database import Database
from storage.errors import TooManyAnnotations
from storage.model.clock import now
from storage.retention.steps import Step, Steps
from web.http.documents import JSON, read_document
from web.http.operations import Answer, Endpoint, Operation, Parameter, moment, text
from web.http.problems import MEDIA_TYPE, PROBLEM, Problem, invalid, not_found
from web.ops.audit import PRINCIPAL
from web.reports import shapes
from web.reports.endpoints import PREFIX, Reports

PATH = f"{PREFIX}/annotations"
ANNOTATION_PATH = f"{PATH}/{{annotation_id}}"
NO_ANNOTATION = "there is no such annotation"
Time = Annotated[str, Meta(min_length=1, max_length=40)]
_LINK = re.compile(r"https?://[^\s]+", re.ASCII | re.IGNORECASE)
_ID = Parameter("annotation_id", "The `id` of the annotation.", {"type": "string"}, text(16))


class NewAnnotation(msgspec.Struct, forbid_unknown_fields=True):
    """What happened. ``at`` and ``until`` are ISO 8601 times with their zone, or dates; ``at`` None: now."""

    text: Annotated[str, Meta(min_length=1, max_length=500)]
    # As text, since an error of msgspec would repeat what is none.
    kind: Annotated[str, Meta(extra_json_schema={"enum": list(get_args(Kind))})] = "note"
    at: Time | None = None
    until: Time | None = None
    link: Annotated[str, Meta(min_length=1, max_length=2000)] | None = None


class Annotations:
    """The endpoints."""

    def __init__(self, database: Database, steps: Steps, reports: Reports) -> None:
        """*steps* append to the change log of their tenant."""
        self._database = database
        self._steps = steps
        self._reports = reports

    def operations(self) -> list[Operation]:
        """List the endpoints."""
        problems = {
            status: Answer(meaning, PROBLEM, MEDIA_TYPE)
            for status, meaning in {
                400: "The body is not JSON.",
                409: f"The tenant has {MAX_ANNOTATIONS:,} annotations.",
                413: "The body is too large.",
                415: "The body is not sent as application/json.",
            }.items()
        }
        added = {201: Answer("The annotation.", shapes.ANNOTATION), **problems}
        deleted = {
            204: Answer("It is deleted."),
            404: Answer("There is no such annotation.", PROBLEM, MEDIA_TYPE),
        }
        return [
            _operation("POST", PATH, "addAnnotation", "Mark a deploy or an incident on the charts", self._add, added),
            _operation(
                "DELETE", ANNOTATION_PATH, "deleteAnnotation", "Delete an annotation", self._delete, deleted, (_ID,)
            ),
        ]

    async def _add(self, request: Request) -> Response:
        tenant_id = await self._reports.admit(request)
        asked = await read_document(request, NewAnnotation)
        annotation = self._checked(asked, request.scope[PRINCIPAL].subject)
        told: list[Annotation] = []
        try:
            await self._take(request, tenant_id, add(annotation, told.append))
        except TooManyAnnotations as error:
            raise Problem(409, str(error)) from None
        # The last one: a transaction that failed is tried again.
        return Response(msgspec.json.encode(told[-1]), 201, {"Cache-Control": "no-store"}, JSON)

    async def _delete(self, request: Request) -> Response:
        tenant_id = await self._reports.admit(request)
        annotation_id = str(request.path_params[_ID.name])
        if not re.fullmatch("[0-9a-f]{16}", annotation_id):
            raise not_found(_ID.name, NO_ANNOTATION)
        try:
            await self._take(request, tenant_id, remove(annotation_id, request.scope[PRINCIPAL].subject))
        except KeyError:
            raise not_found(_ID.name, NO_ANNOTATION) from None
        return Response(status_code=204, headers={"Cache-Control": "no-store"})

    async def _take(self, request: Request, tenant_id: str, step: Step) -> None:
        async with self._reports.light_turn(request):
            await self._steps.take(tenant_id, step)

    def _checked(self, asked: NewAnnotation, author: str) -> Annotation:
        """Check what types do not say; raises a 422 :exc:`Problem`."""
        if not (stripped := asked.text.strip()):
            raise invalid("text", "must not be of spaces alone")
        if asked.kind not in get_args(Kind):
            raise invalid("kind", f"must be one of {', '.join(get_args(Kind))}")
        arrived = now()
        at = self._moment("at", asked.at) or arrived
        until = self._moment("until", asked.until)
        if until is not None and until <= at:
            raise invalid("until", "must lie after at")
        if asked.link is not None:
            _check_link(asked.link)
        return Annotation(asked.kind, stripped, at, until, asked.link, author, created_at=arrived)

    def _moment(self, field: str, value: str | None) -> str | None:
        try:
            return None if value is None else moment(value, self._database.days)
        except ValueError as error:
            raise invalid(field, str(error)) from None


def _check_link(link: str) -> None:
    """See that a link leads to a page, and nowhere else: the dashboard shows it to every admin."""
    try:
        parts = urlsplit(link)
    except ValueError:
        parts = None
    if parts is None or not _LINK.fullmatch(link) or not parts.hostname:
        raise invalid("link", "must be an address that begins with http:// or https://")
    if "@" in parts.netloc:
        raise invalid("link", "must not hold a user name or a password")


def _operation(
    method: str,
    path: str,
    name: str,
    title: str,
    endpoint: Endpoint,
    answers: Mapping[int, Answer],
    parameters: tuple[Parameter, ...] = (),
) -> Operation:
    body: dict[str, Any] = {} if method == "DELETE" else {JSON: _body()}
    return Operation(
        method, path, name, "Annotations", title, endpoint, answers, access="admin", parameters=parameters, body=body
    )


def _body() -> dict[str, Any]:
    schema = msgspec.json.schema(NewAnnotation)
    described: dict[str, Any] = schema["$defs"][NewAnnotation.__name__]
    return described
