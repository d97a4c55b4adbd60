"""The command verify --repair: beside a service, by itself, and in another zone."""

import asyncio
from pathlib import Path

import pytest
from sqlalchemy import text

from realtime.protocol import TOPICS
from storage.errors import WrongDatabase
from tests.samples.events import ACTIVITY, MESSAGE
from tests.servers.process import Process
from tests.servers.service import Running, start
from tests.storage.verify.histories import opened_in

each_database = pytest.mark.each_database


async def test_on_sqlite_the_service_must_be_stopped(running: Running, tmp_path: Path) -> None:
    """Beside a service on a file a repair is refused with exit code 2 and a line that says what to do."""
    done = await asyncio.to_thread(Process(tmp_path).command, "verify", "--repair")
    assert (done.returncode, done.stdout) == (2, "")
    assert "another process is writing" in done.stderr
    assert "stop it" in done.stderr


async def test_the_command_repairs(tmp_path: Path) -> None:
    """verify --repair names what differs, rebuilds it, and says how the recount went then: exit code 0."""
    running = await start(tmp_path)
    await running.post("message-public", MESSAGE)
    await running.service.database.write(
        lambda connection: connection.execute(text("UPDATE counters SET value = 9 WHERE metric = 'tokens'")) and None
    )
    await running.stop()
    done = Process(tmp_path).command("verify", "--repair")
    lines = done.stdout.splitlines()
    assert done.returncode == 0, done.stdout + done.stderr
    assert lines[0].startswith("tenant default: counter ")
    assert lines[-3].endswith(" 4 differ")
    assert lines[-2:] == ["tenant default: rebuilt from 1 events", lines[-3].replace(" 4 differ", " 0 differ")]


@each_database
async def test_the_command_rebuilds_days(database_url: str, tmp_path: Path) -> None:
    """A database is not opened in another zone; with --rezone its days are cut in it, and the service starts with it.
    No other process may have the database open."""
    running = await start(tmp_path, DATABASE_URL=database_url)
    await running.post("message-public", {**MESSAGE, "timestamp": "2026-03-01T20:00:00Z"})
    process = Process(tmp_path, DATABASE_URL=database_url, TIMEZONE="Asia/Kolkata")
    done = await asyncio.to_thread(process.command, "verify", "--repair", "--rezone")
    assert (done.returncode, done.stdout) == (2, "")
    assert "stop" in done.stderr
    await running.stop()
    with pytest.raises(WrongDatabase, match="verify --repair --rezone"):
        await opened_in(database_url, "Asia/Kolkata")
    done = process.command("verify", "--repair", "--rezone")
    assert done.returncode == 0, done.stderr
    assert "rebuilt from 1 events" in done.stdout
    running = await start(tmp_path, DATABASE_URL=database_url, TIMEZONE="Asia/Kolkata")
    (day,) = (await running.get("daily-stats", **{"from": "2026-03-02", "to": "2026-03-03"}))["items"]
    assert day["total_messages"] == 1
    await running.stop()


@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
async def test_a_live_panel_is_put_right(running: Running, tmp_path: Path, database_url: str) -> None:
    """On PostgreSQL the service goes on: a panel that shows damaged figures shows the right ones when they are rebuilt,
    by a snapshot, and follows what is posted then."""
    panel = await running.panel()
    await running.post("activity-public", ACTIVITY)
    await running.service.database.write(
        lambda connection: (
            connection.execute(text("UPDATE counters SET value = 70 WHERE metric = 'activities'")) and None
        )
    )
    receipt = await running.post("activity-public", ACTIVITY)
    await panel.until_position(receipt["position"])
    assert panel.state.summary["total_activities"] == 71
    panel.frames.clear()
    done = await asyncio.to_thread(Process(tmp_path, DATABASE_URL=database_url).command, "verify", "--repair")
    assert done.returncode == 0, done.stdout + done.stderr
    await panel.until(lambda: panel.state.summary["total_activities"] == 2)
    assert "snapshot" in {frame["type"] for frame in panel.frames}
    receipt = await running.post("activity-public", ACTIVITY)
    await panel.until_position(receipt["position"])
    snapshot = await running.get("snapshot")
    assert panel.state.shown() == {name: snapshot[name] for name in TOPICS}
    assert (await running.verdict()).differences == []
