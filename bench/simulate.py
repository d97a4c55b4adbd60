"""``python -m bench.simulate``: what many panels and events need, by a simulation of the fan-out tree.

Events arrive by a Poisson process. One writer commits what waits, a group at a time; a change goes through a broker,
and through relays where one broker has too many processes to tell, to the processes that panels are connected to. Each
of them sends a frame at once after a pause, and from then on at most one a tick, as ``realtime/hub.py`` does. What
comes while it sends is merged into the next frame: a process that has too much to do sends fewer frames, and loses
nothing.
"""

import argparse
import math
import random
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from statistics import quantiles

UTILISATION = 0.7
"""How much of a core a plan uses; beyond it waiting grows without a bound (an M/M/1 queue: rho / (1 - rho))."""
PLACES = 20
"""At how many places among the panels of a process waiting is looked at."""
MILLION = 1_000_000


@dataclass(frozen=True)
class Costs:
    """What a part costs, in seconds of a core; ``hop`` is the time from a broker to a process, in seconds.

    ``commit`` and ``event`` are those of a group that is committed, ``change`` that of a change that a process
    receives, ``frame`` that of a frame for one panel, ``publish`` that of a message from a broker or relay to one
    process.
    """

    commit: float = 1300e-6
    event: float = 50e-6
    change: float = 120e-6
    frame: float = 9e-6
    publish: float = 5e-6
    hop: float = 1000e-6


@dataclass(frozen=True)
class Tree:
    """One tenant's load and the processes for it. ``events`` are those a second, ``tick`` is in seconds.

    ``branches`` is how many processes a broker or a relay tells; with more processes than that, relays stand between.
    """

    panels: int
    events: float
    processes: int = 1
    branches: int = 1000
    tick: float = 0.05

    @property
    def panels_of_process(self) -> int:
        """Panels of the process that has most of them."""
        return math.ceil(self.panels / self.processes)

    @property
    def hops(self) -> int:
        """How many brokers and relays a change goes through."""
        return max(1, math.ceil(math.log(self.processes, self.branches) - 1e-9))


@dataclass(frozen=True)
class Outcome:
    """Seconds from an event to a panel (median and 99th percentile), and the share of a core that each part uses.

    ``frames`` are those that a panel gets in a second.
    """

    p50: float
    p99: float
    writer: float
    process: float
    frames: float


def simulate(tree: Tree, costs: Costs, seconds: float, seed: int = 0) -> Outcome:
    """Run a tree for so many seconds of simulated time."""
    draw = random.Random(seed)
    arrivals = list(_arrivals(tree.events, seconds, draw))
    commits = list(_commits(arrivals, costs))
    delivered = list(_delivered(commits, tree, costs, draw))
    flushes, busy = _flushes([at for at, _ in delivered], tree, costs)
    waits = list(_waits(arrivals, delivered, flushes, tree, costs))
    cuts = quantiles(waits, n=100) if len(waits) > 1 else [0.0] * 99
    writing = len(commits) * costs.commit + len(arrivals) * costs.event
    return Outcome(cuts[49], cuts[98], writing / seconds, busy / seconds, len(flushes) / seconds)


def _arrivals(per_second: float, seconds: float, draw: random.Random) -> Iterator[float]:
    at = draw.expovariate(per_second)
    while at < seconds:
        yield at
        at += draw.expovariate(per_second)


def _commits(arrivals: Sequence[float], costs: Costs) -> Iterator[tuple[float, int]]:
    """Give when each group was committed, and how many events had been until then: a commit takes all that waits."""
    free, done = 0.0, 0
    while done < len(arrivals):
        begins = max(free, arrivals[done])
        taken = max(bisect_left(arrivals, begins, done), done + 1)
        free = begins + costs.commit + (taken - done) * costs.event
        done = taken
        yield free, done


def _delivered(
    commits: Sequence[tuple[float, int]], tree: Tree, costs: Costs, draw: random.Random
) -> Iterator[tuple[float, int]]:
    """Give when the changes reach a process, at any place among those that are told in turn; they stay in order."""
    told, before = min(tree.branches, tree.processes), 0.0
    for ends, count in commits:
        before = max(before, ends + sum(costs.hop + draw.random() * told * costs.publish for _ in range(tree.hops)))
        yield before, count


