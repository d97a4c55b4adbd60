"""Measures: what a rollup keeps of many facts as one value. Pure.

Every measure is a merge that does not depend on order or grouping (a commutative semigroup), so that facts can be
merged as they come, in batches, and from an archive.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from storage.model import histogram
from storage.model.histogram import Histogram


@dataclass(frozen=True)
class Measure:
    """Some ``columns`` of a rollup's table, next to each other, that are merged together.

    ``merge`` is a statement that merges some of ``values`` into the same ones of ``into``: ``{0}`` stands for the place
    of the first column, ``{1}`` for the one behind the last. ``decode`` and ``encode`` are between what the database
    holds and the value that is merged; None: they are the same. ``copy``: makes a copy of a value that merging changes
    in place; None: it does not. ``is_sum``: the columns are sums of integers.
    """

    columns: tuple[str, ...]
    merge: str
    decode: Callable[[Any], Any] | None = None
    encode: Callable[[Any], Any] | None = None
    copy: Callable[[Any], Any] | None = None
    is_sum: bool = False


def total(column: str) -> Measure:
    """Add up integers."""
    return Measure((column,), "into[{0}] += values[{0}]", is_sum=True)


def first(column: str) -> Measure:
    """Keep the least: the first of times or ids."""
    return Measure((column,), "if values[{0}] < into[{0}]: into[{0}] = values[{0}]")


def last(column: str) -> Measure:
    """Keep the greatest: the last of times, or of values that follow each other in the order of their text."""
    return Measure((column,), "if values[{0}] > into[{0}]: into[{0}] = values[{0}]")


def bits(column: str) -> Measure:
    """Keep the bits that any has: a set of up to 63 small numbers, as an integer."""
    return Measure((column,), "into[{0}] |= values[{0}]")


def earliest(*columns: str) -> Measure:
    """Keep the columns that come first together; the last ones come along with those by which they do."""
    return Measure(columns, "if tuple(values[{0}:{1}]) < tuple(into[{0}:{1}]): into[{0}:{1}] = values[{0}:{1}]")


def latest(*columns: str) -> Measure:
    """Keep the columns that come last together. None in the first one is before all others: there is nothing yet."""
    return Measure(
        columns,
        "if values[{0}] is not None and (into[{0}] is None or tuple(values[{0}:{1}]) > tuple(into[{0}:{1}])): "
        "into[{0}:{1}] = values[{0}:{1}]",
    )


def distribution(column: str) -> Measure:
    """Add up histograms, which the database holds as JSON (see ``histogram.py``)."""
    return Measure((column,), "add(into[{0}], values[{0}])", _HISTOGRAM.decode, _as_json, copy=dict)


_HISTOGRAM = msgspec.json.Decoder(Histogram)


def _as_json(value: Histogram) -> str:
    # Not sorted: that would take most of the time of a commit's histograms.
    return msgspec.json.encode(value).decode()


def merging(measures: Iterable[tuple[int, Measure]]) -> Callable[[list[Any], Sequence[Any]], None]:
    """Make the function that merges the values of a row into those of another, by measures and their places.

    It is made of the statements' text, as ``dataclasses`` makes its methods: a function a measure costs a commit 10 %.
    """
    lines = [measure.merge.format(place, place + len(measure.columns)) for place, measure in measures]
    names: dict[str, Any] = {"add": histogram.add}
    exec("\n    ".join(("def merge(into, values):", *lines)), names)  # noqa: S102 - our own text
    found: Callable[[list[Any], Sequence[Any]], None] = names["merge"]
    return found
