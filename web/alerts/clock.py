"""The clock of alerts: decides what time alone does, in one process at a time.

It holds a lease for that. A second holder would do no harm, since states are decided under the tenant's head: it would
only read the same.
"""

import asyncio
import secrets
from collections.abc import Callable
from datetime import timedelta
from functools import partial

import structlog

from storage.alerts import due
from storage.alerts.decide import load
from storage.alerts.deliveries import drop_history, ends_of_history
from storage.alerts.unusual.baseline import Baseline, Baselines
from storage.alerts.unusual.evaluation import wanted
from storage.engine.database import Database, WriteTransaction
from storage.errors import StorageError
from storage.leases import end_lease, take_lease
from storage.model import clock
from storage.retention.steps import NOTHING, Done, Steps
from storage.tables.heads import Head

log = structlog.get_logger()

LEASE = "alerts"
TICK_SECONDS, LEASE_SECONDS, RENEW_SECONDS = 1.0, 10.0, 3.0
HISTORY_DAYS, DROPPED = 400, 500
"""How long transitions are kept, and how many are deleted at a time."""


class AlertClock:
    """Looks at all rules with each minute, and at what is pending with each second."""

    def __init__(self, database: Database, steps: Steps, told: Callable[[], None]) -> None:
        """*told* is called when messages wait to be sent."""
        self._database = database
        self._steps = steps
        self._told = told
        self._holder = secrets.token_hex(16)
        self._baselines = Baselines()
        self._holds = False
        self._renew_at = 0.0
        self._minute = ""
        self._hour = ""
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin."""
        self._task = asyncio.create_task(self._run(), name="alert-clock")

    async def stop(self) -> None:
        """End, and leave the lease to others."""
        if self._task is None:
            return
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        if self._holds:
            try:
                await self._database.write(lambda connection: end_lease(connection, LEASE, self._holder))
            except StorageError as error:
                log.warning("lease_kept", error=type(error).__name__)

    async def _run(self) -> None:
        while True:
            try:
                await self.tick()
            except StorageError as error:
                log.warning("alert_clock_waits", error=type(error).__name__)
            except Exception:
                # It must continue whatever happens: silence would go unnoticed.
                log.exception("alert_clock_broken")
            await asyncio.sleep(TICK_SECONDS)

    async def tick(self) -> None:
        """Do what is due now, if this process holds the lease, or can take it."""
        if not await self._hold():
            return
        minute = clock.now()[:16]
        async with self._database.read() as connection:
            tenants = await connection.run_sync(due.tenants)
            if minute == self._minute:
                waiting = await connection.run_sync(due.waiting)
                tenants = {tenant_id: tenants[tenant_id] for tenant_id in waiting & tenants.keys()}
        if minute != self._minute:
            self._baselines.keep_only(tenants)
        for tenant_id, version in tenants.items():
            try:
                await self._look(tenant_id, version)
            except StorageError:
                raise
            except Exception:
                # Rules of one tenant that cannot be decided must not keep those of others waiting.
                log.exception("alerts_not_decided")
        if minute[:13] != self._hour:
            await self._drop_history()
        self._minute, self._hour = minute, minute[:13]

    async def _hold(self) -> bool:
        """Take or keep the lease; nothing is written while there is nothing to do."""
        now = asyncio.get_running_loop().time()
        if self._holds and now < self._renew_at:
            return True
        if not await self._is_wanted():
            self._holds = False
            return False
        self._holds = await self._database.write(
            lambda connection: take_lease(connection, LEASE, self._holder, LEASE_SECONDS)
        )
        self._renew_at = now + RENEW_SECONDS
        return self._holds

    async def _is_wanted(self) -> bool:
        """Say whether a tenant has rules, or, once an hour, whether one has history that is to be deleted."""
        hour = clock.now()[:13]
        async with self._database.read() as connection:
            if await connection.run_sync(due.tenants):
                return True
            if hour == self._hour:
                return False
            ends = await connection.run_sync(ends_of_history, _history_begin())
        if not ends:
            self._hour = hour
        return bool(ends)

    async def _look(self, tenant_id: str, version: int) -> None:
        days = self._database.days
        async with self._database.read() as connection:
            watch = await connection.run_sync(load, tenant_id, version)
        baseline = await self._baselines.find(self._database, tenant_id, wanted(watch.rules), clock.now())
        async with self._database.read() as connection:
            if not await connection.run_sync(due.would_change, tenant_id, watch, days, baseline):
                return
        done = await self._steps.take(tenant_id, partial(self._decide, baseline))
        if done.deliveries:
            self._told()

    def _decide(self, baseline: Baseline, connection: WriteTransaction, head: Head) -> Done:
        decided = due.decide_now(connection, head, self._database.epoch, self._database.days, baseline)
        if decided.counts is None:
            return NOTHING
        return Done(1, "alert_states", alerts=decided.counts, deliveries=decided.deliveries)

    async def _drop_history(self) -> None:
        # Found by a read, which costs others nothing.
        async with self._database.read() as connection:
            ends = await connection.run_sync(ends_of_history, _history_begin())
        for tenant_id, end in ends.items():
            drop = partial(drop_history, tenant_id=tenant_id, before=end, most=DROPPED)
            while await self._database.write(drop) == DROPPED:
                pass


def _history_begin() -> str:
    """Say before which time transitions are deleted."""
    return clock.text(clock.moment(clock.now()) - timedelta(days=HISTORY_DAYS))
