"""Batches from the queue in memory."""

from collections import deque
from collections.abc import Callable

from convoai_analytics_client.delivery.queue import Queue
from convoai_analytics_client.events import Record

BATCH_BYTES = 1 << 20
"""JSON text of a batch; proxies often take no more by default."""
BACKLOG = 4
"""Batches that are posted as one when so many wait: posts of 2,000 events take 1.6 times as many events a second as
posts of 500."""
MAX_EVENTS = 10_000
"""Events that the service takes in a post."""

Encode = Callable[[list[Record]], list[bytes]]
"""Writes records as lines of JSON; those that cannot be written are dropped and settled."""


class Memory:
    """The source of a client without a spool: what is taken is gone when the process ends."""

    is_kept = False
    """Whether what is not sent stays for the next process."""

    def __init__(self, queue: Queue, encode: Encode, batch_events: int) -> None:
        self._queue = queue
        self._encode = encode
        self._most_events = min(BACKLOG * batch_events, MAX_EVENTS)
        self.clear()

    def clear(self) -> None:
        """Start again, as after a fork."""
        self._records: list[Record] = []
        self._lines: deque[bytes] = deque()

    def waiting(self) -> int:
        """Say how many events wait."""
        return len(self._lines) + self._queue.waiting()

    def wait(self, seconds: float) -> None:
        """Wait until there is something to do."""
        self._queue.wait(seconds)

    def wake(self) -> None:
        """Wake who waits."""
        self._queue.wake()

    def next(self) -> list[bytes]:
        """Take the next lines; none if nothing waits."""
        if not self._lines:
            self._records = self._queue.take(self._most_events)
            self._lines.extend(self._encode(self._records))
        return first(self._lines)

    def done(self) -> None:
        """Forget the lines that were taken last: they are settled."""
        if not self._lines:
            self._queue.free(self._records)
            self._records = []

    def close(self) -> None:
        """Do nothing."""


def first(lines: "deque[bytes]") -> list[bytes]:
    """Take as many lines out as make a batch: one in any case."""
    taken: list[bytes] = []
    size = 0
    while lines and (not taken or size + len(lines[0]) <= BATCH_BYTES):
        size += len(lines[0]) + 1
        taken.append(lines.popleft())
    return taken
