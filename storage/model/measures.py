"""Measures: what a rollup keeps of many facts as one value. Pure.

Every measure is a merge that does not depend on order or grouping (a commutative semigroup), so that facts can be
merged as they come, in batches, and from an archive.
"""

import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec

from storage.model import histogram
from storage.model.histogram import Histogram


@dataclass(frozen=True)
class Measure:
    """Some ``columns`` of a rollup's table that are one value.

    ``merge`` puts two values together; it may change the first one and give it back. ``load`` makes a value of what the
    columns hold, ``dump`` the other way round.
    """

    columns: tuple[str, ...]
    merge: Callable[[Any, Any], Any]
    load: Callable[..., Any] = lambda value: value
    dump: Callable[[Any], tuple[Any, ...]] = lambda value: (value,)


def total(column: str) -> Measure:
    """Add up integers."""
    return Measure((column,), operator.add)


def first(column: str) -> Measure:
    """Keep the least: the first of times or ids."""
    return Measure((column,), min)


def last(column: str) -> Measure:
    """Keep the greatest: the last of times, or of values that follow each other in the order of their text."""
    return Measure((column,), max)


def earliest(*columns: str) -> Measure:
    """Keep the tuple that comes first; its last columns come along with those by which it does."""
    return Measure(columns, min, _together, lambda value: value)


def latest(*columns: str) -> Measure:
    """Keep the tuple that comes last. The empty tuple, which is before all others, is a row of nulls."""
    nothing = (None,) * len(columns)
    return Measure(
        columns, max, lambda *values: () if values[0] is None else values, lambda value: value if value else nothing
    )


def distribution(column: str) -> Measure:
    """Add up histograms, which are kept as JSON (see ``histogram.py``)."""
    return Measure((column,), _add, _HISTOGRAM.decode, _as_json)


def _together(*values: Any) -> tuple[Any, ...]:
    return values


_HISTOGRAM = msgspec.json.Decoder(Histogram)


def _add(into: Histogram, counts: Histogram) -> Histogram:
    histogram.add(into, counts)
    return into


def _as_json(value: Histogram) -> tuple[str]:
    return (msgspec.json.encode(dict(sorted(value.items()))).decode(),)
