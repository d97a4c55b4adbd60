"""Horizons: how far back a tenant's tables reach, once rows were removed. Pure.

Before a table's horizon rows may be gone, so what only they could prove is **closed**: counters by minute and hour.
Those by local day and in total stay for ever, proved by what the removed rows left behind (``carry.py``).
"""

from dataclasses import dataclass, replace

from storage.model.clock import Days
from storage.model.metrics import COUNTERS, LABELLED

_TABLE_OF = {counter.name: counter.table for counter in (*COUNTERS, *LABELLED)}


@dataclass(frozen=True)
class Horizons:
    """The minutes of UTC (``2026-11-22T05:30``) at which local days begin, before which each table's rows may be gone.

    ``user_days`` is a local day: users who were active before it are counted, but not known any more. ``""``: nothing
    was ever removed. The fields are named as the tables, and stand in the order of their columns in ``heads``.
    """

    user_activity: str = ""
    message_metrics: str = ""
    api_usage: str = ""
    conversation_events: str = ""
    user_days: str = ""

    @property
    def tables(self) -> tuple[str, ...]:
        """Give those of the four tables of events."""
        return (self.user_activity, self.message_metrics, self.api_usage, self.conversation_events)

    @property
    def latest(self) -> str:
        """From here on nothing is closed."""
        return max(self.tables)

    @property
    def earliest(self) -> str:
        """Before this no table has all of its rows."""
        return min(self.tables)

    def of(self, metric: str) -> str:
        """Give the horizon of a counter; distinct counts need every table."""
        table = _TABLE_OF.get(metric.partition(":")[0])
        return self.earliest if table is None else str(getattr(self, table))

    def closes(self, metric: str, start: str) -> bool:
        """Say whether a counter is closed at the minute, or at the hour, that begins at *start*."""
        return f"{start}:00"[:16] < self.of(metric)

    def later(self, other: "Horizons") -> "Horizons":
        """Take the later ones of both; ``user_days`` stays."""
        activity, messages, calls, talks = map(max, self.tables, other.tables)
        return Horizons(activity, messages, calls, talks, self.user_days)

    def settled(self, day: str) -> "Horizons":
        """Give the same with the users of all days before *day* counted."""
        return replace(self, user_days=day)


def horizon(days: Days, day: str) -> str:
    """Give the horizon before which lie the days before *day*."""
    return days.start(day)[:16]
