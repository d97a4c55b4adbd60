"""How often signing in may fail. Crude: it counts in this process alone, by address and by name at an address."""

import time
from collections import OrderedDict
from collections.abc import Callable

SECONDS = 300.0
"""How long failures are counted."""
BY_NAME = 10
"""Tries for one name from one address."""
BY_ADDRESS = 100
"""Tries from one address."""
MOST = 10_000
"""Names and addresses that are remembered; the oldest are forgotten."""


class Attempts:
    """Counts a try when it begins, so that many at once are no way around it, and takes back those that succeeded."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._counts: OrderedDict[tuple[str, ...], tuple[int, float]] = OrderedDict()

    def begin(self, address: str, name: str) -> int:
        """Count a try, and give 0; or the seconds after which the next one is let in."""
        keys = {(address, name.casefold()): BY_NAME, (address,): BY_ADDRESS}
        wait = max(self._wait(key, limit) for key, limit in keys.items())
        if not wait:
            for key in keys:
                self._add(key, 1)
        return wait

    def succeed(self, address: str, name: str) -> None:
        """Forget the failures for the name, and take back this try."""
        self._counts.pop((address, name.casefold()), None)
        self._add((address,), -1)

    def _wait(self, key: tuple[str, ...], limit: int) -> int:
        count, end = self._counts.get(key, (0, 0.0))
        left = end - self._now()
        return int(left) + 1 if count >= limit and left > 0 else 0

    def _add(self, key: tuple[str, ...], by: int) -> None:
        count, end = self._counts.pop(key, (0, 0.0))
        now = self._now()
        if end <= now:
            count, end = 0, now + SECONDS
        if count + by > 0:
            self._counts[key] = count + by, end
        while len(self._counts) > MOST:
            self._counts.popitem(last=False)
