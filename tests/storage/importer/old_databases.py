"""Old databases: what they hold, and what an import says of them."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

ROWS = 600


def ask(path: Path, query: str) -> Any:
    """The first row of a query, or its only column."""
    with closing(sqlite3.connect(path)) as database:
        row = database.execute(query).fetchone()
    return row[0] if len(row) == 1 else row


def content(path: Path) -> bytes:
    return path.read_bytes()


def change(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path)) as database:
        for statement in statements:
            database.execute(statement)
        database.commit()


def counted(output: str) -> dict[str, tuple[int, ...]]:
    """What the summary says of each table: rows, taken over, there already, left out."""
    found = {}
    for line in output.splitlines():
        table, colon, rest = line.partition(": ")
        if colon and " taken over" in rest:
            found[table] = tuple(int(part.split()[0].replace(",", "")) for part in rest.split(", "))
    return found
