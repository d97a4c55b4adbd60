"""The live state, as a pure thing: snapshot + deltas = snapshot, from any position to any later one."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime.state import Marker, State
from realtime.subscriber_state import SubscriberState
from storage.model.changes import NO_TAG, Change, Minutes, Position, RecentActivity, Snapshot, TopUser, plain
from storage.model.clock import Days
from storage.model.metrics import NAMES

DAYS = Days("UTC")
TODAY, TOMORROW = "2026-03-01", "2026-03-02"
EMPTY = Snapshot(Position("ab", 0, NO_TAG), TODAY, {}, {}, [], [], {})

FEW_MINUTES = 5
"""As many as subscribers hold here, so that minutes are let go of."""


@pytest.fixture(autouse=True, scope="module")
def few_minutes() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("realtime.state.MINUTES", FEW_MINUTES)
        patch.setattr("realtime.subscriber_state.MINUTES", FEW_MINUTES)
        yield


ACTIVITIES = st.lists(
    st.builds(
        RecentActivity,
        id=st.integers(1, 30),
        user_id=st.sampled_from("abc"),
        username=st.sampled_from("ABC"),
        activity_type=st.just("login"),
        timestamp=st.integers(10, 59).map(lambda minute: f"2026-03-01T10:{minute}:00.000Z"),
    ),
    max_size=4,
    unique_by=lambda item: item.id,
)
USERS = st.lists(
    st.builds(
        TopUser, user_id=st.sampled_from("abcdefgh"), username=st.sampled_from("AB"), activity_count=st.integers(1, 9)
    ),
    max_size=3,
    unique_by=lambda user: user.user_id,
)
STEPS = st.lists(
    st.tuples(
        st.dictionaries(st.sampled_from([name for name in NAMES if name != "active_users"]), st.integers(0, 9)),
        st.dictionaries(st.sampled_from([TODAY, TOMORROW]), st.integers(0, 5)),
        ACTIVITIES,
        USERS,
        st.dictionaries(
            st.integers(0, 99), st.dictionaries(st.sampled_from(["messages", "tokens"]), st.integers(1, 9), min_size=1)
        ),
    ),
    min_size=1,
    max_size=12,
)


def changes(steps: list[tuple[Any, ...]]) -> list[Change]:
    """Make contiguous changes; each activity id comes once, and a user's count only grows, as in a database."""
    made, given_out = [], 0
    counts: dict[str, int] = {}
    sums: Counter[tuple[str, str]] = Counter()
    for sequence, (totals, active, activities, users, added) in enumerate(steps, 1):
        minutes: Minutes = {}
        for number, values in sorted(added.items())[-FEW_MINUTES:]:
            start = f"2026-03-01T{10 + number // 60}:{number % 60:02d}"
            for metric, value in values.items():
                sums[start, metric] += value
                minutes.setdefault(start, {})[metric] = sums[start, metric]
        fresh = []
        for item in activities:
            given_out += 1
            fresh.append(msgspec.structs.replace(item, id=given_out))
        ranked = []
        for user in users:
            counts[user.user_id] = counts.get(user.user_id, 0) + user.activity_count
            ranked.append(msgspec.structs.replace(user, activity_count=counts[user.user_id]))
        at = f"2026-03-01T11:00:{sequence:02d}.000Z"
        made.append(Change("t", "ab", sequence, f"{sequence:08x}", at, totals, active, fresh, ranked, minutes))
    return made


def panel_of(state: State) -> SubscriberState:
    panel = SubscriberState()
    panel.apply(
        {"type": "snapshot", "position": str(state.position), "at": "", "heartbeat_seconds": 1, **state.snapshot()}
    )
    return panel


@given(STEPS, st.data())
def test_snapshot_and_deltas_are_the_snapshot(steps: list[Any], data: st.DataObject) -> None:
    """One merged delta, or many, lead from whatever position to the snapshot of now, also past midnight."""
    log = changes(steps)
    state = State(EMPTY, [], DAYS, window=100)
    panels = [(panel_of(state), state.marker)]
    turn_at = data.draw(st.integers(0, len(log)))
    for number, change in enumerate(log):
        if number == turn_at:
            state.change_day(TOMORROW)
        state.apply(change)
        panels.append((panel_of(state), state.marker))
        if data.draw(st.booleans()):
            index = data.draw(st.integers(0, len(panels) - 1))
            panel, marker = panels[index]
            panel.apply({"type": "delta", "position": str(state.position), "at": "", **state.delta(marker)})
            panels[index] = (panel, state.marker)
    for panel, marker in panels:
        panel.apply({"type": "delta", "position": str(state.position), "at": "", **state.delta(marker)})
        assert panel.shown() == state.snapshot()


