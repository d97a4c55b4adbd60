"""Databases that hold events."""

from storage.engine.database import Database
from storage.engine.urls import database_at
from storage.write.writer import Writer
from tests.new_database import create
from tests.samples.events import event
from tests.samples.history import Json
from tests.storage.writers import Silent


async def opened(url: str, zone: str, events: list[Json]) -> Database:
    """A database that holds *events*, committed in several groups."""
    create(url)
    database = database_at(url, zone)
    await database.open()
    writer = Writer(database, lambda change: None, queue_events=10_000, change_log=100, observer=Silent())
    for begin in range(0, len(events), 70):
        await writer.write("default", [event(**fields) for fields in events[begin : begin + 70]])
    await writer.stop()
    return database
