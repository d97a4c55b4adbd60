"""The sender: posts what a source holds, tries again what may be taken later, and tells what became of it."""

import random
import threading
import time
from collections import Counter, deque
from time import monotonic
from typing import Any, Protocol

from convoai_analytics_client.delivery.failure_log import FailureLog
from convoai_analytics_client.delivery.queue import Queue
from convoai_analytics_client.delivery.stats import REFUSED, UNSENT
from convoai_analytics_client.delivery.transport import Answer, Transport, Unreachable

FIRST_PAUSE, LONGEST_PAUSE = 0.25, 30.0
"""Seconds between the first two attempts, and between any two, at most: each pause is drawn from 0 to twice the one
before ("full jitter", Brooker: Exponential Backoff and Jitter, 2015)."""
MAX_RETRY_AFTER = 3600.0
"""No answer keeps events waiting for longer."""
REPORT_SECONDS = 10.0
"""Within which drops are reported to the service when there are no events to post."""
IDLE_SECONDS = 3600.0
TOO_LARGE = 413
DROPPED_HEADER = "Analytics-Client-Dropped"


class Source(Protocol):
    """Where batches come from: the queue in memory, or the spool."""

    is_kept: bool

    def waiting(self) -> int:
        """Say how many events wait."""

    def wait(self, seconds: float) -> None:
        """Wait until there is something to do."""

    def wake(self) -> None:
        """Wake who waits."""

    def next(self) -> list[bytes]:
        """Take the oldest lines of JSON, as many as make one post; none if nothing waits."""

    def done(self) -> None:
        """Forget what was taken last: it is settled."""


