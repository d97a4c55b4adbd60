"""The writer: events wait in a queue that tenants share, and are committed in groups.

"Durable before the answer" is cheap because requests that arrive while a commit runs share the next one. A group
is of one tenant, so that one commit is one change. A tenant has one commit at a time, and as many tenants commit at
once as the database has connections for: one on SQLite, several on PostgreSQL. Tenants take turns, and groups are
small while several of them write, so that no tenant waits long for another.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Protocol

import structlog

from storage.engine.database import Database
from storage.engine.retries import LockRetry
from storage.errors import DataRefused, Locked, ShareExceeded, StorageUnavailable
from storage.fairness.shares import FairShares
from storage.fairness.turns import Turns
from storage.model import clock
from storage.model.changes import Change
from storage.model.events import AnyEvent
from storage.write.commit import Outcome, commit
from storage.write.groups import FIRST_EVENTS, Arrived, Receipt, Request, group, next_group_size, settle
from storage.write.row_cache import RowCache

log = structlog.get_logger()

FEW, PAUSE_SECONDS = 4, 0.001
"""After a group of more than a few requests the next one is given a moment to gather."""
GROUP_EVENTS = 2000
"""A group stops growing here: 2,000 events commit in about 50 ms."""
MAX_REMEMBERED = 10_000
"""Tenants whose group size is remembered while none of their events wait."""
SHARED_SECONDS = 10.0
"""While several tenants write, and for so long after, groups are as large as :func:`next_group_size` says."""


class Observer(Protocol):
    """Gets each commit; for metrics."""

    def committed(self, outcome: Outcome, seconds: float) -> None:
        """Record a commit that took so many *seconds*."""


class Writer:
    """Commits events in groups, and hands each change to *publish* after its commit, in order.

    *queue_events* may wait; one tenant has at most half of that, several have less each, so that there is room for
    others. *told* is called when a commit left messages about alerts to be sent.
    """

    def __init__(
        self,
        database: Database,
        publish: Callable[[Change], None],
        *,
        queue_events: int,
        change_log: int,
        observer: Observer,
        told: Callable[[], None] = lambda: None,
    ) -> None:
        self._database = database
        self._publish = publish
        self._change_log = change_log
        self._observer = observer
        self._told = told
        self._shares = FairShares("events that wait to be written", queue_events, 1.0)
        self._turns = Turns("commits", database.writers, each=1, waiting=1)
        # Tenants whose head row is locked elsewhere may not take all writers to wait for it.
        self._blocked_turns = Turns("commits that were held up", max(1, database.writers // 2), each=1, waiting=1)
        self._blocked: set[str] = set()
        self._rows = RowCache()
        self._refused: dict[str, float] = {}
        self._queues: dict[str, deque[Request]] = {}
        self._crowded: set[str] = set()
        self._most: dict[str, int] = {}
        self._shared_until = 0.0
        self._last_writer: tuple[str | None, float] = None, 0.0
        self._stopping = False
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def waiting(self) -> int:
        """Say how many events wait for their commit."""
        return self._shares.used

    async def stop(self) -> None:
        """Take nothing more, commit what waits, and end."""
        self._stopping = True
        await asyncio.gather(*self._tasks)

    def check(self, tenant_id: str) -> None:
        """Refuse a tenant again that was refused just now, before anything that it sends is read.

        Raises :exc:`ShareExceeded` until it may try again, or nothing of it waits any more.
        """
        if tenant_id in self._queues and _now() < self._refused.get(tenant_id, 0):
            raise ShareExceeded("this tenant was told to come back later")

    async def write(self, tenant_id: str, events: Sequence[AnyEvent]) -> Receipt:
        """Commit *events* of one request; returns when all of them are durable.

        A large one may be committed in parts. Raises :exc:`ShareExceeded` if too many events of
        this tenant wait, :exc:`Overloaded` if too many of all, :exc:`StorageUnavailable` if the database cannot be
        written, :exc:`DataRefused` if it does not take them: of a request in parts, the earlier ones may be recorded.
        After all but the last the request may be sent again, with its ids.
        """
        if self._stopping:
            raise StorageUnavailable("the service is stopping")
        self._take_share(tenant_id, len(events))
        arrival = clock.now()
        request = Request([(event, arrival) for event in events], asyncio.get_running_loop().create_future())
        self._append(tenant_id, request)
        return await request.done

    def _take_share(self, tenant_id: str, events: int) -> None:
        try:
            self._shares.take(events, tenant_id)
        except ShareExceeded as error:
            if tenant_id in self._queues:
                self._refused[tenant_id] = _now() + error.retry_after
            raise

    def _append(self, tenant_id: str, request: Request) -> None:
        queue = self._queues.get(tenant_id)
        if queue is None:
            queue = self._queues[tenant_id] = deque()
            task = asyncio.create_task(self._serve(tenant_id, queue), name="writer")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        queue.append(request)
        self._record_writer(tenant_id)

    def _record_writer(self, tenant_id: str) -> None:
        """Record whether several tenants write: also one that posts rarely waits for the group before it."""
        (last, at), now = self._last_writer, _now()
        if last not in (None, tenant_id) and now - at < SHARED_SECONDS:
            self._shared_until = now + SHARED_SECONDS
        self._last_writer = tenant_id, now

    async def _serve(self, tenant_id: str, queue: deque[Request]) -> None:
        """Commit the tenant's groups, one after the other, until nothing waits."""
        retry = LockRetry()
        while queue:
            try:
                await self._gather(tenant_id)
                async with self._wait_for_turn(tenant_id):
                    await self._commit_next(tenant_id, queue)
            except Locked as error:
                self._blocked.add(tenant_id)
                if not await retry.wait():
                    self._fail(tenant_id, queue, len(queue), error)
            else:
                self._blocked.discard(tenant_id)
                retry = LockRetry()
        del self._queues[tenant_id]
        if _now() >= self._shared_until or len(self._most) > MAX_REMEMBERED:
            self._most.pop(tenant_id, None)
        self._refused.pop(tenant_id, None)

    async def _gather(self, tenant_id: str) -> None:
        """Wait a moment for clients that were just answered: they post again together.

        Without this pause two halves take turns, and each pays for a commit of its own (15 % more CPU an event).
        """
        if tenant_id in self._crowded and not self._stopping:
            await asyncio.sleep(PAUSE_SECONDS)

    @asynccontextmanager
    async def _wait_for_turn(self, tenant_id: str) -> AsyncIterator[None]:
        """Wait for the tenant's turn to commit."""
        blocked = self._blocked_turns.of(tenant_id) if tenant_id in self._blocked else contextlib.nullcontext()
        async with blocked, self._turns.of(tenant_id):
            yield

    async def _commit_next(self, tenant_id: str, queue: deque[Request]) -> None:
        """Commit the tenant's next group, which stays in the queue until it is; raises :exc:`Locked`."""
        most = self._most.get(tenant_id, FIRST_EVENTS)
        requests, arrived = group(queue, most if _now() < self._shared_until else GROUP_EVENTS)
        (self._crowded.add if len(requests) > FEW else self._crowded.discard)(tenant_id)
        started = _now()
        try:
            outcome = await self._commit(tenant_id, arrived)
        except Locked:
            raise
        except DataRefused as error:
            if len(requests) > 1:
                # One request's data made the group fail: alone, only that request fails.
                for request in requests:
                    request.alone = True
                return
            log.error("commit_refused", error=_cause(error))
            self._fail(tenant_id, queue, 1, error)
        except StorageUnavailable as error:
            log.error("commit_failed", error=type(error).__name__, cause=_cause(error))
            self._fail(tenant_id, queue, len(requests), error)
        except Exception as error:
            # A bug must not end the writer, nor leave a request without an answer.
            log.exception("commit_broken")
            self._fail(tenant_id, queue, len(requests), error)
        else:
            # It is durable: an error from here on must not reach the clients.
            settle(queue, requests, outcome.recorded, outcome.position)
            self._shares.give(len(arrived), tenant_id)
            self._most[tenant_id] = next_group_size(most, len(arrived), _now() - started)
            self._report(outcome, _now() - started)

    async def _commit(self, tenant_id: str, arrived: list[Arrived]) -> Outcome:
        epoch, days, keep = self._database.epoch, self._database.days, self._change_log
        kept = self._rows.take(tenant_id)
        outcome = await self._database.attempt(
            lambda connection: commit(connection, epoch, days, tenant_id, arrived, keep, kept)
        )
        if outcome.kept is not None:
            self._rows.keep(tenant_id, outcome.kept)
        return outcome

    def _report(self, outcome: Outcome, seconds: float) -> None:
        try:
            self._observer.committed(outcome, seconds)
            if outcome.deliveries:
                self._told()
            if outcome.change is not None:
                self._publish(outcome.change)
        except Exception:
            # The feeds find the change in the log within a second.
            log.exception("publish_failed")

    def _fail(self, tenant_id: str, queue: deque[Request], count: int, error: Exception) -> None:
        """Answer the first requests with an *error*, and drop them."""
        for _ in range(count):
            request = queue.popleft()
            request.fail(error)
            self._shares.give(len(request.arrived), tenant_id)


def _cause(error: Exception) -> str:
    """Name what the driver raised; its text may hold what an event does."""
    cause = error.__cause__
    return type(getattr(cause, "orig", None) or cause).__name__


def _now() -> float:
    return asyncio.get_running_loop().time()
