"""The endpoints of targets: whom alerts are told to. Addresses and secrets are written, and never read again."""

import secrets
from datetime import timedelta
from typing import Annotated, Any, get_args

import msgspec
from msgspec import Meta, Struct
from starlette.requests import Request
from starlette.responses import Response

from storage.alerts.message import write_test
from storage.alerts.targets import MAX_TARGETS, Target, delete_target, put_target, read_target, read_targets
from storage.model import clock
from web.alerts import shapes
from web.alerts.access import PATH, Access, actor, answer, cached, chosen_id, done, named, path_id
from web.alerts.channels import Channel, Channels, Message, check_address
from web.alerts.seal import Address, NoKey, Secret, Unreadable
from web.alerts.webhook import PREFIX, new_secret, read_secret
from web.http.documents import JSON, read_document
from web.http.operations import Answer, Operation, Parameter
from web.http.problems import Problem, invalid, not_found

TARGET_PATH = f"{PATH}/targets/{{target_id}}"
TAG = "Alerts"
NO_TARGET = "there is no such target"
_ID = named("target_id", "target")


class NewTarget(Struct, forbid_unknown_fields=True):
    """Whom to tell: ``kind`` is webhook, email or apprise, ``address`` its URL or e-mail address.

    ``secret`` is that of a webhook (``whsec_`` and base64); None: the one it has stays, a new target gets one.
    """

    kind: Annotated[str, Meta(extra_json_schema={"enum": list(get_args(Channel))})]
    address: Annotated[str, Meta(min_length=1, max_length=2000)]
    secret: Annotated[str, Meta(min_length=1, max_length=200)] | None = None


class Rotation(Struct, forbid_unknown_fields=True):
    """A new secret for a webhook: for so many ``hours`` messages are signed by the one before, too."""

    hours: Annotated[float, Meta(ge=0, le=24 * 30)] = 24.0
    secret: Annotated[str, Meta(min_length=1, max_length=200)] | None = None


