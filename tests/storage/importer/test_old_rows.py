"""Rows that an old platform may have written: which are taken over, and how the others are named."""

from pathlib import Path

import pytest

from storage.errors import WrongDatabase
from storage.importer.legacy import LegacyDatabase
from tests.load import differences
from tests.servers.process import Process
from tests.storage.importer.old_databases import ROWS, change, counted

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
    "UPDATE message_metrics SET role = 'robot' WHERE id = 3": "3: role: must be one of: user, assistant, system",
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
            LegacyDatabase(tmp_path / name)
        assert "\n" not in str(error.value)
    assert not (tmp_path / "missing.db").exists()
