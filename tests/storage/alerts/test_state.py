"""States, and how they follow each other."""

from storage.alerts.state import Sign, State, advance

AT, LATER, MUCH_LATER = "2026-03-01T12:00:00.000Z", "2026-03-01T12:04:59.999Z", "2026-03-01T12:05:00.000Z"


def names(states: list[State]) -> list[str]:
    return [state.status for state in states]


def test_it_fires_once_and_is_resolved_once() -> None:
    """Beyond its limit a rule fires once, holds between both limits, and is resolved once."""
    state = State("r", "")
    (state,) = advance(state, Sign.BEYOND, "5", AT, "", 0)
    assert (state.status, state.value, state.since) == ("firing", "5", AT)
    assert advance(state, Sign.BEYOND, "6", LATER, "", 0) == []
    assert advance(state, Sign.BETWEEN, "4", LATER, "", 0) == []
    (state,) = advance(state, Sign.NORMAL, "1", LATER, "", 0)
    assert state.status == "resolved"
    assert advance(state, Sign.NORMAL, "1", LATER, "", 0) == []
    assert advance(state, Sign.BETWEEN, "4", LATER, "", 0) == []


def test_what_does_not_hold_for_long_enough_never_fires() -> None:
    """What is pending fires when it has held for as long as it has to, and never if it did not."""
    (state,) = advance(State("r", ""), Sign.BEYOND, "5", AT, "", 5)
    assert (state.status, state.due_at) == ("pending", MUCH_LATER)
    assert advance(state, Sign.BEYOND, "5", LATER, "", 5) == []
    assert names(advance(state, Sign.BETWEEN, "4", LATER, "", 5)) == ["ok"]
    assert names(advance(state, Sign.BEYOND, "5", MUCH_LATER, "", 5)) == ["firing"]


def test_a_new_window_begins_anew() -> None:
    """What fired in a window is resolved with it, and fires again in the next one if it is beyond its limit there."""
    (state,) = advance(State("r", ""), Sign.BEYOND, "5", AT, "2026-02", 0)
    assert names(advance(state, Sign.NORMAL, "0", LATER, "2026-03", 0)) == ["resolved"]
    assert names(advance(state, Sign.BEYOND, "9", LATER, "2026-03", 0)) == ["resolved", "firing"]
    (pending,) = advance(State("r", ""), Sign.BEYOND, "5", AT, "2026-02", 5)
    assert names(advance(pending, Sign.NORMAL, "0", LATER, "2026-03", 5)) == ["ok"]


def test_a_clock_that_is_set_back_decides_nothing_again() -> None:
    """A window that was left is not looked at again, whatever the clock says."""
    (state,) = advance(State("r", ""), Sign.BEYOND, "5", AT, "2026-03", 0)
    assert advance(state, Sign.NORMAL, "0", AT, "2026-02", 0) == []
    assert advance(state, Sign.BEYOND, "9", AT, "2026-02", 0) == []
    assert advance(state, Sign.BEYOND, "5", LATER, "2026-03", 0) == []
