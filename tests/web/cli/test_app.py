"""The commands, as a user types them."""

import asyncio
import json
import os
import signal
import sqlite3
import subprocess
import time
from pathlib import Path

import httpx2
import jwt
import pytest

from storage.engine.database import REVISION
from tests.paths import API, TRACK
from tests.repository import ROOT
from tests.samples.events import BATCH
from tests.servers.process import COMMAND, Process
from tests.servers.settings import SECRET, environment


@pytest.fixture
async def process(tmp_path: Path) -> Process:
    """A service with one event of each kind, stopped again."""
    found = Process(tmp_path)
    await found.start()
    async with httpx2.AsyncClient(base_url=found.url) as http:
        assert (await http.post(f"{TRACK}/batch", json=BATCH)).status_code == 201
    assert found.terminate() == 0
    return found


def test_token_makes_a_token(tmp_path: Path) -> None:
    """token prints a token with the claims that were asked for, and nothing else."""
    done = Process(tmp_path).command(
        "token", "--sub", "eve", "--tenant", "acme", "--role", "a", "--role", "b", "--hours", "1"
    )
    claims = jwt.decode(done.stdout.strip(), SECRET, ["HS256"])
    assert (claims["sub"], claims["tenant"], claims["roles"]) == ("eve", "acme", ["a", "b"])
    assert abs(claims["exp"] - time.time() - 3600) < 30


def test_token_needs_a_secret(tmp_path: Path) -> None:
    """With published keys alone there is no secret to sign with: exit code 2 and one line."""
    done = Process(tmp_path, JWT_SECRET="", JWKS_URL="http://127.0.0.1:1/keys").command("token")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)


async def test_verify_is_clean(process: Process) -> None:
    """verify on what the service wrote finds no difference, and exits with 0."""
    done = process.command("verify")
    assert done.returncode == 0, done.stdout
    assert "0 differ" in done.stdout


TAMPERING = {
    "UPDATE counters SET value = value + 1 WHERE metric = 'tokens' AND grain = 'total'": "counter total tokens",
    "DELETE FROM counters WHERE metric = 'active_users'": "counter day active_users",
    "UPDATE counters SET value = 0 WHERE metric = 'users' AND grain = 'minute'": "counter minute users",
    "UPDATE users SET username = 'Mallory'": "users u1",
    "UPDATE users SET activity_count = 0": "users u1",
    "DELETE FROM user_days": "user_days",
    "UPDATE conversation_metrics SET user_id = 'x'": "conversation_metrics c1",
    "UPDATE conversation_metrics SET status = 'deleted'": "conversation_metrics c1",
    "DELETE FROM message_metrics": "counter total messages",
    "UPDATE heads SET sequence = 9": "change log",
    "DELETE FROM changes": "change log",
}


async def test_verify_finds_everything(process: Process, tmp_path: Path) -> None:
    """Whatever is changed behind the service's back, in any rollup or in the raw rows, verify names it and exits 1."""
    whole = (tmp_path / "analytics.db").read_bytes()
    for statement, named in TAMPERING.items():
        (tmp_path / "analytics.db").write_bytes(whole)
        with sqlite3.connect(tmp_path / "analytics.db") as database:
            database.execute(statement)
        database.close()
        done = process.command("verify")
        assert done.returncode == 1, statement
        assert named in done.stdout, (statement, done.stdout)


TABLES = {
    "user_activity": "users/activities",
    "users": "users/list",
    "conversation_metrics": "conversations",
    "message_metrics": "messages",
    "api_usage": "api-usage",
    "daily_stats": "daily-stats",
}


async def test_export_is_the_list(process: Process) -> None:
    """export writes, beside a running service, what the REST list gives: the same CSV, and its items line by line."""
    await process.start()
    headers = {"Authorization": f"Bearer {process.command('token').stdout.strip()}"}
    async with httpx2.AsyncClient(base_url=process.url, headers=headers) as http:
        for table, path in TABLES.items():
            params = {"days": 1} if table == "daily_stats" else {}
            items = (await http.get(f"{API}/{path}", params=params)).json()["items"]
            file = await http.get(f"{API}/{path}", params=params, headers={"Accept": "text/csv"})
            written = process.command("export", table)
            assert (written.returncode, written.stderr) == (0, "")
            assert written.stdout == file.text.replace("\r\n", "\n"), table
            assert len(items) == file.text.count("\r\n") - 1 > 0
        lines = process.command("export", table, "--format", "ndjson").stdout
        assert [json.loads(line) for line in lines.splitlines()] == items
    assert process.terminate() == 0


