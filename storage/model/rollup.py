"""What a rollup is: rows by key, each with measures of the facts that events tell. Pure.

A rollup is declared once, in ``rollups.py``. Its table and the archived twin, what a batch touches, reading, merging,
writing, removal, erasure, ``verify`` and repair follow from the declaration; the recount is SQL, written apart.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from storage.model.cutoffs import Cutoffs
from storage.model.events import AnyEvent
from storage.model.measures import Measure


@dataclass(slots=True)
class Entry:
    """An accepted event with what the writer gives it: the row's id, its time, and the local day of that time."""

    event: AnyEvent
    id: int
    at: str
    day: str


Key = tuple[str, ...]
Values = Sequence[Any]
"""One value a measure."""
Fact = tuple[Key, Values]
"""What an event tells: of which row, and what is merged into it."""


@dataclass(slots=True)
class Row:
    """A row of a rollup. ``stored`` has the columns of its measures as the database holds them; None: it does not.

    ``counted`` has, for each count of the rollup, the moment at which the stored row is counted.
    """

    key: Key
    values: list[Any]
    stored: tuple[Any, ...] | None = None
    counted: tuple[str | None, ...] = ()


@dataclass(frozen=True)
class Count:
    """A counter of the rows of a rollup, such as of users where each was first seen.

    ``at`` says of a row's values at which moment it is counted: a time, "" for a row that is counted in total only,
    None for one that is not counted. ``in_total``: whether there is a counter in total; counts of days do not add up.
    """

    metric: str
    at: Callable[[Values], str | None]
    in_total: bool = True


def _never(_key: Key, _cutoffs: Cutoffs) -> bool:
    return False


@dataclass(frozen=True)
class Rollup:
    """A rollup: ``name`` is its table's, ``key`` the columns that identify a row of a tenant, ``measures`` the rest.

    ``facts`` says what an event of each kind, with its entry, tells; a function may give None for nothing.
    ``counts`` are the counters of its rows. ``bound``: the last column of the key is a label, and for each beginning of
    the key only so many labels, the first ones in the order of their events' ids, have a row of their own; what comes
    beyond shares the row :data:`OTHERS`. ``closed`` says which rows are neither counted nor kept any more.
    """

    name: str
    meaning: str
    key: Key
    measures: tuple[Measure, ...]
    facts: Mapping[type[AnyEvent], Callable[[Any, Entry], Fact | None]]
    counts: tuple[Count, ...] = ()
    bound: int | None = None
    closed: Callable[[Key, Cutoffs], bool] = _never
    _merges: tuple[Callable[[Any, Any], Any], ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_merges", tuple(measure.merge for measure in self.measures))

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of the measures, in their order."""
        return tuple(name for measure in self.measures for name in measure.columns)

    def merge(self, into: list[Any], values: Values) -> None:
        """Merge *values* into those of a row."""
        for place, merge in enumerate(self._merges):
            into[place] = merge(into[place], values[place])

    def load(self, key: Key, stored: Sequence[Any]) -> Row:
        """Make a row of its columns, as the database holds them."""
        values, begin = [], 0
        for measure in self.measures:
            end = begin + len(measure.columns)
            values.append(measure.load(*stored[begin:end]))
            begin = end
        return Row(key, values, tuple(stored), self.moments(values))

    def dump(self, row: Row) -> tuple[Any, ...]:
        """Give the columns of a row."""
        found: list[Any] = []
        for measure, value in zip(self.measures, row.values, strict=True):
            found += measure.dump(value)
        return tuple(found)

    def moments(self, values: Values) -> tuple[str | None, ...]:
        """Say for each count at which moment a row is counted."""
        return tuple(count.at(values) for count in self.counts)
