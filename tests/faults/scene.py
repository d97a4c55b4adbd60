"""What is broken on purpose: services under load, and panels that watch it all the while."""

import asyncio
import dataclasses
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import httpx2

from realtime.protocol import TOPICS
from tests.load import Load, stored_ids
from tests.paths import API
from tests.servers.process import Process
from tests.servers.settings import SECRET
from tests.subscribers.follower import Follower
from web.auth.tokens import ADMIN, make_token

WORKERS = 6
START_SECONDS = 300.0
"""How long a start may take on a machine that has much else to do."""
SETTLE_SECONDS = 120.0
"""Within which panels that are right have to show it; one that is wrong would for ever be."""


def admin() -> str:
    """Make a token that outlives every test."""
    return make_token(SECRET, "ada", [ADMIN], "default", 86_400)


@dataclass(frozen=True)
class Outcome:
    """What it came to.

    Events acknowledged, those of them that are not there, and those there more than once; panels, how often they came
    back, and those that showed a wrong figure, at the end or by a digest meanwhile.
    """

    acknowledged: int
    lost: int
    counted_twice: int
    panels: int
    panels_back: int
    panels_wrong: int

    def row(self) -> dict[str, Any]:
        """Give it for the table."""
        return dataclasses.asdict(self)

    def is_exact(self) -> bool:
        """Say whether nothing was lost, counted twice or shown wrong."""
        return (self.lost, self.counted_twice, self.panels_wrong) == (0, 0, 0) and self.acknowledged > 0


class Scene:
    """Services on one database, posted to without pause, each with *panels* that come back whenever they are cut."""

    def __init__(self, *processes: Process, panels: int = 2) -> None:
        self.processes = processes
        self.load = Load(*(process.url for process in processes))
        self.followers = [(process, Follower(process.url, admin())) for process in processes for _ in range(panels)]
        self._workers: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        """Let services post, and panels watch; the processes may be started before or after."""
        self._workers = [asyncio.create_task(self.load.post(number)) for number in range(WORKERS)]
        for _, follower in self.followers:
            follower.begin()
        return self

    def follow(self, process: Process, follower: Follower) -> None:
        """Let a further panel watch *process*, by whatever way."""
        self.followers.append((process, follower))
        follower.begin()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End all of it."""
        self.load.running = False
        for worker in self._workers:
            worker.cancel()
        await asyncio.gather(*self._workers, return_exceptions=True)
        await self._leave()
        for process in self.processes:
            process.stop_if_running()

    async def start(self) -> None:
        """Start every process."""
        await asyncio.gather(*(process.start(START_SECONDS) for process in self.processes))

    async def until_refused(self, status: int, seconds: float = 300) -> None:
        """Wait until posts are refused with a *status*."""
        before = self._refused(status)
        async with asyncio.timeout(seconds):
            while self._refused(status) < before + 3:  # noqa: ASYNC110 - the workers make progress
                await asyncio.sleep(0.01)

    def _refused(self, status: int) -> int:
        return sum(count for (code, _), count in self.load.refusals.items() if code == status)

    async def until_stale(self, seconds: float = 300) -> None:
        """Wait until every panel is told that its figures are stale."""
        for _, follower in self.followers:
            await follower.until(lambda panel=follower: panel.state.stale_since is not None, seconds)  # type: ignore[misc]

    async def settle(self) -> Outcome:
        """Let what was posted be acknowledged, and hold everything against everything else."""
        async with asyncio.timeout(600):
            await self._finish()
        wrong = sum([await self._is_wrong(process, follower) for process, follower in self.followers])
        await self._leave()
        logs = [process.log() for process in self.processes]
        assert not any("Traceback" in log for log in logs), [log for log in logs if "Traceback" in log]
        wrong += sum(log.count("panel_disagrees") + log.count("feed_disagrees") for log in logs)
        verdict = await asyncio.to_thread(self.processes[0].command, "verify", seconds=600)
        assert verdict.returncode == 0, verdict.stdout
        stored = await stored_ids(self.processes[0].environment["ANALYTICS_DATABASE_URL"])
        there = set(stored)
        twice = len(stored) - len(there) + max(0, self.load.recorded - len(there))
        lost = len(self.load.acknowledged - there)
        back = sum(follower.returns for _, follower in self.followers)
        return Outcome(len(self.load.acknowledged), lost, twice, len(self.followers), back, wrong)

    async def _finish(self) -> None:
        """End the load, when it goes on again."""
        await self.load.progress(10 * WORKERS)
        self.load.running = False
        await asyncio.gather(*self._workers)

    async def _leave(self) -> None:
        """Let the panels go: they would answer nobody's close while this process waits for a service to end."""
        await asyncio.gather(*(follower.leave() for _, follower in self.followers))

    async def _is_wrong(self, process: Process, follower: Follower) -> bool:
        """Say whether a panel does not show what its service gives as the snapshot."""
        async with httpx2.AsyncClient(headers={"Authorization": f"Bearer {follower.token}"}) as http:
            snapshot = (await http.get(f"{process.url}{API}/snapshot")).json()
        try:
            await follower.until(lambda: follower.state.position == snapshot["position"], SETTLE_SECONDS)
        except TimeoutError:
            return True
        return follower.state.shown() != {name: snapshot[name] for name in TOPICS} or follower.disagreements > 0
