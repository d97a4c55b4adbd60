"""Databases that platforms kept themselves: taken over by the command, as its user types it."""

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from realtime.protocol import TOPICS
from storage.engine.urls import database_at
from storage.errors import WrongDatabase
from storage.importer.legacy import OldDatabase
from storage.model.cutoffs import Horizons
from storage.retention.prune import prune
from storage.retention.steps import Steps
from tests.load import differences
from tests.paths import LIVE
from tests.samples.legacy import make
from tests.servers.process import Process
from tests.servers.service import start

each_database = pytest.mark.each_database

ROWS = 600


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """An old database with activities, messages, calls and conversations; its rollups say nothing."""
    make(tmp_path / "old.db", ROWS)
    return tmp_path / "old.db"


@pytest.fixture
def process(tmp_path: Path, database_url: str) -> Process:
    (tmp_path / "new").mkdir()
    return Process(tmp_path / "new", DATABASE_URL=database_url)


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


SEEN = """
    SELECT user_id FROM user_activity UNION SELECT user_id FROM message_metrics
    UNION SELECT user_id FROM api_usage WHERE user_id IS NOT NULL UNION SELECT user_id FROM conversation_metrics
"""
FIGURES = {
    "total_users": f"SELECT COUNT(*) FROM ({SEEN})",
    "total_conversations": "SELECT COUNT(*) FROM conversation_metrics",
    "deleted_conversations": "SELECT COUNT(*) FROM conversation_metrics WHERE status = 'deleted'",
    "total_messages": "SELECT COUNT(*) FROM message_metrics",
    "total_tokens": "SELECT SUM(token_count) FROM message_metrics",
    "avg_response_time": "SELECT ROUND(AVG(response_time), 5) FROM message_metrics",
    "total_activities": "SELECT COUNT(*) FROM user_activity",
    "total_api_calls": "SELECT COUNT(*) FROM api_usage",
    "total_api_errors": "SELECT COUNT(*) FROM api_usage WHERE status_code >= 500",
    "avg_api_response_time": "SELECT ROUND(AVG(response_time), 5) FROM api_usage",
}


