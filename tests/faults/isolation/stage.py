"""A service, a neighbour who uses it, and an attacker: three processes, and what the attack does to the neighbour."""

import asyncio
import contextlib
import os
import signal
import subprocess
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.faults.isolation.attacker import Attacker
from tests.faults.isolation.neighbour import Neighbour, Span
from tests.faults.scene import START_SECONDS
from tests.servers.process import Process
from tests.servers.settings import SECRET
from web.auth.tokens import ADMIN, make_token

KEY, TENANT = "globex-key-0123456789", "globex"
"""The neighbour's; attackers are of the tenant acme."""
KINDS = ("post", "summary", "frame")
TIMES = 3.0
CEILING_MS = 250.0
FLOOR_MS = 30.0
"""A p99 of so much is within its bound, whatever it was before: two slices of others' work, and a tick."""
MOST_MEMORY_MB = 256.0
MOST_LOG_MB = 128.0
STOP_SECONDS = 15.0
"""What a stop may take: ANALYTICS_STOP_SECONDS, and the end of the process."""
SAMPLE_SECONDS = 0.1


@dataclass
class Memory:
    """What the service holds, in MB: at first, and at most; and the most that SQLite's log had."""

    before: float
    peak: float
    log: float = 0

    def grown(self) -> float:
        return self.peak - self.before


@dataclass
class Outcome:
    """What an attack came to: what the neighbour saw before and during it, and what it did to the service."""

    before: Span
    during: Span
    after: Span
    memory: Memory
    answers: Any
    """What the attacker saw."""
    faults: list[str] = field(default_factory=list)
    """What must not be, whatever it took: refusals, memory, failures in the log."""

    def late(self) -> list[str]:
        """Name the waits that are beyond their bound."""
        return [
            f"{kind} {self.during.p99(kind):.0f} ms"
            for kind in KINDS
            if self.during.p99(kind) > min(CEILING_MS, max(FLOOR_MS, TIMES * self.before.p99(kind)))
        ]

    def row(self) -> dict[str, str]:
        """Give it for the table."""
        found = self.late() + self.faults
        spans = {kind: f"{self.before.p99(kind):.0f} > {self.during.p99(kind):.0f}" for kind in KINDS}
        return {
            **spans,
            "health": f"{self.before.p99('health'):.0f} > {self.during.p99('health'):.0f}",
            "longest": f"{self.during.longest():.0f}",
            "clock": f"{self.during.p99('clock'):.0f}",
            "MB": f"{self.memory.before:.0f} > {self.memory.peak:.0f}",
            "log MB": f"{self.memory.log:.0f}",
            "refused": str(sum(self.during.refused.values())),
            "stale": str(self.during.stale),
            "within": "yes" if not found else f"no: {', '.join(found)}",
        }


class Stage:
    """The three of them. After an attack that broke something, :meth:`discard` it."""

    def __init__(self, folder: Path, *, pace: float = 1.0, unread: bool = False, **settings: str) -> None:
        """*pace* is the neighbour's, 1.0 at full size.

        *unread*: what the service writes to its standard output, the audit, is a pipe that nobody reads.
        """
        self._pace = pace
        self.process = Process(folder, **settings)
        self._log = folder / "analytics.db-wal"
        self._remotes: contextlib.ExitStack = contextlib.ExitStack()
        self._logged = 0
        if unread:
            os.mkfifo(folder / "audit.log")
            self._remotes.callback(os.close, os.open(folder / "audit.log", os.O_RDONLY | os.O_NONBLOCK))

    async def open(self) -> None:
        """Start them; the neighbour goes on from then on."""
        await self.process.start(START_SECONDS)
        self._attacker = self._remotes.enter_context(Attacker(self.process.url))
        self._neighbour = self._remotes.enter_context(Neighbour(self.process.url, self._pace))
        await self._neighbour.begin(KEY, make_token(SECRET, "gil", [ADMIN], TENANT, 86_400))

    async def run(self, module: str, name: str, options: Mapping[str, Any], quiet: float, seconds: float) -> Outcome:
        """Let the neighbour alone for a *quiet* time, then attack for some *seconds*, then look whether it recovers."""
        begin = time.monotonic()
        await asyncio.sleep(quiet)
        attacked = time.monotonic()
        async with self._watched() as memory:
            answers = await self._attacker.attack(module, name, seconds, options)
            await asyncio.sleep(max(0.0, attacked + seconds - time.monotonic()))
            ended = time.monotonic()
            # What the attack left behind is still to be felt by those who ask now.
            await asyncio.sleep(quiet / 2)
            during = await self._neighbour.span(attacked, ended)
            after = await self._neighbour.span(ended, time.monotonic())
        outcome = Outcome(await self._neighbour.span(begin, attacked), during, after, memory, answers)
        outcome.faults = self._faults(outcome)
        return outcome

    def _faults(self, outcome: Outcome) -> list[str]:
        during, after = outcome.during, outcome.after
        found = [f"{what} x {count}" for span in (during, after) for what, count in span.refused.items()]
        if outcome.memory.grown() > MOST_MEMORY_MB:
            found.append(f"{outcome.memory.grown():.0f} MB")
        if outcome.memory.log > MOST_LOG_MB:
            found.append(f"a log of {outcome.memory.log:.0f} MB")
        if stale := during.stale + after.stale:
            found.append(f"{stale} stale")
        if self.process.pid is None:
            found.append("the service ended")
        log, self._logged = self.process.log()[self._logged :], len(self.process.log())
        return found + [f"{count} x {sign}" for sign in ("Traceback", "_disagrees") if (count := log.count(sign))]

    @contextlib.asynccontextmanager
    async def _watched(self) -> AsyncIterator[Memory]:
        memory = Memory(self._resident(), 0)
        task = asyncio.create_task(self._watch(memory))
        try:
            yield memory
        finally:
            task.cancel()

    async def _watch(self, memory: Memory) -> None:
        while self.process.pid is not None:
            memory.peak = max(memory.peak, self._resident())
            memory.log = max(memory.log, self._log.stat().st_size / 1e6 if self._log.exists() else 0)
            await asyncio.sleep(SAMPLE_SECONDS)

    def _resident(self) -> float:
        return self.process.resident_kb() / 1024

    def close(self) -> list[str]:
        """Stop the service as an operator would, and tell what is wrong: that it does not stop, or its figures."""
        self._remotes.close()
        found = self._stop()
        verdict = self.process.command("verify", seconds=600)
        return found + (["verify finds differences"] if verdict.returncode else [])

    def _stop(self) -> list[str]:
        self.process.signal(signal.SIGTERM)
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return ["does not stop"]
        return []

    def discard(self) -> None:
        """End all of it at once."""
        self._remotes.close()
        if self.process.pid is not None:
            self.process.kill()
