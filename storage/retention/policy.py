"""Retention: for how many local days each table keeps its events. Pure.

A day more is kept than is taken: what is accepted just before a midnight is still committed after it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from storage.model.clock import Days
from storage.model.cutoffs import TABLES, Cutoffs, cutoff
from storage.model.events import KINDS, AnyEvent
from storage.model.parsing import InvalidEvent

MARGIN_DAYS = 1
"""Whole days between the earliest event that is taken and the latest that is removed."""


@dataclass(frozen=True)
class Retention:
    """How many local days before today are kept, by table of events; 0, or a table that is absent: all."""

    days: Mapping[str, int] = field(default_factory=dict)

    @property
    def removes(self) -> bool:
        """Whether anything is ever removed."""
        return any(self.days.values())

    def cutoffs(self, days: Days) -> Cutoffs:
        """Give the cutoffs before which rows are to be removed today."""
        return Cutoffs({table: self._cutoff(self.days.get(table, 0), days) for table in TABLES})

    def _cutoff(self, kept: int, days: Days) -> str:
        return cutoff(days, days.shift(days.today(), -kept - MARGIN_DAYS)) if kept else ""


class Earliest:
    """The earliest timestamps that are taken, by kind of event; they move at midnight."""

    def __init__(self, retention: Retention, days: Days) -> None:
        self._kept = {kind.event: kept for kind in KINDS if (kept := retention.days.get(kind.table, 0))}
        self._days = days
        self._today = ""
        self._starts: Mapping[type[AnyEvent], str] = {}

    def today(self) -> Mapping[type[AnyEvent], str]:
        """Give the first moment that is taken of each kind of which not all is kept."""
        today = self._days.today()
        if today != self._today:
            self._starts = {kind: self._days.start(self._days.shift(today, -kept)) for kind, kept in self._kept.items()}
            self._today = today
        return self._starts

    def check(self, event: AnyEvent) -> None:
        """Raise :exc:`InvalidEvent` for an event of a day that is not kept: its row could be removed at any time."""
        if event.timestamp is not None and event.timestamp < self.today().get(type(event), ""):
            raise InvalidEvent("timestamp", "lies before the days that are kept")
