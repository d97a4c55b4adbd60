"""Retention: for how many local days each table keeps its events. Pure.

A day more is kept than is taken: what is accepted just before a midnight is still committed after it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields

from storage.model.clock import Days
from storage.model.cutoffs import Horizons, horizon
from storage.model.events import Activity, AnyEvent, ApiUsage, Conversation, InvalidEvent, Message

MARGIN_DAYS = 1
"""Whole days between the earliest event that is taken and the latest that is removed."""


@dataclass(frozen=True)
class Retention:
    """How many local days before today are kept in each table; 0: all. The fields are named as the tables."""

    user_activity: int = 0
    message_metrics: int = 0
    api_usage: int = 0
    conversation_events: int = 0

    @property
    def removes(self) -> bool:
        """Whether anything is ever removed."""
        return any(getattr(self, field.name) for field in fields(self))

    def horizons(self, days: Days) -> Horizons:
        """Give the horizons before which rows are to be removed today."""
        activity, messages, calls, talks = (
            horizon(days, days.shift(days.today(), -kept - MARGIN_DAYS)) if kept else ""
            for kept in (getattr(self, field.name) for field in fields(self))
        )
        return Horizons(activity, messages, calls, talks)


_TABLES: dict[type[AnyEvent], str] = {
    Activity: "user_activity",
    Message: "message_metrics",
    ApiUsage: "api_usage",
    Conversation: "conversation_events",
}


class Earliest:
    """The earliest timestamps that are taken, by kind of event; they move at midnight."""

    def __init__(self, retention: Retention, days: Days) -> None:
        self._retention = retention
        self._days = days
        self._today = ""
        self._starts: Mapping[type[AnyEvent], str] = {}

    def today(self) -> Mapping[type[AnyEvent], str]:
        """Give the first moment that is taken of each kind of which not all is kept."""
        today = self._days.today()
        if today != self._today:
            kept = {kind: getattr(self._retention, table) for kind, table in _TABLES.items()}
            self._starts = {kind: self._days.start(self._days.shift(today, -n)) for kind, n in kept.items() if n}
            self._today = today
        return self._starts

    def check(self, event: AnyEvent) -> None:
        """Raise :exc:`InvalidEvent` for an event of a day that is not kept: its row could be removed at any time."""
        if event.timestamp is not None and event.timestamp < self.today().get(type(event), ""):
            raise InvalidEvent("timestamp", "lies before the days that are kept")
