"""Annotations: deploys, incidents and notes that charts show at their time. Every statement about their table.

They are no figures, but a commit each: it is appended to the change log as every change of a tenant is, so that the
position moves and with it the ETag of their list.
"""

import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

from sqlalchemy import Connection, delete, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from storage.credentials import record
from storage.errors import TooManyAnnotations
from storage.read.reports import Listing, Order, Page, read_page
from storage.retention.steps import Done, Step
from storage.tables import schema
from storage.tables.heads import Head

Kind = Literal["deploy", "incident", "note"]
MAX_ANNOTATIONS = 10_000
"""How many a tenant may have."""
ID_BYTES = 8
_table = schema.annotations
_columns = _table.c
_ORDER = (Order(_columns.at, "at", descending=True), Order(_columns.id, "id", descending=True))


@dataclass(frozen=True)
class Annotation:
    """One annotation: something happened ``at`` a time, or from then ``until`` another one (None: at once).

    ``kind`` is one of :data:`Kind`, ``author`` the subject of the token that added it.
    """

    kind: str
    text: str
    at: str
    until: str | None
    link: str | None
    author: str
    created_at: str
    id: str = ""


async def annotations(connection: AsyncConnection, tenant_id: str, page: Page, kind: str | None) -> Listing:
    """List annotations, latest first; a range selects those of which a part lies in it."""
    where = [_columns.tenant_id == tenant_id]
    if page.start is not None:
        where.append(func.coalesce(_columns.until, _columns.at) >= page.start)
    if page.end is not None:
        where.append(_columns.at < page.end)
    if kind is not None:
        where.append(_columns.kind == kind)
    query = select(*(_columns[name] for name in COLUMNS)).where(*where)
    return await read_page(connection, query, page, _ORDER, dict)


COLUMNS = ("id", "kind", "text", "at", "until", "link", "author", "created_at")
"""What an item of the list holds, in its order."""


def add(annotation: Annotation, tell: Callable[[Annotation], None]) -> Step:
    """Make the step that adds an annotation and tells how it stands; raises :exc:`TooManyAnnotations`."""

    def step(connection: Connection, head: Head) -> Done:
        count = select(func.count()).where(_columns.tenant_id == head.tenant_id)
        if (connection.scalar(count) or 0) >= MAX_ANNOTATIONS:
            raise TooManyAnnotations(f"the tenant has {MAX_ANNOTATIONS:,} annotations: delete some first")
        added = replace(annotation, id=secrets.token_hex(ID_BYTES))
        connection.execute(_table.insert(), [{"tenant_id": head.tenant_id, **vars(added)}])
        record(connection, head.tenant_id, added.author, "annotation added", f"{added.id} {added.kind}")
        tell(added)
        return Done(1, _table.name)

    return step


def remove(annotation_id: str, actor: str) -> Step:
    """Make the step that deletes an annotation; raises ``KeyError`` if there is no such one."""

    def step(connection: Connection, head: Head) -> Done:
        mine = delete(_table).where(_columns.tenant_id == head.tenant_id, _columns.id == annotation_id)
        if not connection.execute(mine).rowcount:
            raise KeyError(annotation_id)
        record(connection, head.tenant_id, actor, "annotation deleted", annotation_id)
        return Done(1, _table.name)

    return step
