"""Token buckets: how much is taken over time. Pure; the caller gives the time."""

import math
from collections.abc import Hashable

MAX_ACCOUNTS = 10_000
"""Accounts that are remembered; beyond it, those that have used nothing for a while are forgotten."""


class TokenBucket:
    """Holds up to *burst* tokens, and gets *rate* more each second; it begins full.

    A caller that finds it not empty may take what it needs, also more than there is: the next one waits until the debt
    is paid. So nothing is too large to ever pass, and over time no more than the rate is taken.
    """

    __slots__ = ("_burst", "_level", "_rate", "_seen")

    def __init__(self, rate: float, burst: float, now: float) -> None:
        """Take *now* in seconds, of any clock that never goes back."""
        self._rate = rate
        self._burst = burst
        self._level = burst
        self._seen = now

    def wait(self, now: float) -> float:
        """Tell in how many seconds there is something in it; 0: there is now."""
        self._fill(now)
        return max(0.0, (1 - self._level) / self._rate)

    def holds(self, tokens: float, now: float) -> bool:
        """Tell whether there are so many *tokens* in it now."""
        self._fill(now)
        return self._level >= tokens

    def take(self, tokens: float, now: float) -> None:
        """Take *tokens*, whether they are there or not."""
        self._fill(now)
        self._level -= tokens

    def is_full(self, now: float) -> bool:
        """Say whether it is as a new one would be."""
        self._fill(now)
        return math.isclose(self._level, self._burst)

    def _fill(self, now: float) -> None:
        self._level = min(self._burst, self._level + (now - self._seen) * self._rate)
        self._seen = now


class TokenBuckets:
    """A bucket for each account, all of one size."""

    def __init__(self, rate: float, burst: float) -> None:
        self._rate = rate
        self._burst = burst
        self._buckets: dict[Hashable, TokenBucket] = {}

    def __len__(self) -> int:
        return len(self._buckets)

    def find(self, account: Hashable) -> TokenBucket | None:
        """Give an account's bucket; None if it has none, which is as good as a full one."""
        return self._buckets.get(account)

    def of(self, account: Hashable, now: float) -> TokenBucket:
        """Give an account's bucket, a new one if it has none."""
        found = self._buckets.get(account)
        if found is None:
            if len(self._buckets) >= MAX_ACCOUNTS:
                self._forget(now)
            found = self._buckets[account] = TokenBucket(self._rate, self._burst, now)
        return found

    def _forget(self, now: float) -> None:
        """Drop full buckets, which are as new ones; if there are none, drop all: a limit must not fill the memory."""
        kept = {account: bucket for account, bucket in self._buckets.items() if not bucket.is_full(now)}
        self._buckets = kept if len(kept) < MAX_ACCOUNTS else {}