async def test_export_takes_ranges_and_tenants(process: Process) -> None:
    """--from, --to and --tenant select; daily_stats begins with the first day that has an event."""
    await process.start()
    events = [{**BATCH[0], "user_id": f"u{day}", "timestamp": f"2026-03-0{day}T12:00:00Z"} for day in (1, 2, 3)]
    async with httpx2.AsyncClient(base_url=process.url) as http:
        key = {"X-Tracking-Key": "acme-key-0123456789"}
        assert (await http.post(f"{TRACK}/batch", json=events, headers=key)).status_code == 201
    assert process.terminate() == 0
    done = process.command(
        "export", "user_activity", "--tenant", "acme", "--from", "2026-03-02", "--to", "2026-03-03T00:00:00Z"
    )
    assert [line.split(",")[1] for line in done.stdout.splitlines()] == ["user_id", "u2"]
    days = process.command("export", "daily_stats", "--tenant", "acme", "--to", "2026-03-05", "--format", "ndjson")
    assert [json.loads(line)["date"] for line in days.stdout.splitlines()] == [
        "2026-03-04", "2026-03-03", "2026-03-02", "2026-03-01",
    ]  # fmt: skip
    nobody = process.command("export", "users", "--tenant", "nobody")
    assert nobody.stdout == "user_id,username,first_seen,last_seen,activity_count\n"


MISTAKES = [
    (["messages"], "user_activity, users, conversation_metrics, message_metrics, llm_calls, api_usage, daily_stats"),
    (["users", "--format", "xml"], "--format must be one of csv, ndjson"),
    (["users", "--from", "yesterday"], "--from must be a date"),
    (["users", "--to", "2026-01-01T00:00:00"], "--to must be a date"),
    (["users", "--from", "2026-02-01", "--to", "2026-01-01"], "--to must not lie before --from"),
]


async def test_export_says_what_is_wrong(process: Process, tmp_path: Path) -> None:
    """A mistake is exit code 2 and one line that names what could be given; so is a missing database."""
    for arguments, told in MISTAKES:
        done = process.command("export", *arguments)
        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1), done.stderr
        assert told in done.stderr
    (tmp_path / "empty").mkdir()
    done = Process(tmp_path / "empty").command("export", "users")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)


