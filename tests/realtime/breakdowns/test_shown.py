"""The difference between any two states of a breakdown: whoever applies it holds the later one."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime.breakdowns.shown import Shown
from realtime.digest import breakdown_digest
from realtime.subscriber_state import SubscriberState
from storage.model.changes import Position

LABELS = st.tuples(st.sampled_from(["a", "b", "c\td", "é"]), st.none() | st.sampled_from(["x", "y"]))
ITEMS = st.dictionaries(LABELS, st.integers(0, 3), max_size=5)
TOTAL = st.sampled_from(["0", "0.5", None])
STATES = st.lists(st.tuples(ITEMS, TOTAL, st.randoms(use_true_random=False)), min_size=1, max_size=6)


def made(sequence: int, rows: dict[Any, int], total: str | None, draw: Any) -> Shown:
    items = [
        {"label": label, "second": second, "username": None, "value": str(value), "count": value, "unpriced_calls": 0}
        for (label, second), value in rows.items()
    ]
    draw.shuffle(items)
    fields = {"unit": "US dollars", "total": total, "count": len(items), "unpriced_calls": None, "rows": len(items)}
    return Shown(Position("ab", sequence, "0c"), items, fields)


@given(STATES, st.data())
def test_differences_lead_from_any_state_to_any_later_one(drawn: list[Any], data: st.DataObject) -> None:
    """However many states a subscriber misses, one difference leads it to the state of now, and the digest agrees."""
    states = [made(sequence, *state) for sequence, state in enumerate(drawn)]
    panel, before = SubscriberState(), None
    while states:
        missed = data.draw(st.integers(0, len(states) - 1))
        now, states = states[missed], states[missed + 1 :]
        panel.apply({"type": "delta", "position": "p", "at": "t", "breakdown": now.since(before)})
        assert panel.agrees
        assert panel.breakdown == {**now.fields, "items": now.items, "position": str(now.position)}
        before = now
    assert before is not None
    assert set(before.since(before)) == {"position", "digest"}


@pytest.mark.parametrize("field", ["label", "value", "count", "username", "unpriced_calls"])
def test_a_digest_covers_each_row(field: str) -> None:
    """A row with another label, name, value or count has another digest; so has another order."""
    row = {"label": "a", "second": None, "username": None, "value": "1", "count": 1, "unpriced_calls": 0}
    fields = {"unit": "US dollars", "total": "2", "count": 2, "unpriced_calls": 0, "rows": 2}
    other = {**row, field: 7}
    whole = breakdown_digest({**fields, "items": [row, other]})
    assert breakdown_digest({**fields, "items": [row, row]}) != whole
    assert breakdown_digest({**fields, "items": [other, row]}) != whole


def test_a_digest_leaves_seconds_out() -> None:
    """How a mean is written differs from language to language: values in seconds are not covered, their numbers are."""
    row = {"label": "a", "second": None, "username": None, "value": 1.0, "count": 1, "unpriced_calls": None}
    fields = {"unit": "seconds", "total": 1.0, "count": 1, "unpriced_calls": None, "rows": 1}
    whole = breakdown_digest({**fields, "items": [row]})
    assert breakdown_digest({**fields, "total": 1, "items": [{**row, "value": 1}]}) == whole
    assert breakdown_digest({**fields, "items": [{**row, "count": 2}]}) != whole
