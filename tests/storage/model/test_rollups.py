"""Rollups, as pure functions."""

from collections import Counter
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from storage.model.clock import Days
from storage.model.merging import Known, Rolled, gather, roll
from storage.model.metrics import DERIVED
from storage.model.parsing import parse_any
from storage.model.rollup import Entry, Key, Rollup
from storage.model.rollups import ENDPOINT_DAYS, ENDPOINTS, ROLLUPS
from tests.samples.strategies import ACTIVITY, CALL, LLM_CALL, MESSAGE, TALK

DAYS = Days("America/New_York")
TIMES = st.sampled_from([f"2026-03-0{day}T{hour:02d}:00:30.000Z" for day in (7, 8, 9) for hour in (3, 4, 5, 12)])


def entry(fields: dict[str, Any], row_id: int, at: str) -> Entry:
    import msgspec

    return Entry(parse_any(msgspec.json.encode(fields)), row_id, at, DAYS.of(at))


def rolled(entries: list[Entry], known: Known | None = None) -> Rolled:
    return roll(gather(entries), known or Known(), DAYS.of)


def rows(found: Rolled, rollup: Rollup) -> dict[Key, tuple[Any, ...]]:
    return {row.key: tuple(row.values) for row in found.rows[rollup.name]}


def shown(found: Rolled) -> Any:
    """What must not depend on the order of events."""
    kept = {rollup.name: rows(found, rollup) for rollup in ROLLUPS}
    return kept, found.counters, found.top_users, found.activities


@given(
    st.lists(st.tuples(ACTIVITY | CALL | TALK | MESSAGE | LLM_CALL, TIMES), max_size=12),
    st.randoms(use_true_random=False),
)
def test_order_does_not_matter(events: list[tuple[dict[str, Any], str]], random: Any) -> None:
    """The same events, with the same ids and times, roll up to the same figures in whatever order."""
    first = rolled([entry(fields, number, at) for number, (fields, at) in enumerate(events)])
    entries = [entry(fields, number, at) for number, (fields, at) in enumerate(events)]
    random.shuffle(entries)
    assert shown(rolled(entries)) == shown(first)


@given(st.lists(st.tuples(ACTIVITY | CALL | TALK | MESSAGE | LLM_CALL, TIMES), max_size=12), st.integers(0, 12))
def test_batches_do_not_matter(events: list[tuple[dict[str, Any], str]], cut: int) -> None:
    """Two batches, the second upon the rows of the first, give what one batch gives."""
    entries = [entry(fields, number, at) for number, (fields, at) in enumerate(events)]
    whole, first = rolled(entries), rolled(entries[:cut])
    known = Known(models={name.partition(":")[2] for _, name, _ in first.counters if ":" in name})
    for rollup in ROLLUPS:
        for row in first.rows[rollup.name]:
            known.rows[rollup.name][row.key] = rollup.load(row.key, rollup.dump(row))
    known.labels = Counter(
        (rollup.name, row.key[:-1])
        for rollup in ROLLUPS
        for row in first.rows[rollup.name]
        if rollup.bound is not None and row.key[-1]
    )
    kept = {rollup.name: rows(first, rollup) for rollup in ROLLUPS}
    second = rolled(entries[cut:], known)
    sums = {key: first.counters.get(key, 0) + second.counters.get(key, 0) for key in first.counters | second.counters}
    assert {key: value for key, value in sums.items() if value} == whole.counters
    for rollup in ROLLUPS:
        assert kept[rollup.name] | rows(second, rollup) == rows(whole, rollup)


def test_a_batch_names_every_row_that_it_touches() -> None:
    """The rows to read are those of every event's user, user-day, conversation and endpoint."""
    message = {"message_id": "m", "conversation_id": "c", "user_id": "u", "role": "user", "token_count": 1}
    call = {"endpoint": "/", "method": "GET", "status_code": 200, "response_time": 1}
    batch = gather(
        [
            entry({"type": "message", **message}, 1, "2026-03-07T03:00:00.000Z"),
            entry({"type": "api_usage", **call}, 2, "2026-03-07T03:00:00.000Z"),
        ]
    )
    assert {name: set(facts) for name, facts in batch.facts.items()} == {
        "users": {("u",)},
        "user_returns": set(),
        "user_days": {("2026-03-06", "u")},
        "conversation_metrics": {("c",)},
        "endpoint_days": {("2026-03-06", "/")},
        "response_hours": {("2026-03-07T03", "api_calls", ""), ("2026-03-07T03", "endpoint", "/")},
        "response_days": {("2026-03-06", "api_calls", "")},
        "event_days": {("2026-03-06", "role", "user\t")},
        "llm_model_days": set(),
        "llm_model_hours": set(),
        "llm_outcome_days": set(),
        "llm_user_days": set(),
        "llm_conversation_days": set(),
    }


def test_every_derived_counter_is_declared() -> None:
    """The counters of rollups' rows are those that the catalogue calls derived."""
    assert {count.metric for rollup in ROLLUPS for count in rollup.counts} == set(DERIVED)


def test_labels_beyond_the_bound_share_a_row() -> None:
    """Of a bounded rollup only the first labels of a group have rows of their own, in the order of their events."""
    calls = [f"/{number}" for number in range(ENDPOINTS + 2)]
    base = {"type": "api_usage", "method": "GET", "status_code": 200, "response_time": 1}
    found = rolled(
        [entry({**base, "endpoint": path}, row_id, "2026-03-07T12:00:00.000Z") for row_id, path in enumerate(calls)]
    )
    kept = rows(found, ENDPOINT_DAYS)
    assert len(kept) == ENDPOINTS + 1
    assert kept["2026-03-07", ""][0] == 2
    assert ("2026-03-07", f"/{ENDPOINTS}") not in kept
