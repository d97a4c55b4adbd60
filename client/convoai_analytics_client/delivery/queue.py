"""The queue between the calls and the thread that posts: bounded by count and bytes, and it keeps the accounts."""

import threading
from collections import Counter
from collections.abc import Iterable
from time import monotonic

from convoai_analytics_client.delivery.stats import CLOSED, QUEUE_FULL, Stats
from convoai_analytics_client.events import Record


class Queue:
    """Records that wait, and what became of the others. Any thread may call any method.

    The lock is held for less than a microsecond by a call. It is one that its owner may take again: a signal's handler
    or a finalizer that tracks may interrupt a call that tracks. One that is not held is made for a forked child.
    """

    def __init__(self, most_events: int, most_bytes: int, batch_events: int) -> None:
        self._most_events = most_events
        self._most_bytes = most_bytes
        self._batch_events = batch_events
        self.clear()

    def clear(self) -> None:
        """Start again, with nothing in it: after a fork its content belongs to the parent."""
        self._lock = threading.RLock()
        self._settled = threading.Condition(self._lock)
        # A semaphore of one place that is taken while nothing is to be done. Its methods are atomic.
        self._wake = threading.Lock()
        self._wake.acquire()
        self._records: list[Record] = []
        # Only sums that grow, as few as will do: a call pays for each. What waits in memory are those that were put and
        # not freed yet; ``_room`` and ``_size_room`` are how far the sums may grow.
        self._put = self._size = 0
        self._room, self._size_room = self._most_events, self._most_bytes
        self._turned_away = self._restored = self._settled_events = 0
        self._recorded = self._duplicates = self._rejected = self._spooled = 0
        self._dropped: Counter[str] = Counter()
        self._is_closed = False

    def put(self, record: Record) -> None:
        """Take a record in, or drop it if there is no room."""
        size = record[0]
        with self._lock:
            if self._put >= self._room or self._size + size > self._size_room:
                self._turned_away += 1
                self._dropped[CLOSED if self._is_closed else QUEUE_FULL] += 1
                return
            self._put += 1
            self._size += size
            records = self._records
            records.append(record)
            waiting = len(records)
            if waiting == 1 or waiting == self._batch_events:
                self.wake()

    def drop(self, reason: str) -> None:
        """Count a call that leaves nothing."""
        with self._lock:
            self._turned_away += 1
            self._dropped[reason] += 1

    def wake(self) -> None:
        """Wake the thread that waits, or keep the next one from waiting."""
        try:
            self._wake.release()
        except RuntimeError:
            # It has been woken already.
            return

    def wait(self, seconds: float) -> None:
        """Wait to be woken."""
        self._wake.acquire(timeout=max(0.0, seconds))

    def waiting(self) -> int:
        """Say how many records wait in memory and are not taken yet."""
        return len(self._records)

    def take(self, most: int) -> list[Record]:
        """Take the oldest records out; they are pending until :meth:`settle`."""
        with self._lock:
            taken, self._records = self._records[:most], self._records[most:]
        return taken

    def free(self, records: Iterable[Record], spooled: int = 0) -> None:
        """Give back the memory of records that were taken; so many of them are in the spool now."""
        with self._lock:
            for record in records:
                self._room += 1
                self._size_room += record[0]
            self._spooled += spooled

    def settle(
        self, recorded: int = 0, duplicates: int = 0, rejected: int = 0, dropped: int = 0, why: str = ""
    ) -> None:
        """Record what the service said of pending events."""
        with self._lock:
            self._recorded += recorded
            self._duplicates += duplicates
            self._rejected += rejected
            if dropped:
                self._dropped[why] += dropped
            self._settle(recorded + duplicates + rejected + dropped)

    def restore(self, events: int) -> None:
        """Record pending events that an earlier process left."""
        with self._lock:
            self._restored += events

    def close(self) -> None:
        """Take nothing more."""
        with self._lock:
            self._is_closed = True
            # However much is freed later makes no room again.
            self._room = -self._most_events - 1

    def flush(self, seconds: float) -> bool:
        """Wait until all that is pending now is settled, for so long at most; say whether it is."""
        deadline = monotonic() + seconds
        with self._lock:
            target = self._put + self._restored
            while self._settled_events < target:
                left = deadline - monotonic()
                if left <= 0:
                    return False
                self._settled.wait(left)
        return True

    def dropped(self) -> Counter[str]:
        """Count what was dropped, by reason."""
        with self._lock:
            return Counter(self._dropped)

    def pending(self) -> int:
        """Count what is not settled yet."""
        return self._put + self._restored - self._settled_events

    def stats(self) -> Stats:
        """Give the accounts."""
        with self._lock:
            return Stats(
                self._put + self._turned_away,
                self._restored,
                self._recorded,
                self._duplicates,
                self._rejected,
                dict(self._dropped),
                self.pending(),
                self._spooled,
            )

    def _settle(self, events: int) -> None:
        self._settled_events += events
        self._settled.notify_all()
