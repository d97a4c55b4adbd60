"""How much each tracking key, or address without one, may post to this process over time."""

import asyncio
import math
from collections.abc import Hashable

from realtime.bucket import Bucket
from web.problems import Problem

MOST = 10_000
"""Accounts that are remembered; beyond it, those that have used nothing for a while are forgotten."""


class Rates:
    """A bucket of events for each account. No limit costs nothing."""

    def __init__(self, per_second: float, burst: float) -> None:
        """Take the events *per_second* (0: no limit), and how many may come at once."""
        self._per_second = per_second
        self._burst = burst
        self._buckets: dict[Hashable, Bucket] = {}

    def check(self, account: Hashable) -> None:
        """Raise a 429 :exc:`Problem` with Retry-After if the account has nothing left."""
        if not self._per_second:
            return
        bucket = self._buckets.get(account)
        wait = 0.0 if bucket is None else bucket.wait(_now())
        if wait > 0:
            headers = {"Retry-After": str(math.ceil(wait))}
            raise Problem(429, "more events than this key or address may post: come back later", headers=headers)

    def count(self, account: Hashable, events: int) -> None:
        """Take note of what an account posted."""
        if not self._per_second:
            return
        now = _now()
        bucket = self._buckets.get(account)
        if bucket is None:
            if len(self._buckets) >= MOST:
                self._forget(now)
            bucket = self._buckets[account] = Bucket(self._per_second, self._burst, now)
        bucket.take(events, now)

    def _forget(self, now: float) -> None:
        """Drop full buckets, which are as new ones; if there are none, drop all: a limit must not fill the memory."""
        kept = {account: bucket for account, bucket in self._buckets.items() if not bucket.is_full(now)}
        self._buckets = kept if len(kept) < MOST else {}


def _now() -> float:
    return asyncio.get_running_loop().time()