async def test_export_ends_with_its_reader(process: Process) -> None:
    """Who has read enough, as in "| head", ends the export without a word; a full disk is one line."""
    await process.start()
    events = [{**BATCH[0], "user_agent": "x" * 500} for _ in range(4000)]
    async with httpx2.AsyncClient(base_url=process.url, timeout=30) as http:
        assert (await http.post(f"{TRACK}/batch", json=events)).status_code == 201
    assert process.terminate() == 0
    done = subprocess.run(  # noqa: ASYNC221
        ["bash", "-c", f"set -o pipefail; {COMMAND[0]} export user_activity | head -2"],
        env=process.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr, len(done.stdout.splitlines())) == (0, "", 2)
    with Path("/dev/full").open("wb") as full:  # noqa: ASYNC230
        done = subprocess.run(  # noqa: ASYNC221
            [*COMMAND, "export", "user_activity"],
            env=process.environment,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert (done.returncode, done.stderr) == (2, "convoai-analytics: cannot write: No space left on device\n")


def test_verify_without_a_database(tmp_path: Path) -> None:
    """verify where there is no database says so, and makes none."""
    done = Process(tmp_path).command("verify")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert list(tmp_path.iterdir()) == []


def test_verify_of_another_file(tmp_path: Path) -> None:
    """verify on a file that is no database of this service ends with exit code 2 and one line."""
    sqlite3.connect(tmp_path / "analytics.db").execute("CREATE TABLE other (a)").connection.close()
    done = Process(tmp_path).command("verify")
    assert done.returncode == 2
    assert "is not a database of this service" in done.stderr
    assert "Traceback" not in done.stderr


def test_migrate_makes_the_tables(tmp_path: Path) -> None:
    """migrate brings a new database to the newest tables, and does nothing the second time."""
    process = Process(tmp_path)
    for _ in range(2):
        done = process.command("migrate")
        assert (done.returncode, done.stdout) == (0, f"the database is at migration {REVISION}\n"), done.stderr


async def test_the_view_of_days_is_the_report(process: Process, tmp_path: Path) -> None:
    """The view daily_stats, for those who read with SQL, gives what the report gives."""
    await process.start()
    token = process.command("token").stdout.strip()
    async with httpx2.AsyncClient(base_url=process.url, headers={"Authorization": f"Bearer {token}"}) as http:
        day = (await http.get(f"{API}/daily-stats", params={"days": 1})).json()["items"][0]
    process.terminate()
    database = sqlite3.connect(tmp_path / "analytics.db")
    database.row_factory = sqlite3.Row
    row = dict(database.execute("SELECT * FROM daily_stats").fetchone())
    database.close()
    assert row.pop("tenant_id") == "default"
    assert row == day


async def test_make_run_serves(tmp_path: Path) -> None:
    """make run prints link, endpoints and a curl that works, honours settings, and stops on the signal make gets."""
    variables = {**os.environ, **environment(tmp_path, JWT_SECRET="")}
    # It trusts this machine by itself.
    del variables["ANALYTICS_TRUSTED_NETWORKS"]
    port = variables["ANALYTICS_PORT"]
    with (tmp_path / "out").open("w") as out:
        make = subprocess.Popen(  # noqa: ASYNC220
            ["make", "--no-print-directory", "run"], cwd=ROOT, env=variables, stdout=out, stderr=out, process_group=0
        )
    try:
        async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}") as http:
            async with asyncio.timeout(30):
                while True:
                    try:
                        await http.get("/health")
                        break
                    except httpx2.TransportError:
                        await asyncio.sleep(0.05)
            text = (tmp_path / "out").read_text()
            curl = text[text.index("curl ") :].partition("\n    post an hour")[0]
            posted = subprocess.run(  # noqa: ASYNC221
                ["bash", "-c", curl], capture_output=True, text=True, check=True, timeout=30
            )
            assert '"recorded":1' in posted.stdout
            token = text.partition("/analytics#token=")[2].split()[0]
            assert 11.9 < (jwt.decode(token, options={"verify_signature": False})["exp"] - time.time()) / 3600 <= 12
            bearer = {"Authorization": f"Bearer {token}"}
            urls = [line.strip() for line in text.splitlines() if line.strip().startswith("http") and API in line]
            assert len(urls) == 7
            for url in urls:
                assert (await http.get(url, headers=bearer)).status_code == 200
    finally:
        make.send_signal(signal.SIGTERM)
        make.wait(20)
    assert '"event": "stopped"' in (tmp_path / "out").read_text()


async def test_serve_prints_no_token(process: Process) -> None:
    """Only make run prints a token: the log of serve has none."""
    assert "eyJ" not in process.log()


def test_help_names_the_commands() -> None:
    """Without arguments the command says what it can do."""
    done = subprocess.run([*COMMAND, "--help"], capture_output=True, text=True, check=True)
    for name in (
        "serve",
        "token",
        "watch",
        "replay",
        "verify",
        "migrate",
        "export",
        "backup",
        "import",
        "keys",
        "revoke",
        "audit",
    ):
        assert name in done.stdout


async def test_a_start_after_a_start_is_quick(process: Process) -> None:
    """A database that is up to date is opened without the migration library."""
    done = subprocess.run(  # noqa: ASYNC221
        [COMMAND[0].replace("convoai-analytics", "python"), "-c", _OPEN],
        env=process.environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "False"


_OPEN = """
import asyncio, os, sys
from web.server.app import open_service
from web.settings import Settings

async def main():
    async with open_service(Settings.read(os.environ)):
        pass

asyncio.run(main())
print("alembic" in sys.modules)
"""
