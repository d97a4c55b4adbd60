"""The spool: what it has taken is posted, whatever becomes of the process, the service, and the disk."""

import asyncio
import random
import sqlite3
import stat
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from convoai_analytics_client import Analytics, Stats
from tests.client.delivery.endpoint import Reply, after, endpoint
from tests.faults.disk import small_disk
from tests.faults.figures import Figures
from tests.servers.process import Process
from tests.servers.program import spawn

DOWN = "http://127.0.0.1:9"


def wait_until(is_so: Callable[[], bool], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def spooled(analytics: Analytics, events: int) -> None:
    """Wait until so many events are on the disk."""
    wait_until(lambda: analytics.stats().spooled >= events)


def track(analytics: Analytics, begin: int, end: int) -> None:
    for number in range(begin, end):
        analytics.track_user_activity(f"u{number}", "Ada", "login")


def test_events_survive_the_end_of_a_process(tmp_path: Path) -> None:
    """What one client spooled while the service was down, the next one posts without being asked."""
    before = Analytics(DOWN, spool=tmp_path)
    track(before, 0, 1200)
    spooled(before, 1200)
    assert not before.close(0.2)
    assert before.stats() == Stats(tracked=1200, pending=1200, spooled=1200)
    with endpoint() as serving:
        analytics = Analytics(serving.url, spool=tmp_path, flush_seconds=0.02)
        wait_until(lambda: analytics.stats().recorded == 1200)
        assert {event["user_id"] for event in serving.events} == {f"u{number}" for number in range(1200)}
        assert analytics.stats() == Stats(restored=1200, recorded=1200)
        assert analytics.close()
    assert not list(tmp_path.glob("*/*.ndjson"))


def test_only_the_owner_reads_the_spool(tmp_path: Path) -> None:
    """Folders are 0700 and files 0600: they hold what users did."""
    analytics = Analytics(DOWN, spool=tmp_path / "spool")
    track(analytics, 0, 1)
    spooled(analytics, 1)
    modes = {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "spool").rglob("*") if path.is_file()}
    assert modes == {0o600}
    assert stat.S_IMODE((tmp_path / "spool").stat().st_mode) == 0o700
    analytics.close(0.1)


def test_the_spool_is_bounded(tmp_path: Path) -> None:
    """Beyond its size newer events are dropped and counted; the older ones are posted later."""
    analytics = Analytics(DOWN, spool=tmp_path, spool_bytes=50_000)
    track(analytics, 0, 1000)
    wait_until(lambda: analytics.stats().spooled + sum(analytics.stats().dropped.values()) == 1000)
    analytics.close(0.1)
    assert analytics.stats().dropped["spool_full"] > 500
    assert sum(path.stat().st_size for path in tmp_path.rglob("*.ndjson")) <= 50_000
    left = analytics.stats().pending
    with endpoint() as serving:
        again = Analytics(serving.url, spool=tmp_path)
        track(again, 2000, 2001)
        spooled(again, 1)
        assert again.flush()
        assert again.stats() == Stats(tracked=1, restored=left, recorded=left + 1, spooled=1)
        again.close()


def test_a_full_disk_loses_only_what_it_cannot_take() -> None:
    """Where the disk is full events are dropped and counted; what it has taken is posted, and then it takes more."""
    with small_disk() as disk, endpoint() as serving:
        analytics = Analytics(DOWN, spool=disk.folder / "spool", flush_seconds=0.02)
        track(analytics, 0, 100)
        spooled(analytics, 100)
        disk.fill()
        track(analytics, 100, 3000)
        wait_until(lambda: analytics.stats().spooled + sum(analytics.stats().dropped.values()) == 3000)
        analytics.close(0.1)
        stats = analytics.stats()
        assert set(stats.dropped) == {"spool_full"}
        assert stats.pending == stats.spooled >= 100
        again = Analytics(serving.url, spool=disk.folder / "spool", flush_seconds=0.02)
        wait_until(lambda: again.stats().restored > 0 and again.stats().pending == 0)
        assert {f"u{number}" for number in range(100)} <= {event["user_id"] for event in serving.events}
        disk.free()
        track(again, 5000, 5001)
        assert again.flush()
        assert again.stats().recorded == again.stats().restored + 1
        again.close()


