"""The endpoints of rules: an admin lists, sets and deletes them, and acknowledges what fires."""

from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from storage.alerts import rules
from storage.alerts.decide import Decided
from storage.alerts.rule import InvalidRule, Rule, check
from storage.alerts.rules import KeptRule, Place, read_rules
from storage.alerts.silence import Silence, read_silences
from storage.alerts.state import State
from storage.engine.database import WriteTransaction
from web.alerts import shapes
from web.alerts.access import PATH, Access, actor, answer, chosen_id, done, named, path_id
from web.http.documents import JSON, read_document
from web.http.operations import Answer, Operation
from web.http.problems import invalid, not_found
from web.reports.lists import Ask, Values

RULE_PATH = f"{PATH}/rules/{{rule_id}}"
_ID = named("rule_id", "rule")
NO_RULE = "there is no such rule"
TAG = "Alerts"


class Rules:
    """The endpoints."""

    def __init__(self, access: Access) -> None:
        self._access = access

    def operations(self) -> list[Operation]:
        """List the endpoints."""
        missing = shapes.problem("There is no such rule.")
        return [
            self._access.reports.report(
                "alerts", "getAlerts", "Rules of alerts, and how they stand", _list, shapes.RULES
            ),
            Operation(
                "PUT",
                RULE_PATH,
                "setAlertRule",
                TAG,
                "Set a rule: add it, or change the one of this id",
                self._put,
                {
                    200: Answer("The rule.", shapes.SET_RULE),
                    409: shapes.problem("The tenant has as many rules as it may have."),
                    **shapes.BODY_PROBLEMS,
                },
                access="admin",
                parameters=(_ID,),
                body={JSON: shapes.RULE},
            ),
            Operation(
                "DELETE",
                RULE_PATH,
                "deleteAlertRule",
                TAG,
                "Delete a rule; what fires is resolved",
                self._delete,
                {204: Answer("It is deleted."), 404: missing},
                access="admin",
                parameters=(_ID,),
            ),
            Operation(
                "POST",
                f"{RULE_PATH}/acknowledgements",
                "acknowledgeAlert",
                TAG,
                "Say that somebody has seen that a rule fires",
                self._acknowledge,
                {204: Answer("It is recorded."), 404: shapes.problem("There is no such rule that fires.")},
                access="admin",
                parameters=(_ID,),
            ),
        ]

    async def _put(self, request: Request) -> Response:
        tenant_id = await self._access.reports.admit(request)
        rule_id = chosen_id(request, _ID.name)
        rule = await read_document(request, Rule)
        try:
            check(rule)
        except InvalidRule as error:
            raise invalid(error.field, error.error) from None
        subject = actor(request)

        def work(connection: WriteTransaction, place: Place) -> Decided:
            return rules.put_rules(connection, place, {rule_id: rule}, subject)

        await self._access.change(request, tenant_id, work)
        return answer({"id": rule_id, "rule": rule})

    async def _delete(self, request: Request) -> Response:
        tenant_id = await self._access.reports.admit(request)
        rule_id, subject = path_id(request, _ID.name), actor(request)

        def work(connection: WriteTransaction, place: Place) -> Decided:
            return rules.delete_rules(connection, place, {rule_id}, subject)

        try:
            await self._access.change(request, tenant_id, work)
        except KeyError:
            raise not_found(_ID.name, NO_RULE) from None
        return done()

    async def _acknowledge(self, request: Request) -> Response:
        tenant_id = await self._access.reports.admit(request)
        rule_id, subject = path_id(request, _ID.name), actor(request)

        def work(connection: WriteTransaction, place: Place) -> Decided:
            return Decided(rules.acknowledge(connection, place.head, rule_id, subject))

        try:
            await self._access.change(request, tenant_id, work)
        except KeyError:
            raise not_found(_ID.name, "there is no such rule that fires") from None
        return done()


async def _list(ask: Ask) -> Values:
    silences = await read_silences(ask.connection, ask.tenant_id)
    return {"items": [item(kept, silences) for kept in await read_rules(ask.connection, ask.tenant_id)]}


def item(kept: KeptRule, silences: list[Silence]) -> dict[str, Any]:
    """Write a rule and how it stands."""
    untils = [silence.until for silence in silences if silence.matcher.matches(kept.id, kept.rule)]
    return {
        "id": kept.id,
        "rule": msgspec.to_builtins(kept.rule),
        "author": kept.author,
        "updated_at": kept.updated_at,
        "states": [_state(state) for state in sorted(kept.states, key=lambda state: int(state.level or 0))],
        "silenced_until": max(untils, default=None),
    }


def _state(state: State) -> dict[str, Any]:
    return {
        "level": int(state.level) if state.level else None,
        "status": state.status,
        "since": state.since,
        "value": state.value,
        "window_start": state.window_key or None,
        "acknowledged_at": state.acknowledged_at,
        "acknowledged_by": state.acknowledged_by,
    }
