"""``python -m bench [NAME ...]`` runs the named measurements, or all, and prints one table. Nothing is saved."""

import os
import platform
import resource
import signal
import sqlite3
import sys
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from bench import (
    breakdowns,
    browser,
    client,
    compression,
    fanout,
    ingest,
    latency,
    live_breakdowns,
    middleware,
    otlp,
    reads,
    scale,
    singles,
    start,
)
from bench.row import Row, table

MEASURES: dict[str, Callable[[Path], list[Row]]] = {
    "ingest": ingest.measure,
    "otlp": otlp.measure,
    "singles": singles.measure,
    "latency": latency.measure,
    "fanout": fanout.measure,
    "scale": scale.measure,
    "compression": compression.measure,
    "reads": reads.measure,
    "breakdowns": breakdowns.measure,
    "live-breakdowns": live_breakdowns.measure,
    "start": start.measure,
    "browser": browser.measure,
    "client": client.measure,
    "middleware": middleware.measure,
}


def machine() -> str:
    """Name what the figures depend on."""
    return f"{os.cpu_count()} cores, Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}"


def main(names: list[str]) -> None:
    """Run the measurements *names*, one after the other."""
    unknown = [name for name in names if name not in MEASURES]
    if unknown:
        sys.exit(f"bench: no measurement {unknown[0]}; there are {', '.join(MEASURES)}")
    # Ended from outside, the bench must still end what it started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    # A thousand panels are more files than a shell allows by default; child processes inherit the limit.
    highest = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (highest, highest))
    rows: list[Row] = []
    with TemporaryDirectory(prefix="bench-") as folder:
        for name in names or MEASURES:
            print(f"measuring {name} ...", file=sys.stderr, flush=True)
            rows += MEASURES[name](Path(folder) / name)
    print(machine(), table(rows), sep="\n\n")


if __name__ == "__main__":
    main(sys.argv[1:])
