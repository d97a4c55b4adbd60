"""The endpoints of saved views: the admins of a tenant list, save, rename and delete them."""

import re
from collections.abc import Callable, Mapping
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import Meta
from starlette.requests import Request
from starlette.responses import Response

from storage.engine.database import Database, WriteTransaction
from storage.errors import NameTaken, TooManyViews
from storage.saved_views import FILTERS, MAX_VIEWS, SavedView, add_view, delete_view, read_views, rename_view
from web.http.documents import JSON, read_document
from web.http.etag import digest, matches, weak
from web.http.operations import Answer, Endpoint, JsonSchema, Operation, Parameter, text
from web.http.problems import MEDIA_TYPE, PROBLEM, Problem, invalid, not_found
from web.ops.audit import PRINCIPAL
from web.reports import shapes
from web.reports.endpoints import HEADERS, PREFIX, Reports

PATH = f"{PREFIX}/views"
VIEW_PATH = f"{PATH}/{{view_id}}"

Name = Annotated[str, Meta(min_length=1, max_length=100)]
Identifier = Annotated[str, Meta(min_length=1, max_length=255)]

NO_VIEW = "there is no such view"

T = TypeVar("T")


class Filters(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """What a view is limited to; None: it is not."""

    user_id: Identifier | None = None
    conversation_id: Identifier | None = None
    model_used: Identifier | None = None
    endpoint: Annotated[str, Meta(min_length=1, max_length=512)] | None = None
    activity_type: Annotated[str, Meta(min_length=1, max_length=100)] | None = None
    status: Annotated[str, Meta(min_length=1, max_length=16)] | None = None


class NewView(msgspec.Struct, forbid_unknown_fields=True):
    """A view that is to be saved.

    ``page`` is the name of a page of the dashboard. ``range`` is a preset such as ``7d``, or two times with a slash
    between them (ISO 8601); None: the usual one.
    """

    name: Name
    page: Annotated[str, Meta(pattern="^[a-z-]{1,40}$")]
    filters: Filters = Filters()
    range: Annotated[str, Meta(pattern="^[0-9A-Za-z:.+/-]{1,60}$")] | None = None


class Renaming(msgspec.Struct, forbid_unknown_fields=True):
    """Another name for a view."""

    name: Name


VIEW_FILTERS = shapes.record(dict.fromkeys(FILTERS, shapes.OPTIONAL))
VIEW: JsonSchema = shapes.record(
    {
        "id": shapes.STRING,
        "name": shapes.STRING,
        "page": shapes.STRING,
        "filters": VIEW_FILTERS,
        "range": shapes.OPTIONAL,
        "created_at": shapes.TIME,
    }
)
VIEWS: JsonSchema = shapes.record({"items": {"type": "array", "items": VIEW}})
_VIEW_ID = Parameter("view_id", "The `id` of the view.", {"type": "string"}, text(16))
_MISSING = Answer("There is no such view.", PROBLEM, MEDIA_TYPE)
_TAKEN = Answer("Another view has this name, or there are too many.", PROBLEM, MEDIA_TYPE)
_BODY = {
    400: Answer("The body is not JSON.", PROBLEM, MEDIA_TYPE),
    413: Answer("The body is too large.", PROBLEM, MEDIA_TYPE),
    415: Answer("The body is not sent as application/json.", PROBLEM, MEDIA_TYPE),
}


class SavedViews:
    """The endpoints."""

    def __init__(self, database: Database, reports: Reports) -> None:
        self._database = database
        self._reports = reports

    def operations(self) -> list[Operation]:
        """List the endpoints."""
        saved = Answer("The view.", VIEW)
        return [
            _operation("GET", PATH, "getViews", "Saved views, by name", self._list, {200: Answer("The views.", VIEWS)}),
            _operation(
                "POST",
                PATH,
                "saveView",
                f"Save a view; a tenant has {MAX_VIEWS} at the most",
                self._add,
                {201: saved, 409: _TAKEN, **_BODY},
                NewView,
            ),
            _operation(
                "PATCH",
                VIEW_PATH,
                "renameView",
                "Give a view another name",
                self._rename,
                {200: saved, 404: _MISSING, 409: _TAKEN, **_BODY},
                Renaming,
            ),
            _operation(
                "DELETE",
                VIEW_PATH,
                "deleteView",
                "Delete a view",
                self._delete,
                {204: Answer("It is deleted."), 404: _MISSING},
            ),
        ]

    async def _list(self, request: Request) -> Response:
        tenant_id = await self._reports.admit(request)
        async with self._reports.light_turn(request), self._database.read() as connection:
            views = await read_views(connection, tenant_id)
        written = msgspec.json.encode({"items": [_item(view) for view in views]})
        # Views are no figures: they have no part in the position.
        headers = {**HEADERS, "ETag": weak(digest(written))}
        if matches(request.headers.get("if-none-match", ""), headers["ETag"]):
            return Response(status_code=304, headers=headers)
        return Response(written, headers=headers, media_type=JSON)

    async def _add(self, request: Request) -> Response:
        tenant_id = await self._reports.admit(request)
        asked = await read_document(request, NewView)
        view = SavedView(_checked(asked.name), asked.page, asked.range, **msgspec.structs.asdict(asked.filters))
        actor = request.scope[PRINCIPAL].subject
        saved = await self._write(request, lambda connection: add_view(connection, actor, tenant_id, view))
        return _answer(saved, 201)

    async def _rename(self, request: Request) -> Response:
        tenant_id = await self._reports.admit(request)
        name = _checked((await read_document(request, Renaming)).name)
        actor, view_id = request.scope[PRINCIPAL].subject, _view_id(request)
        return _answer(
            await self._write(request, lambda connection: rename_view(connection, actor, tenant_id, view_id, name))
        )

    async def _delete(self, request: Request) -> Response:
        tenant_id = await self._reports.admit(request)
        actor, view_id = request.scope[PRINCIPAL].subject, _view_id(request)
        await self._write(request, lambda connection: delete_view(connection, actor, tenant_id, view_id))
        return Response(status_code=204, headers={"Cache-Control": "no-store"})

    async def _write(self, request: Request, work: Callable[[WriteTransaction], T]) -> T:
        try:
            async with self._reports.light_turn(request):
                return await self._database.write(work)
        except NameTaken as error:
            raise Problem(409, f"name: {error}", "name") from None
        except TooManyViews as error:
            raise Problem(409, str(error)) from None
        except KeyError:
            raise not_found(_VIEW_ID.name, NO_VIEW) from None


def _operation(
    method: str,
    path: str,
    name: str,
    title: str,
    endpoint: Endpoint,
    answers: Mapping[int, Answer],
    body: type[msgspec.Struct] | None = None,
) -> Operation:
    return Operation(
        method,
        path,
        name,
        "Saved views",
        title,
        endpoint,
        answers,
        access="admin",
        parameters=(_VIEW_ID,) if path == VIEW_PATH else (),
        body={} if body is None else {JSON: _schema(body)},
    )


def _schema(kind: type[msgspec.Struct]) -> JsonSchema:
    """Describe a body in one piece."""
    schema = msgspec.json.schema(kind)
    schemas = schema.pop("$defs")

    def resolve(value: Any) -> Any:
        if isinstance(value, dict):
            if "$ref" in value:
                return resolve(schemas[value["$ref"].rpartition("/")[2]])
            return {name: resolve(inner) for name, inner in value.items()}
        return [resolve(inner) for inner in value] if isinstance(value, list) else value

    return dict(resolve(schema))


def _view_id(request: Request) -> str:
    """Read which view is meant; raises a 404 :exc:`Problem` for what is no id of one."""
    view_id = str(request.path_params[_VIEW_ID.name])
    if not re.fullmatch("[0-9a-f]{8}", view_id):
        raise not_found(_VIEW_ID.name, NO_VIEW)
    return view_id


def _checked(name: str) -> str:
    if not (stripped := name.strip()):
        raise invalid("name", "must not be of spaces alone")
    return stripped


def _item(view: SavedView) -> dict[str, Any]:
    return {
        "id": view.id,
        "name": view.name,
        "page": view.page,
        "filters": {name: getattr(view, name) for name in FILTERS},
        "range": view.range,
        "created_at": view.created_at,
    }


def _answer(view: SavedView, status: int = 200) -> Response:
    return Response(msgspec.json.encode(_item(view)), status, {"Cache-Control": "no-store"}, JSON)
