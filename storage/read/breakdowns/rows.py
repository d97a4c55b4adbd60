"""The rows of rollups that a breakdown reads: grouped by its dimensions, as SQL."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Select, Subquery, cast, func, select, tuple_

from storage.model.metrics import OTHERS
from storage.read.breakdowns.catalogue import ACTIVE_USERS, COST, Metric, Source
from storage.read.series import Points
from storage.tables import schema
from storage.tables.parts import first_part, rest_part

Labels = tuple[str, ...]
"""The values of the dimensions of one row of a breakdown."""
_PARTS = {"whole": lambda column: column, "first": first_part, "rest": rest_part}


@dataclass(frozen=True)
class Breakdown:
    """What is asked: a ``metric`` ``by`` one or two dimensions, of the rows of a ``source`` at points.

    The points are those of which rows are kept; ``kept_from`` says when the first one begins if earlier ones are not
    (None: all are). ``has_points``: whether each row has a value for each point.
    """

    tenant_id: str
    metric: Metric
    by: tuple[str, ...]
    source: Source
    covered: Points
    kept_from: str | None = None
    has_points: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the dimensions' columns in its queries."""
        return ("label", "second")[: len(self.by)]

    @property
    def columns(self) -> Any:
        """The columns of the source's table."""
        return schema.ROLLUPS[self.source.rollup.name].c

    @property
    def start(self) -> ColumnElement[str]:
        """The column with the hour or the day."""
        return self.columns[self.source.start]  # type: ignore[no-any-return]

    @property
    def dimensions(self) -> list[ColumnElement[str]]:
        """What is grouped by."""
        found = []
        for name in self.by:
            column, place = self.source.dimensions[name]
            found.append(_PARTS[place](self.columns[column]))
        return found

    @property
    def within(self) -> tuple[ColumnElement[bool], ...]:
        """Select the rows of the range."""
        keys, scope = self.covered.keys, self.source.scope
        of_tenant = self.columns["tenant_id"] == self.tenant_id
        if scope is None:
            return of_tenant, self.start.between(keys[0], keys[-1])
        # By each start: rows of other scopes lie between them.
        return of_tenant, self.start.in_(keys), self.columns["scope"] == scope

    @property
    def named(self) -> tuple[ColumnElement[bool], ...]:
        """Select the rows of the range that have a value of each dimension, and events of the metric."""
        events = self.columns[self.source.counts[self.metric.name]]
        return (*self.within, *(dimension != OTHERS for dimension in self.dimensions), events != 0)

    @property
    def beyond(self) -> tuple[ColumnElement[bool], ...] | None:
        """Select the rows of labels that came beyond the bound; None: there is no bound."""
        rollup = self.source.rollup
        return None if rollup.bound is None else (*self.within, self.columns[rollup.key[-1]] == OTHERS)

    @property
    def sums(self) -> list[ColumnElement[Any]]:
        """What is added up: the value, the events behind it, and of cost the calls without one."""
        columns, name = self.columns, self.metric.name
        value = columns[self.source.columns[name]]
        found = [
            func.count(value.distinct()).label("value") if self.metric is ACTIVE_USERS else total(value, "value"),
            total(columns[self.source.counts[name]], "count"),
        ]
        if self.metric is COST:
            found.append(total(columns["unpriced_calls"], "unpriced_calls"))
        return found

    def grouped(self) -> Subquery:
        """Add up each row of the breakdown."""
        dimensions = self.dimensions
        named = (each.label(name) for each, name in zip(dimensions, self.names, strict=True))
        return select(*named, *self.sums).where(*self.named).group_by(*dimensions).subquery()

    def of(self, rows: Sequence[Labels]) -> ColumnElement[bool]:
        """Select some rows of the breakdown."""
        if len(self.by) == 1:
            return self.dimensions[0].in_([label for (label,) in rows])
        return tuple_(*self.dimensions).in_(rows)

    def by_point(self, rows: Sequence[Labels]) -> Select[Any]:
        """Add up each point of some rows: their labels, the start, the value."""
        by: list[ColumnElement[Any]] = [*self.dimensions, self.start]
        query: Select[Any] = select(*by, self.sums[0])
        return query.where(*self.named, self.of(rows)).group_by(*by)

    def without(self, keys: int, kept_from: str) -> "Breakdown":
        """Leave out the first points, which have expired."""
        covered = Points(self.covered.interval, self.covered.keys[keys:], self.covered.starts[keys:])
        return replace(self, covered=covered, kept_from=kept_from)


def total(column: ColumnElement[Any], name: str) -> ColumnElement[int]:
    """Add up a column as a whole number, 0 for none: PostgreSQL adds up to decimals."""
    return cast(func.coalesce(func.sum(column), 0), BigInteger).label(name)
