"""From a POST to the changed rows of a live breakdown: how long until the frame that counts the call is there."""

import asyncio
import json
import time
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import quantiles

import msgspec
import uvloop
from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Subprotocol

from bench import load
from bench.http_connection import post
from bench.load import Answered
from bench.row import Row
from bench.server import Service
from bench.traffic import Traffic
from realtime.protocol import SUBPROTOCOL
from storage.model.changes import Position
from web.ingest.tracking import PREFIX as TRACK
from web.live.endpoints import PATH

TARGET_MS = 100
DIMENSIONS = ("model", "user", "conversation")
"""What the view of costs shows: three breakdowns of one tenant."""
PACES = ((5, 15), (100, 10))
"""Calls a second, and for how many seconds: a person who looks at single calls, and a busy platform."""
LINES = 16
LAST_SECONDS = 2.0
"""How long is waited for the frames of the last calls."""

Arrivals = list[tuple[float, int]]
"""When the rows of which sequence came."""


def measure(folder: Path) -> list[Row]:
    """Post calls while subscribers follow breakdowns: one of them, then all three."""
    with Service(folder) as service:
        return [
            uvloop.run(_measure(service, per_second, seconds, dimensions))
            for dimensions in (DIMENSIONS[:1], DIMENSIONS)
            for per_second, seconds in PACES
        ]


async def _measure(service: Service, per_second: int, seconds: int, dimensions: Sequence[str]) -> Row:
    traffic = Traffic(seed=per_second)
    bodies = (msgspec.json.encode(traffic.llm_call()) for _ in range(per_second * seconds))
    requests = [post(f"{TRACK}/llm-call-public", body) for body in bodies]
    figures: list[Arrivals] = [[] for _ in dimensions]
    rows: list[Arrivals] = [[] for _ in dimensions]
    sockets = [await _follow(service, by) for by in dimensions]
    readers = [asyncio.create_task(_read(*each)) for each in zip(sockets, figures, rows, strict=True)]
    answers = await load.pace(service.port, requests, per_second, LINES)
    await asyncio.sleep(LAST_SECONDS)
    for socket in sockets:
        await socket.close()
    await asyncio.gather(*readers)
    p50, p99 = _cuts(answers, rows)
    of_figures = "p50 {:.0f} ms, p99 {:.0f} ms".format(*_cuts(answers, figures))
    what = f"live breakdowns: POST to changed rows, cost by {', '.join(dimensions)}, {per_second} calls/s"
    return Row(
        what, f"p50 {p50:.0f} ms, p99 {p99:.0f} ms (figures: {of_figures})", f"p99 < {TARGET_MS} ms", p99 < TARGET_MS
    )


def _cuts(answers: Sequence[Answered], arrivals: Sequence[Arrivals]) -> tuple[float, float]:
    """Give median and 99th percentile of all waits, in milliseconds."""
    cuts = quantiles([wait for each in arrivals for wait in _waits(answers, each)], n=100)
    return cuts[49] * 1000, cuts[98] * 1000


async def _follow(service: Service, by: str) -> ClientConnection:
    socket = await connect(
        f"ws://127.0.0.1:{service.port}{PATH}",
        additional_headers={"Authorization": f"Bearer {service.token}"},
        subprotocols=[Subprotocol(SUBPROTOCOL)],
        compression=None,
    )
    wanted = {"metric": "cost", "by": by, "limit": 10}
    await socket.send(json.dumps({"type": "subscribe", "topics": ["breakdown"], "position": None, "breakdown": wanted}))
    return socket


async def _read(socket: ClientConnection, figures: Arrivals, rows: Arrivals) -> None:
    async for text in socket:
        arrived = time.perf_counter()
        frame = json.loads(text)
        found = frame.get("breakdown")
        figures.append((arrived, _sequence(frame["position"])))
        if found is not None:
            rows.append((arrived, _sequence(found["position"])))


def _waits(answers: Sequence[Answered], arrivals: Arrivals) -> Iterator[float]:
    """Give for each call how many seconds lay between its POST and the rows at or behind its position."""
    reached = [sequence for _, sequence in arrivals]
    for answer in answers:
        first = bisect_left(reached, _sequence(msgspec.json.decode(answer.body)["position"]))
        if first == len(reached):
            raise RuntimeError("a call did not reach a breakdown")
        yield arrivals[first][0] - answer.sent


def _sequence(written: str) -> int:
    position = Position.parse(written)
    if position is None:
        raise RuntimeError("a position cannot be read")
    return position.sequence
