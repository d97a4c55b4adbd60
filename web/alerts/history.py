"""The endpoints of what was: transitions with what was sent of them, sending again, and silences."""

import base64
import binascii
from typing import Any

import msgspec
from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response

from storage.alerts.deliveries import read_history, send_again
from storage.alerts.silence import MAX_SILENCES, Matcher, Silence, add_silence, end_silence, read_silences
from storage.model.clock import now
from web.alerts import shapes
from web.alerts.access import PATH, RANDOM_ID, Access, actor, answer, cached, done, named, path_id
from web.http.documents import JSON, read_document
from web.http.operations import Answer, Operation, Parameter, moment, opaque, read_query, whole
from web.http.problems import invalid, not_found

TAG = "Alerts"
MAX_LIMIT, DEFAULT_LIMIT = 200, 50
_LIMIT = Parameter(
    "limit",
    "Items of a page.",
    {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": DEFAULT_LIMIT},
    whole(1, MAX_LIMIT),
    DEFAULT_LIMIT,
)
_CURSOR = Parameter("cursor", "The `next` of the page before.", {"type": "string"}, opaque)
_DELIVERY = named("delivery_id", "delivery")
_SILENCE = named("silence_id", "silence")


class NewSilence(Struct, forbid_unknown_fields=True):
    """What nobody is to be told of ``until`` a time (ISO 8601, or a date)."""

    until: str
    matcher: Matcher = Matcher()


class History:
    """The endpoints."""

    def __init__(self, access: Access) -> None:
        self._access = access

    def operations(self) -> list[Operation]:
        """List the endpoints."""
        return [
            _operation(
                "GET",
                f"{PATH}/history",
                "getAlertHistory",
                "What fired and was resolved, newest first, and what was sent of it",
                self._list,
                {200: Answer("A page.", shapes.HISTORY)},
                (_LIMIT, _CURSOR),
            ),
            _operation(
                "POST",
                f"{PATH}/deliveries/{{delivery_id}}/attempts",
                "sendAlertAgain",
                "Send a message once more, with the same id",
                self._send_again,
                {202: Answer("It waits to be sent."), 404: shapes.problem("There is no such delivery.")},
                (_DELIVERY,),
            ),
            _operation(
                "GET",
                f"{PATH}/silences",
                "getAlertSilences",
                "Silences that have not ended",
                self._list_silences,
                {200: Answer("The silences.", shapes.SILENCES)},
            ),
            _operation(
                "POST",
                f"{PATH}/silences",
                "silenceAlerts",
                f"Tell nobody of what matches until a time; a tenant has {MAX_SILENCES} silences at the most",
                self._silence,
                {
                    201: Answer("The silence.", shapes.SILENCE),
                    409: shapes.problem("There are too many."),
                    **shapes.BODY_PROBLEMS,
                },
                body=NewSilence,
            ),
            _operation(
                "DELETE",
                f"{PATH}/silences/{{silence_id}}",
                "endAlertSilence",
                "End a silence",
                self._end_silence,
                {204: Answer("It has ended."), 404: shapes.problem("There is no such silence.")},
                (_SILENCE,),
            ),
        ]

    async def _list(self, request: Request) -> Response:
        tenant_id = await self._access.reports.admit(request)
        values = read_query(request.query_params, (_LIMIT, _CURSOR), self._access.database.days)
        before = None if values["cursor"] is None else _read_cursor(values["cursor"])
        limit = values["limit"]
        items = await self._access.read(
            request, lambda connection: read_history(connection, tenant_id, limit + 1, before)
        )
        page = [_item(found) for found in items[:limit]]
        following = _write_cursor(page[-1]) if len(items) > limit else None
        return cached(request, {"items": page, "next": following})

    async def _send_again(self, request: Request) -> Response:
        tenant_id = await self._access.reports.admit(request)
        delivery_id = path_id(request, _DELIVERY.name, pattern=RANDOM_ID)
        try:
            await self._access.write(request, lambda connection: send_again(connection, tenant_id, delivery_id))
        except KeyError:
            raise not_found(_DELIVERY.name, "there is no such delivery") from None
        self._access.told()
        return Response(status_code=202, headers={"Cache-Control": "no-store"})

    async def _list_silences(self, request: Request) -> Response:
        tenant_id = await self._access.reports.admit(request)
        found = await self._access.read(request, lambda connection: read_silences(connection, tenant_id))
        return cached(request, {"items": [_silence(silence) for silence in found]})

    async def _silence(self, request: Request) -> Response:
        tenant_id = await self._access.reports.admit(request)
        asked = await read_document(request, NewSilence)
        try:
            until = moment(asked.until, self._access.database.days)
        except ValueError as error:
            raise invalid("until", str(error)) from None
        if until <= now():
            raise invalid("until", "must lie ahead")
        wanted = Silence(asked.matcher, until, actor(request))
        added = await self._access.write(request, lambda connection: add_silence(connection, tenant_id, wanted))
        return answer(_silence(added), 201)

    async def _end_silence(self, request: Request) -> Response:
        tenant_id = await self._access.reports.admit(request)
        silence_id, subject = path_id(request, _SILENCE.name, pattern=RANDOM_ID), actor(request)
        try:
            await self._access.write(
                request, lambda connection: end_silence(connection, tenant_id, silence_id, subject)
            )
        except KeyError:
            raise not_found(_SILENCE.name, "there is no such silence") from None
        return done()


def _operation(
    method: str,
    path: str,
    name: str,
    title: str,
    endpoint: Any,
    answers: dict[int, Answer],
    parameters: tuple[Parameter, ...] = (),
    body: type[msgspec.Struct] | None = None,
) -> Operation:
    described = {} if body is None else {JSON: shapes.body(body)}
    return Operation(
        method, path, name, TAG, title, endpoint, answers, access="admin", parameters=parameters, body=described
    )


def _item(found: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": found["id"],
        "at": found["at"],
        "rule": found["rule_id"],
        "level": int(found["level"]) if found["level"] else None,
        "status": found["status"],
        "value": found["value"],
        "held": found["held"],
        "message": msgspec.json.decode(found["body"]),
        "deliveries": [
            {**{name: value for name, value in sent.items() if name != "target_id"}, "target": sent["target_id"]}
            for sent in found["deliveries"]
        ],
    }


def _silence(silence: Silence) -> dict[str, Any]:
    return {**vars(silence), "matcher": msgspec.to_builtins(silence.matcher)}


def _write_cursor(item: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(f"{item['at']} {item['id']}".encode()).rstrip(b"=").decode()


def _read_cursor(written: str) -> tuple[str, str]:
    try:
        at, _, found = base64.urlsafe_b64decode(written + "=" * (-len(written) % 4)).decode().partition(" ")
    except (ValueError, binascii.Error):
        at = found = ""
    if len(at) != len("2026-11-22T11:14:07.123Z") or not RANDOM_ID.fullmatch(found) or "\0" in at:
        raise invalid("cursor", "is not a cursor of this list")
    return at, found
