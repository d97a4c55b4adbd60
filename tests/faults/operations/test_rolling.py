"""All processes behind the balancer are stopped, or killed, and started again, one after the other, under load."""

import asyncio
import contextlib
import re
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import httpx2
import pytest

from tests.faults.figures import Figures
from tests.faults.operations.clients import KEY, Book, Poster, Reader, Watcher
from tests.load import stored_messages
from tests.panel.browser import Visitor, browser, visit
from tests.panel.screen import figures as shown
from tests.panel.screen import status, written
from tests.paths import API
from tests.servers.cluster import Cluster, Replica
from tests.servers.postgres import Postgres
from tests.servers.settings import SECRET
from tests.subscribers.live import Fed, LivePanel
from tests.subscribers.stream import StreamPanel
from web.auth.tokens import ADMIN, make_token

__all__ = ["browser", "visit"]

WORKERS, READERS = 3, 3


@pytest.fixture
async def cluster(tmp_path: Path, postgres: Postgres, valkey: str) -> AsyncIterator[Cluster]:
    name = postgres.create()
    own = {"JWT_SECRET": SECRET, "TRACKING_KEYS": KEY, "HEARTBEAT_SECONDS": "0.5"}
    async with Cluster(tmp_path / "cluster", postgres.url(name), valkey, 0, **own) as found:
        yield found
    postgres.drop(name)


async def watchers(cluster: Cluster, token: str, book: Book, sockets: int, streams: int) -> list[Watcher]:
    """Let panels watch, and wait until each shows something."""
    panels: list[Fed] = [LivePanel(cluster.url, token) for _ in range(sockets)]
    panels += [StreamPanel(cluster.url, token) for _ in range(streams)]
    found = [Watcher(panel, book) for panel in panels]
    for panel in panels:
        await panel.until(lambda panel=panel: bool(panel.frames), 30)  # type: ignore[misc]
    return found


async def restart(cluster: Cluster, process: Replica, number: int) -> float:
    """End a process and start it again, until the balancer has found it; gives when it was told to end."""
    name = f"process{cluster.processes.index(process) + 1}"
    before, began = cluster.balancer.found(name), time.monotonic()
    assert await disagreements(process) == 0
    process.signal(number)
    code = await asyncio.to_thread(process.wait)
    assert code == (0 if number == signal.SIGTERM else -number), process.log()
    await process.start(60)
    async with asyncio.timeout(60):
        while cluster.balancer.found(name) == before:  # noqa: ASYNC110 - it is another program
            await asyncio.sleep(0.05)
    return began


async def disagreements(process: Replica) -> float:
    """How often a panel or a feed of a process has noticed a wrong figure since it was started."""
    async with httpx2.AsyncClient() as client:
        text = (await client.get(f"{process.url}/metrics")).text
    return sum(float(value) for value in re.findall(r"^convoai_\w+_disagreements_total (\S+)", text, re.MULTILINE))


def spread(returned: list[float], began: list[float]) -> str:
    """Tell how many panels came back in each half second after a process was told to end, and most in 100 ms."""
    after = [min(at - start for start in began if start <= at) for at in returned]
    halves = Counter(int(seconds * 2) for seconds in after)
    peak = max(Counter(int(seconds * 10) for seconds in after).values(), default=0)
    bars = " ".join(str(halves[number]) for number in range(max(halves, default=0) + 1))
    return f"{bars} (peak {peak} of {len(returned)} in 100 ms)"


@contextlib.asynccontextmanager
async def everyone(cluster: Cluster, poster: Poster, reader: Reader) -> AsyncIterator[None]:
    """Post and read while the body runs."""
    paths = ["summary", "snapshot", "users/activities?limit=5"]
    tasks = [asyncio.create_task(poster.run(number)) for number in range(WORKERS)]
    tasks += [asyncio.create_task(reader.run(paths[number % len(paths)])) for number in range(READERS)]
    try:
        yield
    finally:
        poster.running = reader.running = False
        await asyncio.gather(*tasks)


