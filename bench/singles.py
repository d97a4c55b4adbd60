"""Single events, each durable before its answer, against an endpoint that does nothing."""

from pathlib import Path

import msgspec
import uvloop

from bench import load
from bench.http_connection import post
from bench.process import python
from bench.row import Ratio, Row
from bench.server import Server, Service, free_port
from bench.traffic import Traffic
from web.ingest.tracking import PREFIX

TARGET = 0.4
ROUNDS = 4
REQUESTS = 10_000
REPEATS = 4
"""How often the empty endpoint gets the requests of a round: it is so much faster that its time would otherwise be
short."""
LINES = 64


def measure(folder: Path) -> list[Row]:
    """Post the same requests to both, in turn."""
    traffic, rounds, port = Traffic(), [], free_port()
    with Service(folder) as service, Server(python("bench.empty", str(port)), port) as empty:
        for _ in range(ROUNDS):
            bodies = [msgspec.json.encode(traffic.message()) for _ in range(REQUESTS)]
            ours = [post(f"{PREFIX}/message-public", body) for body in bodies]
            theirs = [post("/health", body) for body in bodies] * REPEATS
            rounds.append((_rate(service, ours), _rate(empty, theirs)))
    ratio = Ratio(rounds)
    what = f"singles: POSTs over {LINES} connections, to an empty Starlette endpoint"
    return [Row(what, ratio.show("requests/s"), f">= {TARGET}", ratio.value >= TARGET)]


def _rate(server: Server, requests: list[bytes]) -> float:
    return len(requests) / uvloop.run(load.drain(server.port, requests, LINES))
