"""Rollups, as pure functions."""

from collections import Counter
from dataclasses import astuple
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from storage.model.clock import Days
from storage.model.events import parse_any
from storage.model.rollups import Entry, Known, Rollup, roll, touched
from tests.samples.strategies import ACTIVITY, CALL, MESSAGE, TALK

DAYS = Days("America/New_York")
TIMES = st.sampled_from([f"2026-03-0{day}T{hour:02d}:00:30.000Z" for day in (7, 8, 9) for hour in (3, 4, 5, 12)])


def entry(fields: dict[str, Any], row_id: int, at: str) -> Entry:
    import msgspec

    return Entry(parse_any(msgspec.json.encode(fields)), row_id, at, DAYS.of(at))


def shown(rollup: Rollup) -> Any:
    """What must not depend on the order of events; ids of conversations are given in the order of arrival."""
    users = sorted(
        (user.user_id, user.username, user.first_seen, user.last_seen, user.activity_count) for user in rollup.users
    )
    talks = sorted(
        (talk.conversation_id, talk.user_id, talk.message_count, talk.total_tokens, talk.response_count,
         talk.response_time_us, talk.status, talk.created_at, talk.updated_at)
        for talk in rollup.conversations
    )  # fmt: skip
    calls = sorted(astuple(row) for row in rollup.endpoint_days)
    return users, talks, calls, rollup.user_days, rollup.counters, rollup.top_users, rollup.activities


def user_days(rollup: Rollup) -> Any:
    return {(day, user_id): at for day, user_id, at in rollup.user_days}


def endpoint_days(rollup: Rollup) -> Any:
    return {(row.day, row.endpoint): astuple(row) for row in rollup.endpoint_days}


@given(st.lists(st.tuples(ACTIVITY | CALL | TALK | MESSAGE, TIMES), max_size=12), st.randoms(use_true_random=False))
def test_order_does_not_matter(events: list[tuple[dict[str, Any], str]], random: Any) -> None:
    """The same events, with the same ids and times, roll up to the same figures in whatever order."""
    first = roll([entry(fields, number, at) for number, (fields, at) in enumerate(events)], Known(), DAYS.of)
    entries = [entry(fields, number, at) for number, (fields, at) in enumerate(events)]
    random.shuffle(entries)
    assert shown(roll(entries, Known(), DAYS.of)) == shown(first)


@given(st.lists(st.tuples(ACTIVITY | CALL | TALK | MESSAGE, TIMES), max_size=12), st.integers(0, 12))
def test_batches_do_not_matter(events: list[tuple[dict[str, Any], str]], cut: int) -> None:
    """Two batches, the second upon the rows of the first, give what one batch gives."""
    entries = [entry(fields, number, at) for number, (fields, at) in enumerate(events)]
    whole = roll(entries, Known(), DAYS.of)
    first = roll(entries[:cut], Known(), DAYS.of)
    known = Known(
        users={user.user_id: user.counted() for user in first.users},
        user_days={(day, user_id): at for day, user_id, at in first.user_days},
        conversations={talk.conversation_id: talk.counted() for talk in first.conversations},
        endpoint_days={(row.day, row.endpoint): row for row in first.endpoint_days},
        endpoints=Counter(row.day for row in first.endpoint_days),
        models={name.partition(":")[2] for _, name, _ in first.counters if ":" in name},
    )
    second = roll(entries[cut:], known, DAYS.of)
    sums = {key: first.counters.get(key, 0) + second.counters.get(key, 0) for key in first.counters | second.counters}
    assert {key: value for key, value in sums.items() if value} == whole.counters
    assert shown(second)[:2] == shown(whole)[:2]
    assert user_days(first) | user_days(second) == user_days(whole)
    assert endpoint_days(first) | endpoint_days(second) == endpoint_days(whole)


def test_touched_names_every_row() -> None:
    """The rows to read are those of every event's user, user-day and conversation."""
    message = {"message_id": "m", "conversation_id": "c", "user_id": "u", "role": "user", "token_count": 1}
    call = {"endpoint": "/", "method": "GET", "status_code": 200, "response_time": 1}
    entries = [
        entry({"type": "message", **message}, 1, "2026-03-07T03:00:00.000Z"),
        entry({"type": "api_usage", **call}, 2, "2026-03-07T03:00:00.000Z"),
    ]
    keys = touched(entries)
    assert (keys.users, keys.user_days, keys.conversations) == ({"u"}, {("2026-03-06", "u")}, {"c"})
