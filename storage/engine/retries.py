"""Retries of writes whose row is locked: the pauses grow, and their total is limited."""

import asyncio
import random
import time

LOCK_SECONDS = 10.0
"""How long a write waits in all for what another process holds, such as a tenant's head row."""
FIRST_SECONDS, MAX_SECONDS = 0.01, 0.05
"""The first pause, and the longest; each is drawn between a half and all of it, so that processes do not keep step.

With at most 0.25 s, three processes that post to one tenant keep each other waiting: p99 1.1 s, with 0.05 s 0.75 s."""


class LockRetry:
    """The retries of one write; the time limit starts with the first pause."""

    def __init__(self) -> None:
        self._until: float | None = None
        self._pause = FIRST_SECONDS

    async def wait(self) -> bool:
        """Wait before the next attempt; gives False, at once, if there is to be none."""
        now = time.monotonic()
        if self._until is None:
            self._until = now + LOCK_SECONDS
        if now >= self._until:
            return False
        await asyncio.sleep(self._pause * random.uniform(0.5, 1))
        self._pause = min(2 * self._pause, MAX_SECONDS)
        return True
