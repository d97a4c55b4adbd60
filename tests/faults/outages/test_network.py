"""Panels behind a bad network: never wrong, however late."""

import asyncio
import time
from datetime import datetime
from pathlib import Path

from realtime.subscriber_state import Json
from tests.faults.figures import Figures
from tests.faults.network import Network
from tests.faults.scene import Scene, admin
from tests.servers.process import Process
from tests.subscribers.follower import Follower

LATENCY, LOSS = 0.2, 0.05


class Timed(Follower):
    """A panel that notes how old the figures of each delta are when they come."""

    def __init__(self, url: str, token: str) -> None:
        super().__init__(url, token)
        self.lags: list[float] = []

    def take(self, frame: Json) -> None:
        super().take(frame)
        if frame["type"] == "delta":
            self.lags.append(time.time() - datetime.fromisoformat(frame["at"]).timestamp())


async def test_panels_behind_a_bad_network(tmp_path: Path, full: bool, figures: Figures) -> None:
    """200 ms of latency, 5 % of loss, connections that break: panels are late, and never wrong."""
    count, seconds = (50, 120) if full else (8, 4)
    process = Process(tmp_path, TICK_MS="50")
    async with Scene(process, panels=0) as scene:
        await scene.start()
        port = int(process.url.rpartition(":")[2])
        async with Network(port, latency=LATENCY, loss=LOSS, breaks_after=10) as network:
            panels = [Timed(network.url, admin()) for _ in range(count)]
            for panel in panels:
                scene.follow(process, panel)
            await asyncio.sleep(seconds)
            outcome = await scene.settle()
        lags = sorted(lag for panel in panels for lag in panel.lags)
        figures(
            "200 ms of latency and 5 % of loss",
            **outcome.row(),
            lost_segments=f"{network.lost} of {network.segments}",
            broken_connections=network.broken,
            lag=f"p50 {lags[len(lags) // 2]:.2f} s, p99 {lags[len(lags) * 99 // 100]:.2f} s",
        )
        assert outcome.is_exact()
        assert network.lost > 0
