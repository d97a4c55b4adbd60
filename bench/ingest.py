"""Batch ingest over HTTP, against plain ``sqlite3`` writing the same rows into the same table."""

import sqlite3
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import msgspec
import uvloop

from bench import load
from bench.http_connection import post
from bench.row import Ratio, Row
from bench.server import Service, database_file
from bench.traffic import Event, Traffic, spread, stamp
from web.ingest.tracking import PREFIX

TARGET = 0.3
ROUNDS = 3
EVENTS = 100_000
BATCH = 500
LINES = 2
TRANSACTION = 2000
"""Rows of one transaction of plain ``sqlite3``."""
SPAN_SECONDS = 600
"""The time over which a round's messages are spread: what a service gathers while it cannot post."""
CACHE_KB = 65536
"""Page cache of plain ``sqlite3``: as much as the service's writer has."""


def measure(folder: Path) -> list[Row]:
    """Write the same messages both ways, each round into new databases."""
    traffic, rounds = Traffic(), []
    for number in range(ROUNDS):
        events = [{**traffic.message(), "timestamp": stamp(at)} for at in spread(EVENTS, SPAN_SECONDS)]
        with Service(folder / f"service-{number}") as service:
            schema = _schema(database_file(folder / f"service-{number}"))
            ours = EVENTS / uvloop.run(load.drain(service.port, _requests(events), LINES))
        rounds.append((ours, EVENTS / _insert(folder / f"plain-{number}.db", schema, events)))
    ratio = Ratio(rounds)
    what = f"ingest: {BATCH}-event batches over HTTP, to sqlite3.executemany"
    return [Row(what, ratio.show("events/s"), f">= {TARGET}", ratio.value >= TARGET)]


def _requests(events: Sequence[Event]) -> list[bytes]:
    written = [{"type": "message", **event} for event in events]
    batches = [written[start : start + BATCH] for start in range(0, len(written), BATCH)]
    return [post(f"{PREFIX}/batch", msgspec.json.encode(batch)) for batch in batches]


def _schema(file: Path) -> list[str]:
    """Read how the service made the table of messages and its indexes."""
    with closing(sqlite3.connect(file)) as connection:
        query = (
            "SELECT sql FROM sqlite_master WHERE tbl_name = 'message_metrics' AND sql IS NOT NULL ORDER BY type DESC"
        )
        return [str(sql) for (sql,) in connection.execute(query)]


def _insert(file: Path, schema: Sequence[str], events: Sequence[Event]) -> float:
    """Write *events* as rows, durably; tell the seconds it took."""
    rows = [_row(number, event) for number, event in enumerate(events, 1)]
    insert = f"INSERT INTO message_metrics VALUES ({', '.join('?' * len(rows[0]))})"
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        for pragma in ("journal_mode=WAL", "synchronous=FULL", f"cache_size=-{CACHE_KB}"):
            connection.execute(f"PRAGMA {pragma}")
        for statement in schema:
            connection.execute(statement)
        started = time.monotonic()
        for start in range(0, len(rows), TRANSACTION):
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany(insert, rows[start : start + TRANSACTION])
            connection.execute("COMMIT")
        return time.monotonic() - started


def _row(number: int, event: Event) -> tuple[str | int | float | None, ...]:
    """Give the columns of ``message_metrics``, in the table's order."""
    seconds = event.get("response_time")
    return (
        "default",
        number,
        None,
        event["message_id"],
        event["conversation_id"],
        event["user_id"],
        event["role"],
        event["token_count"],
        None if seconds is None else round(float(seconds) * 1_000_000),
        event.get("model_used"),
        event["timestamp"],
    )
