"""Attacks by whoever operates the service: commands that read its SQLite file for long, beside posts."""

import asyncio
import subprocess
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import httpx

from tests.conftest import TRACK
from tests.process import COMMAND
from tests.web.test_tracking import CALL

EVENTS = 280
PAUSE_SECONDS = 0.1
"""Between two batches: 2,800 events a second."""


async def verify_and_back_up(url: str, seconds: float, environment: Mapping[str, str], folder: Path) -> Counter[str]:
    """Run ``verify`` and ``backup`` in turn without a pause, beside 2,800 events a second; *folder* takes the copies.

    *environment* is that of the service. Gives the exit codes by command, and the statuses of posts.
    """
    until, seen = time.monotonic() + seconds, Counter[str]()
    await asyncio.gather(_post(url, until, seen), asyncio.to_thread(_run, until, environment, folder, seen))
    return seen


def _run(until: float, environment: Mapping[str, str], folder: Path, seen: Counter[str]) -> None:
    copy = folder / "copy.db"
    while time.monotonic() < until:
        for arguments in (["verify"], ["backup", str(copy)]):
            done = subprocess.run([*COMMAND, *arguments], env=environment, capture_output=True, check=False)
            seen[f"{arguments[0]} {done.returncode}"] += 1
        copy.unlink(missing_ok=True)


async def _post(url: str, until: float, seen: Counter[str]) -> None:
    batch = [{"type": "api_usage", **CALL, "user_id": f"user-{number}"} for number in range(EVENTS)]
    async with httpx.AsyncClient(timeout=30) as client:
        while time.monotonic() < until:
            due = time.monotonic() + PAUSE_SECONDS
            seen[f"post {(await client.post(f'{url}{TRACK}/batch', json=batch)).status_code}"] += 1
            await asyncio.sleep(max(0.0, due - time.monotonic()))
