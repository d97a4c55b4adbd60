"""Retention cutoffs: how far back a tenant's tables reach, once rows were removed. Pure.

Rows before their table's cutoff may have been removed, so counters by minute and hour that only they could prove have
**expired**. Counters by local day and in total stay for ever: the archive proves them, which holds what the removed
rows had added.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from storage.model.clock import Days
from storage.model.events import KIND_OF, KINDS
from storage.model.metrics import COUNTERS, LABELLED

TABLES = tuple(kind.table for kind in KINDS)
"""The tables of events; ``heads`` has a column for the cutoff of each."""
_TABLE_OF = {counter.name: KIND_OF[counter.event].table for counter in (*COUNTERS, *LABELLED)}
_NONE = dict.fromkeys(TABLES, "")


@dataclass(frozen=True)
class Cutoffs:
    """The minutes of UTC (``2026-11-22T05:30``) at which local days begin, before which each table's rows may be gone.

    ``user_days`` is a local day: the users who were active before it are counted, but their ids are gone. Of the days
    before ``user_hours`` it is not known in which hours users were active, of those before ``user_returns`` not on
    which day before: an older version removed the rows. ``""``: nothing was ever removed. ``tables`` gets every table
    of events; one that is left out has ``""``.
    """

    tables: Mapping[str, str] = field(default_factory=dict)
    user_days: str = ""
    user_hours: str = ""
    user_returns: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "tables", {**_NONE, **self.tables})

    @classmethod
    def at(cls, minute: str) -> "Cutoffs":
        """Make cutoffs at the same minute for every table."""
        return cls(dict.fromkeys(TABLES, minute))

    @property
    def latest(self) -> str:
        """From here on nothing has expired."""
        return max(self.tables.values())

    @property
    def earliest(self) -> str:
        """Before this no table has all of its rows."""
        return min(self.tables.values())

    def of(self, metric: str) -> str:
        """Give the cutoff of a counter; distinct counts need every table."""
        table = _TABLE_OF.get(metric.partition(":")[0])
        return self.earliest if table is None else self.tables[table]

    def has_expired(self, metric: str, start: str) -> bool:
        """Say whether a counter's value of the minute or hour that begins at *start* has expired."""
        return f"{start}:00"[:16] < self.of(metric)

    def later(self, other: "Cutoffs") -> "Cutoffs":
        """Take the later ones of both; ``user_days`` stays."""
        return replace(self, tables={name: max(before, other.tables[name]) for name, before in self.tables.items()})

    def with_counted_days(self, day: str) -> "Cutoffs":
        """Give the same with the users of all days before *day* counted."""
        return replace(self, user_days=day)


def cutoff(days: Days, day: str) -> str:
    """Give the cutoff before which lie the days before *day*."""
    return days.start(day)[:16]
