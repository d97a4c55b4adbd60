"""The tracking keys and revocations in force: read from the database every second.

Every process reads for itself, so that a command that changes the tables needs to reach none of them. If the database
cannot be read, what was known stays in force.
"""

import asyncio
import hashlib
import math
from collections.abc import Awaitable, Callable

import structlog

from realtime.principal import Principal
from storage.credentials import EVERY_TENANT, Revocation, TrackingKey, read_credentials, record_uses
from storage.engine.database import Database
from storage.errors import StorageError
from storage.model import clock

log = structlog.get_logger()

READ_SECONDS = 1.0
"""How often it is checked whether they changed, which takes 0.8 ms; to read 1,000 rows takes 10."""
NOTE_SECONDS = 60.0
"""How often at most it is written when keys were last used."""


def digest(key: str) -> str:
    """Hash a tracking key, as it is kept."""
    return hashlib.sha256(key.encode()).hexdigest()


class Credentials:
    """The keys and revocations in force."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._tag: str | None = None
        self._keys: dict[str, TrackingKey] = {}
        self._revoked: dict[tuple[str, str, str], float] = {}
        self._used: set[tuple[str, str]] = set()
        self._noted_at = -math.inf
        self._task: asyncio.Task[None] | None = None
        self._changed: Callable[[], Awaitable[None]] | None = None

    async def start(self, changed: Callable[[], Awaitable[None]]) -> None:
        """Read the lists, now and from now on; *changed* is called when they, or the sessions, have changed.

        If it raises what the database raises, it is called again. Raises what the database raises.
        """
        self._changed = changed
        await self._read()
        self._task = asyncio.create_task(self._follow(), name="access")

    async def stop(self) -> None:
        """End, and write when keys were last used."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        try:
            await self._record_uses()
        except StorageError as error:
            log.warning("key_uses_not_noted", error=type(error).__name__)

    def key(self, digest: str) -> TrackingKey | None:
        """Find the key with this hash, and record its use; None if there is none that is worth something."""
        key = self._keys.get(digest)
        if key is None or (key.revoked_at is not None and key.revoked_at <= clock.now()):
            return None
        self._used.add((key.tenant_id, key.id))
        return key

    def revokes(self, principal: Principal) -> bool:
        """Say whether a token was revoked: by its id, or by its subject if it was issued until then or does not say."""
        if not self._revoked:
            return False
        for tenant_id in (principal.tenant_id, EVERY_TENANT):
            if principal.token_id is not None and ("jti", tenant_id, principal.token_id) in self._revoked:
                return True
            revoked_at = self._revoked.get(("sub", tenant_id, principal.subject))
            if revoked_at is not None and (principal.issued is None or principal.issued <= revoked_at):
                return True
        return False

    async def _follow(self) -> None:
        while True:
            await asyncio.sleep(READ_SECONDS)
            try:
                await self._read()
                if asyncio.get_running_loop().time() - self._noted_at >= NOTE_SECONDS:
                    await self._record_uses()
            except StorageError as error:
                log.warning("access_not_read", error=type(error).__name__)
            except Exception:
                # It must continue whatever happens: without it nothing could be revoked any more.
                log.exception("access_broken")

    async def _read(self) -> None:
        # As the feeds do: reports that take long do not keep it waiting.
        async with self._database.read_for_feeds() as connection:
            lists = await read_credentials(connection, self._tag)
        if lists is None:
            return
        self._keys = {key.hash: key for key in lists.keys}
        self._revoked = {(item.kind, item.tenant_id, item.value): _unix(item) for item in lists.revocations}
        if self._changed is not None:
            await self._changed()
        self._tag = lists.tag

    async def _record_uses(self) -> None:
        """Write the uses since the last time, as of now: a minute is exact enough."""
        if not self._used:
            return
        self._noted_at = asyncio.get_running_loop().time()
        uses, self._used = dict.fromkeys(self._used, clock.now()), set()
        await self._database.write(lambda connection: record_uses(connection, uses))


def _unix(revocation: Revocation) -> float:
    return clock.moment(revocation.revoked_at).timestamp()
