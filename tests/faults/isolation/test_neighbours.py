"""Noisy neighbours: whatever one tenant's client does, another tenant's posts, reads and panel go on as before."""

import asyncio
import shutil
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from tests.faults.figures import Figures
from tests.faults.isolation.attacks.rows import ATTACKS, Attack
from tests.faults.isolation.attacks.wire import KEY
from tests.faults.isolation.stage import Stage
from tests.faults.scene import START_SECONDS
from tests.paths import TRACK
from tests.samples.events import BATCH
from tests.servers.process import Process

HANG_MS = 5000.0
"""What nobody waits for however busy the machine is: in short form, times decide only that nothing hangs."""
QUIET_SECONDS, ATTACK_SECONDS = 5.0, 8.0


class Databases:
    """Databases with events of the attacker's tenant, each made once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def copy(self, events: int, folder: Path) -> None:
        """Put a copy of one with so many *events* into the *folder* of a service that is not started yet."""
        made = self._folder / str(events)
        if events and not made.exists():
            made.mkdir()
            await _fill(made, events)
        if events:
            shutil.copytree(made, folder, dirs_exist_ok=True)


async def _fill(folder: Path, events: int) -> None:
    process = Process(folder)
    await process.start(START_SECONDS)
    async with httpx2.AsyncClient(headers={"X-Tracking-Key": KEY}, timeout=60) as client:
        for begin in range(0, events, 10_000):
            rows = [{**BATCH[number % 4 > 0], "user_id": f"user-{number}"} for number in range(begin, begin + 10_000)]
            (await client.post(f"{process.url}{TRACK}/batch", json=rows)).raise_for_status()
    process.terminate()


@pytest.fixture(scope="session")
def databases(tmp_path_factory: pytest.TempPathFactory) -> Databases:
    return Databases(tmp_path_factory.mktemp("databases"))


class Stages:
    """The stage at hand: attacks whose services have the same settings may share it, until one of them breaks it."""

    def __init__(self, factory: pytest.TempPathFactory, databases: Databases) -> None:
        self._factory = factory
        self._databases = databases
        self._kind: object = None
        self._stage: Stage | None = None

    async def of(self, attack: Attack, pace: float) -> Stage:
        """Give the stage for an attack."""
        kind = (attack.settings, attack.events, attack.unread)
        if self._stage is None or self._kind != kind:
            assert self.close() == []
            folder = self._factory.mktemp("stage")
            await self._databases.copy(attack.events, folder)
            self._kind, self._stage = kind, Stage(folder, pace=pace, unread=attack.unread, **attack.settings)
            await self._stage.open()
        return self._stage

    def discard(self) -> None:
        """End the one at hand, whatever state it is in."""
        if self._stage is not None:
            self._stage.discard()
        self._stage = None

    def close(self) -> list[str]:
        """End the one at hand as an operator would, and tell what is wrong with that."""
        stage, self._stage = self._stage, None
        return stage.close() if stage is not None else []


@pytest.fixture(scope="module")
def stages(tmp_path_factory: pytest.TempPathFactory, databases: Databases) -> Iterator[Stages]:
    made = Stages(tmp_path_factory, databases)
    yield made
    assert made.close() == []


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name.replace(" ", "-"))
async def test_neighbours_are_not_disturbed(attack: Attack, stages: Stages, full: bool, figures: Figures) -> None:
    """What one tenant does, another one does not feel: nothing refused or stale, and in full form waits as before."""
    if attack.only_full and not full:
        pytest.skip("in short form its body comes together with others, and in test_slow_inputs.py")
    attack = attack.scaled(full)
    # In short form the machine has other tests to run.
    stage = await stages.of(attack, 1.0 if full else 0.25)
    try:
        quiet, seconds = (QUIET_SECONDS, ATTACK_SECONDS) if full else (0.4, 0.8)
        outcome = await stage.run(attack.function.__module__, attack.function.__name__, attack.options, quiet, seconds)
        if full:
            outcome.faults += await asyncio.to_thread(stages.close)
        figures(attack.name, table="noisy neighbours", **outcome.row())
        assert outcome.faults == [], outcome.answers
        assert outcome.late() == [] if full else outcome.during.longest() < HANG_MS, outcome.answers
    except BaseException:
        stages.discard()
        raise
