"""What a service removes by itself: rows beyond their retention, ended revocations and sessions, and old acts."""

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import TypeVar

import structlog

from storage.credentials import expire
from storage.engine.database import Database
from storage.errors import StorageError
from storage.model import clock
from storage.model.changes import Change
from storage.retention.prune import prune, read_tenants
from storage.retention.steps import Steps
from storage.sessions import remove_ended
from web.settings import Settings

log = structlog.get_logger()

T = TypeVar("T")

FIRST_SECONDS = (30.0, 120.0)
"""The wait before the first look, drawn: processes that start together take turns."""
NEXT_SECONDS = (3240.0, 3960.0)
"""The wait before the next one, drawn too: about an hour."""


class Housekeeping:
    """Looks about once an hour. Several processes may do it at once: each step is taken by one of them."""

    def __init__(
        self,
        database: Database,
        settings: Settings,
        publish: Callable[[Change], None],
        pruned: Callable[[str, int], None],
    ) -> None:
        """*pruned* gets the rows removed from a table."""
        self._database = database
        self._pruned = pruned
        self._retention = settings.retention
        self._audit_days = settings.retention_audit_days
        self._steps = Steps(database, settings.change_log_entries, publish)
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to look."""
        self._task = asyncio.create_task(self._run(), name="housekeeping")

    async def stop(self) -> None:
        """End; a step that runs is committed, what is left waits for the next start."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        wait = FIRST_SECONDS
        while True:
            await asyncio.sleep(random.uniform(*wait))
            wait = NEXT_SECONDS
            await self.run_once()

    async def run_once(self) -> None:
        """Remove what is due now. What fails is logged, and keeps nothing else from being removed."""
        failures: Counter[str] = Counter()
        await _attempt(self._expire(), failures)
        for tenant_id in await _attempt(self._tenants(), failures) or []:
            await _attempt(self._prune(tenant_id), failures)
        if failures:
            log.warning("housekeeping_failed", errors=dict(failures))

    async def _expire(self) -> None:
        await self._database.write(lambda connection: expire(connection, self._audit_before()))
        await self._database.write(remove_ended)

    async def _tenants(self) -> list[str]:
        if not self._retention.removes:
            return []
        async with self._database.read() as connection:
            return list(await read_tenants(connection))

    async def _prune(self, tenant_id: str) -> None:
        removed = await prune(self._steps, tenant_id, self._retention.cutoffs(self._database.days))
        if removed:
            log.info("pruned", **removed)
        for table, rows in removed.items():
            self._pruned(table, rows)

    def _audit_before(self) -> str | None:
        if not self._audit_days:
            return None
        return clock.text(clock.moment(clock.now()) - timedelta(days=self._audit_days))


async def _attempt(work: Awaitable[T], failures: Counter[str]) -> T | None:
    """Do one thing; if it fails, count that by its kind, and give None."""
    try:
        return await work
    except StorageError as error:
        failures[type(error).__name__] += 1
    except Exception as error:
        # It must continue whatever happens: the tables would otherwise grow unnoticed.
        log.exception("housekeeping_broken")
        failures[type(error).__name__] += 1
    return None
