"""How much each tracking key, or address without one, may post to this process over time."""

import asyncio
import math
from collections.abc import Hashable

from storage.fairness.token_bucket import TokenBuckets
from web.http.problems import Problem


class Rates:
    """A bucket of events for each account. No limit costs nothing."""

    def __init__(self, per_second: float, burst: float) -> None:
        """Take the events *per_second* (0: no limit), and how many may come at once."""
        self._buckets = TokenBuckets(per_second, burst) if per_second else None

    def check(self, account: Hashable) -> None:
        """Raise a 429 :exc:`Problem` with Retry-After if the account has nothing left."""
        bucket = None if self._buckets is None else self._buckets.find(account)
        wait = 0.0 if bucket is None else bucket.wait(_now())
        if wait > 0:
            headers = {"Retry-After": str(math.ceil(wait))}
            raise Problem(429, "more events than this key or address may post: come back later", headers=headers)

    def count(self, account: Hashable, events: int) -> None:
        """Record what an account posted."""
        if self._buckets is not None:
            now = _now()
            self._buckets.of(account, now).take(events, now)


def _now() -> float:
    return asyncio.get_running_loop().time()