class Targets:
    """The endpoints."""

    def __init__(self, access: Access, channels: Channels, *, anywhere: bool) -> None:
        """*anywhere*: messages may go to private networks."""
        self._access = access
        self._channels = channels
        self._anywhere = anywhere
        self._trying: set[str] = set()

    def operations(self) -> list[Operation]:
        """List the endpoints."""
        missing = shapes.problem("There is no such target.")
        conflict = shapes.problem("There are too many, or ANALYTICS_ALERTS_SECRET is needed.")
        with_secret = Answer("The target, and its secret if it is new.", shapes.NEW_TARGET)
        return [
            _operation(
                "GET",
                f"{PATH}/targets",
                "getAlertTargets",
                "Whom alerts are told to",
                self._list,
                {200: Answer("The targets.", shapes.TARGETS)},
            ),
            _operation(
                "PUT",
                TARGET_PATH,
                "setAlertTarget",
                f"Set a target; a tenant has {MAX_TARGETS} at the most",
                self._put,
                {200: with_secret, 409: conflict, **shapes.BODY_PROBLEMS},
                NewTarget,
            ),
            _operation(
                "DELETE",
                TARGET_PATH,
                "deleteAlertTarget",
                "Delete a target; what waits for it is not sent",
                self._delete,
                {204: Answer("It is deleted."), 404: missing},
            ),
            _operation(
                "POST",
                f"{TARGET_PATH}/secrets",
                "rotateAlertSecret",
                "Give a webhook a new secret",
                self._rotate,
                {201: with_secret, 404: missing, 409: conflict, **shapes.BODY_PROBLEMS},
                Rotation,
            ),
            _operation(
                "POST",
                f"{TARGET_PATH}/trials",
                "tryAlertTarget",
                "Send a test message, and say what became of it",
                self._try,
                {
                    200: Answer("What became of it.", shapes.TRIAL),
                    404: missing,
                    409: shapes.problem("A test message of the tenant is still being sent."),
                },
            ),
        ]

    async def _list(self, request: Request) -> Response:
        tenant_id = await self._access.reports.admit(request)
        found = await self._access.read(request, lambda connection: read_targets(connection, tenant_id))
        return cached(request, {"items": [_item(target) for target in found]})

    async def _put(self, request: Request) -> Response:
        tenant_id = await self._access.reports.admit(request)
        asked = await read_document(request, NewTarget)
        target_id = chosen_id(request, _ID.name)
        shown = self._checked(asked)
        kept: tuple[Secret, ...] = ()
        told = None
        if asked.kind == "webhook":
            kept, told = await self._secrets(request, tenant_id, target_id, asked)
        target = Target(
            target_id,
            asked.kind,
            shown,
            self._close(tenant_id, target_id, Address(asked.address, kept)),
            actor(request),
        )
        saved = await self._access.write(request, lambda connection: put_target(connection, tenant_id, target))
        return answer({**_item(saved), "secret": told})

    def _checked(self, asked: NewTarget) -> str:
        if asked.kind not in get_args(Channel):
            raise invalid("kind", f"must be one of {', '.join(get_args(Channel))}")
        if asked.secret is not None and asked.kind != "webhook":
            raise invalid("secret", "only webhooks have one")
        try:
            return check_address(asked.kind, asked.address, anywhere=self._anywhere)
        except ValueError as error:
            raise invalid("address", str(error)) from None

    async def _secrets(
        self, request: Request, tenant_id: str, target_id: str, asked: NewTarget
    ) -> tuple[tuple[Secret, ...], str | None]:
        """Give the secrets of a webhook, and the one that is told now: a given one is known."""
        if asked.secret is not None:
            return (Secret(_read(asked.secret)),), None
        try:
            _, address = await self._opened(request, tenant_id, target_id)
            if address.secrets:
                return address.secrets, None
        except Problem:
            pass
        drawn = new_secret()
        return (Secret(drawn),), PREFIX + drawn

    async def _delete(self, request: Request) -> Response:
        tenant_id = await self._access.reports.admit(request)
        target_id, subject = path_id(request, _ID.name), actor(request)
        try:
            await self._access.write(
                request, lambda connection: delete_target(connection, tenant_id, target_id, subject)
            )
        except KeyError:
            raise not_found(_ID.name, NO_TARGET) from None
        return done()

    async def _rotate(self, request: Request) -> Response:
        tenant_id = await self._access.reports.admit(request)
        asked = await read_document(request, Rotation)
        target_id = path_id(request, _ID.name)
        target, address = await self._opened(request, tenant_id, target_id)
        if target.kind != "webhook":
            raise Problem(409, "only webhooks have a secret")
        key = new_secret() if asked.secret is None else _read(asked.secret)
        until = clock.text(clock.moment(clock.now()) + timedelta(hours=asked.hours))
        before = tuple(Secret(secret.key, until) for secret in address.secrets[:1])
        sealed = self._close(tenant_id, target_id, Address(address.url, (Secret(key), *before)))
        changed = Target(target_id, target.kind, target.shown, sealed, actor(request))
        saved = await self._access.write(request, lambda connection: put_target(connection, tenant_id, changed))
        return answer({**_item(saved), "secret": PREFIX + key if asked.secret is None else None}, 201)

    async def _try(self, request: Request) -> Response:
        tenant_id = await self._access.reports.admit(request)
        target_id = path_id(request, _ID.name)
        target = await self._found(request, tenant_id, target_id)
        message_id = secrets.token_hex(8)
        body = write_test(message_id, tenant_id, clock.now())
        message = Message(tenant_id, message_id, body, target_id, target.kind, target.sealed)
        # One at a time: a target may make each of them wait for its whole time.
        if tenant_id in self._trying:
            raise Problem(409, "a test message is still being sent: wait for its end")
        self._trying.add(tenant_id)
        try:
            result = await self._channels.send(message)
        finally:
            self._trying.discard(tenant_id)
        return answer({"delivered": result.error is None, "error": result.error})

    async def _found(self, request: Request, tenant_id: str, target_id: str) -> Target:
        try:
            found: Target = await self._access.read(
                request, lambda connection: read_target(connection, tenant_id, target_id)
            )
        except KeyError:
            raise not_found(_ID.name, NO_TARGET) from None
        return found

    async def _opened(self, request: Request, tenant_id: str, target_id: str) -> tuple[Target, Address]:
        target = await self._found(request, tenant_id, target_id)
        try:
            return target, self._channels.seal.open(tenant_id, target_id, target.sealed)
        except (Unreadable, NoKey) as error:
            raise Problem(409, str(error)) from None

    def _close(self, tenant_id: str, target_id: str, address: Address) -> str:
        try:
            return self._channels.seal.close(tenant_id, target_id, address)
        except NoKey as error:
            raise Problem(409, str(error)) from None


def _read(secret: str) -> str:
    try:
        return read_secret(secret)
    except ValueError as error:
        raise invalid("secret", str(error)) from None


def _item(target: Target) -> dict[str, Any]:
    return {
        "id": target.id,
        "kind": target.kind,
        "address": target.shown,
        "author": target.author,
        "updated_at": target.updated_at,
        "ended_at": target.ended_at,
    }


def _operation(
    method: str,
    path: str,
    name: str,
    title: str,
    endpoint: Any,
    answers: dict[int, Answer],
    body: type[msgspec.Struct] | None = None,
) -> Operation:
    parameters: tuple[Parameter, ...] = (_ID,) if "{" in path else ()
    described = {} if body is None else {JSON: shapes.body(body)}
    return Operation(
        method, path, name, TAG, title, endpoint, answers, access="admin", parameters=parameters, body=described
    )
