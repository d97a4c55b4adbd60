"""What the endpoints of alerts share: who asks, the turn in which it is done, and the answer."""

import re
from collections.abc import Callable
from typing import Any, TypeVar

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from storage.alerts.decide import Decided
from storage.alerts.rule import RULE_ID
from storage.alerts.rules import Place
from storage.engine.database import Database, ReadTransaction, WriteTransaction
from storage.errors import TooManyRules
from storage.retention.steps import NOTHING, Done, Steps
from storage.tables.heads import Head
from web.http.documents import JSON
from web.http.etag import digest, matches, weak
from web.http.operations import JsonSchema, Parameter, text
from web.http.problems import Problem, invalid, not_found
from web.ops.audit import PRINCIPAL
from web.reports.endpoints import HEADERS, PREFIX, Reports

PATH = f"{PREFIX}/alerts"
STRING: JsonSchema = {"type": "string"}
T = TypeVar("T")


class Access:
    """Does what admins ask, in their turn."""

    def __init__(self, database: Database, steps: Steps, reports: Reports, told: Callable[[], None]) -> None:
        """*told* is called when messages wait to be sent."""
        self.database = database
        self.reports = reports
        self._steps = steps
        self.told = told

    async def read(self, request: Request, read: Callable[[ReadTransaction], Any]) -> Any:
        """Read something of the database."""
        async with self.reports.light_turn(request), self.database.read() as connection:
            return await read(connection)

    async def write(self, request: Request, work: Callable[[WriteTransaction], T]) -> T:
        """Write something that moves no position."""
        try:
            async with self.reports.light_turn(request):
                return await self.database.write(work)
        except TooManyRules as error:
            raise Problem(409, str(error)) from None

    async def change(
        self, request: Request, tenant_id: str, work: Callable[[WriteTransaction, Place], Decided]
    ) -> None:
        """Change rules, or how they stand, in one change of the tenant."""

        def step(connection: WriteTransaction, head: Head) -> Done:
            decided = work(connection, Place(head, self.database.epoch, self.database.days))
            if decided.counts is None:
                return NOTHING
            return Done(1, "alerts", alerts=decided.counts, deliveries=decided.deliveries)

        try:
            async with self.reports.light_turn(request):
                done = await self._steps.take(tenant_id, step)
        except TooManyRules as error:
            raise Problem(409, str(error)) from None
        if done.deliveries:
            self.told()


def actor(request: Request) -> str:
    """Say who asks, once :meth:`Reports.admit` has."""
    return str(request.scope[PRINCIPAL].subject)


def named(parameter: str, what: str) -> Parameter:
    """Make the parameter of a path that names something."""
    return Parameter(parameter, f"The `id` of the {what}.", STRING, text(64))


def path_id(request: Request, parameter: str, *, pattern: re.Pattern[str] = RULE_ID) -> str:
    """Read what the path names; raises a 404 :exc:`Problem` for what cannot be the id of anything."""
    found = str(request.path_params[parameter])
    if not pattern.fullmatch(found):
        raise not_found(parameter, "there is no such one")
    return found


def chosen_id(request: Request, parameter: str) -> str:
    """Read the id that is chosen for something new; raises a 422 :exc:`Problem`."""
    found = str(request.path_params[parameter])
    if not RULE_ID.fullmatch(found):
        raise invalid(parameter, "must be 1 to 64 of a-z, 0-9 and ._-, and begin with a letter or digit")
    return found


RANDOM_ID = re.compile("[0-9a-f]{16}", re.ASCII)


def answer(document: Any, status: int = 200) -> Response:
    """Answer with a document that nobody may keep."""
    return Response(msgspec.json.encode(document), status, {"Cache-Control": "no-store"}, JSON)


def done() -> Response:
    """Answer that it is done."""
    return Response(status_code=204, headers={"Cache-Control": "no-store"})


def cached(request: Request, document: Any) -> Response:
    """Answer with a document, unless the client has it; it has no part in the position."""
    written = msgspec.json.encode(document)
    headers = {**HEADERS, "ETag": weak(digest(written))}
    if matches(request.headers.get("if-none-match", ""), headers["ETag"]):
        return Response(status_code=304, headers=headers)
    return Response(written, headers=headers, media_type=JSON)
