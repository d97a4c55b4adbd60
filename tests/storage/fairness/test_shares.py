"""Who may hold how much."""

import pytest

from storage.errors import Overloaded, ShareExceeded
from storage.fairness.shares import Allocation, FairShares


def filled(shares: FairShares, *accounts: str) -> int:
    """Take one by one until it is refused; tells how much that was."""
    taken = 0
    while True:
        try:
            shares.take(1, *accounts)
        except ShareExceeded:
            return taken
        taken += 1


def test_one_alone_gets_half_and_something_is_always_left() -> None:
    """However many accounts take all they can, the next one gets something; together never more than there is."""
    shares = FairShares("places", 1000, 1.0)
    assert filled(shares, "first") == 500
    assert filled(shares, "second") == 250
    for number in range(6):
        assert filled(shares, f"further {number}") > 0
    assert shares.used < 1000


def test_a_key_gets_less_than_its_tenant() -> None:
    """One key cannot take the share of its tenant: another key of the same tenant still gets some."""
    shares = FairShares("places", 900, 1.0, 0.5)
    assert filled(shares, "tenant", "one") == 300
    assert filled(shares, "tenant", "other") > 0


def test_what_is_given_back_can_be_taken_again() -> None:
    """A request that ends leaves nothing behind, whatever ended it."""
    shares = FairShares("places", 100, 1.0)
    allocation = Allocation(shares, "a")

    def fail() -> None:
        with allocation:
            allocation.grow(40)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert (shares.used, allocation.amount) == (0, 0)
    assert not shares._held
    assert filled(shares, "a") == 50


def test_one_that_is_larger_than_all_is_let_in_alone() -> None:
    """What is larger than the whole passes while nobody holds anything; the next one is told that nothing is left."""
    shares = FairShares("places", 10, 1.0)
    shares.take(50, "a")
    with pytest.raises(Overloaded):
        shares.take(1, "b")
    shares.give(50, "a")
    shares.take(1, "b")
