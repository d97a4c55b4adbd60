"""What a panel may send, alone and with the others of its subject."""

from realtime.transports.allowance import Allowances


def test_a_connection_has_its_own() -> None:
    """Ten seconds' worth may come at once, then as much as the rate gives back."""
    one = Allowances(5, 1000).of("ada", 0)
    assert all(one.take(1, 0) for _ in range(50))
    assert not one.take(1, 0.1)
    assert one.take(1, 1)


def test_a_subjects_connections_share() -> None:
    """However many connections a subject opens, together they send what ten may; another subject has its own."""
    allowances = Allowances(5, 2)
    taken = sum(allowances.of("ada", 0).take(50, 0) for _ in range(30))
    assert taken == 10
    assert allowances.of("eve", 0).take(50, 0)


def test_all_connections_of_a_subject_may_come_back_at_once() -> None:
    """A subject with all the panels that it may have spends no more than it has when each connects and subscribes."""
    allowances = Allowances(5, 1000)
    assert all(allowances.admit("ada", 0) == 0 and allowances.of("ada", 0).take(1, 0) for _ in range(1000))
    assert allowances.admit("ada", 0) > 0
    assert allowances.admit("eve", 0) == 0


def test_many_subjects_cost_bounded_memory() -> None:
    """Subjects that have sent nothing for a while are forgotten."""
    allowances = Allowances(5, 1000)
    for number in range(30_000):
        allowances.admit(number, number)
    assert len(allowances._subjects) <= 10_000
