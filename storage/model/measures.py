"""Measures: what a rollup keeps of many facts as one value. Pure.

Every measure is a merge that does not depend on order or grouping (a commutative semigroup), so that facts can be
merged as they come, in batches, and from an archive.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from storage.model import histogram
from storage.model.histogram import Histogram

Merge = Callable[[list[Any], Sequence[Any]], None]
"""Merges some of the values of the second argument into the same ones of the first."""


@dataclass(frozen=True)
class Measure:
    """Some ``columns`` of a rollup's table, next to each other, that are merged together.

    ``merging`` makes the merge for a row in which they begin at a place. ``decode`` and ``encode`` are between what the
    database holds and the value that is merged; None: they are the same. ``is_sum``: the columns are sums of integers.
    """

    columns: tuple[str, ...]
    merging: Callable[[int], Merge]
    decode: Callable[[Any], Any] | None = None
    encode: Callable[[Any], Any] | None = None
    is_sum: bool = False


def total(column: str) -> Measure:
    """Add up integers."""

    def merging(place: int) -> Merge:
        def merge(into: list[Any], values: Sequence[Any]) -> None:
            into[place] += values[place]

        return merge

    return Measure((column,), merging, is_sum=True)


def first(column: str) -> Measure:
    """Keep the least: the first of times or ids."""

    def merging(place: int) -> Merge:
        def merge(into: list[Any], values: Sequence[Any]) -> None:
            if values[place] < into[place]:
                into[place] = values[place]

        return merge

    return Measure((column,), merging)


def last(column: str) -> Measure:
    """Keep the greatest: the last of times, or of values that follow each other in the order of their text."""

    def merging(place: int) -> Merge:
        def merge(into: list[Any], values: Sequence[Any]) -> None:
            if values[place] > into[place]:
                into[place] = values[place]

        return merge

    return Measure((column,), merging)


def earliest(*columns: str) -> Measure:
    """Keep the columns that come first together; the last ones come along with those by which they do."""

    def merging(place: int) -> Merge:
        end = place + len(columns)

        def merge(into: list[Any], values: Sequence[Any]) -> None:
            if tuple(values[place:end]) < tuple(into[place:end]):
                into[place:end] = values[place:end]

        return merge

    return Measure(columns, merging)


def latest(*columns: str) -> Measure:
    """Keep the columns that come last together. None in the first one is before all others: there is nothing yet."""

    def merging(place: int) -> Merge:
        end = place + len(columns)

        def merge(into: list[Any], values: Sequence[Any]) -> None:
            if values[place] is not None and (into[place] is None or tuple(values[place:end]) > tuple(into[place:end])):
                into[place:end] = values[place:end]

        return merge

    return Measure(columns, merging)


def distribution(column: str) -> Measure:
    """Add up histograms, which the database holds as JSON (see ``histogram.py``)."""

    def merging(place: int) -> Merge:
        def merge(into: list[Any], values: Sequence[Any]) -> None:
            histogram.add(into[place], values[place])

        return merge

    return Measure((column,), merging, _HISTOGRAM.decode, _as_json)


_HISTOGRAM = msgspec.json.Decoder(Histogram)


def _as_json(value: Histogram) -> str:
    return msgspec.json.encode(dict(sorted(value.items()))).decode()