@given(STEPS, st.integers(0, 12), st.booleans())
def test_a_state_from_the_log_resumes_alike(steps: list[Any], cut: int, midnight: bool) -> None:
    """A state that was loaded anew, with the change log, leads every known position to the same snapshot."""
    log = changes(steps)
    living = State(EMPTY, [], DAYS, window=100)
    panels = [(panel_of(living), living.position)]
    for change in log:
        living.apply(change)
        panels.append((panel_of(living), living.position))
    if midnight:
        living.change_day(TOMORROW)
    snapshot = Snapshot(
        living.position,
        living.day,
        living._totals,
        living._active,
        living.activities,
        living.top_users,
        living._minutes,
    )
    kept = log[min(cut, len(log)) :]
    loaded = State(snapshot, kept, DAYS, window=100)
    for panel, position in panels:
        marker = loaded.resume(position)
        known = not kept or position.sequence >= kept[0].sequence or kept[0].sequence == 1
        if kept:
            assert (marker is not None) == known
        if marker is not None:
            panel.apply({"type": "delta", "position": str(loaded.position), "at": "", **loaded.delta(marker)})
            assert panel.shown() == living.snapshot()


def test_positions_beyond_the_window_are_forgotten() -> None:
    """A state remembers as many positions as its window, however long it lives."""
    state = State(EMPTY, [], DAYS, window=5)
    log = changes([({"messages": number}, {}, [], [], {}) for number in range(20)])
    for change in log:
        state.apply(change)
    assert [state.knows(change.position) for change in log] == [False] * 15 + [True] * 5


def test_only_what_changed_is_in_a_delta() -> None:
    """A value that stays the same is not sent, though its counter was touched."""
    state = State(EMPTY, [], DAYS, window=5)
    first, second = changes(
        [
            ({"responses": 1, "response_time_us": 5}, {}, [], [], {}),
            ({"responses": 2, "response_time_us": 10}, {}, [], [], {}),
        ]
    )
    state.apply(first)
    marker = state.marker
    assert state.delta(Marker(EMPTY.position, TODAY)) == {"summary": {"avg_response_time": 0.000005}}
    state.apply(second)
    assert state.delta(marker) == {}


@pytest.mark.parametrize("old", range(4))
def test_entries_of_an_earlier_version_are_no_way(old: int) -> None:
    """A log whose first entries do not tell of minutes leads on from the last of these, and from none before it."""
    log = changes([({"messages": number}, {}, [], [], {number: {"messages": 1}}) for number in range(3)])
    living = State(EMPTY, [], DAYS, window=100)
    positions = [living.position]
    for change in log:
        living.apply(change)
        positions.append(change.position)
    told = [msgspec.structs.replace(change, minutes=None) for change in log[:old]] + log[old:]
    whole = Snapshot(living.position, TODAY, living._totals, {}, [], [], living._minutes)
    loaded = State(whole, told, DAYS, window=100)
    assert [loaded.resume(position) is not None for position in positions] == [n >= old for n in range(4)]
    assert loaded.knows(loaded.position)


def test_a_change_out_of_turn_is_refused() -> None:
    """Only the very next change is applied."""
    state = State(EMPTY, [], DAYS, window=5)
    second = changes([({}, {}, [], [], {}), ({}, {}, [], [], {})])[1]
    with pytest.raises(ValueError, match="does not follow"):
        state.apply(second)


def test_the_snapshot_is_plain_json() -> None:
    """What goes into frames is plain JSON."""
    state = State(EMPTY, [], DAYS, window=5)
    assert plain(state.snapshot()) == state.snapshot()


def test_a_change_of_tomorrow_turns_the_day() -> None:
    """A change committed after midnight is shown under its own day, though the clock was not looked at yet."""
    state = State(EMPTY, [], DAYS, window=5)
    yesterday = Change("t", "ab", 1, "1a", "2026-03-01T23:59:59.999Z", {"users": 5}, {TODAY: 5}, [], [])
    after = Change("t", "ab", 2, "2b", "2026-03-02T00:00:00.000Z", {"messages": 1}, {TOMORROW: 1}, [], [])
    state.apply(yesterday)
    assert (state.day, state.summary["active_users_today"]) == (TODAY, 5)
    state.apply(after)
    assert (state.day, state.summary["active_users_today"]) == (TOMORROW, 1)


def test_a_clock_set_back_over_midnight_loses_nothing() -> None:
    """If the day turns back, the figures of that day are still there."""
    state = State(EMPTY, [], DAYS, window=5)
    state.apply(Change("t", "ab", 1, "1a", "2026-03-01T23:59:59.999Z", {"users": 5}, {TODAY: 5}, [], []))
    assert state.change_day(TOMORROW)
    assert state.summary["active_users_today"] == 0
    assert state.change_day(TODAY)
    assert state.summary["active_users_today"] == 5
