"""Many rows in one statement.

SQLite's driver gives up Python's lock once a statement. Row by row (``executemany``), a busy event loop makes the
writer wait for the lock at every row: 45,000 rows/s. As one statement of many rows: 106,000 rows/s (120,000 either way
where nothing else runs). Beyond a few rows statements come in sizes that are powers of two, so that the driver's cache
of prepared statements sees few texts.

PostgreSQL parses and plans such a text, and psycopg looks for parameters in it: a commit of 500 events took 190 ms.
There all rows are one parameter, a JSON document, and the statement is always the same: 27 ms.
"""

from collections.abc import Collection, Iterator, Sequence
from itertools import chain
from typing import Any

import msgspec
from sqlalchemy import Connection, Integer, LargeBinary, Table

Row = tuple[Any, ...]
Statement = tuple[str, tuple[Any, ...]]

EXACT = 32
"""Up to so many rows are one statement, whatever their number."""
MAX_PARAMETERS = 4000
"""Of one statement; SQLite takes 32,766, but longer texts are no faster."""


class Insert:
    """Writes rows, given as tuples in the order of the table's columns."""

    def __init__(
        self, table: Table, update: str | None = None, only: Collection[str] | None = None, *, returning: bool = False
    ) -> None:
        """Take the *table* and what becomes of a row whose key is there.

        *update* says what a column is set to, with ``{}`` for its name (None: such a row is an error); *only* names the
        columns that are set (None: all; none at all: the row stays as it is). Columns that are set cost the writing of
        their indexes, changed or not. *returning*: :meth:`write` gives the rows as they stand after it.
        """
        columns = [column.name for column in table.c]
        key = [column.name for column in table.primary_key]
        self._head = f"INSERT INTO {table.name} ({', '.join(columns)}) "
        self._tail = ""
        if update is not None:
            names = [name for name in columns if name not in key] if only is None else only
            values = ", ".join(f"{name} = {update.replace('{}', name)}" for name in names)
            self._tail = f" ON CONFLICT ({', '.join(key)}) DO {f'UPDATE SET {values}' if values else 'NOTHING'}"
        if returning:
            self._tail += f" RETURNING {', '.join(columns)}"
        self._returning = returning
        self._width = len(columns)
        self._most = _power_of_two(MAX_PARAMETERS // self._width)
        self._names = [f"c{place}" for place in range(self._width)]
        values, types = _values(self._names, table), _types(self._names, table)
        self._select = f"SELECT {values} FROM json_to_recordset(%s) AS rows ({types})"  # noqa: S608 - our own names

    def write(self, connection: Connection, rows: Sequence[Row]) -> list[Row]:
        """Write *rows*, however many; gives what the statement returns, in no order."""
        returned: list[Row] = []
        statements = self._with_document(rows) if _is_postgres(connection) else self._with_values(rows)
        for text, parameters in statements:
            result = connection.exec_driver_sql(text, parameters)
            if self._returning:
                returned += result.fetchall()
        return returned

    def _with_values(self, rows: Sequence[Row]) -> Iterator[Statement]:
        row, done = f"({_markers(self._width)})", 0
        while done < len(rows):
            left = len(rows) - done
            size = left if left <= EXACT else min(self._most, _power_of_two(left))
            text = f"{self._head}VALUES {', '.join([row] * size)}{self._tail}"
            yield text, tuple(chain.from_iterable(rows[done : done + size]))
            done += size

    def _with_document(self, rows: Sequence[Row]) -> Iterator[Statement]:
        if rows:
            document = [dict(zip(self._names, row, strict=True)) for row in rows]
            yield self._head + self._select + self._tail, (msgspec.json.encode(document).decode(),)


def replace(table: Table, only: Collection[str] | None = None) -> Insert:
    """Make an insert that replaces a row whose key is there, or *only* these columns of it."""
    return Insert(table, "excluded.{}", only)


def add(table: Table) -> Insert:
    """Make an insert that adds to a row whose key is there, and gives the sums."""
    return Insert(table, f"{table.name}.{{}} + excluded.{{}}", returning=True)


class Lookup:
    """Finds the rows of a table whose column *key* is one of many values."""

    def __init__(self, table: Table, key: str, columns: Sequence[str], where: Sequence[str] = ("tenant_id",)) -> None:
        """*columns* are what is read; *where* names the columns that must equal the values given first."""
        self._where = " AND ".join(f"{name} = {{}}" for name in where)
        self._head = f"SELECT {', '.join(columns)} FROM {table.name} WHERE "  # noqa: S608 - our own names
        self._key = key

    def find(self, connection: Connection, where: Row, keys: Collection[str]) -> list[Row]:
        """Read the rows, in no order."""
        found: list[Row] = []
        statements = self._with_array(where, keys) if _is_postgres(connection) else self._with_markers(where, keys)
        for text, parameters in statements:
            found += connection.exec_driver_sql(text, parameters).fetchall()
        return found

    def _with_markers(self, where: Row, keys: Collection[str]) -> Iterator[Statement]:
        left = list(keys)
        fixed = self._where.replace("{}", "?")
        while left:
            some, left = left[:MAX_PARAMETERS], left[MAX_PARAMETERS:]
            size = 1 << (len(some) - 1).bit_length()
            # Filled up with a key that is asked for anyway.
            some += [some[0]] * (size - len(some))
            yield f"{self._head}{fixed} AND {self._key} IN ({_markers(size)})", (*where, *some)

    def _with_array(self, where: Row, keys: Collection[str]) -> Iterator[Statement]:
        if keys:
            text = f"{self._head}{self._where.replace('{}', '%s')} AND {self._key} = ANY(%s)"
            yield text, (*where, list(keys))


class Each:
    """Runs a query for each of many rows, which it reads as a table ``rows`` of text columns."""

    def __init__(self, columns: Sequence[str], query: str) -> None:
        """*query* has ``{}`` for each value given first, in their order."""
        self._columns = columns
        self._query = query
        types = ", ".join(f"{name} text" for name in columns)
        self._document = f"WITH rows AS (SELECT * FROM json_to_recordset(%s) AS given ({types})) {query}"  # noqa: S608
        self._most = _power_of_two(MAX_PARAMETERS // len(columns))

    def find(self, connection: Connection, where: Row, rows: Sequence[Row]) -> list[Row]:
        """Read what the query gives for all *rows*, in no order."""
        found: list[Row] = []
        statements = self._with_document(where, rows) if _is_postgres(connection) else self._with_values(where, rows)
        for text, parameters in statements:
            found += connection.exec_driver_sql(text, parameters).fetchall()
        return found

    def _with_values(self, where: Row, rows: Sequence[Row]) -> Iterator[Statement]:
        row, query, done = f"({_markers(len(self._columns))})", self._query.replace("{}", "?"), 0
        while done < len(rows):
            left = len(rows) - done
            size = left if left <= EXACT else min(self._most, _power_of_two(left))
            text = f"WITH rows ({', '.join(self._columns)}) AS (VALUES {', '.join([row] * size)}) {query}"
            yield text, (*chain.from_iterable(rows[done : done + size]), *where)
            done += size

    def _with_document(self, where: Row, rows: Sequence[Row]) -> Iterator[Statement]:
        if rows:
            document = [dict(zip(self._columns, row, strict=True)) for row in rows]
            yield self._document.replace("{}", "%s"), (msgspec.json.encode(document).decode(), *where)


def _is_postgres(connection: Connection) -> bool:
    return connection.dialect.name == "postgresql"


def _values(names: Sequence[str], table: Table) -> str:
    """Take the columns of a document; JSON has bytes in base 64."""
    return ", ".join(
        f"decode({name}, 'base64')" if isinstance(column.type, LargeBinary) else name
        for name, column in zip(names, table.c, strict=True)
    )


def _types(names: Sequence[str], table: Table) -> str:
    return ", ".join(
        f"{name} {'bigint' if isinstance(column.type, Integer) else 'text'}"
        for name, column in zip(names, table.c, strict=True)
    )


def _markers(count: int) -> str:
    return ", ".join("?" * count)


def _power_of_two(most: int) -> int:
    """Give the largest power of two that is not above *most*."""
    return 1 << most.bit_length() - 1