async def test_a_rolling_restart_is_seen_by_nobody(cluster: Cluster, full: bool, figures: Figures) -> None:
    """Processes are stopped, then killed, one after the other: no panel shows a wrong figure, and no event is lost.

    None is counted twice, and while they are stopped no read fails. In short form only one is killed.
    """
    book, token = Book(), make_token(SECRET, "ada", [ADMIN], "default", 3600)
    panels = await watchers(cluster, token, book, *((200, 50) if full else (12, 4)))
    poster, reader = Poster([process.url for process in cluster.processes]), Reader(cluster.url, token)
    async with everyone(cluster, poster, reader):
        replay = asyncio.create_task(replayed(cluster, speed=120 if full else 1800))
        for number, victims in (
            (signal.SIGTERM, cluster.processes),
            (signal.SIGKILL, cluster.processes if full else cluster.processes[:1]),
        ):
            began = [await restart(cluster, process, number) for process in victims]
            for watcher in panels:
                await watcher.panel.until(lambda watcher=watcher: not watcher.has_ended, 30)  # type: ignore[misc]
            returned = [at for watcher in panels for at in watcher.returned if at > began[0]]
            reads = reader.statuses.copy()
            reader.statuses.clear()
            if number == signal.SIGTERM:
                assert set(reads) == {200}, reads
                # Each was told when to come back.
                assert sum(watcher.cut for watcher in panels) == 0
            figures(
                f"rolling restart by {number.name}",
                processes=len(victims),
                panels=len(panels),
                reads=reads.total(),
                reads_failed=reads.total() - reads[200],
                back_by_half_seconds=spread(returned, began),
            )
        assert "posted" in await replay
    for watcher in panels:
        await watcher.agrees_with(cluster.url)
    assert [await disagreements(process) for process in cluster.processes] == [0, 0, 0]
    assert book.proofs > 0
    assert sum(len(watcher.returned) for watcher in panels) >= len(panels)
    for watcher in panels:
        await watcher.leave()
    verdict = await asyncio.to_thread(cluster.processes[0].command, "verify")
    assert verdict.returncode == 0, verdict.stdout
    stored = Counter(await stored_messages(cluster.database_url))
    assert poster.acknowledged <= set(stored)
    assert max(stored.values()) == 1
    exact = {"frames": book.frames, "proofs": book.proofs, "wrong": 0}
    figures("rolling restarts, all in all", **exact, acknowledged=len(poster.acknowledged), lost=0, counted_twice=0)


async def replayed(cluster: Cluster, speed: int) -> str:
    """Run the command `replay` against a process, and give what it says."""
    url = cluster.processes[0].url
    arguments = ("replay", "--sample", "--speed", str(speed), "--url", url, "--key-file", "-")
    done = await asyncio.to_thread(cluster.processes[0].command, *arguments, text=KEY)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.asyncio(loop_scope="module")
async def test_a_browser_stays_exact(
    cluster: Cluster, full: bool, figures: Figures, visit: Callable[..., Awaitable[Visitor]]
) -> None:
    """The dashboard in a real Chromium, in full form: its figures never go back, and end up equal to the snapshot."""
    if not full:
        pytest.skip("a real browser watches in the full form")
    token = make_token(SECRET, "ada", [ADMIN], "default", 3600)
    page = await (await visit()).tab(f"{cluster.url}/analytics#token={token}")
    await status(page, "live")
    poster, reader = Poster([process.url for process in cluster.processes]), Reader(cluster.url, token)
    seen: list[int] = []

    async def look() -> None:
        while poster.running:
            text = (await shown(page)).get("Total messages", "")
            if text.replace(",", "").isdecimal():
                seen.append(int(text.replace(",", "")))
            await asyncio.sleep(0.1)

    async with everyone(cluster, poster, reader):
        looking = asyncio.create_task(look())
        replay = asyncio.create_task(replayed(cluster, speed=120))
        for number in (signal.SIGTERM, signal.SIGKILL):
            for process in cluster.processes:
                await restart(cluster, process, number)
        assert "posted" in await replay
    await looking
    assert seen == sorted(seen)
    headers = {"Authorization": f"Bearer {token}"}
    async with httpx2.AsyncClient(headers=headers) as client, asyncio.timeout(30):
        snapshot = (await client.get(f"{cluster.url}{API}/snapshot")).json()
        while await shown(page) != written(snapshot["summary"]):  # noqa: ASYNC110 - it is a browser's screen
            await asyncio.sleep(0.1)
    assert [await disagreements(process) for process in cluster.processes] == [0, 0, 0]
    figures("rolling restarts, a browser", restarts=2 * len(cluster.processes), looks=len(seen), wrong=0)
