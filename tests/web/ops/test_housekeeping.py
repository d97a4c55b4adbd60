"""What the service removes by itself, when a part of it fails."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.samples.events import ACTIVITY
from tests.samples.history import days_ago
from tests.servers.service import start
from tests.servers.settings import RETENTION

KEYS = {"acme": "acme-key-0123456789", "globex": "globex-key-0123456789", "default": "own-key-0123456789"}


async def test_one_tenant_that_fails_holds_up_no_other(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Where the rows of one tenant cannot be removed, those of all others are, and the log has the kind of failure."""
    running = await start(tmp_path)
    for key in KEYS.values():
        await running.post("activity-public", {**ACTIVITY, "timestamp": days_ago(8)}, key)
    await running.stop()
    refuse = (
        "CREATE TRIGGER refuse BEFORE DELETE ON user_activity WHEN OLD.tenant_id = 'acme' "
        "BEGIN SELECT RAISE(ABORT, 'not these'); END"
    )
    with closing(sqlite3.connect(tmp_path / "analytics.db")) as database:
        database.execute(refuse)
        database.commit()
    running = await start(tmp_path, **RETENTION)
    try:
        await running.service.housekeeping.run_once()
        left = {tenant: len((await running.get("users/activities", tenant))["items"]) for tenant in KEYS}
        assert left == {"acme": 1, "globex": 0, "default": 0}
        said = capsys.readouterr().out
        assert "housekeeping_failed" in said
        assert "acme" not in said.partition("housekeeping_failed")[2]
    finally:
        await running.stop()
