"""How soon ``serve`` answers, and what it holds while nothing happens."""

import time
from pathlib import Path
from statistics import median

from bench.row import Row
from bench.server import Service

TARGET_SECONDS = 1.5
TARGET_MB = 100
STARTS = 5
IDLE_SECONDS = 5


def measure(folder: Path) -> list[Row]:
    """Start the service several times on one database, then leave it alone."""
    Service(folder).end()
    starts = []
    for _ in range(STARTS):
        with Service(folder) as service:
            starts.append(service.start_seconds)
    with Service(folder) as service:
        time.sleep(IDLE_SECONDS)
        memory = service.resident_mb()
    seconds = median(starts)
    spread = f"({min(starts):.2f}-{max(starts):.2f})"
    return [
        Row(
            "start: serve until /health answers, on an existing database",
            f"{seconds:.2f} s {spread}",
            f"< {TARGET_SECONDS} s",
            seconds < TARGET_SECONDS,
        ),
        Row("start: memory when idle", f"{memory:.0f} MB", f"< {TARGET_MB} MB", memory < TARGET_MB),
    ]
