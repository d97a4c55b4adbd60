"""The sender: takes messages that wait in hand, sends them side by side, and records what became of each.

A commit of this process wakes it at once; what other processes left behind, it finds within :data:`LOOK_SECONDS`.
"""

import asyncio
import contextlib
import random
from collections import Counter

import structlog

from storage.alerts.deliveries import Claimed, Result, claim, is_due, settle
from storage.engine.database import Database
from storage.errors import StorageError
from web.alerts.channels import Channels, Message

log = structlog.get_logger()

LOOK_SECONDS = 2.0
CLAIM_SECONDS = 30.0
"""How long a message is this process' alone; longer than any attempt takes."""
MOST, MOST_OF_TENANT = 40, 10
"""Messages that are sent at the same time, and those of one tenant: hanging targets of one keep none of another's."""
SETTLE_TRIES, SETTLE_SECONDS = 5, 1.0


class Sender:
    """Sends what waits in the database."""

    def __init__(self, database: Database, channels: Channels) -> None:
        self._database = database
        self._channels = channels
        self._wake = asyncio.Event()
        self._sending: dict[asyncio.Task[None], str] = {}
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to send."""
        self._task = asyncio.create_task(self._run(), name="alerts")

    async def stop(self) -> None:
        """End; what was not sent yet waits for the next start, or for another process."""
        tasks = [task for task in (self._task, *self._sending) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def wake(self) -> None:
        """Look at once: a message has just been committed."""
        self._wake.set()

    async def _run(self) -> None:
        woken = True
        while True:
            try:
                await self._send_due(at_once=woken)
            except StorageError as error:
                log.warning("alerts_wait", error=type(error).__name__)
            except Exception:
                # It must continue whatever happens: nobody would be told of anything any more.
                log.exception("alerts_broken")
            woken = await self._woken()

    async def _woken(self) -> bool:
        """Wait to be woken, or for the next look; says which."""
        # Not wait_for(): before Python 3.12 it loses a cancellation that comes together with the event, as in stop().
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LOOK_SECONDS):
                await self._wake.wait()
        woken = self._wake.is_set()
        self._wake.clear()
        return woken

    async def _send_due(self, *, at_once: bool) -> None:
        free = MOST - len(self._sending)
        if free <= 0:
            return
        if not at_once:
            # Looking costs others nothing; claiming takes the writer's thread.
            async with self._database.read() as connection:
                if not await is_due(connection):
                    return
        of_tenant = Counter(self._sending.values())
        busy = [tenant_id for tenant_id, count in of_tenant.items() if count >= MOST_OF_TENANT]
        most = min(free, MOST_OF_TENANT)
        claimed = await self._database.write(lambda connection: claim(connection, most, CLAIM_SECONDS, busy))
        for found in claimed:
            task = asyncio.create_task(self._deliver(found), name="alert")
            self._sending[task] = found.tenant_id
            task.add_done_callback(self._sent)
        if len(claimed) == most:
            self.wake()

    def _sent(self, task: "asyncio.Task[None]") -> None:
        del self._sending[task]
        self.wake()

    async def _deliver(self, claimed: Claimed) -> None:
        try:
            result = await self._attempt(claimed)
        except Exception:
            log.exception("alert_broken")
            result = Result("the service failed; the failure is logged")
        if result.error is not None:
            log.warning("alert_not_sent", target=claimed.target_id, attempts=claimed.attempts + 1, error=result.error)
        for _ in range(SETTLE_TRIES):
            with contextlib.suppress(StorageError):
                await self._database.write(lambda connection: settle(connection, claimed, result, random.random()))
                return
            # Not settled it would be sent again when the claim ends.
            await asyncio.sleep(SETTLE_SECONDS)

    async def _attempt(self, claimed: Claimed) -> Result:
        if claimed.kind is None or claimed.sealed is None:
            return Result("the target was deleted", is_final=True)
        message = Message(
            claimed.tenant_id, claimed.message_id, claimed.body, claimed.target_id, claimed.kind, claimed.sealed
        )
        return await self._channels.send(message)
