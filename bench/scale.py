"""Whether the simulation of the fan-out tree says what three real processes do: ``bench/simulate.py`` beside them.

Costs are measured with few panels and few events; with them the simulation says what more of both will give, and that
is held against the processes. They share two cores with PostgreSQL, Valkey and the panels, which the simulation does
not know of: the more these need, the later real frames come.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles
from tempfile import TemporaryDirectory

import msgspec
import uvloop

from bench import load
from bench.http_connection import post
from bench.latency import waits
from bench.row import Row
from bench.server import Service, free_port
from bench.simulate import Costs, Outcome, Tree, simulate
from bench.subscriber_group import SubscriberGroup
from bench.traffic import Traffic
from tests.servers.postgres import Postgres
from tests.servers.valkey import Valkey
from web.ingest.tracking import PREFIX

PROCESSES = 3
SECONDS = 6
LINES = 16
SECRET = "a secret of the bench, long enough for HS256"
FEW_PANELS, FEW_EVENTS = 30, 10
CASES = ((150, 20), (450, 20), (450, 100))
"""Panels of all processes, and events a second, that are predicted."""
WITHIN = 2.0
"""How many times as long as was predicted a frame may take."""


@dataclass(frozen=True)
class Seen:
    """What a run gave: seconds from POST to panel, CPU seconds of the process that is posted to and of the others."""

    waits: list[float]
    first: float
    others: float
    frames: int
    changes: int


def measure(folder: Path) -> list[Row]:
    """Measure costs, predict, and compare."""
    with _processes(folder) as processes:
        _run(processes, FEW_PANELS, FEW_EVENTS)
        few = _run(processes, FEW_PANELS, FEW_EVENTS)
        costs = _costs(few, _run(processes, CASES[1][0], FEW_EVENTS))
        rows = [_row(_run(processes, *case), Tree(*case, PROCESSES), costs) for case in CASES]
    cpu = ", ".join(f"{cost * 1e6:.0f}" for cost in (costs.event, costs.change, costs.frame))
    what = "scale: CPU of a single event, of a change and of a frame; time that is not CPU"
    return [Row(what, f"{cpu} us; {costs.hop * 1000:.0f} ms", "", reached=True), *rows]


@contextmanager
def _processes(folder: Path) -> Iterator[list[Service]]:
    with ExitStack() as stack:
        # PostgreSQL runs as another user, who must reach its folder.
        postgres = Postgres(Path(stack.enter_context(TemporaryDirectory(prefix="bench-"))), free_port())
        stack.callback(postgres.stop)
        postgres.execute("CREATE DATABASE analytics")
        valkey = Valkey(folder / "valkey", free_port())
        stack.callback(valkey.stop)
        settings = {"DATABASE_URL": postgres.url("analytics"), "REDIS_URL": valkey.url, "JWT_SECRET": SECRET}
        yield [stack.enter_context(Service(folder / str(number), settings)) for number in range(PROCESSES)]


def _run(processes: list[Service], panels: int, per_second: int) -> Seen:
    """Post to the first process while panels listen to all of them."""
    traffic = Traffic()
    bodies = [msgspec.json.encode(traffic.activity()) for _ in range(per_second * SECONDS)]
    requests = [post(f"{PREFIX}/activity-public", body) for body in bodies]
    with ExitStack() as stack:
        groups = [
            stack.enter_context(SubscriberGroup(process.port, panels // PROCESSES, process.token))
            for process in processes
        ]
        before = [process.cpu_seconds() for process in processes]
        answers = uvloop.run(load.pace(processes[0].port, requests, per_second, LINES))
        takes = [group.take() for group in groups]
        first, *others = (process.cpu_seconds() - at for process, at in zip(processes, before, strict=True))
    found = [wait for take in takes for wait in waits(answers, take)]
    return Seen(found, first, sum(others), sum(take.frames for take in takes), len(answers))


def _costs(few: Seen, many: Seen) -> Costs:
    """Tell the costs from two runs with the same changes: what more panels cost is the cost of their frames."""
    frame = (many.others - few.others) / (PROCESSES - 1) / ((many.frames - few.frames) / PROCESSES)
    change = few.others / (PROCESSES - 1) / few.changes
    event = max(few.first / few.changes - change, 0.0)
    # What a frame takes beside the work of the processes: brokers, sockets, and waiting for a core.
    hop = max(median(few.waits) - event - change - frame * FEW_PANELS / PROCESSES / 2, 0.0)
    return Costs(commit=0.0, event=event, change=change, frame=max(frame, 0.0), publish=0.0, hop=hop)


def _row(seen: Seen, tree: Tree, costs: Costs) -> Row:
    cuts = quantiles(seen.waits, n=100)
    expected = simulate(tree, costs, SECONDS)
    what = (
        f"scale: POST to panel, {tree.panels} panels of {PROCESSES} processes, {tree.events:.0f} events/s, to simulated"
    )
    ratio = cuts[49] / expected.p50
    return Row(what, _figure(cuts, expected), f"p50 < {WITHIN} x", ratio < WITHIN)


def _figure(cuts: list[float], expected: Outcome) -> str:
    p50, p99 = (
        f"{cuts[49] * 1000:.0f} to {expected.p50 * 1000:.0f}",
        f"{cuts[98] * 1000:.0f} to {expected.p99 * 1000:.0f}",
    )
    return f"p50 {p50}, p99 {p99} ms"
