"""The writer: events wait in a bounded queue, and are committed in groups.

What makes "durable before the answer" cheap is that whoever arrives while a commit runs shares the next one. A group
is of one tenant, so that one commit is one change; tenants take turns. A tenant has one commit at a time, and as many
tenants commit at once as the database has connections for: one on SQLite, several on PostgreSQL.
"""

import asyncio
import contextlib
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import structlog

from storage import clock
from storage.changes import Change, Position
from storage.commit import Outcome, commit
from storage.database import Database
from storage.errors import DataRefused, Overloaded, StorageUnavailable
from storage.events import AnyEvent

log = structlog.get_logger()

FEW, PAUSE_SECONDS = 4, 0.001
"""After a group of more than a few requests the next one is given a moment to gather."""
GROUP_EVENTS = 2000
"""A group stops growing here: 2,000 events commit in about 50 ms, and others wait that long."""


@dataclass(frozen=True)
class Receipt:
    """The answer to one request: how many events are new, how many were known, and the position they reached."""

    recorded: int
    duplicates: int
    position: Position


class Observer(Protocol):
    """Told of each commit; for metrics."""

    def committed(self, outcome: Outcome, seconds: float) -> None:
        """Take note of a commit that took so many *seconds*."""


@dataclass(eq=False)
class _Request:
    arrived: list[tuple[AnyEvent, str]]
    done: "asyncio.Future[Receipt]"


class Writer:
    """Commits events in groups, and hands each change to *publish* after its commit, in order."""

    def __init__(
        self,
        database: Database,
        publish: Callable[[Change], None],
        *,
        queue_events: int,
        change_log: int,
        observer: Observer,
    ) -> None:
        self._database = database
        self._publish = publish
        self._queue_events = queue_events
        self._change_log = change_log
        self._observer = observer
        self._queues: OrderedDict[str, deque[_Request]] = OrderedDict()
        self._committing: set[str] = set()
        self._crowded: set[str] = set()
        self._waiting = 0
        self._wake = asyncio.Event()
        self._stopping = False
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def waiting(self) -> int:
        """Say how many events wait for their commit."""
        return self._waiting

    def start(self) -> None:
        """Begin to commit."""
        self._tasks = [asyncio.create_task(self._run(), name="writer") for _ in range(self._database.writers)]

    async def stop(self) -> None:
        """Take nothing more, commit what waits, and end."""
        self._stopping = True
        self._wake.set()
        await asyncio.gather(*self._tasks)

    async def write(self, tenant_id: str, events: Sequence[AnyEvent]) -> Receipt:
        """Commit *events* of one request together; returns when they are durable.

        Raises :exc:`Overloaded` if too many events wait, :exc:`StorageUnavailable` if the database cannot be written,
        :exc:`DataRefused` if it does not take them. After the first two the request may be sent again, with its ids.
        """
        if self._stopping:
            raise StorageUnavailable("the service is stopping")
        if self._waiting and self._waiting + len(events) > self._queue_events:
            raise Overloaded("too many events wait to be written")
        arrival = clock.now()
        request = _Request([(event, arrival) for event in events], asyncio.get_running_loop().create_future())
        self._queues.setdefault(tenant_id, deque()).append(request)
        self._waiting += len(events)
        self._wake.set()
        return await request.done

    async def _run(self) -> None:
        while self._queues or not self._stopping:
            tenant_id = next((name for name in self._queues if name not in self._committing), None)
            if tenant_id is None:
                self._wake.clear()
                await self._wake.wait()
                continue
            self._committing.add(tenant_id)
            await self._commit_next(tenant_id)
            self._committing.discard(tenant_id)
        # The other tasks may wait for a tenant that there will be no more of.
        self._wake.set()

    async def _commit_next(self, tenant_id: str) -> None:
        """Commit the tenant's next group."""
        if tenant_id in self._crowded and not self._stopping:
            # Those who were just answered come back together: without this pause two halves take turns, and each
            # pays for a commit of its own (15 % more CPU an event).
            await asyncio.sleep(PAUSE_SECONDS)
        requests = self._take(tenant_id)
        (self._crowded.add if len(requests) > FEW else self._crowded.discard)(tenant_id)
        await self._commit_or_fail(tenant_id, requests)
        self._waiting -= sum(len(request.arrived) for request in requests)

    def _take(self, tenant_id: str) -> list[_Request]:
        """Take the tenant's group, and put the tenant at the end of the line."""
        queue = self._queues.pop(tenant_id)
        group = [queue.popleft()]
        events = len(group[0].arrived)
        while queue and events + len(queue[0].arrived) <= GROUP_EVENTS:
            events += len(queue[0].arrived)
            group.append(queue.popleft())
        if queue:
            self._queues[tenant_id] = queue
        return group

    async def _commit_or_fail(self, tenant_id: str, requests: list[_Request]) -> None:
        try:
            await self._commit(tenant_id, requests)
        except DataRefused as error:
            if len(requests) == 1:
                log.error("commit_refused", error=_cause(error))
                _fail(requests, error)
                return
            # One request's data spoiled the group: alone, only the culprit fails.
            for request in requests:
                await self._commit_or_fail(tenant_id, [request])
        except StorageUnavailable as error:
            log.error("commit_failed", error=type(error).__name__, cause=_cause(error))
            _fail(requests, error)
        except Exception as error:
            # A bug must not end the writer, nor leave anyone without an answer.
            log.exception("commit_broken")
            _fail(requests, error)

    async def _commit(self, tenant_id: str, requests: list[_Request]) -> None:
        started = asyncio.get_running_loop().time()
        arrived = [pair for request in requests for pair in request.arrived]
        epoch, days, keep = self._database.epoch, self._database.days, self._change_log
        outcome = await self._database.write(
            lambda connection: commit(connection, epoch, days, tenant_id, arrived, keep)
        )
        # It is durable: whatever becomes of the rest, nobody may be told otherwise.
        _answer(requests, outcome)
        try:
            self._observer.committed(outcome, asyncio.get_running_loop().time() - started)
            if outcome.change is not None:
                self._publish(outcome.change)
        except Exception:
            # The feeds find the change in the log within a second.
            log.exception("publish_failed")


def _cause(error: Exception) -> str:
    """Name what the driver raised; its text may hold what an event does."""
    cause = error.__cause__
    return type(getattr(cause, "orig", None) or cause).__name__


def _answer(requests: list[_Request], outcome: Outcome) -> None:
    recorded = iter(outcome.recorded)
    for request in requests:
        new = sum(next(recorded) for _ in request.arrived)
        # A client that has gone cancels the future; its events are recorded all the same.
        with contextlib.suppress(asyncio.InvalidStateError):
            request.done.set_result(Receipt(new, len(request.arrived) - new, outcome.position))


def _fail(requests: list[_Request], error: Exception) -> None:
    for request in requests:
        with contextlib.suppress(asyncio.InvalidStateError):
            request.done.set_exception(error)