class Sender:
    """Posts in the thread that calls :meth:`run`."""

    def __init__(
        self,
        queue: Queue,
        source: Source,
        transport: Transport,
        failures: FailureLog,
        batch_events: int,
        flush_seconds: float,
    ) -> None:
        self._queue = queue
        self._source = source
        self._transport = transport
        self._failures = failures
        self._batch_events = batch_events
        self._flush_seconds = flush_seconds
        self.clear()

    def clear(self) -> None:
        """Start again, as after a fork."""
        self._reported: Counter[str] = Counter()
        self._hurry, self._ending = threading.Event(), threading.Event()
        self._deadline: float | None = None
        # A forked child closes its copy, which the parent does not notice.
        self._transport.close()

    def hurry(self) -> None:
        """Post now what waits."""
        self._hurry.set()
        self._source.wake()

    def end(self, deadline: float) -> None:
        """Post what waits until *deadline*, a monotonic time, and then end."""
        self._deadline = deadline
        self._ending.set()
        self.hurry()

    def run(self) -> None:
        """Post until :meth:`end` is called."""
        while True:
            lines = self._source.next()
            if lines:
                if not self._deliver(lines):
                    break
                if self._source.waiting() >= self._batch_events:
                    continue
            if not self._source.waiting():
                if self._deadline is not None:
                    break
                self._hurry.clear()
            self._rest()
        self._report_drops()
        self._transport.close()

    def _rest(self) -> None:
        """Wait for events, then until they make a batch or are old enough."""
        self._failures.log()
        while not self._source.waiting() and self._deadline is None:
            has_drops = bool(self._unreported())
            self._source.wait(REPORT_SECONDS if has_drops else IDLE_SECONDS)
            if has_drops and not self._source.waiting():
                self._report_drops()
            elif not self._source.waiting():
                # It was woken for a flush, or to look for what others left.
                break
        if not self._hurry.is_set() and 0 < self._source.waiting() < self._batch_events:
            self._source.wait(self._flush_seconds)

    def _deliver(self, lines: list[bytes]) -> bool:
        """Post lines until they are settled; False: the time is up, and some are not."""
        left = deque([lines])
        while left:
            answer = self._answer(left[0])
            if answer is None:
                self._give_up(sum(map(len, left)))
                return False
            part = left.popleft()
            if answer.status == TOO_LARGE and len(part) > 1:
                # A proxy on the way may take less than the service.
                half = len(part) // 2
                left.extendleft((part[half:], part[:half]))
            else:
                self._settle(part, answer)
        self._source.done()
        return True

    def _answer(self, lines: list[bytes]) -> Answer | None:
        """Post lines until the answer is not one of passing trouble; None: the time is up."""
        pause = FIRST_PAUSE
        while True:
            answer = self._post(lines)
            if answer is not None and not answer.is_transient():
                return answer
            retry_after = 0.0 if answer is None else min(answer.retry_after, MAX_RETRY_AFTER)
            if not self._pause(random.uniform(0, pause), retry_after):
                return None
            pause = min(2 * pause, LONGEST_PAUSE)

    def _post(self, lines: list[bytes]) -> Answer | None:
        """Post once; None if the service could not be reached."""
        unreported = self._unreported()
        try:
            answer = self._transport.post(b"\n".join(lines), _header(unreported))
        except Unreachable as error:
            self._failures.add(f"the service cannot be reached ({error}); it is tried again", len(lines))
            return None
        except Exception as error:
            # Such as a host name that cannot be written, or a fault of ours: nothing may end this thread.
            self._failures.add(f"a post failed ({type(error).__name__}); it is tried again", len(lines))
            return None
        if answer.is_taken():
            self._reported += unreported
        elif answer.is_transient():
            self._failures.add(f"the service answered {answer.status}; it is tried again", len(lines))
        return answer

    def _settle(self, lines: list[bytes], answer: Answer) -> None:
        if answer.is_taken():
            rejected = _rejected(answer.body)
            for what, events in rejected.items():
                self._failures.add(f"the service rejected {what}", events)
            recorded, duplicates = int(answer.body["recorded"]), int(answer.body["duplicates"])
            known = recorded + duplicates + sum(rejected.values())
            self._queue.settle(recorded, duplicates, sum(rejected.values()), len(lines) - known, REFUSED)
        else:
            self._failures.add(f"{_refusal(answer)}; they are dropped", len(lines))
            self._queue.settle(dropped=len(lines), why=REFUSED)

    def _pause(self, seconds: float, retry_after: float) -> bool:
        """Wait before the next attempt, no less than the service asked for; False: the time ends before that."""
        if self._hurry.is_set() and not retry_after:
            seconds = min(seconds, FIRST_PAUSE)
        # Who waits in flush() makes the next attempt come sooner, but never sooner than the service asked for.
        awaited = self._ending if retry_after or self._hurry.is_set() else self._hurry
        until = monotonic() + max(seconds, retry_after)
        awaited.wait(until - monotonic())
        if self._deadline is None or awaited is self._hurry:
            return self._deadline is None or monotonic() < self._deadline
        if until >= self._deadline:
            return False
        time.sleep(max(0.0, until - monotonic()))
        return True

    def _give_up(self, events: int) -> None:
        if self._source.is_kept:
            return
        while events:
            self._queue.settle(dropped=events, why=UNSENT)
            self._source.done()
            events = len(self._source.next())

    def _unreported(self) -> "Counter[str]":
        return self._queue.dropped() - self._reported

    def _report_drops(self) -> None:
        """Report drops to the service although there are no events; what it does not take is reported later."""
        if unreported := self._unreported():
            try:
                if self._transport.post(b"", _header(unreported)).is_taken():
                    self._reported += unreported
            except Exception:
                # They are reported with the next events.
                return


def _header(dropped: "Counter[str]") -> dict[str, str]:
    return {DROPPED_HEADER: ", ".join(f"{why}={events}" for why, events in dropped.items())} if dropped else {}


def _rejected(body: dict[str, Any]) -> "Counter[str]":
    """Count what was rejected, by field and rule. The service's rules never repeat a value."""
    return Counter(f"{item.get('field') or 'event'}: {item.get('error')}" for item in body.get("rejected", ()))


def _refusal(answer: Answer) -> str:
    if 200 <= answer.status < 300:
        return "the answer is not that of ConvoAI Analytics: is the URL right?"
    if answer.status in (401, 403):
        return f"the service answered {answer.status}: is the tracking key right?"
    return f"the service answered {answer.status}"
