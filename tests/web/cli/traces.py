"""Files for the command replay."""

from pathlib import Path
from typing import Any

import msgspec

from web.cli.traffic import TRACE_HEADER, Source, Timed

ROWS = [("2023-11-16 18:15:46.6805900", 374, 44), ("2023-11-16 18:15:50.9951690", 396, 109)] + [
    (f"2023-11-16 18:{minute:02}:00.0000000", minute * 3, minute + 7) for minute in range(16, 56)
]
LOGIN = {"type": "activity", "user_id": "u1", "username": "Ada", "activity_type": "login"}


def trace(folder: Path, rows: list[tuple[str, int, int]] = ROWS, end: str = "\r\n") -> Path:
    path = folder / "trace.csv"
    path.write_text(end.join([TRACE_HEADER, *(",".join(map(str, row)) for row in rows)]), newline="")
    return path


def ndjson(folder: Path, *lines: Any) -> Path:
    path = folder / "events.ndjson"
    written = [line if isinstance(line, bytes) else msgspec.json.encode(line) for line in lines]
    path.write_bytes(b"\n".join(written) + b"\n")
    return path


def logins(*times: int) -> Source:
    return Source([Timed(at, LOGIN) for at in times])
