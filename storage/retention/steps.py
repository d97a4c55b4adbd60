"""Steps: small transactions of one tenant beside the writer's, each of them appended to the change log.

Whatever has to be removed is removed in so many steps, so that no commit waits long for one, and an interruption
anywhere leaves a state that is as right as any other.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import Connection

from storage.engine.database import Database
from storage.model.changes import AlertCounts, Change
from storage.model.clock import now
from storage.tables.heads import Head, append, lock

ROWS = 500
"""How many rows a step removes at the most."""
REST = 3.0
"""How long a pause after a step is, to the step itself: a quarter of the time of one connection is taken."""


@dataclass(frozen=True)
class Done:
    """What a step did: how many rows it removed, of what. ``moved``: whether there is anything to append for.

    ``reset``: subscribers may show what was removed. ``alerts`` are those that fire now, None if they are as before;
    ``deliveries`` says how many messages about them wait to be sent.
    """

    rows: int = 0
    what: str = ""
    moved: bool = True
    reset: bool = False
    alerts: AlertCounts | None = None
    deliveries: int = 0


NOTHING = Done(moved=False)

Step = Callable[[Connection, Head], Done]


class Steps:
    """Takes steps; each change is handed to *publish* after its commit. *keep*: how long the change log is."""

    def __init__(
        self, database: Database, keep: int, publish: Callable[[Change], None] = lambda change: None, rest: float = REST
    ) -> None:
        self.database = database
        self._keep = keep
        self._publish = publish
        self._rest = rest
        self.longest = 0.0
        """Seconds that the longest step took, its wait for the writer's thread included."""

    async def take(self, tenant_id: str, step: Step) -> Done:
        """Take one step, in a transaction that holds the tenant's head; raises what the database raises."""
        loop = asyncio.get_running_loop()
        started = loop.time()
        done, change = await self.database.write(lambda connection: self._transact(connection, tenant_id, step))
        took = loop.time() - started
        self.longest = max(self.longest, took)
        if change is not None:
            self._publish(change)
            await asyncio.sleep(took * self._rest)
        return done

    def _transact(self, connection: Connection, tenant_id: str, step: Step) -> tuple[Done, Change | None]:
        head = lock(connection, tenant_id)
        done = step(connection, head)
        if not done.moved:
            return done, None
        place = (tenant_id, self.database.epoch, head.sequence + 1, head.next_tag, now())
        change = Change.unmoved(*place, reset=done.reset, alerts=done.alerts)
        append(connection, change, head.last_id, self._keep)
        return done, change
