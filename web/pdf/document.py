"""What a printed report consists of; ``report.typ`` says how it looks. Pure.

All texts are data: they reach the typesetter as JSON, and none of them is ever read as markup.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from msgspec import Struct

Paper = Literal["a4", "us-letter"]
Mark = tuple[float, str]
"""A label of an axis, and where it stands: 0 is the beginning, 1 the end."""


class Figure(Struct):
    """One key figure; ``note`` says how it compares with the period before, "" if it is not compared."""

    label: str
    value: str
    note: str = ""


class Figures(Struct, tag="figures", tag_field="kind"):
    """Key figures, side by side."""

    title: str
    items: list[Figure]


class Chart(Struct):
    """One chart: a height from 0 to 1 for each point, None where there is none. ``alt`` says in words what it shows."""

    title: str
    alt: str
    style: Literal["bars", "line"]
    heights: list[float | None]
    across: list[Mark]
    up: list[Mark]


class Charts(Struct, tag="charts", tag_field="kind"):
    """Charts, two in a row."""

    title: str
    items: list[Chart]


class Column(Struct):
    """A column of a table; ``wide``: it takes what room the others leave."""

    title: str
    align: Literal["left", "right"] = "left"
    wide: bool = False


class Table(Struct, tag="table", tag_field="kind"):
    """Rows of text; ``note`` stands beneath, "" for none. ``empty`` stands in its place if there are no rows."""

    title: str
    columns: list[Column]
    rows: list[list[str]]
    note: str = ""
    empty: str = ""


Section = Figures | Charts | Table


@dataclass(frozen=True)
class Content:
    """What a report has: sections to print, and the rows behind its main table, by column, for those who compute."""

    sections: list[Section]
    columns: Sequence[str]
    rows: Sequence[Mapping[str, Any]]


class Document(Struct):
    """One report. ``facts`` are the lines beneath the title: name and value, such as range, zone and position.

    ``time`` is that of the figures, in seconds since 1970: no other time is in the file, so that the same figures give
    the same bytes. ``page`` is the word for the number of a page.
    """

    language: str
    paper: Paper
    landscape: bool
    title: str
    subtitle: str
    facts: list[tuple[str, str]]
    sections: list[Section]
    footer: str
    page: str
    time: int
