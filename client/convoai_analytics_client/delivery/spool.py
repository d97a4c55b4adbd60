"""The spool: events on disk until the service has taken them, whatever becomes of this process.

A folder holds one folder for each process that uses it at the same time, which a lock keeps for that process alone. In
it are segments: files of NDJSON, each at most one batch. An event is safe from the end of the process when it has been
written to a segment; a segment is removed when the service has answered for all of it. If the process ends in between,
the next one posts the segment again, and the service knows the events by their ids. Nothing is synced to the disk, so
a power cut can lose what the system had not written yet.
"""

import os
import threading
from collections import deque
from pathlib import Path
from time import monotonic
from typing import IO

from convoai_analytics_client.delivery.failure_log import FailureLog
from convoai_analytics_client.delivery.memory import BATCH_BYTES, Encode
from convoai_analytics_client.delivery.queue import Queue
from convoai_analytics_client.delivery.stats import SPOOL_FULL

try:
    import fcntl
except ImportError:  # pragma: no cover - Windows
    fcntl = None  # type: ignore[assignment]

SPOOL_SECONDS = 0.05
"""How often events are written to the disk."""
ADOPT_SECONDS = 30.0
"""How often it is looked for what processes left that have ended."""
MAX_FOLDERS = 1024


class Spool:
    """The source of a client with a spool. One thread calls :meth:`fill`, another one takes batches."""

    is_kept = True

    def __init__(
        self, folder: Path, most_bytes: int, queue: Queue, encode: Encode, batch_events: int, failures: FailureLog
    ) -> None:
        """*most_bytes*: of the segments of this process. Raises ValueError if *folder* cannot be used."""
        if fcntl is None:
            raise ValueError("spool: this system has no file locks (fcntl), which the spool needs")
        self._folder = folder
        self._most_bytes = most_bytes
        self._queue = queue
        self._encode = encode
        self._batch_events = batch_events
        self._failures = failures
        self._lock_file: IO[bytes] | None = None
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise ValueError(f"spool: the folder cannot be used: {error.strerror}") from None
        self.clear()

    def clear(self) -> None:
        """Start again, as after a fork: the folder of the parent stays the parent's."""
        if self._lock_file is not None:
            # The parent has it open, too, and so keeps the lock.
            self._lock_file.close()
            self._lock_file = None
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._own: Path | None = None
        # Names and counts of the segments that are closed, oldest first, and what is in the open one.
        self._segments: deque[tuple[int, int]] = deque()
        self._open_events = self._open_bytes = 0
        self._bytes = 0
        self._number = 0
        self._taken = False
        self._adopt_at = 0.0

    def waiting(self) -> int:
        """Say how many events wait."""
        with self._lock:
            return sum(events for _, events in self._segments) + self._open_events

    def wait(self, seconds: float) -> None:
        """Wait until there is something to do."""
        self._wake.wait(min(seconds, ADOPT_SECONDS))
        self._wake.clear()

    def wake(self) -> None:
        """Wake who waits."""
        self._queue.wake()
        self._wake.set()

    def has_left_over(self) -> bool:
        """Say whether there are segments of processes that may have ended."""
        return any(self._folder.glob("*/*.ndjson"))

    def fill(self) -> None:
        """Write what waits in memory to the disk."""
        while records := self._queue.take(self._batch_events):
            lines = deque(self._encode(records))
            spooled = 0
            with self._lock:
                while lines:
                    room = BATCH_BYTES - self._open_bytes
                    if self._open_events and (self._open_events >= self._batch_events or len(lines[0]) >= room):
                        self._close_segment()
                    spooled += self._append(lines)
            self._queue.free(records, spooled)
            self._wake.set()

    def _append(self, lines: "deque[bytes]") -> int:
        """Append as many *lines* as the open segment takes, at least one; gives how many are on the disk now."""
        taken: list[bytes] = []
        size = 0
        while lines and len(taken) < self._batch_events - self._open_events:
            if taken and self._open_bytes + size + len(lines[0]) >= BATCH_BYTES:
                break
            size += len(lines[0]) + 1
            taken.append(lines.popleft())
        try:
            if self._bytes + size > self._most_bytes:
                raise OSError("the spool is full")
            _append(self._segment(self._number), b"\n".join(taken) + b"\n")
        except OSError as error:
            self._failures.add(f"the spool takes no events: {error.strerror or error}", len(taken))
            # Part of it may be there: nothing more goes into that segment, and what is in it may be posted.
            self._close_segment()
            self._queue.settle(dropped=len(taken), why=SPOOL_FULL)
            return 0
        self._bytes += size
        self._open_bytes += size
        self._open_events += len(taken)
        return len(taken)

    def next(self) -> list[bytes]:
        """Take the lines of the oldest segment; none if nothing waits."""
        self._adopt()
        with self._lock:
            if not self._segments and self._open_events:
                self._close_segment()
            if not self._segments:
                return []
            number, events = self._segments[0]
            self._taken = True
        try:
            lines = _lines(self._segment(number))
        except OSError as error:
            self._failures.add(f"the spool cannot be read: {error.strerror}", events)
            lines = []
        if len(lines) < events:
            # The files were changed, or the disk fails; what is not there can never be posted.
            self._queue.settle(dropped=events - len(lines), why=SPOOL_FULL)
        if not lines:
            self.done()
        return lines[:events]

    def done(self) -> None:
        """Remove the segment that was taken last: it is settled."""
        with self._lock:
            if self._taken:
                number, _ = self._segments.popleft()
                self._taken = False
                path = self._segment(number)
                try:
                    self._bytes -= _size(path)
                    path.unlink(missing_ok=True)
                except OSError as error:
                    # The next process posts it again, and the service knows its events.
                    self._failures.add(f"the spool cannot be emptied: {error.strerror}", 0)

    def close(self) -> None:
        """Give the folder back; what is in it is the next process's."""
        if self._lock_file is not None:
            self._lock_file.close()
            self._lock_file = None

    def _close_segment(self) -> None:
        if self._open_events:
            self._segments.append((self._number, self._open_events))
        self._number += 1
        self._open_events = self._open_bytes = 0

    def _segment(self, number: int) -> Path:
        return self._home() / f"{number:012}.ndjson"

    def _home(self) -> Path:
        """Give the folder of this process: the first that no other one uses."""
        if self._own is None:
            for number in range(MAX_FOLDERS):
                folder = self._folder / str(number)
                folder.mkdir(mode=0o700, exist_ok=True)
                if (lock := _locked(folder)) is not None:
                    self._lock_file, self._own = lock, folder
                    self._restore(folder)
                    break
            else:
                raise OSError(f"{MAX_FOLDERS} processes use it already")
        return self._own

    def _restore(self, folder: Path) -> None:
        """Take over the segments of who had the folder before."""
        found = sorted(path for path in folder.glob("*.ndjson") if path.stem.isdigit())
        for path in found:
            if events := len(_lines(path)):
                self._segments.append((int(path.stem), events))
                self._bytes += _size(path)
                self._queue.restore(events)
            else:
                path.unlink()
        self._number = int(found[-1].stem) + 1 if found else 0

    def _adopt(self) -> None:
        """Take over, now and then, what processes left that have ended."""
        if monotonic() < self._adopt_at:
            return
        self._adopt_at = monotonic() + ADOPT_SECONDS
        try:
            with self._lock:
                own = self._home()
                others = [path for path in self._folder.iterdir() if path.name.isdigit() and path != own]
                for folder in others:
                    self._adopt_from(folder)
        except OSError as error:
            self._failures.add(f"the spool cannot be read: {error.strerror or error}", 0)

    def _adopt_from(self, folder: Path) -> None:
        lock = _locked(folder)
        if lock is None:
            return
        with lock:
            for path in sorted(folder.glob("*.ndjson")):
                if not (events := len(_lines(path))):
                    path.unlink()
                    continue
                if self._open_events:
                    self._close_segment()
                path.rename(self._segment(self._number))
                self._bytes += _size(self._segment(self._number))
                self._queue.restore(events)
                self._segments.append((self._number, events))
                self._number += 1


def _locked(folder: Path) -> "IO[bytes] | None":
    """Lock a folder for as long as the file that this gives is open; None if another process has it."""
    handle = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    lock = os.fdopen(handle, "rb")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        lock.close()
        return None
    return lock


def _append(path: Path, written: bytes) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    try:
        view = memoryview(written)
        while view:
            view = view[os.write(handle, view) :]
    finally:
        os.close(handle)


def _lines(path: Path) -> list[bytes]:
    """Read the lines that are whole: the last one may have been cut off by the end of a process or a full disk."""
    try:
        whole, _, _ = path.read_bytes().rpartition(b"\n")
    except FileNotFoundError:
        return []
    return [line for line in whole.split(b"\n") if line]


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