@each_database
async def test_the_figures_are_those_of_the_old_rows(old: Path, process: Process, tmp_path: Path) -> None:
    """Everything is taken over and verifies clean; what SQL counts in the old tables is what the service shows."""
    done = process.command("import", str(old))
    assert done.returncode == 0, done.stdout + done.stderr
    talks = ask(old, "SELECT COUNT(*) FROM conversation_metrics")
    third = (ROWS // 3, ROWS // 3, 0, 0)
    assert counted(done.stdout) == {
        "user_activity": third,
        "message_metrics": third,
        "api_usage": third,
        "conversation_metrics": (talks, talks, 0, 0),
    }
    assert await differences(process.environment["ANALYTICS_DATABASE_URL"]) == []
    running = await start(tmp_path, DATABASE_URL=process.environment["ANALYTICS_DATABASE_URL"])
    summary = await running.get("summary")
    shown = {name: round(summary[name], 5) for name in FIGURES}
    assert shown == {name: pytest.approx(ask(old, query)) for name, query in FIGURES.items()}
    row = ask(old, "SELECT username, timestamp, extra_data FROM user_activity WHERE extra_data != 'null' LIMIT 1")
    items = (await running.get("users/activities", limit=1000))["items"]
    found = next(item for item in items if item["timestamp"][:23] == row[1].replace(" ", "T")[:23])
    assert found["username"] == row[0]
    assert "nested" in found["extra_data"]
    await running.stop()


@each_database
async def test_a_second_import_counts_nothing(old: Path, process: Process) -> None:
    """The same rows are there already; what the platform has written since is taken over."""
    assert process.command("import", str(old)).returncode == 0
    change(
        old,
        "INSERT INTO user_activity (user_id, username, activity_type, timestamp) VALUES ('new', 'New', 'login', "
        "'2026-03-12 08:00:00.000000')",
        "UPDATE conversation_metrics SET status = 'deleted', updated_at = '2026-03-13 08:00:00' WHERE id = 2",
    )
    again = counted(process.command("import", str(old)).stdout)
    assert again["user_activity"] == (ROWS // 3 + 1, 1, ROWS // 3, 0)
    assert again["message_metrics"] == (ROWS // 3, 0, ROWS // 3, 0)
    assert again["conversation_metrics"][1] == 1
    assert await differences(process.environment["ANALYTICS_DATABASE_URL"]) == []


async def test_two_old_databases_are_two(old: Path, process: Process, tmp_path: Path) -> None:
    """Rows of another old database with the same numbers are other rows."""
    make(tmp_path / "second.db", 30, seed=2)
    change(
        tmp_path / "second.db",
        "UPDATE message_metrics SET message_id = 'second ' || message_id",
        "UPDATE conversation_metrics SET conversation_id = 'second ' || conversation_id",
    )
    assert process.command("import", str(old)).returncode == 0
    second = counted(process.command("import", str(tmp_path / "second.db")).stdout)
    assert {table: row[1] for table, row in second.items()} == {
        "user_activity": 10, "message_metrics": 10, "api_usage": 10, "conversation_metrics": 1,
    }  # fmt: skip


async def test_rows_that_were_removed_do_not_count_again(old: Path, process: Process) -> None:
    """Where the retention has removed rows since, a second import leaves them out and says so: their ids are gone."""
    assert process.command("import", str(old)).returncode == 0
    database = database_at(process.environment["ANALYTICS_DATABASE_URL"])
    await database.open()
    await prune(Steps(database, 100, rest=0), "default", Horizons(message_metrics="2026-03-05T00:00"))
    await database.close()
    done = process.command("import", str(old))
    removed = ask(old, "SELECT COUNT(*) FROM message_metrics WHERE created_at < '2026-03-05'")
    assert done.returncode == 1
    assert done.stdout.count("created_at: lies before what is still kept here") == removed > 0
    assert counted(done.stdout)["message_metrics"] == (ROWS // 3, 0, ROWS // 3 - removed, removed)
    assert counted(done.stdout)["user_activity"] == (ROWS // 3, 0, ROWS // 3, 0)
    assert await differences(process.environment["ANALYTICS_DATABASE_URL"]) == []


NASTY = {
    "UPDATE user_activity SET user_id = NULL WHERE id = 3": "user_activity 3: user_id: expected str, got null",
    "UPDATE user_activity SET username = '' WHERE id = 3": "user_activity 3: username: expected str of length >= 1",
    "UPDATE user_activity SET timestamp = NULL WHERE id = 3": "user_activity 3: timestamp: is required",
    "UPDATE user_activity SET timestamp = 'secret' WHERE id = 3": "user_activity 3: timestamp: expected an ISO 8601",
    "UPDATE user_activity SET timestamp = '1969-12-31 23:59:59' WHERE id = 3": "3: timestamp: lies before 1970",
    "UPDATE user_activity SET timestamp = '9999-12-31 23:59:59' WHERE id = 3": "3: timestamp: lies more than 5",
    "UPDATE user_activity SET timestamp = '0000-00-00 00:00:00' WHERE id = 3": "3: timestamp: expected an ISO 8601",
    "UPDATE user_activity SET extra_data = 'secret' WHERE id = 3": "3: extra_data: is not a JSON object",
    "UPDATE user_activity SET extra_data = '[1]' WHERE id = 3": "3: extra_data: expected an object",
    "UPDATE user_activity SET user_id = CAST(x'73ff' AS TEXT) WHERE id = 3": "3: user_id: is not UTF-8",
    "UPDATE user_activity SET username = 'a' || CHAR(0) WHERE id = 3": "3: username: must not contain the character",
    "UPDATE message_metrics SET token_count = -1 WHERE id = 3": "message_metrics 3: token_count: expected int >= 0",
    "UPDATE message_metrics SET token_count = 'secret' WHERE id = 3": "3: token_count: expected int | null, got str",
    "UPDATE message_metrics SET role = 'tool' WHERE id = 3": "3: role: must be one of: user, assistant, system",
    "UPDATE message_metrics SET response_time = 9e999 WHERE id = 3": "3: response_time: expected a number of seconds",
    "UPDATE message_metrics SET response_time = -0.5 WHERE id = 3": "3: response_time: expected 0 to 86400 seconds",
    "UPDATE message_metrics SET created_at = '2026-02-30 00:00:00' WHERE id = 3": "3: created_at: expected an ISO 8601",
    "UPDATE api_usage SET response_time = NULL WHERE id = 3": "api_usage 3: response_time: expected a number",
    "UPDATE api_usage SET status_code = 99 WHERE id = 3": "api_usage 3: status_code: expected int >= 100",
    "UPDATE conversation_metrics SET status = 'archived' WHERE id = 3": "3: status: must be one of: active, deleted",
    "UPDATE conversation_metrics SET created_at = '2099-01-01 00:00:00' WHERE id = 3": "3: created_at: lies more than",
    "UPDATE conversation_metrics SET status = 'deleted', updated_at = '1066-10-14' WHERE id = 3": "3: updated_at:",
}


async def test_rows_that_cannot_be_taken_are_named(old: Path, process: Process, tmp_path: Path) -> None:
    """Each broken rule is one line with table, id and column, never the value; the other rows are taken over, exit code
    1, and verify is clean."""
    # One row for each: the statements are about row 3, so each gets a row of its own.
    wanted = []
    statements = []
    for number, (statement, told) in enumerate(NASTY.items(), 1):
        table, row = statement.split()[1], number if "conversation" not in statement else number % 20 or 20
        statements.append(statement.replace("id = 3", f"id = {row}"))
        wanted.append((f"{table} {row}: ", told.partition("3: ")[2]))
    change(old, *statements)
    done = process.command("import", str(old))
    assert done.returncode == 1
    lines = done.stdout.splitlines()
    for begin, rule in wanted:
        assert any(line.startswith(begin + rule) for line in lines), (begin, rule, done.stdout)
    assert "secret" not in done.stdout + done.stderr
    assert sum(row[3] for row in counted(done.stdout).values()) == len(NASTY)
    assert sum(row[1] for row in counted(done.stdout).values()) == ROWS + ROWS // 30 - len(NASTY)
    assert await differences(process.environment["ANALYTICS_DATABASE_URL"]) == []


async def test_what_an_old_platform_may_have_written_is_taken(old: Path, process: Process) -> None:
    """Times with T, Z or an offset, numbers as user ids, empty optional text, unknown tokens, an id twice: all has
    a meaning."""
    change(
        old,
        "DELETE FROM user_activity WHERE id > 4",
        "UPDATE user_activity SET timestamp = '2026-03-01T10:00:00Z', user_id = 17 WHERE id = 1",
        "UPDATE user_activity SET timestamp = '2026-03-01 12:00:00+02:00', ip_address = '' WHERE id = 2",
        "UPDATE user_activity SET timestamp = '2026-03-01 10:00:00', user_agent = '' WHERE id = 3",
        "UPDATE user_activity SET timestamp = '2026-03-01 10:00:00.000999' WHERE id = 4",
        "UPDATE message_metrics SET message_id = 'twice' WHERE id IN (1, 2)",
        "UPDATE message_metrics SET model_used = '' WHERE id = 3",
        "UPDATE message_metrics SET token_count = NULL, message_id = 'unknown' WHERE id = 4",
    )
    done = process.command("import", str(old))
    assert done.returncode == 0, done.stdout
    assert counted(done.stdout)["message_metrics"] == (ROWS // 3, ROWS // 3 - 1, 1, 0)
    exported = process.command("export", "user_activity").stdout.splitlines()[1:]
    assert {line.split(",")[4] for line in exported} == {"2026-03-01T10:00:00.000Z"}
    assert any(line.split(",")[1] == "17" for line in exported)
    messages = [line.split(",") for line in process.command("export", "message_metrics").stdout.splitlines()]
    column = messages[0].index("token_count")
    assert {line[1]: line[column] for line in messages if line[column] == ""} == {"unknown": ""}


async def test_tables_and_columns_may_be_missing(old: Path, process: Process) -> None:
    """A table that is not there is said; so is a column without which its rows mean nothing, with exit code 1. One that
    may be left out is not missed."""
    change(
        old,
        "DROP TABLE api_usage",
        "DROP TABLE daily_stats",
        "ALTER TABLE user_activity DROP COLUMN extra_data",
        "ALTER TABLE conversation_metrics DROP COLUMN message_count",
    )
    done = process.command("import", str(old))
    assert done.returncode == 0, done.stdout
    assert "api_usage: there is no such table" in done.stdout
    assert counted(done.stdout)["user_activity"] == (ROWS // 3, ROWS // 3, 0, 0)
    change(old, "ALTER TABLE message_metrics DROP COLUMN token_count")
    done = process.command("import", str(old), "--tenant", "acme")
    assert done.returncode == 1
    assert "message_metrics: token_count: there is no such column" in done.stdout
    assert "message_metrics" not in counted(done.stdout)
    assert counted(done.stdout)["user_activity"] == (ROWS // 3, ROWS // 3, 0, 0)


async def test_the_platforms_own_figures_are_compared(old: Path, process: Process) -> None:
    """Days and conversations for which the platform had other figures are named, with both; equal ones are not."""
    day = "2026-03-04"
    right = {
        "total_messages": f"SELECT COUNT(*) FROM message_metrics WHERE created_at LIKE '{day}%'",
        "total_api_calls": f"SELECT COUNT(*) FROM api_usage WHERE timestamp LIKE '{day}%'",
        "error_count": f"SELECT COUNT(*) FROM api_usage WHERE timestamp LIKE '{day}%' AND status_code >= 500",
        "avg_response_time": f"SELECT AVG(response_time) FROM message_metrics WHERE created_at LIKE '{day}%'",
        "active_users": "SELECT COUNT(DISTINCT user_id) FROM ("
        f"SELECT user_id FROM user_activity WHERE timestamp LIKE '{day}%' "
        f"UNION SELECT user_id FROM message_metrics WHERE created_at LIKE '{day}%' "
        f"UNION SELECT user_id FROM api_usage WHERE timestamp LIKE '{day}%')",
    }
    figures = {name: ask(old, query) for name, query in right.items()}
    columns, values = ", ".join(figures), ", ".join(map(str, figures.values()))
    change(
        old,
        "ALTER TABLE daily_stats DROP COLUMN total_users",
        "ALTER TABLE daily_stats DROP COLUMN new_users",
        "ALTER TABLE daily_stats DROP COLUMN total_conversations",
        f"INSERT INTO daily_stats (date, {columns}) VALUES ('{day}', {values})",
        "INSERT INTO daily_stats (date, active_users) VALUES ('2026-02-01', 7)",
        "INSERT INTO daily_stats (date, active_users) VALUES ('not a day', 7), ('9999-01-01', 7), (NULL, 7)",
        "UPDATE conversation_metrics SET total_tokens = (SELECT SUM(token_count) FROM message_metrics AS m "
        "WHERE m.conversation_id = conversation_metrics.conversation_id), message_count = (SELECT COUNT(*) "
        "FROM message_metrics AS m WHERE m.conversation_id = conversation_metrics.conversation_id)",
        "UPDATE conversation_metrics SET message_count = 999 WHERE conversation_id = 'c5'",
    )
    done = process.command("import", str(old))
    assert done.returncode == 0
    assert "2 days compared with the figures of the old database, 1 differ" in done.stdout
    assert "  2026-02-01: active_users 7 (here 0)" in done.stdout
    assert "20 conversations compared with the figures of the old database, 1 differ" in done.stdout
    assert "  c5: message_count 999 (here " in done.stdout


MISTAKES = {
    "missing.db": "there is no file",
    "text.db": "cannot be read: file is not a database",
    "empty.db": "has none of the tables",
}


def test_what_is_no_old_database_is_refused(tmp_path: Path) -> None:
    """A file that is missing, no database, or another one is named in one line, and none is made."""
    (tmp_path / "text.db").write_text("hello " * 1000)
    change(tmp_path / "empty.db", "CREATE TABLE other (a)")
    for name, told in MISTAKES.items():
        with pytest.raises(WrongDatabase, match=told) as error:
            OldDatabase(tmp_path / name)
        assert "\n" not in str(error.value)
    assert not (tmp_path / "missing.db").exists()


async def test_beside_a_service_on_sqlite_it_is_refused(old: Path, process: Process, tmp_path: Path) -> None:
    """One process writes a file: exit code 2, and the line says what to do."""
    running = await start(tmp_path, DATABASE_URL=process.environment["ANALYTICS_DATABASE_URL"])
    done = await asyncio.to_thread(process.command, "import", str(old))
    assert (done.returncode, done.stdout) == (2, "")
    assert "another process is writing" in done.stderr
    await running.stop()


@each_database
async def test_panels_are_exact_after_an_import(old: Path, process: Process, tmp_path: Path) -> None:
    """On PostgreSQL the service goes on meanwhile and its panels follow; on SQLite they resume when it is back. The old
    database is as it was."""
    url, before = process.environment["ANALYTICS_DATABASE_URL"], content(old)
    running = await start(tmp_path, DATABASE_URL=url)
    panel = await running.panel()
    if "sqlite" in url:
        await running.stop()
        assert process.command("import", str(old)).returncode == 0
        running = await start(tmp_path, DATABASE_URL=url)
        panel.url = running.url.replace("http", "ws") + LIVE
        await panel.resume()
    else:
        assert (await asyncio.to_thread(process.command, "import", str(old))).returncode == 0
    snapshot = await running.get("snapshot")
    await panel.until_position(snapshot["position"])
    assert panel.panel.shown() == {name: snapshot[name] for name in TOPICS}
    assert panel.panel.summary["total_messages"] == ROWS // 3
    assert content(old) == before
    await panel.close()
    await running.stop()
