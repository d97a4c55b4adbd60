"""Schedules for tests."""

from dataclasses import replace
from functools import partial
from typing import Any

from storage.engine.database import Database
from storage.report_schedules import Schedule, add_schedule

DAILY = Schedule(
    name="Daily figures",
    report="overview",
    view_id=None,
    every="daily",
    on_day=None,
    at_time="08:00",
    paper="a4",
    language="en",
    recipients=("ada@example.com",),
    author="ada",
    created_at="2026-03-01T00:00:00.000Z",
    next_at="2026-03-04T08:00:00.000Z",
)
REQUEST: dict[str, Any] = {
    "name": "Weekly figures",
    "report": "overview",
    "every": "weekly",
    "on": 1,
    "at": "07:30",
    "recipients": ["ada@example.com", "bob@example.com"],
}


async def keep(database: Database, tenant_id: str = "default", **changes: Any) -> Schedule:
    """Keep a schedule in the database."""
    schedule = replace(DAILY, **changes)
    return await database.write(partial(add_schedule, actor="ada", tenant_id=tenant_id, schedule=schedule))