def test_a_segment_that_cannot_be_read_stops_nothing(tmp_path: Path) -> None:
    """Events whose file has gone or become a folder are in the accounts as dropped, and later ones are posted."""
    with endpoint(after(*[Reply(503)] * 2)) as serving:
        analytics = Analytics(DOWN, spool=tmp_path, batch_events=10)
        track(analytics, 0, 30)
        spooled(analytics, 30)
        analytics.close(0.1)
        gone, folder, whole = sorted(tmp_path.glob("0/*.ndjson"))
        again = Analytics(serving.url, spool=tmp_path, batch_events=10, flush_seconds=0.02)
        wait_until(lambda: again.stats().restored == 30)
        gone.unlink()
        folder.unlink()
        folder.mkdir()
        assert whole.exists()
        wait_until(lambda: again.stats().pending == 0)
        track(again, 30, 31)
        assert again.flush()
        stats = again.stats()
        assert stats.recorded + sum(stats.dropped.values()) == 31
        assert {"u29", "u30"} <= {event["user_id"] for event in serving.events}
        again.close()


def test_a_spool_is_shared_by_processes(tmp_path: Path) -> None:
    """Two clients that use one folder at the same time do not post one another's events."""
    with endpoint(after(*[Reply(503)] * 3)) as serving:
        one, two = (Analytics(serving.url, spool=tmp_path, flush_seconds=0.02) for _ in range(2))
        track(one, 0, 100)
        track(two, 100, 200)
        assert one.flush()
        assert two.flush()
        assert one.stats().recorded == two.stats().recorded == 100
        assert Counter(event["user_id"] for event in serving.events).total() >= 200
        one.close()
        two.close()


@pytest.mark.parametrize("field", ["folder", "disk"])
def test_a_folder_that_cannot_be_used_is_named(tmp_path: Path, field: str) -> None:
    """A spool that is a file stops the start with an error that says so."""
    (tmp_path / field).write_text("a file")
    with pytest.raises(ValueError, match=r"^spool: "):
        Analytics(DOWN, spool=tmp_path / field)


async def test_kills_of_the_posting_process(tmp_path: Path, full: bool, figures: Figures) -> None:
    """A process that posts is killed at any moment: of what its spool had taken, nothing is lost or counted twice."""
    service = Process(tmp_path)
    await service.start()
    draw, kills, safe = random.Random(7), 200 if full else 12, dict[int, int]()
    for run in range(kills):
        command = [sys.executable, "-m", "tests.client.delivery.poster", service.url, str(tmp_path / "spool"), str(run)]
        program = spawn(command, stdout=subprocess.PIPE)
        assert program.stdout is not None
        # Half of them are killed once they post, however long they take to start.
        begun = await asyncio.to_thread(program.stdout.readline) if run % 2 else b""
        await asyncio.sleep(draw.uniform(0, 0.8))
        program.kill()
        written = begun + program.communicate()[0]
        # The last line may be cut off.
        safe[run] = int((written.split(b"\n")[-2:-1] or [b"0"])[0] or b"0")
    rest = Analytics(service.url, spool=tmp_path / "spool")
    track(rest, 0, 1)
    wait_until(lambda: rest.flush() and not any((tmp_path / "spool").glob("*/*.ndjson")), 60)
    rest.close()
    service.terminate()
    with sqlite3.connect(tmp_path / "analytics.db") as database:
        stored = Counter(name for (name,) in database.execute("SELECT user_id FROM user_activity"))
    database.close()
    expected = {f"{run}-{number}" for run, events in safe.items() for number in range(events)}
    lost, twice = expected - stored.keys(), [name for name, times in stored.items() if times > 1]
    figures(
        "the posting process killed, with a spool", kills=kills, safe=len(expected), lost=len(lost), twice=len(twice)
    )
    assert sum(events > 0 for events in safe.values()) >= kills // 2
    assert not lost
    assert not twice
