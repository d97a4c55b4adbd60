"""Fair turns: who may do what only a few can do at once. Accounts take turns, however many of theirs wait."""

import asyncio
from collections import Counter, OrderedDict, deque
from collections.abc import Hashable
from types import TracebackType

from storage.errors import ShareExceeded


class Turns:
    """So many *places*, of which one account has at most *each* at once; at most *waiting* of its own wait."""

    def __init__(self, what: str, places: int, each: int, waiting: int) -> None:
        """Name *what* is waited for, for errors."""
        self._what = what
        self._free = places
        self._each = each
        self._waiting = waiting
        self._taken: Counter[Hashable] = Counter()
        # In the order of their turn; an account that has all its places stays, and is passed over.
        self._lines: OrderedDict[Hashable, deque[asyncio.Future[None]]] = OrderedDict()

    def of(self, account: Hashable) -> "Turn":
        """Give a turn of an account, to be taken by ``async with``: it waits for a place, and gives it back at the end.

        It raises :exc:`ShareExceeded` if too many of the account's own wait already.
        """
        return Turn(self, account)

    async def enter(self, account: Hashable) -> None:
        """Wait for a place, which is to be left again; raises as :meth:`of` does."""
        place = self.claim(account)
        if place is None:
            return
        try:
            await place
        except asyncio.CancelledError:
            self._give_up(account, place)
            raise

    def claim(self, account: Hashable) -> "asyncio.Future[None] | None":
        """Take a place (None), or wait for one: what it gives is to be waited for."""
        if self._free and self._taken[account] < self._each and account not in self._lines:
            self._take(account)
            return None
        line = self._lines.setdefault(account, deque())
        if len(line) >= self._waiting:
            raise ShareExceeded(f"{self._what}: too many of this client or tenant wait already")
        place = asyncio.get_running_loop().create_future()
        line.append(place)
        return place

    def leave(self, account: Hashable) -> None:
        """Give a place back."""
        self._free += 1
        self._taken[account] -= 1
        if not self._taken[account]:
            del self._taken[account]
        if self._lines:
            self._call_next()

    def _take(self, account: Hashable) -> None:
        self._free -= 1
        self._taken[account] += 1

    def _call_next(self) -> None:
        """Give the free places to those whose turn it is."""
        while self._free:
            account = next((name for name in self._lines if self._taken[name] < self._each), None)
            if account is None:
                return
            place = self._lines[account].popleft()
            self._lines.move_to_end(account)
            if not self._lines[account]:
                del self._lines[account]
            if not place.done():
                self._take(account)
                place.set_result(None)

    def _give_up(self, account: Hashable, place: "asyncio.Future[None]") -> None:
        if place.done() and not place.cancelled():
            # The place was given in the same moment.
            self.leave(account)
        else:
            self._forget(account, place)

    def _forget(self, account: Hashable, place: "asyncio.Future[None]") -> None:
        line = self._lines.get(account)
        if line is not None and place in line:
            line.remove(place)
            if not line:
                del self._lines[account]


class Turn:
    """A turn of an account, from its place on until the end. A class: the decorator for generators costs 3 us more."""

    __slots__ = ("_account", "_turns")

    def __init__(self, turns: Turns, account: Hashable) -> None:
        self._turns = turns
        self._account = account

    async def __aenter__(self) -> None:
        await self._turns.enter(self._account)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._turns.leave(self._account)
