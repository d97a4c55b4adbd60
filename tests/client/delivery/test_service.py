"""The client against the real service, which is killed and started again while eight threads and a loop track."""

import asyncio
import sqlite3
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import pytest

from convoai_analytics_client import Analytics
from tests.faults.figures import Figures
from tests.servers.process import Process
from tests.servers.program import spawn

THREADS, PAUSE = 8, 0.004


def track_from(analytics: Analytics, name: str, events: int) -> None:
    for number in range(events):
        analytics.track_user_activity(f"{name}-{number}", "Ada", "login")
        if number % 10 == 9:
            time.sleep(PAUSE)


async def track_in_loop(analytics: Analytics, name: str, events: int) -> None:
    for number in range(events):
        task = asyncio.create_task(analytics.track_user_activity(f"{name}-{number}", "Ada", "login"))
        if number % 10 == 9:
            await asyncio.sleep(PAUSE)
            assert task.done()


def stored(folder: Path) -> Counter[str]:
    database = sqlite3.connect(folder / "analytics.db")
    try:
        return Counter(name for (name,) in database.execute("SELECT user_id FROM user_activity"))
    finally:
        database.close()


@pytest.mark.parametrize("with_spool", [True, False], ids=["spool", "memory"])
async def test_the_service_is_killed_three_times(
    with_spool: bool, tmp_path: Path, full: bool, figures: Figures
) -> None:
    """With a spool every event is counted exactly once; without one, what is missing is in the client's accounts."""
    each = (100_000 if full else 9_000) // (THREADS + 1)
    service = Process(tmp_path)
    await service.start()
    spool = tmp_path / "spool" if with_spool else None
    analytics = Analytics(service.url, spool=spool, queue_events=10_000 if with_spool else 2_000)
    threads = [threading.Thread(target=track_from, args=(analytics, f"t{number}", each)) for number in range(THREADS)]
    for thread in threads:
        thread.start()
    loop = asyncio.create_task(track_in_loop(analytics, "loop", each))
    for kill in range(1, 4):
        target = kill * each * (THREADS + 1) // 4
        while analytics.stats().tracked < target:  # noqa: ASYNC110 - events come at their own pace
            await asyncio.sleep(0.01)
        service.kill()
        if not full:
            await asyncio.sleep(0.2)
        await service.start()
    await loop
    for thread in threads:
        await asyncio.to_thread(thread.join)
    assert await analytics.aflush(60)
    stats = analytics.stats()
    analytics.close()
    service.terminate()
    found = stored(tmp_path)
    tracked = each * (THREADS + 1)
    missing = tracked - len(found)
    seen = {"tracked": tracked, "stored": len(found), "dropped": sum(stats.dropped.values())}
    figures(f"the service killed three times, {'a spool' if with_spool else 'memory only'}", **seen)
    assert set(found.values()) == {1}
    assert stats.tracked == tracked
    assert missing == sum(stats.dropped.values())
    assert stats.recorded + stats.duplicates == len(found)
    assert missing == 0 or not with_spool


async def test_what_a_script_tracks_arrives(tmp_path: Path) -> None:
    """A program that ends at once after its last event, by whatever end, has posted it."""
    service = Process(tmp_path)
    await service.start()
    ends = {"end": "pass", "exit": "sys.exit(3)", "raise": "1 / 0", "loop": "asyncio.run(main())"}
    programs = []
    for name, end in ends.items():
        text = (
            "import asyncio, sys\n"
            "from convoai_analytics_client import Analytics\n"
            f"analytics = Analytics({service.url!r})\n"
            "async def main():\n"
            f"    asyncio.create_task(analytics.track_user_activity('{name}', 'Ada', 'login'))\n"
            f"analytics.track_user_activity('{name}', 'Ada', 'login')\n"
            f"{end}\n"
        )
        programs.append(spawn([sys.executable, "-c", text], stderr=subprocess.DEVNULL))
    codes = [await asyncio.to_thread(program.wait, 20) for program in programs]
    service.terminate()
    assert codes == [0, 3, 1, 0]
    assert stored(tmp_path) == {"end": 1, "exit": 1, "raise": 1, "loop": 2}
