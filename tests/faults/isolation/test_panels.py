"""Very many panels: some that do not read, and all that come back at once."""

import asyncio
import re
import time
from pathlib import Path

import httpx2

from realtime.protocol import TOPICS
from tests.faults.figures import Figures
from tests.faults.isolation.pace import Pace, p99_ms
from tests.faults.isolation.subscriber_group import SubscriberGroup
from tests.faults.scene import START_SECONDS, admin
from tests.paths import API
from tests.servers.process import Process

PER_SECOND = 50.0
"""Events; more than the ticks of the panels."""
TICK_MS = "100"
"""Ten frames a second to a panel: with twice as many it would be the thousand panels that need a whole core."""


async def until_counted(process: Process, name: str, wanted: float, seconds: float = 300) -> None:
    """Wait until one of the service's own metrics has come so far."""
    async with asyncio.timeout(seconds), httpx2.AsyncClient() as http:
        found = None
        while found is None or float(found[1]) < wanted:
            await asyncio.sleep(0.05)
            text = (await http.get(f"{process.url}/metrics")).text
            found = re.search(rf"^{re.escape(name)} (\S+)$", text, re.MULTILINE)


async def wrong(process: Process, subscribers: SubscriberGroup) -> int:
    """Count the panels that do not show what the service gives as the snapshot, and what digests found."""
    headers = {"Authorization": f"Bearer {admin()}"}
    async with httpx2.AsyncClient(headers=headers) as http:
        snapshot = (await http.get(f"{process.url}{API}/snapshot")).json()
    wanted = {topic: snapshot[topic] for topic in TOPICS}
    for _ in range(1200):
        shown = await subscribers.tell("shown")
        if all(position == snapshot["position"] for _, position, _ in shown["views"]):
            break
        await asyncio.sleep(0.1)
    different = [
        count for count, position, view in shown["views"] if (position, view) != (snapshot["position"], wanted)
    ]
    log = process.log()
    found: int = sum(different) + shown["disagreements"]
    return found + log.count("_disagrees") + log.count("Traceback")


async def delays_ms(subscribers: SubscriberGroup, pace: Pace, seconds: float) -> tuple[float, float]:
    """Watch for some *seconds*: the 99th percentiles, in ms, from post to panel and from post to answer."""
    await subscribers.tell("forget")
    # What is under way arrives first.
    await asyncio.sleep(0.2)
    begun = pace.begin()
    await asyncio.sleep(seconds)
    posts = pace.since(begun)
    # The last ones have to arrive too.
    await subscribers.until_none("behind", max(post.sequence for post in posts))
    _, p99, _ = await subscribers.tell("delays", [[post.sent, post.sequence] for post in posts])
    return p99 * 1000, p99_ms(posts)


def queued_kb(port: int) -> float:
    """Tell what the kernel holds of what was sent from a *port*, in KB: sent and not acknowledged, or not sent yet."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return sum(int(row[4].split(":")[0], 16) for row in rows if int(row[1].split(":")[1], 16) == port) / 1024


async def test_stalled_panels_harm_nobody(tmp_path: Path, full: bool, figures: Figures) -> None:
    """Panels that do not read: the others' delay and the posts are as before, and they are closed with 4408."""
    # The deadline is longer than what is measured, and shorter than uvicorn waits for the answer to a ping: 20 s.
    count, stalled, seconds, deadline = (1000, 50, 10, 15) if full else (100, 5, 1, 3)
    process = Process(tmp_path, TICK_MS=TICK_MS, WRITE_DEADLINE_SECONDS=str(deadline))
    await process.start(START_SECONDS)
    port = int(process.url.rpartition(":")[2])
    try:
        async with SubscriberGroup(port, admin(), count, stalled) as subscribers, Pace(process.url, PER_SECOND) as pace:
            await delays_ms(subscribers, pace, seconds / 2)
            before = await delays_ms(subscribers, pace, seconds)
            memory, kernel = process.resident_kb(), queued_kb(port)
            await subscribers.tell("stall")
            # Until the service has noticed, which takes as long as the kernel takes what it writes.
            await until_counted(process, "convoai_panels_passed_over_total", 1)
            beside = await delays_ms(subscribers, pace, seconds)
            memory, kernel = process.resident_kb() - memory, queued_kb(port) - kernel
            await until_counted(process, 'convoai_panel_closes_total{code="4408"}', stalled)
            await pace.stop()
            figures(
                "panels that do not read",
                stalled=f"{stalled} of {count}",
                panels_wrong=(found := await wrong(process, subscribers)),
                others_p99=f"{before[0]:.0f} ms, then {beside[0]:.0f} (aim: 1.2 times)",
                ingest_p99=f"{before[1]:.0f} ms, then {beside[1]:.0f}",
                memory_of_each=f"{memory / stalled:.0f} KB (aim: 128), in the kernel {kernel / stalled:.0f} KB",
            )
            assert found == 0
    finally:
        process.stop_if_running()


async def test_all_come_back_at_once(tmp_path: Path, full: bool, figures: Figures) -> None:
    """All panels are cut at once, then the service is killed and started: all resume by position, and are exact."""
    count, seconds = (1000, 10) if full else (100, 2)
    process = Process(tmp_path, TICK_MS=TICK_MS)
    await process.start(START_SECONDS)
    port = int(process.url.rpartition(":")[2])
    try:
        async with SubscriberGroup(port, admin(), count) as subscribers, Pace(process.url, PER_SECOND) as pace:
            begun = pace.begin()
            await asyncio.sleep(seconds)
            before, begun = p99_ms(pace.since(begun)), pace.begin()
            snapshots = (await subscribers.tell("shown"))["snapshots"]
            await subscribers.tell("cut")
            after_cut = await subscribers.until_none("missing")
            # A second in any case: the few posts of a shorter time have no percentiles.
            await asyncio.sleep(max(0.0, 1 - after_cut))
            during = p99_ms(pace.since(begun))
            process.kill()
            began = time.monotonic()
            await process.start(START_SECONDS)
            await subscribers.until_none("missing")
            after_kill = time.monotonic() - began
            await pace.stop()
            found = await wrong(process, subscribers)
            # By its position each was told what it had missed.
            snapshots = (await subscribers.tell("shown"))["snapshots"] - snapshots
            figures(
                "panels that come back at once",
                panels=count,
                panels_wrong=found,
                snapshots_needed=snapshots,
                back_after=f"{after_cut:.1f} s when cut, {after_kill:.1f} s when killed and started (aim: 5)",
                ingest_p99=f"{before:.0f} ms, then {during:.0f} (aim: 2 times)",
            )
            assert (found, snapshots) == (0, 0)
    finally:
        process.stop_if_running()
