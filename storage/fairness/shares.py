"""How much of something limited each account may hold at once: memory for requests, places in a queue. Pure.

No account has a share of fixed size. It may hold at most as much as is free, times a weight: one alone gets half of the
whole, two get a third each, and something is always left for the next one. Source: A. K. Choudhury and
E. L. Hahne, "Dynamic queue length thresholds for shared-memory packet switches", IEEE/ACM Transactions on Networking
6(2), 1998.
"""

from collections import Counter
from collections.abc import Hashable
from types import TracebackType
from typing import Self

from storage.errors import Overloaded, ShareExceeded


class FairShares:
    """A *total* that accounts share."""

    def __init__(self, what: str, total: int, *weights: float) -> None:
        """Name *what* is shared (for errors), and how much there is.

        A caller names an account for each of the *weights*, such as the tenant (1.0) and one of its keys (0.5).
        """
        self._what = what
        self._total = total
        self._weights = weights
        self._held: Counter[tuple[int, Hashable]] = Counter()
        self.used = 0
        """How much all accounts hold together."""

    def take(self, amount: int, *accounts: Hashable) -> None:
        """Let *accounts* hold so much more.

        Raises :exc:`ShareExceeded` if one of them would hold more than its share, :exc:`Overloaded` if nothing is left.
        The first one is admitted, however much it takes, if no account holds anything.
        """
        free = self._total - self.used - amount
        if self.used:
            if free < 0:
                raise Overloaded(f"{self._what}: nothing is left")
            for account, weight in zip(enumerate(accounts), self._weights, strict=True):
                if self._held[account] + amount > free * weight:
                    raise ShareExceeded(f"{self._what}: this client or tenant holds its share already")
        for account in enumerate(accounts):
            self._held[account] += amount
        self.used += amount

    def give(self, amount: int, *accounts: Hashable) -> None:
        """Take back what *accounts* hold no more."""
        for account in enumerate(accounts):
            self._held[account] -= amount
            if not self._held[account]:
                # An account that holds nothing is forgotten.
                del self._held[account]
        self.used -= amount


class Allocation:
    """What one request holds; it gives all of it back at its end."""

    def __init__(self, shares: FairShares, *accounts: Hashable) -> None:
        self._shares = shares
        self._accounts = accounts
        self.amount = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()

    def grow(self, amount: int) -> None:
        """Hold so much more; raises as :meth:`FairShares.take` does."""
        self._shares.take(amount, *self._accounts)
        self.amount += amount

    def release(self) -> None:
        """Give everything back."""
        self._shares.give(self.amount, *self._accounts)
        self.amount = 0
