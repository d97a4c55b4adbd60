"""The log of failures: one line a minute at most, by what went wrong, never with a value."""

import logging
import threading
from collections import Counter
from time import monotonic

LOG = logging.getLogger("convoai_analytics_client")
SECONDS = 60.0
"""Between two lines."""


class FailureLog:
    """Gathers what went wrong, and logs it in lines that are far enough apart."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Start again, as after a fork."""
        self._lock = threading.Lock()
        self._seen: Counter[str] = Counter()
        self._next = 0.0

    def add(self, what: str, events: int = 1) -> None:
        """Record a failure of so many events; the first is logged at once."""
        with self._lock:
            self._seen[what] += events
        self.log()

    def log(self, *, now: bool = False) -> None:
        """Log what was gathered, if it is time for that; *now*: in any case."""
        with self._lock:
            if not self._seen or (monotonic() < self._next and not now):
                return
            seen, self._seen = self._seen, Counter()
            self._next = monotonic() + SECONDS
        LOG.warning("analytics: %s", "; ".join(f"{what} ({events} events)" for what, events in seen.most_common()))
