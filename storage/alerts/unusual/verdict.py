"""Whether a rule fires for an hour, and how it goes on. Pure.

It fires with the first hour that is unusual: one that is over, or, if it has too much already, the one that goes on,
since counts only grow. It is resolved by the first whole hour that is usual again. For a day after an hour that was an
alarm no other one is.
"""

from dataclasses import dataclass, replace

from storage.alerts.state import FIRING, RESOLVED, State
from storage.alerts.unusual.bounds import Bounds
from storage.alerts.unusual.detector import QUIET_HOURS
from storage.alerts.unusual.hours import shifted
from storage.alerts.window import HOUR


@dataclass(frozen=True)
class Finding:
    """An hour of UTC, what it added, and what is unusual (None: too little is known)."""

    hour: str
    value: int
    bounds: Bounds | None

    @property
    def is_high(self) -> bool:
        """Whether it has too much."""
        return self.bounds is not None and self.bounds.up is not None and self.value >= self.bounds.up

    @property
    def is_low(self) -> bool:
        """Whether it has too little, if it is over."""
        return self.bounds is not None and self.bounds.down is not None and self.value <= self.bounds.down


def follow(state: State, closed: Finding, opened: Finding, at: str) -> tuple[State, Finding] | None:
    """Give the state that follows of the last whole hour and the one that goes on; None: it stays.

    ``window_key`` of a state is the hour that was the alarm; its ``value`` is that of the hour that is given with it.
    """
    if state.status == FIRING:
        if opened.is_high or closed.is_high or closed.is_low or closed.hour < state.window_key:
            return None
        return _become(state, RESOLVED, state.window_key, at), closed
    quiet = quiet_until(state.window_key)
    if (closed.is_high or closed.is_low) and closed.hour > quiet:
        return _become(state, FIRING, closed.hour, at), closed
    if opened.is_high and opened.hour > quiet:
        return _become(state, FIRING, opened.hour, at), opened
    return None


def quiet_until(alarm: str) -> str:
    """Name the last hour that is no alarm, since an earlier one was; "" if none was."""
    return shifted(alarm, QUIET_HOURS) if len(alarm) == HOUR else ""


def _become(state: State, status: str, window_key: str, at: str) -> State:
    return replace(State(state.rule_id, state.level), status=status, window_key=window_key, since=at)
