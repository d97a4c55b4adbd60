"""Rows as ``verify`` reads them: in plain SQL, apart from the code that writes them."""

from typing import Any, TypeAlias

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from storage.model.rollup import Rollup

Table: TypeAlias = dict[tuple[str, ...], Any]
"""Values by key; a key begins with the tenant."""


async def read_rows(connection: AsyncConnection, query: str) -> list[Any]:
    """Read all rows of a query."""
    return list(await connection.execute(text(query)))


async def read_rollup(connection: AsyncConnection, rollup: Rollup, table: str) -> Table:
    """Read a table with the columns of a rollup: those of its measures, by tenant and key."""
    columns = ("tenant_id", *rollup.key, *rollup.columns)
    width = 1 + len(rollup.key)
    decode = [place for place, name in enumerate(rollup.columns) if name == "buckets"]
    found: Table = {}
    for row in await read_rows(connection, f"SELECT {', '.join(columns)} FROM {table}"):  # noqa: S608 - our own names
        values = list(row[width:])
        for place in decode:
            values[place] = msgspec.json.decode(values[place], type=dict[int, int])
        found[tuple(row[:width])] = tuple(values)
    return found


async def read_archive(connection: AsyncConnection, rollup: Rollup) -> Table:
    """Read the archive of a rollup."""
    return await read_rollup(connection, rollup, f"carried_{rollup.name}")
