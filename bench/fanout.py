"""Fan-out: the service's CPU for each frame it delivers, against a bare ``send()`` loop."""

from collections.abc import Callable
from pathlib import Path

import msgspec
import uvloop

from bench import load
from bench.bare import TICKS_PER_SECOND, Bare
from bench.http_connection import post
from bench.process import Process
from bench.row import Ratio, Row
from bench.server import Service, free_port
from bench.subscriber_group import SubscriberGroup
from bench.traffic import Traffic
from web.ingest.tracking import PREFIX

TARGET = 1.5
SUBSCRIBERS = 1000
ROUNDS = 4
SECONDS = 2.5
"""How long each side runs in a round."""
LINES = 4
CHANGES = int(TICKS_PER_SECOND * SECONDS)


class Load:
    """Changes, twenty a second for a while: the same ones for every service that starts it from the beginning."""

    def __init__(self) -> None:
        self._traffic = Traffic()

    def run(self, service: Service) -> None:
        """Post one round's changes to *service*."""
        bodies = [msgspec.json.encode(self._traffic.activity()) for _ in range(CHANGES)]
        requests = [post(f"{PREFIX}/activity-public", body) for body in bodies]
        uvloop.run(load.pace(service.port, requests, TICKS_PER_SECOND, LINES))


def measure(folder: Path) -> list[Row]:
    """Let a service with a thousand panels, one without any, and the bare loop take turns."""
    full, alone = Load(), Load()
    with (
        Service(folder / "full") as service,
        Service(folder / "alone") as lonely,
        SubscriberGroup(service.port, SUBSCRIBERS, service.token) as subscribers,
    ):
        # The first round warms everything up, and tells how large the frames are.
        full.run(service)
        alone.run(lonely)
        seen = subscribers.take()
        size, port = seen.size // seen.frames, free_port()
        with Bare(folder, port, SUBSCRIBERS, size) as bare, SubscriberGroup(port, SUBSCRIBERS) as readers:
            rounds = []
            for _ in range(ROUNDS):
                base = cpu_of(lonely, lambda: alone.run(lonely))
                ours = cpu_of(service, lambda: full.run(service)) - base
                theirs = cpu_of(bare, lambda: bare.run(CHANGES))
                rounds.append((us_a_frame(ours, subscribers), us_a_frame(theirs, readers)))
    ratio = Ratio(rounds)
    what = f"fanout: CPU a frame of {size} bytes, {SUBSCRIBERS:,} panels, to a bare send() loop in {bare.language}"
    return [Row(what, ratio.show("us", 1), f"<= {TARGET}", ratio.value <= TARGET)]


def cpu_of(process: Process, work: Callable[[], None]) -> float:
    """Tell the CPU seconds that *process* spends on *work*."""
    before = process.cpu_seconds()
    work()
    return process.cpu_seconds() - before


def us_a_frame(seconds: float, subscribers: SubscriberGroup) -> float:
    """Divide CPU time by the frames that arrived meanwhile."""
    return seconds * 1_000_000 / subscribers.take().frames
