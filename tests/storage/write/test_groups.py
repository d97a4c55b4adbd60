"""Groups: what of the requests that wait is committed next."""

import asyncio
from collections import deque

from hypothesis import given
from hypothesis import strategies as st

from storage.model.changes import Position
from storage.write.groups import FIRST_EVENTS, LEAST_EVENTS, SHARED_EVENTS, Request, group, next_group_size, settle
from tests.samples.events import event as make

EVENT = make(type="activity", user_id="u", username="Ada", activity_type="login")
MOST = 5


def position(sequence: int) -> Position:
    return Position("0" * 8, sequence, "0" * 8)


def request(events: int, *, alone: bool = False) -> Request:
    """Make a request whose events are told apart by their times of arrival."""
    return Request([(EVENT, str(number)) for number in range(events)], asyncio.Future(loop=LOOP), alone)


LOOP = asyncio.new_event_loop()
LOOP.close()


@given(st.lists(st.tuples(st.integers(0, 12), st.booleans()), min_size=1, max_size=8))
def test_every_event_is_committed_once(sizes: list[tuple[int, bool]]) -> None:
    """Group by group, all events are taken in their order; only a large request is cut, and each is answered once."""
    requests = [request(size, alone=alone) for size, alone in sizes]
    queue, taken, commits = deque(requests), list[str](), 0
    while queue:
        chosen, arrived = group(queue, MOST)
        assert len(arrived) <= MOST
        assert len(chosen) == 1 or not any(found.alone for found in chosen)
        assert len(arrived) == sum(len(found.arrived) for found in chosen) or len(chosen[0].arrived) > MOST
        taken += [at for _, at in arrived]
        commits += 1
        settle(queue, chosen, [True] * len(arrived), position(commits))
    assert taken == [str(number) for size, _ in sizes for number in range(size)]
    receipts = [found.done.result() for found in requests]
    assert [receipt.recorded for receipt in receipts] == [size for size, _ in sizes]
    assert receipts[-1].position == position(commits)


def test_a_receipt_sums_up_the_parts() -> None:
    """The receipt of a request in parts counts what was new and what was known in all of them."""
    found = request(7)
    queue = deque([found])
    for recorded in ([True, False, True, True, False], [False, True]):
        chosen, _ = group(queue, MOST)
        settle(queue, chosen, recorded, position(1))
    assert (found.done.result().recorded, found.done.result().duplicates) == (4, 3)


def test_a_client_that_left_is_no_error() -> None:
    """A request that nobody waits for any more is settled, and fails, without a word."""
    found = request(1)
    found.done.set_result(None)  # type: ignore[arg-type]
    found.fail(ValueError())
    settle(deque([found]), [found], [True], position(1))


@given(st.floats(0.00001, 0.01), st.floats(0, 0.005))
def test_groups_become_as_large_as_others_can_wait_for(each: float, alone: float) -> None:
    """Whatever an event costs, groups soon take no longer than others can wait, or are the smallest."""
    most = FIRST_EVENTS
    for _ in range(10):
        most = next_group_size(most, most, alone + each * most)
        assert LEAST_EVENTS <= most <= SHARED_EVENTS
    assert most == LEAST_EVENTS or alone + each * most <= 0.032


def test_a_small_group_says_nothing_of_large_ones() -> None:
    """A group that was small because nothing more waited does not make the next one larger."""
    assert next_group_size(100, 1, 0.001) == 100
    assert next_group_size(100, 1, 1.0) == 100
