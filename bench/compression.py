"""Compression: bytes on the wire and the service's CPU for panels that offer it, to panels that do not.

Each side is a service with as many panels, and both are sent the same changes in alternating rounds: the two sides of a
round begin in turn, since the second finds the machine warmer.
"""

from pathlib import Path

from bench.fanout import SUBSCRIBERS, Load, cpu_of
from bench.panels import Take
from bench.row import Ratio, Row
from bench.server import Service
from bench.subscriber_group import SubscriberGroup

OFFER = "permessage-deflate"
BYTES_TARGET, CPU_TARGET = 0.5, 1.15
ROUNDS = 6


class Side:
    """A service, its panels, and what they cost: in each round its CPU time and what arrived."""

    def __init__(self, service: Service, panels: SubscriberGroup | None) -> None:
        self._service = service
        self._panels = panels
        self._load = Load()
        self.cpu = 0.0
        self.took = Take(0, 0, [])

    def run(self) -> None:
        """Post one round's changes."""
        self.cpu = cpu_of(self._service, lambda: self._load.run(self._service))
        if self._panels is not None:
            self.took = self._panels.take()


def measure(folder: Path) -> list[Row]:
    """Let a service whose panels offer compression, one whose panels do not, and one without any take turns."""
    with (
        Service(folder / "deflated") as packing,
        Service(folder / "plain") as plain,
        Service(folder / "alone") as lonely,
        SubscriberGroup(packing.port, SUBSCRIBERS, packing.token, OFFER) as small,
        SubscriberGroup(plain.port, SUBSCRIBERS, plain.token) as large,
    ):
        ours, theirs, base = Side(packing, small), Side(plain, large), Side(lonely, None)
        sizes, costs = [], []
        for number in range(ROUNDS + 1):
            for side in (base, ours, theirs) if number % 2 else (theirs, ours, base):
                side.run()
            # The first round warms everything up.
            if number:
                sizes.append((_bytes(ours), _bytes(theirs)))
                costs.append((_us(ours, base), _us(theirs, base)))
        memory = packing.resident_mb(), plain.resident_mb()
    size, cost = Ratio(sizes), Ratio(costs)
    what = f"compression: %s, {SUBSCRIBERS:,} panels that offer it to as many that do not"
    held = f"; {memory[0]:.0f} and {memory[1]:.0f} MB"
    return [
        Row(what % "bytes a frame", size.show("bytes"), f"<= {BYTES_TARGET}", size.value <= BYTES_TARGET),
        Row(what % "CPU a frame", cost.show("us", 1) + held, f"<= {CPU_TARGET}", cost.value <= CPU_TARGET),
    ]


def _bytes(side: Side) -> float:
    return side.took.size / side.took.frames


def _us(side: Side, base: Side) -> float:
    """Divide what the panels cost by the frames that they got."""
    return (side.cpu - base.cpu) * 1_000_000 / side.took.frames
