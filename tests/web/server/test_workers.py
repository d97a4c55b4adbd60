"""Several processes behind one socket: what they serve together, and what each may do to the others."""

import asyncio
import contextlib
import os
import re
import signal
import socket
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx2
import pytest
from prometheus_client.mmap_dict import MmapedDict, mmap_key

from realtime.protocol import TOPICS
from tests.load import Load, stored_ids
from tests.paths import API
from tests.servers.postgres import Postgres
from tests.servers.process import Process
from tests.servers.settings import SECRET
from tests.subscribers.live import LivePanel
from web.auth.tokens import ADMIN, make_token
from web.ops.telemetry import Telemetry

TOKEN = make_token(SECRET, "ada", [ADMIN], "default", 3600)
WORKERS, PANELS = 3, 12


async def until(holds: Callable[[], bool], seconds: float = 120) -> None:
    async with asyncio.timeout(seconds):
        while not holds():  # noqa: ASYNC110 - what it waits for is in other processes
            await asyncio.sleep(0.02)


def workers_of(process: Process) -> set[int]:
    """The processes that the parent has started."""
    return {int(pid) for pid in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()}


def is_alive(pid: int) -> bool:
    """Whether a process is there; one that has ended, but was not waited for, is not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def samples(text: str) -> dict[str, float]:
    """Read the counters among metrics."""
    counters = re.findall(r"^# TYPE (\S+) (?:counter|histogram)$", text, re.MULTILINE)
    lines = (line.rpartition(" ") for line in text.splitlines() if line.startswith(tuple(counters)))
    return {name: float(value) for name, _, value in lines}


class Scraper:
    """Prometheus: it sees whether a counter ever went back."""

    def __init__(self, url: str) -> None:
        self._url = url
        self.scrapes = 0
        self.last: dict[str, float] = {}
        self.text = ""

    async def run(self) -> None:
        async with httpx2.AsyncClient(base_url=self._url) as client:
            while True:
                with contextlib.suppress(httpx2.TransportError):
                    await self.scrape(client)
                await asyncio.sleep(0.1)

    async def scrape(self, client: httpx2.AsyncClient) -> None:
        response = await client.get("/metrics", headers={"Connection": "close"})
        assert response.status_code == 200, response.text
        found = samples(response.text)
        assert all(found.get(name, 0) >= value for name, value in self.last.items())
        self.last, self.text = found, response.text
        self.scrapes += 1


@pytest.fixture
async def served(tmp_path: Path, postgres: Postgres, valkey: str) -> AsyncIterator[Process]:
    name = postgres.create()
    process = Process(
        tmp_path, "--workers", str(WORKERS), DATABASE_URL=postgres.url(name), REDIS_URL=valkey, DRAIN_SECONDS="0.5"
    )
    await process.start(60)
    await until(lambda: process.log().count('"event": "serving"') == WORKERS)
    yield process
    process.stop_if_running()
    postgres.drop(name)


async def snapshot(process: Process) -> dict[str, object]:
    async with httpx2.AsyncClient(headers={"Authorization": f"Bearer {TOKEN}"}) as client:
        found: dict[str, object] = (await client.get(f"{process.url}{API}/snapshot")).json()
        return found


async def test_workers_serve_as_one(tmp_path: Path, served: Process) -> None:
    """One worker is killed, all are replaced, and at last stopped, under load: nothing is lost, no panel is wrong."""
    panels = [LivePanel(served.url, TOKEN) for _ in range(PANELS)]
    for panel in panels:
        await panel.open()
    stays = [asyncio.create_task(panel.stay()) for panel in panels]
    load, scraper = Load(served.url), Scraper(served.url)
    posting = [asyncio.create_task(load.post(number)) for number in range(4)]
    scraping = asyncio.create_task(scraper.run())

    async def more() -> None:
        before = len(load.acknowledged), scraper.scrapes
        await until(
            lambda: scraping.done() or (len(load.acknowledged) > before[0] + 200 and scraper.scrapes > before[1] + 3)
        )
        if scraping.done():
            scraping.result()

    await more()
    first = workers_of(served)
    assert len(first) == WORKERS
    os.kill(victim := min(first), signal.SIGKILL)
    await until(lambda: len(workers_of(served) - {victim}) == WORKERS)
    await more()
    second = workers_of(served)
    assert second > first - {victim}

    served.signal(signal.SIGHUP)
    await until(lambda: '"event": "workers_replaced"' in served.log())
    await more()
    third = workers_of(served)
    assert len(third) == WORKERS
    assert not third & second

    load.running = False
    await asyncio.gather(*posting)
    shown = await snapshot(served)
    for panel in panels:
        await panel.until_position(str(shown["position"]), 30)
        assert panel.state.shown() == {key: shown[key] for key in TOPICS}
        assert panel.disagreements == 0
        assert panel.state.agrees
    scrapes = scraper.scrapes
    await until(lambda: scraper.scrapes > scrapes + 1)
    async with asyncio.timeout(10):
        # The levels of the other workers are up to a second old.
        while f"convoai_panels {PANELS}.0" not in scraper.text:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    scraping.cancel()
    stored = await stored_ids(served.environment["ANALYTICS_DATABASE_URL"])
    counted = {
        outcome: scraper.last.get(f'convoai_events_total{{kind="batch",outcome="{outcome}"}}', 0)
        for outcome in ("recorded", "duplicate")
    }
    assert load.acknowledged <= set(stored)
    assert len(stored) == len(set(stored))
    # A killed worker may have committed what it had no time to count, and answered nobody about it.
    assert counted["recorded"] <= len(stored)
    assert sum(counted.values()) >= len(load.acknowledged)
    assert "convoai_panel_disagreements_total 0.0" in scraper.text
    assert "convoai_feed_disagreements_total 0.0" in scraper.text
    assert "convoai_broker_delivering 1.0" in scraper.text
    assert served.command("verify").returncode == 0

    for stay in stays:
        stay.cancel()
    assert await asyncio.to_thread(served.terminate) == 0, served.log()
    for panel in panels:
        await panel.until(lambda panel=panel: panel.closed is not None)  # type: ignore[misc]
        assert panel.closed is not None
        assert panel.closed[0] == 1012
    assert not any(is_alive(pid) for pid in third)
    assert "Traceback" not in served.log()


async def test_workers_do_not_outlive_their_parent(tmp_path: Path, served: Process) -> None:
    """When the parent is killed its workers drain their panels and end, and the port is free."""
    panel = LivePanel(served.url, TOKEN)
    await panel.open()
    workers = workers_of(served)
    assert len(workers) == WORKERS
    served.kill()
    await panel.until(lambda: panel.closed is not None, 30)
    assert panel.closed is not None
    assert panel.closed[0] == 1012
    await until(lambda: not any(is_alive(pid) for pid in workers))
    with socket.create_server(("127.0.0.1", int(served.environment["ANALYTICS_PORT"]))):
        pass


def refused(process: Process) -> str:
    """What ``serve --workers`` says when it does not start."""
    done = process.command("serve", "--workers", "3")
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    return done.stderr


def test_workers_need_redis_and_postgresql(tmp_path: Path, postgres: Postgres, valkey: str) -> None:
    """Without either, or with one that is wrong, one clear line and exit code 2: not one from each worker."""
    url = postgres.url("nowhere")
    assert "--workers needs ANALYTICS_REDIS_URL" in refused(Process(tmp_path, DATABASE_URL=url))
    assert "--workers needs PostgreSQL" in refused(Process(tmp_path, REDIS_URL=valkey))
    line = refused(Process(tmp_path, REDIS_URL=valkey, DATABASE_URL=url))
    assert line.count("convoai-analytics:") == 1
    assert "Traceback" not in line
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        line = refused(Process(tmp_path, REDIS_URL=valkey, DATABASE_URL=url, PORT=port))
    assert line.startswith(f"convoai-analytics: cannot listen on 127.0.0.1 port {port}: ")
    assert line.count("\n") == 1


async def test_metrics_wait_for_a_worker_that_begins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A scrape that meets a worker's file which is made, but empty so far, answers when there is something in it."""
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    file = tmp_path / "counter_1.db"
    file.touch()
    scraping = asyncio.create_task(Telemetry(shared=True).expose())
    await asyncio.sleep(0.02)
    assert not scraping.done()
    values: Any = MmapedDict(str(file))  # type: ignore[no-untyped-call]
    values.write_value(mmap_key("convoai_commits", "convoai_commits_total", [], [], "Commits."), 7.0, 0.0)
    assert b"convoai_commits_total 7.0" in await scraping
    values.close()
