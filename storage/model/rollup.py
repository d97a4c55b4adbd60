"""What a rollup is: rows by key, each with measures of the facts that events tell. Pure.

A rollup is declared once, in ``rollups.py``. Its table and the archived twin, what a batch touches, reading, merging,
writing, removal, erasure, ``verify`` and repair follow from the declaration; the recount is SQL, written apart.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from storage.model.cutoffs import Cutoffs
from storage.model.events import AnyEvent
from storage.model.measures import Measure, merging


@dataclass(slots=True)
class Entry:
    """An accepted event with what the writer gives it: the row's id, its time, and the local day of that time.

    ``price_id`` names the price by which the cost of an LLM call was computed; None: its sender told the cost, or it is
    not known.
    """

    event: AnyEvent
    id: int
    at: str
    day: str
    price_id: str | None = None


Key = tuple[str, ...]
Values = Sequence[Any]
"""The values of all measures, in the order of their columns."""
Fact = tuple[Key, Values]
"""What an event tells: of which row, and what is merged into it."""


@dataclass(slots=True)
class Row:
    """A row of a rollup. ``stored`` has the columns of its measures as the database holds them; None: it does not."""

    key: Key
    values: list[Any]
    stored: tuple[Any, ...] | None = None


@dataclass(frozen=True)
class Count:
    """A counter of the rows of a rollup, such as of users where each was first seen.

    A row is counted at the time in its ``column``; with ``value``, it is counted in total only, if the column has that
    value. ``in_total``: whether there is a counter in total; counts of days do not add up.
    """

    metric: str
    column: str
    value: str | None = None
    in_total: bool = True

    def moment(self, found: str) -> str | None:
        """Say at which time a row with *found* in the column is counted; "" is no time, None not at all."""
        if self.value is None:
            return found
        return "" if found == self.value else None


@dataclass(frozen=True)
class Rollup:
    """A rollup: ``name`` is its table's, ``key`` the columns that identify a row of a tenant, ``measures`` the rest.

    ``facts`` says what an event of each kind, with its entry, tells; a function may give None for nothing. ``spread``
    gives of the key of a fact those of the rows into which it is merged; None: it is the key of the row. So several
    rollups can share their facts, which are gathered once.
    ``counts`` are the counters of its rows. ``bound``: the last column of the key is a label, and for each beginning of
    the key only so many labels, the first ones in the order of their events' ids, have a row of their own; what comes
    beyond shares the row :data:`OTHERS`. ``has_expired`` says which rows are neither counted nor kept any
    more (None: all are). ``listed`` are the columns that a list of the rows reads, in the order that a CSV has.
    """

    name: str
    meaning: str
    key: Key
    measures: tuple[Measure, ...]
    facts: Mapping[type[AnyEvent], Callable[[Any, Entry], Fact | None]]
    spread: Callable[[Key], Iterable[Key]] | None = None
    counts: tuple[Count, ...] = ()
    bound: int | None = None
    has_expired: Callable[[Key, Cutoffs], bool] | None = None
    listed: tuple[str, ...] = ()
    merge: Callable[[list[Any], Values], None] = field(init=False, repr=False)
    """Merges the values of its second argument into those of a row."""
    _encoded: tuple[tuple[int, Measure], ...] = field(init=False, repr=False)
    _copied: tuple[tuple[int, Callable[[Any], Any]], ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        places = [self.place(measure.columns[0]) for measure in self.measures]
        placed = list(zip(places, self.measures, strict=True))
        object.__setattr__(self, "merge", merging(placed))
        object.__setattr__(self, "_encoded", tuple(pair for pair in placed if pair[1].encode is not None))
        copied = tuple((place, measure.copy) for place, measure in placed if measure.copy is not None)
        object.__setattr__(self, "_copied", copied)

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """The columns of the measures, in their order."""
        return tuple(name for measure in self.measures for name in measure.columns)

    @property
    def has_histogram(self) -> bool:
        """Whether a row holds a histogram, which takes much more memory than other values."""
        return bool(self._copied)

    def place(self, column: str) -> int:
        """Say where among the columns of the measures one is."""
        return self.columns.index(column)

    def copy(self, values: Values) -> list[Any]:
        """Copy values, so that what is merged into the copy leaves them as they are."""
        copied = list(values)
        for place, copy in self._copied:
            copied[place] = copy(copied[place])
        return copied

    def load(self, key: Key, stored: tuple[Any, ...]) -> Row:
        """Make a row of its columns, as the database holds them."""
        values = list(stored)
        for place, measure in self._encoded:
            if measure.decode is not None:
                values[place] = measure.decode(values[place])
        return Row(key, values, stored)

    def dump(self, row: Row) -> tuple[Any, ...]:
        """Give the columns of a row, as the database holds them."""
        if not self._encoded:
            return tuple(row.values)
        values = list(row.values)
        for place, measure in self._encoded:
            if measure.encode is not None:
                values[place] = measure.encode(values[place])
        return tuple(values)

    def expires(self, key: Key, cutoffs: Cutoffs) -> bool:
        """Say whether a row is neither counted nor kept any more."""
        return self.has_expired is not None and self.has_expired(key, cutoffs)

    def counted(self, values: Values) -> Iterator[tuple[Count, str]]:
        """Give the counts in which a row with these *values* is, each with its time."""
        for count in self.counts:
            moment = count.moment(values[self.place(count.column)])
            if moment is not None:
                yield count, moment
