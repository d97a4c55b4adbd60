"""Lists: what of the database a page reads."""

import re
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event

from storage.read import reports
from storage.read.reports import Page
from tests.samples.history import made_up
from tests.storage.databases import opened

TENANT = "default"
FILTERS: list[dict[str, str]] = [
    {},
    {"type_contains": "log"},
    {"type_contains": "log", "user_id": "u1"},
    {"type_contains": "log", "activity_type": "login"},
]


@pytest.mark.parametrize("filters", FILTERS)
async def test_activities_are_read_along_an_index(tmp_path: Path, filters: dict[str, str]) -> None:
    """Whatever the filters, a page of activities is read along an index, newest first; nothing is sorted."""
    database = await opened(f"sqlite+aiosqlite:///{tmp_path}/analytics.db", "UTC", made_up(seed=5, count=50))
    asked: list[tuple[str, Any]] = []
    async with database.read() as connection:
        raw = connection.sync_connection

        def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
            asked.append((statement, parameters))

        event.listen(raw, "before_cursor_execute", note)
        page = Page(50, None, "2026-01-01T00:00:00.000Z", None)
        await reports.activities(connection, TENANT, page, **filters)
        event.remove(raw, "before_cursor_execute", note)
        ((statement, parameters),) = asked
        rows = await connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
        steps = [row[-1] for row in rows]
    await database.close()
    assert len(steps) == 1
    assert re.match(r"SEARCH user_activity USING INDEX user_activity_(time|user) ", steps[0]), steps
