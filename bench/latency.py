"""From a POST to every panel: how long until the frame that holds the event is there."""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import quantiles

import msgspec
import uvloop

from bench import load
from bench.http_connection import post
from bench.load import Answered
from bench.panels import Take
from bench.row import Row
from bench.server import Service
from bench.subscriber_group import SubscriberGroup
from bench.traffic import Traffic
from storage.model.changes import Position
from web.ingest.tracking import PREFIX

TARGET_MS = 100
SUBSCRIBERS = 100
PER_SECOND = 500
SECONDS = 10
LINES = 64


def measure(folder: Path) -> list[Row]:
    """Post single events while the panels listen."""
    traffic = Traffic()
    bodies = [msgspec.json.encode(traffic.activity()) for _ in range(PER_SECOND * SECONDS)]
    requests = [post(f"{PREFIX}/activity-public", body) for body in bodies]
    with Service(folder) as service, SubscriberGroup(service.port, SUBSCRIBERS, service.token) as subscribers:
        answers = uvloop.run(load.pace(service.port, requests, PER_SECOND, LINES))
        cuts = quantiles(waits(answers, subscribers.take()), n=100)
    p50, p99 = cuts[49] * 1000, cuts[98] * 1000
    what = f"latency: POST to panel, {SUBSCRIBERS} panels, {PER_SECOND} events/s"
    return [Row(what, f"p50 {p50:.0f} ms, p99 {p99:.0f} ms", f"p99 < {TARGET_MS} ms", p99 < TARGET_MS)]


def waits(answers: Sequence[Answered], take: Take) -> Iterator[float]:
    """Give for each event and subscriber how many seconds lay between them.

    The answer to a POST names the position at which the event was committed; the first frame at or behind that
    position is the one that shows it.
    """
    for arrivals in take.arrivals:
        reached = [sequence for _, sequence in arrivals]
        for answer in answers:
            first = bisect_left(reached, _sequence(answer.body))
            if first == len(reached):
                raise RuntimeError("an event did not reach a panel")
            yield arrivals[first][0] - answer.sent


def _sequence(body: bytes) -> int:
    position = Position.parse(msgspec.json.decode(body)["position"])
    if position is None:
        raise RuntimeError("the answer's position cannot be read")
    return position.sequence
