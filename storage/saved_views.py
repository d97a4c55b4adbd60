"""Saved views of the dashboard: a name, and what is shown under it. Every statement about their table.

A view belongs to a tenant, whose admins share it. It may name a user, so the erasure of that user removes it.
"""

import secrets
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, and_, delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from storage.credentials import record
from storage.errors import NameTaken, TooManyViews
from storage.model.clock import now
from storage.tables import heads
from storage.tables.schema import saved_views

MAX_VIEWS = 200
"""How many a tenant may have."""
ID_BYTES = 4
FILTERS = ("user_id", "conversation_id", "model_used", "endpoint", "activity_type", "status")
"""What a view may be limited to; each is a column."""

_views = saved_views.c


@dataclass(frozen=True)
class SavedView:
    """One view: the page of the dashboard, its filters (None: without), and the range of time (None: the usual one)."""

    name: str
    page: str
    range: str | None = None
    user_id: str | None = None
    conversation_id: str | None = None
    model_used: str | None = None
    endpoint: str | None = None
    activity_type: str | None = None
    status: str | None = None
    id: str = ""
    created_at: str = ""


_COLUMNS = tuple(_views[name] for name in SavedView.__dataclass_fields__)


async def read_views(connection: AsyncConnection, tenant_id: str) -> list[SavedView]:
    """Read the views of a tenant, by name."""
    query = select(*_COLUMNS).where(_views.tenant_id == tenant_id).order_by(_views.name)
    return [SavedView(*row) for row in await connection.execute(query)]


def add_view(connection: Connection, actor: str, tenant_id: str, view: SavedView) -> SavedView:
    """Keep a new view; raises :exc:`NameTaken`, and :exc:`TooManyViews` if the tenant has as many as it may."""
    heads.lock(connection, tenant_id)
    _check_name(connection, tenant_id, view.name)
    if (connection.scalar(select(func.count()).where(_views.tenant_id == tenant_id)) or 0) >= MAX_VIEWS:
        raise TooManyViews(f"the tenant has {MAX_VIEWS} saved views: delete one first")
    values = {**vars(view), "id": secrets.token_hex(ID_BYTES), "created_at": now()}
    connection.execute(saved_views.insert(), [{"tenant_id": tenant_id, **values}])
    record(connection, tenant_id, actor, "view saved", values["id"])
    return SavedView(**values)


def rename_view(connection: Connection, actor: str, tenant_id: str, view_id: str, name: str) -> SavedView:
    """Give a view another name; raises :exc:`NameTaken`, and ``KeyError`` if there is no such view."""
    heads.lock(connection, tenant_id)
    view = _find(connection, tenant_id, view_id)
    if name != view.name:
        _check_name(connection, tenant_id, name)
        connection.execute(update(saved_views).where(_is(tenant_id, view_id)).values(name=name))
        record(connection, tenant_id, actor, "view renamed", view_id)
    return _find(connection, tenant_id, view_id)


def delete_view(connection: Connection, actor: str, tenant_id: str, view_id: str) -> None:
    """Delete a view; raises ``KeyError`` if there is no such view."""
    heads.lock(connection, tenant_id)
    _find(connection, tenant_id, view_id)
    connection.execute(delete(saved_views).where(_is(tenant_id, view_id)))
    record(connection, tenant_id, actor, "view deleted", view_id)


def forget_user(connection: Connection, tenant_id: str, user_id: str) -> int:
    """Delete the views that name a user, whatever else they show; gives how many."""
    of_user = (_views.tenant_id == tenant_id, _views.user_id == user_id)
    return connection.execute(delete(saved_views).where(*of_user)).rowcount


def _check_name(connection: Connection, tenant_id: str, name: str) -> None:
    query = select(_views.id).where(_views.tenant_id == tenant_id, _views.name == name)
    if connection.scalar(query) is not None:
        raise NameTaken("there is a saved view of this name")


def _find(connection: Connection, tenant_id: str, view_id: str) -> SavedView:
    row = connection.execute(select(*_COLUMNS).where(_is(tenant_id, view_id))).one_or_none()
    if row is None:
        raise KeyError(view_id)
    return SavedView(*row)


def _is(tenant_id: str, view_id: str) -> ColumnElement[bool]:
    return and_(_views.tenant_id == tenant_id, _views.id == view_id)
