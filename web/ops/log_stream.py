"""Standard output and standard error for logs: writing a line never waits for the reader of the stream.

A pipe that is not read takes 64 KiB, and would then block the event loop and all that it serves. So lines go into a
bounded queue, and a thread writes them. What finds no room is dropped and counted; the log says how many lines it was.
"""

import atexit
import os
import select
import threading
import time
from collections import deque
from collections.abc import Callable

import structlog

log = structlog.get_logger()

MAX_LINES = 10_000
"""Lines that may wait."""
MAX_BYTES = 4 << 20
"""Bytes of them."""
WRITE_BYTES = select.PIPE_BUF
"""What is written at a time, in whole lines: a pipe does not mix so much with what other processes write to it."""
FLUSH_SECONDS = 1.0
"""How long the end of the process waits for what is still in both queues."""


class LogStream:
    """One of the two streams, by its file *descriptor*. Made for ``structlog.WriteLogger`` and ``logging``."""

    def __init__(self, name: str, descriptor: int) -> None:
        self.name = name
        self.dropped: Callable[[int], object] = lambda _lines: None
        """Called, in any thread, with the number of lines that were dropped."""
        self._descriptor = descriptor
        self._changed = threading.Condition()
        self._lines: deque[bytes] = deque()
        self._bytes = 0
        self._unreported = 0
        self._writing = False
        self._failing = False
        self._thread: threading.Thread | None = None

    def write(self, text: str) -> int:
        """Take whole lines, or drop them; raises nothing."""
        line = text.encode(errors="backslashreplace")
        with self._changed:
            if len(self._lines) < MAX_LINES and self._bytes + len(line) <= MAX_BYTES:
                self._lines.append(line)
                self._bytes += len(line)
                self._start()
                self._changed.notify_all()
                return len(text)
        self._drop(1)
        return len(text)

    def flush(self) -> None:
        """Do nothing: the thread writes as soon as it can."""

    def wait(self, until: float) -> None:
        """Wait until all is written, or until this time of the monotonic clock."""
        with self._changed:
            self._changed.wait_for(lambda: not self._lines and not self._writing, max(0.0, until - time.monotonic()))

    def _start(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name=self.name, daemon=True)
            self._thread.start()

    def _run(self) -> None:
        while True:
            piece, lines = self._take()
            try:
                self._put(piece)
            except OSError as error:
                self._drop(lines)
                self._fail(error)
            else:
                self._failing = False
                self._report_dropped()
            with self._changed:
                self._writing = False
                self._changed.notify_all()

    def _take(self) -> tuple[bytes, int]:
        """Wait for lines, and take as many as are written at a time, at least one."""
        with self._changed:
            self._changed.wait_for(lambda: self._lines)
            self._writing = True
            taken = [self._lines.popleft()]
            size = len(taken[0])
            while self._lines and size + len(self._lines[0]) <= WRITE_BYTES:
                taken.append(self._lines.popleft())
                size += len(taken[-1])
            self._bytes -= size
        return b"".join(taken), len(taken)

    def _put(self, piece: bytes) -> None:
        """Write all of it, however long that takes; raises ``OSError``."""
        while piece:
            try:
                piece = piece[os.write(self._descriptor, piece) :]
            except BlockingIOError:
                # Another process with the same pipe made it non-blocking.
                select.select([], [self._descriptor], [])

    def _drop(self, lines: int) -> None:
        with self._changed:
            self._unreported += lines
        self.dropped(lines)

    def _report_dropped(self) -> None:
        """Say in the log what was dropped, when there is room again."""
        with self._changed:
            if not self._unreported or len(self._lines) > MAX_LINES // 2 or self._bytes > MAX_BYTES // 2:
                return
            lines, self._unreported = self._unreported, 0
        log.error("lines_dropped", stream=self.name, lines=lines)

    def _fail(self, error: OSError) -> None:
        """Say once in the log that a stream cannot be written, such as a pipe whose reader has gone."""
        if not self._failing:
            self._failing = True
            log.error("stream_not_written", stream=self.name, error=type(error).__name__)


STDOUT = LogStream("stdout", 1)
STDERR = LogStream("stderr", 2)


@atexit.register
def _flush() -> None:
    until = time.monotonic() + FLUSH_SECONDS
    for stream in (STDOUT, STDERR):
        stream.wait(until)
