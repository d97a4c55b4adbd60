"""The state of a rule, and how it goes on: ok, pending, firing, resolved. Pure.

A rule has one state, a budget one for each of its levels.
"""

from dataclasses import dataclass, replace
from datetime import timedelta
from enum import Enum
from typing import Literal

from storage.model import clock

Status = Literal["ok", "pending", "firing", "resolved"]
OK, PENDING, FIRING, RESOLVED = "ok", "pending", "firing", "resolved"


class Sign(Enum):
    """What a value says: it is beyond the limit, well, or between both (hysteresis: what is stays)."""

    BEYOND = "beyond"
    BETWEEN = "between"
    NORMAL = "normal"


@dataclass(frozen=True)
class State:
    """How a rule stands, at one of its levels ("" if it has none).

    ``since`` is when it came to that, ``value`` the value then, as decimal text. ``window_key`` names the window of
    the calendar that was looked at last. ``due_at``: when what is pending fires. ``acknowledged_by``: who has seen that
    it fires; None: nobody.
    """

    rule_id: str
    level: str
    status: str = OK
    since: str = ""
    value: str | None = None
    window_key: str = ""
    due_at: str | None = None
    acknowledged_at: str | None = None
    acknowledged_by: str | None = None

    @property
    def fires(self) -> bool:
        """Whether it fires."""
        return self.status == FIRING


def advance(state: State, sign: Sign, value: str | None, at: str, window_key: str, for_minutes: int) -> list[State]:
    """Give the states that follow, in their order: none if nothing changes, two if a new window fires again.

    *window_key* names the window of the calendar that *sign* is of. If it is an earlier one than the state's, the clock
    was set back, and nothing follows: what fired in a window fires once, however often the clock comes through it.
    """
    if window_key < state.window_key:
        return []
    found: list[State] = []
    if window_key != state.window_key:
        if state.status == FIRING:
            found.append(replace(_become(state, RESOLVED, at, state.value), window_key=window_key))
        elif state.status == PENDING:
            found.append(replace(_become(state, OK, at, value), window_key=window_key))
        state = found[-1] if found else replace(state, window_key=window_key)
    following = _follow(state, sign, value, at, for_minutes)
    return found if following is None else [*found, following]


def _follow(state: State, sign: Sign, value: str | None, at: str, for_minutes: int) -> State | None:
    if state.status == FIRING:
        return _become(state, RESOLVED, at, value) if sign is Sign.NORMAL else None
    if sign is not Sign.BEYOND:
        return _become(state, OK, at, value) if state.status == PENDING else None
    if state.status == PENDING:
        return _become(state, FIRING, at, value) if at >= (state.due_at or "") else None
    if for_minutes == 0:
        return _become(state, FIRING, at, value)
    due = clock.text(clock.moment(at) + timedelta(minutes=for_minutes))
    return replace(_become(state, PENDING, at, value), due_at=due)


def _become(state: State, status: str, at: str, value: str | None) -> State:
    return State(state.rule_id, state.level, status, at, value, state.window_key)
