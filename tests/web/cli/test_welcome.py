"""What make run says before it serves."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from storage.engine.sqlite import writer_of
from tests.repository import ROOT
from tests.servers.process import Process
from web.cli.welcome import greeting
from web.settings import Settings


def watch_of(text: str) -> str:
    return next(line.strip() for line in text.splitlines() if line.endswith("convoai-analytics watch"))


def test_watch_goes_to_the_service_that_is_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command has what watch needs in another terminal: port, address, database and names of claims, no secret."""
    monkeypatch.chdir(tmp_path)
    assert watch_of(greeting(Settings.read({}))) == ".venv/bin/convoai-analytics watch"
    variables = {
        "ANALYTICS_PORT": "9123",
        "ANALYTICS_JWT_SECRET": "hunter2hunter2hunter2hunter2hunter2",
        "ANALYTICS_JWT_AUDIENCE": "a, b",
        "ANALYTICS_DATABASE_URL": f"sqlite+aiosqlite:///{tmp_path}/my data/a.db",
        "ANALYTICS_TRACKING_KEYS": "hunter2hunter2hunter2",
    }
    command = watch_of(greeting(Settings.read(variables)))
    assert command == (
        f"ANALYTICS_PORT=9123 ANALYTICS_DATABASE_URL='sqlite+aiosqlite:///{tmp_path}/my data/a.db' "
        "ANALYTICS_JWT_AUDIENCE=a,b .venv/bin/convoai-analytics watch"
    )
    server = "postgresql+psycopg://me:hunter2@db/x"
    assert "hunter2" not in watch_of(greeting(Settings.read({**variables, "ANALYTICS_DATABASE_URL": server})))


def test_a_second_terminal_has_something_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each command for a second terminal goes to the service that is started, and has a key where one is needed."""
    monkeypatch.chdir(tmp_path)
    trusted = greeting(Settings.read({"ANALYTICS_PORT": "9123", "ANALYTICS_TRUSTED_NETWORKS": "127.0.0.0/8"}))
    second = trusted.partition("second terminal")[2].partition("Admin endpoints")[0]
    assert "curl http://127.0.0.1:9123/api/v1/analytics/track/activity-public" in second
    for command in ("replay --sample --speed 60", "watch", "keys add --name my-service"):
        assert f"ANALYTICS_PORT=9123 .venv/bin/convoai-analytics {command}\n" in second
    assert "KEY" not in second
    untrusted = greeting(Settings.read({}))
    assert "--key-file KEY_FILE" in untrusted
    assert '-H "X-Tracking-Key: $KEY"' in untrusted


async def test_a_second_run_says_where_the_first_one_is(tmp_path: Path) -> None:
    """While a service runs on the file, make run prints one line that says so and where, and no link and no token."""
    first = Process(tmp_path)
    second = Process(tmp_path)
    assert writer_of(tmp_path / "analytics.db") is None
    await first.start()
    try:
        done = welcome(second)
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr == (
            f"convoai-analytics: a service already runs on {tmp_path}/analytics.db at {first.url}/analytics: "
            "stop it, or set ANALYTICS_DATABASE_URL\n"
        )
    finally:
        first.kill()
        first.wait()
    done = welcome(second)
    assert done.returncode == 0, done.stderr
    assert f"{second.url}/analytics#token=eyJ" in done.stdout


def welcome(process: Process) -> subprocess.CompletedProcess[str]:
    """Run what make run runs before it serves."""
    environment = {**os.environ, **process.environment}
    return subprocess.run(
        [sys.executable, "-m", "web.cli.welcome"],
        cwd=ROOT, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