def _flushes(changes: Sequence[float], tree: Tree, costs: Costs) -> tuple[list[tuple[float, int]], float]:
    """Give when a process began to send, and how many changes it had then; and how long it was busy in all."""
    flushes: list[tuple[float, int]] = []
    sending = tree.panels_of_process * costs.frame
    free, taken = 0.0, 0
    while taken < len(changes):
        pause = flushes[-1][0] + tree.tick if flushes else 0.0
        begins = max(changes[taken] + costs.change, free, pause)
        received = max(bisect_left(changes, begins - costs.change, taken), taken + 1)
        free = begins + sending + (received - taken - 1) * costs.change
        taken = received
        flushes.append((begins, taken))
    return flushes, len(changes) * costs.change + len(flushes) * sending


def _waits(
    arrivals: Sequence[float],
    delivered: Sequence[tuple[float, int]],
    flushes: Sequence[tuple[float, int]],
    tree: Tree,
    costs: Costs,
) -> Iterator[float]:
    """Give for each event and some of the panels how long it took to get there."""
    sending = tree.panels_of_process * costs.frame
    change = flush = 0
    for number, at in enumerate(arrivals):
        while delivered[change][1] <= number:
            change += 1
        while flushes[flush][1] <= change:
            flush += 1
        begins = flushes[flush][0]
        for place in range(1, PLACES + 1):
            yield begins + sending * place / PLACES - at


@dataclass(frozen=True)
class Plan:
    """What a load needs. ``frame_cores`` and ``write_cores`` are whole cores at :data:`UTILISATION`.

    ``shards`` is into how many lines of changes the events of the tenant with most of them have to be cut.
    """

    tree: Tree
    frame_cores: int
    write_cores: int
    shards: int
    gigabits: float


def plan(tree: Tree, costs: Costs, frame_bytes: int, share: float) -> Plan:
    """Work out what a load needs; *share* is the part of all events that the tenant with most of them has."""
    rate = min(1 / tree.tick, tree.events)
    sending = tree.panels * rate * costs.frame
    # A group is as large as what arrives meanwhile: at a high rate the cost of a commit itself is that of few events.
    writing = tree.events * costs.event
    largest = tree.events * share
    processes = max(1, math.ceil(sending / UTILISATION))
    return Plan(
        replace(tree, processes=processes),
        processes,
        max(1, math.ceil(writing / UTILISATION)),
        max(1, math.ceil(largest * costs.event / UTILISATION)),
        tree.panels * rate * frame_bytes * 8 / 1e9,
    )


_DEFAULT = Costs()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.simulate", description="Plan and simulate a fan-out tree.")
    parser.add_argument("--panels", type=int, default=MILLION, help="panels that are connected")
    parser.add_argument("--events", type=float, default=MILLION, help="events a second, of all tenants")
    parser.add_argument("--share", type=float, default=0.001, help="the part of them that the largest tenant has")
    parser.add_argument("--tick-ms", type=float, default=50, help="at most one frame in so many milliseconds")
    parser.add_argument("--branches", type=int, default=1000, help="processes that one broker or relay tells")
    parser.add_argument("--frame-bytes", type=int, default=450, help="bytes of a frame")
    parser.add_argument("--seconds", type=float, default=5, help="simulated time")
    for cost in fields(Costs):
        name = f"--{cost.name}-us"
        parser.add_argument(
            name, type=float, default=getattr(_DEFAULT, cost.name) * MILLION, help="see bench/simulate.py: Costs"
        )
    return parser.parse_args()


def main() -> None:
    """Print a plan, and how soon an event of the largest tenant reaches all panels, were they all its own."""
    given = _arguments()
    costs = Costs(*(getattr(given, f"{cost.name}_us") / MILLION for cost in fields(Costs)))
    tree = Tree(given.panels, given.events, 1, given.branches, given.tick_ms / 1000)
    needed = plan(tree, costs, given.frame_bytes, given.share)
    one_line = given.events * given.share / needed.shards
    outcome = simulate(replace(needed.tree, events=max(one_line, 1.0)), costs, given.seconds)
    for name, value in (
        ("cores that send frames", f"{needed.frame_cores:,}"),
        ("panels of each", f"{needed.tree.panels_of_process:,}"),
        ("brokers and relays in a row", f"{needed.tree.hops}"),
        ("network, gigabits a second", f"{needed.gigabits:,.1f}"),
        ("cores that write", f"{needed.write_cores:,}"),
        ("lines of changes for the largest tenant", f"{needed.shards}"),
        ("event to panel, median and 99th percentile", f"{outcome.p50 * 1000:.0f} and {outcome.p99 * 1000:.0f} ms"),
        ("frames a panel gets in a second", f"{outcome.frames:.1f}"),
        ("of a core: writer, process of panels", f"{outcome.writer:.0%}, {outcome.process:.0%}"),
    ):
        print(f"{name:44} {value}")


if __name__ == "__main__":
    main()
