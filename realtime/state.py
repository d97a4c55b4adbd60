"""A tenant's live state, and the difference between any two states of it. Pure, no I/O.

Every cell (a figure, a recent activity, the ranking, a minute, the alerts) carries the sequence at which it last
changed. So the difference between any earlier position and now is found without keeping what lies between: a subscriber
that is behind costs a position, not a queue, and what it missed comes merged.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from realtime.digest import digest
from storage.model.changes import MINUTES, NO_TAG, RECENT, TOP, Change, Position, Snapshot, minute_items, plain
from storage.model.clock import Days
from storage.model.metrics import ACTIVE_USERS_TODAY, FIGURES, NAMES, Value, summary


@dataclass(frozen=True)
class Marker:
    """What a subscriber has been sent: a position, and the local day on which it was sent (a state is a function of
    both).

    ``summary`` is the one of that state, shared by all subscribers at that position; None if it is not known any more.
    """

    position: Position
    day: str
    summary: Mapping[str, Value] | None = field(default=None, compare=False)

    @cached_property
    def digest(self) -> str | None:
        """The digest of the summary, computed once for all heartbeats from here; None without a summary."""
        return None if self.summary is None else digest(self.summary)


_NAMES = frozenset(NAMES)
EVENT_COUNTERS = frozenset(("activities", "messages", "api_calls", "llm_calls"))
"""Those of which one moves with each event that a breakdown counts."""
UNSEEN_DAY = ""
"""The day of a marker whose subscriber may have seen its position on an earlier day."""

_MOVED_BY: dict[str, list[str]] = {}
for _figure in FIGURES:
    for _name in _figure.needs:
        _MOVED_BY.setdefault(_name, []).append(_figure.name)


class State:
    """A tenant's figures at ``position`` on the local day ``day``."""

    def __init__(self, snapshot: Snapshot, log: Iterable[Change], days: Days, window: int) -> None:
        """Begin at *snapshot*; *log* has the newest changes up to it, oldest first, without a gap.

        *window* is how many positions are remembered: the furthest that a subscriber may be behind and still get a
        delta.
        """
        self._days = days
        self._window = window
        self.position = snapshot.position
        self.day = snapshot.day
        self._totals = dict(snapshot.totals)
        self._active = dict(snapshot.active_users)
        self.activities = list(snapshot.activities)
        self.top_users = list(snapshot.top_users)
        self._minutes = {start: dict(values) for start, values in snapshot.minutes.items()}
        self.alerts = snapshot.alerts
        self.summary = summary(self._totals, self._active.get(self.day, 0))
        self.marker = self._mark()
        self._tags: dict[int, str] = {}
        self._figure_changed: dict[str, int] = {}
        self._activity_changed: dict[int, int] = {}
        self._minute_changed: dict[str, int] = {}
        self._moved_at: dict[str, int] = {}
        self._other_change = 0
        self._top_changed = 0
        self._alerts_changed = 0
        self._today_since = self.position.sequence + 1
        self._load_log(list(log))

    def _load_log(self, log: list[Change]) -> None:
        """Take from the change log when each cell last changed, and which positions are known."""
        log = _complete(log)
        shown = {item.id for item in self.activities}
        first = log[0].sequence if log else self.position.sequence + 1
        if first == 1 and not (log and log[0].minutes is None):
            self._tags[0] = NO_TAG
        for change in log:
            self._tags[change.sequence] = change.tag
            self._note_counters(change)
            for name in self._moved(change):
                self._figure_changed[name] = change.sequence
            for activity in change.activities:
                if activity.id in shown:
                    self._activity_changed[activity.id] = change.sequence
            moved = (start for start in change.minutes or () if start in self._minutes)
            self._minute_changed.update((start, change.sequence) for start in moved)
            if change.top_users:
                self._top_changed = change.sequence
            if change.alerts is not None:
                self._alerts_changed = change.sequence
            if self._days.of(change.committed_at) >= self.day:
                self._today_since = min(self._today_since, change.sequence)

    def knows(self, position: Position) -> bool:
        """Say whether *position* is a state of this tenant from which a difference can be made."""
        return position.epoch == self.position.epoch and self._tags.get(position.sequence) == position.tag

    def resume(self, position: Position) -> Marker | None:
        """Make a marker for a subscriber that reconnects with *position*; None if it needs a snapshot."""
        if not self.knows(position):
            return None
        seen_today = position.sequence >= self._today_since
        return Marker(position, self.day if seen_today else UNSEEN_DAY)

    def apply(self, change: Change) -> None:
        """Continue to the state after *change*, which must be the very next one."""
        if change.sequence != self.position.sequence + 1:
            raise ValueError(f"change {change.sequence} does not follow {self.position.sequence}")
        # The change may come before the clock was looked at: what was committed tomorrow is seen tomorrow.
        self.change_day(max(self.day, self._days.of(change.committed_at)))
        self._note_counters(change)
        self._totals.update(change.totals)
        self._active.update(change.active_users)
        self._refresh(self._moved(change), change.sequence)
        self._show(change)
        self._rank(change)
        self._advance(change)
        self._alert(change)
        self.position = change.position
        self.marker = self._mark()
        self._tags[change.sequence] = change.tag
        self._tags.pop(change.sequence - self._window, None)

    def change_day(self, day: str) -> bool:
        """Continue to the local *day*; says whether it is another one. The position stays: no event made the day."""
        if day == self.day:
            return False
        self.day = day
        self._today_since = self.position.sequence + 1
        # The day before stays: a clock may be set back over midnight.
        kept = self._days.shift(day, -1)
        self._active = {date: count for date, count in self._active.items() if date >= kept}
        self._refresh([ACTIVE_USERS_TODAY], self.position.sequence)
        self.marker = self._mark()
        return True

    def copy(self) -> "State":
        """Make a state of its own with the same figures, which knows no position but its own."""
        whole = Snapshot(
            self.position,
            self.day,
            self._totals,
            self._active,
            self.activities,
            self.top_users,
            self._minutes,
            self.alerts,
        )
        return State(whole, (), self._days, self._window)

    def snapshot(self) -> dict[str, Any]:
        """Give every topic whole, JSON-ready."""
        return {
            "summary": self.summary,
            "activities": plain(self.activities),
            "top_users": plain(self.top_users),
            "series": minute_items(self._minutes),
            "alerts": plain(self.alerts),
        }

    def delta(self, marker: Marker) -> dict[str, Any]:
        """Give what changed since *marker*, whose position must be known: only the topics that changed."""
        since = marker.position.sequence
        changed: dict[str, Any] = {}
        figures = {name: self.summary[name] for name, at in self._figure_changed.items() if at > since}
        if marker.day != self.day:
            figures[ACTIVE_USERS_TODAY] = self.summary[ACTIVE_USERS_TODAY]
        if figures:
            changed["summary"] = figures
        activities = [item for item in self.activities if self._activity_changed.get(item.id, 0) > since]
        if activities:
            changed["activities"] = plain(activities)
        if self._top_changed > since:
            changed["top_users"] = plain(self.top_users)
        minutes = {start: self._minutes[start] for start, at in self._minute_changed.items() if at > since}
        if minutes:
            changed["series"] = minute_items(minutes)
        if self._alerts_changed > since:
            changed["alerts"] = plain(self.alerts)
        return changed

    def moved_since(self, counters: Iterable[str], sequence: int) -> bool:
        """Say whether a change after *sequence* can have moved one of these counters, by its labels too.

        A change without an event is taken for one that can: rows can move while their total stays, as when prices
        change.
        """
        return max(self._other_change, *(self._moved_at.get(name, 0) for name in counters)) > sequence

    def _note_counters(self, change: Change) -> None:
        if EVENT_COUNTERS.isdisjoint(change.totals):
            self._other_change = change.sequence
        self._moved_at.update((name, change.sequence) for name in change.totals if name in _NAMES)

    def _mark(self) -> Marker:
        # The summary is never changed in place: each change makes another one.
        return Marker(self.position, self.day, self.summary)

    def _moved(self, change: Change) -> list[str]:
        """Name the figures that *change* can have moved."""
        moved = [name for counter in change.totals for name in _MOVED_BY.get(counter, ())]
        if self.day in change.active_users:
            moved.append(ACTIVE_USERS_TODAY)
        return moved

    def _refresh(self, names: Iterable[str], sequence: int) -> None:
        fresh = summary(self._totals, self._active.get(self.day, 0))
        for name in names:
            if fresh[name] != self.summary[name]:
                self._figure_changed[name] = sequence
        self.summary = fresh

    def _show(self, change: Change) -> None:
        if not change.activities:
            return
        ranked = sorted([*self.activities, *change.activities], key=lambda item: item.rank, reverse=True)
        self.activities = ranked[:RECENT]
        shown = {item.id for item in self.activities}
        for item in change.activities:
            self._activity_changed[item.id] = change.sequence
        self._activity_changed = {key: at for key, at in self._activity_changed.items() if key in shown}

    def _rank(self, change: Change) -> None:
        if not change.top_users:
            return
        users = {user.user_id: user for user in [*self.top_users, *change.top_users]}
        ranked = sorted(users.values(), key=lambda user: user.rank)[:TOP]
        if ranked != self.top_users:
            self.top_users = ranked
            self._top_changed = change.sequence

    def _alert(self, change: Change) -> None:
        if change.alerts is not None and change.alerts != self.alerts:
            self.alerts = change.alerts
            self._alerts_changed = change.sequence

    def _advance(self, change: Change) -> None:
        """Take the minutes that moved; one that is not held is whole in the change, or too old to be held."""
        for start, values in (change.minutes or {}).items():
            self._minutes.setdefault(start, {}).update(values)
            self._minute_changed[start] = change.sequence
        for start in sorted(self._minutes)[:-MINUTES]:
            del self._minutes[start]
            self._minute_changed.pop(start, None)


def _complete(log: list[Change]) -> list[Change]:
    """Begin with the last entry that is not complete: what it led to is known, not what it changed."""
    for index in range(len(log) - 1, -1, -1):
        if log[index].minutes is None:
            return log[index:]
    return log
