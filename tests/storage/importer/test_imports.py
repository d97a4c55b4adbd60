"""Databases that platforms kept themselves: taken over by the command, as its user types it."""

import asyncio
from pathlib import Path

import pytest

from realtime.protocol import TOPICS
from storage.engine.urls import database_at
from storage.model.cutoffs import Cutoffs
from storage.retention.prune import prune
from storage.retention.steps import Steps
from tests.load import differences
from tests.paths import LIVE
from tests.samples.legacy import make
from tests.servers.process import Process
from tests.servers.service import start
from tests.storage.importer.old_databases import ROWS, ask, change, content, counted

each_database = pytest.mark.each_database

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
    conversations = ask(old, "SELECT COUNT(*) FROM conversation_metrics")
    third = (ROWS // 3, ROWS // 3, 0, 0)
    assert counted(done.stdout) == {
        "user_activity": third,
        "message_metrics": third,
        "api_usage": third,
        "conversation_metrics": (conversations, conversations, 0, 0),
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
    await prune(Steps(database, 100, rest=0), "default", Cutoffs({"message_metrics": "2026-03-05T00:00"}))
    await database.close()
    done = process.command("import", str(old))
    removed = ask(old, "SELECT COUNT(*) FROM message_metrics WHERE created_at < '2026-03-05'")
    assert done.returncode == 1
    assert done.stdout.count("created_at: lies before what is still kept here") == removed > 0
    assert counted(done.stdout)["message_metrics"] == (ROWS // 3, 0, ROWS // 3 - removed, removed)
    assert counted(done.stdout)["user_activity"] == (ROWS // 3, 0, ROWS // 3, 0)
    assert await differences(process.environment["ANALYTICS_DATABASE_URL"]) == []


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
    assert panel.state.shown() == {name: snapshot[name] for name in TOPICS}
    assert panel.state.summary["total_messages"] == ROWS // 3
    assert content(old) == before
    await panel.close()
    await running.stop()
