"""Admission: which report may be read now, and how much memory all answers may hold.

What costs little (figures, pages that an index leads to) and what costs much (scans, sorts, long pages, exports) stand
in lines of their own, each with its own share of the connections that read, so that the first never waits for the
second. In both lines tenants take turns, and within a tenant its subjects do.
"""

import asyncio
import sys
from collections import OrderedDict
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, nullcontext

from starlette.requests import ClientDisconnect, Request

from realtime.principal import Principal
from storage.fairness.shares import Allocation, FairShares
from storage.fairness.slicing import SharedSlicer
from storage.fairness.turns import Turns
from web.ops.audit import PRINCIPAL

HEAVY_PLACES = 2
"""Of the four connections that read. More scans at once than there are cores would only take time from each other, and
from the event loop."""
HEAVY_EACH = 1
"""Of these a tenant has one: what one tenant asks for never keeps another one's first report waiting."""
HEAVY_WAITING = 16
"""Heavy reports of one subject that may wait; a page of the dashboard asks for four."""
LIGHT_PLACES = 2
LIGHT_WAITING = 256
"""Others of one subject that may wait: each takes a millisecond or two."""
SUBJECTS_WAITING = 64
"""Of how many subjects of a tenant reports may wait in one line."""
ARRIVALS, FIRST_ARRIVALS = 3, 2
"""Requests that begin in one turn of the event loop, with tokens that were verified before and with others: to verify a
token takes some 0.2 ms."""
KNOWN_TOKENS = 10_000
"""Tokens of which it is remembered, by a hash, whose they are: some 300 bytes each."""
REQUEST_BYTES = 16 << 10
"""What a request holds before there is an answer: its head, its task, its place in a line."""
ALLOCATION = "convoai.allocation"
"""Where the ASGI scope has the :class:`Allocation` of a request whose sender is known."""


class Admission:
    """Says whose report is read next, and what answers may hold; one for all reports of a process."""

    def __init__(self, memory: FairShares) -> None:
        """*memory* is shared by accounts of two kinds: tenants, and their subjects."""
        self._memory = memory
        self._arrivals, self._first_arrivals = SharedSlicer(ARRIVALS), SharedSlicer(FIRST_ARRIVALS)
        # By hash, the oldest first: the tenant and its subject. Two tokens of one hash only stand in one line.
        self._known: OrderedDict[int, tuple[str, str]] = OrderedDict()
        self._heavy = _TenantQueue("reports", HEAVY_PLACES, HEAVY_EACH, HEAVY_WAITING)
        self._light = _TenantQueue("reads", LIGHT_PLACES, LIGHT_PLACES, LIGHT_WAITING)

    async def begin(self, token: str, address: str) -> None:
        """Wait until there is room to begin: tenants take turns, and within a tenant its subjects do.

        A *token* that was not verified yet, or is not valid, says nothing of its tenant. Those stand in another line,
        in which addresses take turns: a thousand admins who come at once keep only each other waiting.
        """
        known = self._known.get(hash(token))
        if known is None:
            await self._first_arrivals.enter(address, token)
        else:
            await self._arrivals.enter(*known)

    def admit(self, request: Request, token: str, principal: Principal) -> None:
        """Record that a *token* is valid, and begin to count what the answer holds; raises as `FairShares.take`."""
        self._remember(hash(token), (principal.tenant_id, principal.subject))
        allocation = Allocation(self._memory, principal.tenant_id, (principal.tenant_id, principal.subject))
        request.scope[ALLOCATION] = allocation
        allocation.grow(REQUEST_BYTES)

    def drop_token(self, token: str) -> None:
        """Record that a *token* is not valid, or not any more."""
        self._known.pop(hash(token), None)

    def _remember(self, key: int, whose: tuple[str, str]) -> None:
        self._known[key] = whose
        self._known.move_to_end(key)
        if len(self._known) > KNOWN_TOKENS:
            self._known.popitem(last=False)

    @asynccontextmanager
    async def turn(self, request: Request, *, heavy: bool) -> AsyncIterator[None]:
        """Wait for the turn of who asks, and end it.

        Raises :exc:`ShareExceeded` if too many of the same subject or tenant wait already, and
        :exc:`ClientDisconnect` if the client goes meanwhile.
        """
        line = self._heavy if heavy else self._light
        async with AsyncExitStack() as turn:
            # Who waits for what costs little has waited for a moment only.
            async with cancel_on_disconnect(request) if heavy else nullcontext():
                await turn.enter_async_context(line.of(request.scope[PRINCIPAL]))
            yield


class _TenantQueue:
    """Places that tenants share; of each subject only so many as one tenant may have stand in its tenant's line."""

    def __init__(self, what: str, places: int, each: int, waiting: int) -> None:
        self._subjects = Turns(what, sys.maxsize, each, waiting)
        self._tenants = Turns(what, places, each, each * SUBJECTS_WAITING)

    @asynccontextmanager
    async def of(self, principal: Principal) -> AsyncIterator[None]:
        async with self._subjects.of((principal.tenant_id, principal.subject)), self._tenants.of(principal.tenant_id):
            yield


@asynccontextmanager
async def cancel_on_disconnect(request: Request) -> AsyncIterator[None]:
    """Give up what is waited for here when the client goes: raises :exc:`ClientDisconnect` then.

    Only for what may be cancelled anywhere, such as waiting in a line; a read from the database may not.
    """
    waiting, gone = asyncio.current_task(), False

    async def watch() -> None:
        nonlocal gone
        while (await request.receive())["type"] != "http.disconnect":
            pass
        gone = True
        if waiting is not None:
            waiting.cancel()

    watcher = asyncio.create_task(watch())
    try:
        yield
    except asyncio.CancelledError:
        # As asyncio.timeout does: unless another task cancelled it, too.
        if gone and waiting is not None and waiting.uncancel() == 0:
            raise ClientDisconnect from None
        raise
    finally:
        watcher.cancel()
