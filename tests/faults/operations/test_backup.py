"""Backups under load, and what panels see of one that is put back."""

import asyncio
import time
from pathlib import Path

import httpx2
import pytest

from realtime.protocol import TOPICS
from tests.faults.figures import Figures
from tests.load import Load, differences, stored_ids
from tests.paths import API, TRACK
from tests.samples.events import ACTIVITY, MESSAGE
from tests.servers.process import Process
from tests.servers.settings import SECRET
from tests.subscribers.live import LivePanel
from web.auth.tokens import ADMIN, make_token

PAGE = 5000


async def fill(process: Process, count: int) -> None:
    """Post so many messages in batches."""
    async with httpx2.AsyncClient(base_url=process.url, timeout=60) as http:
        for begin in range(0, count, PAGE):
            events = [
                {"type": "message", **MESSAGE, "message_id": f"old{number}", "user_id": f"u{number % 1000}"}
                for number in range(begin, begin + PAGE)
            ]
            assert (await http.post(f"{TRACK}/batch", json=events)).status_code == 201


async def test_a_backup_under_load_is_whole(tmp_path: Path, full: bool, figures: Figures) -> None:
    """While six services post, backups are taken: each verifies clean and has all that was acknowledged before it."""
    process = Process(tmp_path)
    await process.start()
    await fill(process, 500_000 if full else 15_000)
    load = Load(process.url)
    workers = [asyncio.create_task(load.post(number)) for number in range(6)]
    rounds, seconds, meanwhile = 5 if full else 2, 0.0, 0
    for number in range(rounds):
        before = set(load.acknowledged)
        began = time.monotonic()
        done = await asyncio.to_thread(process.command, "backup", str(tmp_path / f"copy{number}.db"))
        seconds += time.monotonic() - began
        meanwhile += len(load.acknowledged) - len(before)
        assert done.returncode == 0, done.stderr
        copy = f"sqlite+aiosqlite:///{tmp_path}/copy{number}.db"
        assert await differences(copy) == []
        assert before <= set(await stored_ids(copy))
    load.running = False
    await asyncio.gather(*workers)
    assert process.terminate() == 0
    assert "commit_failed" not in process.log()
    figures(
        "backup under load",
        backups=rounds,
        megabytes=round((tmp_path / "copy0.db").stat().st_size / 1e6),
        seconds_each=round(seconds / rounds, 1),
        acknowledged_meanwhile=meanwhile,
        missing=0,
    )


async def shown(process: Process, panel: LivePanel) -> bool:
    """Whether the panel shows the snapshot that REST gives."""
    headers = {"Authorization": f"Bearer {panel.token}"}
    async with httpx2.AsyncClient(base_url=process.url, headers=headers) as http:
        snapshot = (await http.get(f"{API}/snapshot")).json()
    wanted = {name: snapshot[name] for name in TOPICS}
    await panel.until(lambda: panel.state.position == snapshot["position"])
    return panel.state.shown() == wanted


@pytest.mark.parametrize("later", [0, 5])
async def test_a_backup_that_is_put_back_corrects_panels(tmp_path: Path, later: int) -> None:
    """As docs/operations.md says it: a panel that was ahead of the backup gets a snapshot and stays exact, however far
    the restored database has gone on since."""
    process = Process(tmp_path)
    await process.start()
    async with httpx2.AsyncClient(base_url=process.url) as http:
        await http.post(f"{TRACK}/activity-public", json=ACTIVITY)
        assert process.command("backup", str(tmp_path / "copy.db")).returncode == 0
        panel = LivePanel(process.url, make_token(SECRET, "ada", [ADMIN], "default", 3600))
        await panel.open()
        for number in range(3):
            event = {**ACTIVITY, "user_id": f"lost{number}"}
            receipt = (await http.post(f"{TRACK}/activity-public", json=event)).json()
        await panel.until_position(receipt["position"])
    # Killed: then its write-ahead log is still there.
    process.kill()
    assert (tmp_path / "analytics.db-wal").exists()
    for suffix in ("-wal", "-shm"):
        (tmp_path / f"analytics.db{suffix}").unlink()
    (tmp_path / "copy.db").replace(tmp_path / "analytics.db")
    await process.start()
    async with httpx2.AsyncClient(base_url=process.url) as http:
        for number in range(later):
            await http.post(f"{TRACK}/activity-public", json={**ACTIVITY, "user_id": f"new{number}"})
        panel.frames.clear()
        await panel.resume()
        assert panel.frames[0]["type"] == "snapshot"
        assert await shown(process, panel)
        await http.post(f"{TRACK}/activity-public", json={**ACTIVITY, "user_id": "newest"})
        assert await shown(process, panel)
    assert panel.state.summary["total_activities"] == 2 + later
    await panel.close()
    assert process.terminate() == 0
    assert await differences(process.environment["ANALYTICS_DATABASE_URL"]) == []
