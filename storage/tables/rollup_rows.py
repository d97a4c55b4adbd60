"""The rows of rollups: read before a batch is merged into them, written after it.

There are two sets of them, with the same columns: those that reports read, and the **archive**, which has the same
facts about removed rows alone.
"""

from collections.abc import Iterable, Iterator, Mapping
from operator import itemgetter
from typing import Any

from sqlalchemy import ColumnElement, Connection, Table, bindparam, func, select, tuple_

from storage.model.merging import Batch, Known, Rolled
from storage.model.metrics import LABELLED, OTHERS, label_bounds
from storage.model.rollup import Key, Rollup, Row
from storage.model.rollups import ROLLUPS
from storage.tables import schema
from storage.tables.bulk import Each, Lookup, replace

PAGE_ROWS = 2000
"""RollupStore that are read at a time where all are."""

FEW_GROUPS = 2
"""More groups are read by one statement: 2,000 events of as many days would take 4,000, and 3 s beside a busy loop."""
NO_ROWS: Mapping[Key, Row] = {}


class RollupTable:
    """The rows of one rollup in one table."""

    def __init__(self, rollup: Rollup, table: Table) -> None:
        self.rollup = rollup
        self.table = table
        *group, last = rollup.key
        self._lookup = Lookup(table, last, [*rollup.key, *rollup.columns], ["tenant_id", *group])
        read = ", ".join(f"{table.name}.{name}" for name in (*rollup.key, *rollup.columns))
        same = " AND ".join(f"{table.name}.{name} = rows.{name}" for name in rollup.key)
        # A cross join is read from its left side on.
        query = f"SELECT {read} FROM rows CROSS JOIN {table.name} WHERE {table.name}.tenant_id = {{}} AND {same}"  # noqa: S608
        self._each = Each(rollup.key, query)
        self._columns = [table.c[name] for name in (*rollup.key, *rollup.columns)]
        self._replace = replace(table)
        # Most events leave the indexed columns of a known row as they are: not setting these spares their indexes.
        indexed = {column.name for index in table.indexes for column in index.columns}
        free = [name for name in rollup.columns if name not in indexed]
        self._update = replace(table, free)
        of_group = (table.c[name] == bindparam(name) for name in ("tenant_id", *group))
        self._count = select(func.count()).where(*of_group, table.c[last] != OTHERS)
        places = [place for place, name in enumerate(rollup.columns) if name in indexed]
        self._indexed = itemgetter(*places) if places else None
        self._width = len(rollup.key)

    def find(
        self, connection: Connection, tenant_id: str, keys: Iterable[Key], kept: Mapping[Key, Row] = NO_ROWS
    ) -> dict[Key, Row]:
        """Read the rows with these keys, and with a bound the row that the labels beyond it share.

        Rows that are *kept* are taken from there.
        """
        found: dict[Key, Row] = {}
        if kept:
            found, keys = _divide(keys, kept)
        for row in self._read(connection, tenant_id, by_group(keys)):
            self._load(row, found)
        return found

    def _read(self, connection: Connection, tenant_id: str, groups: dict[Key, list[str]]) -> Iterator[Any]:
        others = [] if self.rollup.bound is None else [OTHERS]
        if len(groups) > FEW_GROUPS:
            keys = [(*group, label) for group, labels in groups.items() for label in (*labels, *others)]
            yield from self._each.find(connection, (tenant_id,), keys)
            return
        for group, labels in groups.items():
            yield from self._lookup.find(connection, (tenant_id, *group), [*labels, *others])

    def count_labels(self, connection: Connection, tenant_id: str, group: Key) -> int:
        """Count the rows of a group, the one that labels beyond the bound share left out; reads all of them."""
        names = ("tenant_id", *self.rollup.key[:-1])
        return connection.scalar(self._count, dict(zip(names, (tenant_id, *group), strict=True))) or 0

    def select(self, connection: Connection, *where: ColumnElement[bool]) -> dict[Key, Row]:
        """Read the rows for which all of *where* holds."""
        found: dict[Key, Row] = {}
        for row in connection.execute(select(*self._columns).where(*where)):
            self._load(row, found)
        return found

    def pages(self, connection: Connection, tenant_id: str) -> Iterator[dict[Key, Row]]:
        """Read all rows of the tenant, in pages, in the order of their keys."""
        key = [self.table.c[name] for name in self.rollup.key]
        query = select(*self._columns).where(self.table.c.tenant_id == tenant_id).order_by(*key).limit(PAGE_ROWS)
        page = query
        while rows := [tuple(row) for row in connection.execute(page)]:
            found: dict[Key, Row] = {}
            for row in rows:
                self._load(row, found)
            yield found
            page = query.where(tuple_(*key) > tuple_(*rows[-1][: len(key)]))

    def _load(self, columns: Any, into: dict[Key, Row]) -> None:
        # Made plain first: to slice a row of SQLAlchemy takes six times as long.
        plain = tuple(columns)
        key, stored = plain[: self._width], plain[self._width :]
        into[key] = self.rollup.load(key, stored)

    def write(self, connection: Connection, tenant_id: str, rows: Iterable[Row]) -> None:
        """Write the rows that are new or changed; from then on they are as they are stored."""
        updated: list[tuple[Any, ...]] = []
        replaced: list[tuple[Any, ...]] = []
        dump, indexed = self.rollup.dump, self._indexed
        for row in rows:
            columns, stored = dump(row), row.stored
            if columns == stored:
                continue
            keeps_indexed = stored is not None and (indexed is None or indexed(columns) == indexed(stored))
            (updated if keeps_indexed else replaced).append((tenant_id, *row.key, *columns))
            row.stored = columns
        self._update.write(connection, updated)
        self._replace.write(connection, replaced)


class RollupStore:
    """One set of the rows of all rollups."""

    def __init__(self, tables: Mapping[str, Table]) -> None:
        self.tables = {rollup.name: RollupTable(rollup, tables[rollup.name]) for rollup in ROLLUPS}

    def read(self, connection: Connection, tenant_id: str, batch: Batch, kept: Known | None = None) -> Known:
        """Read the rows that a batch touches, and which models are counted by themselves.

        What is *kept* is not read again.
        """
        known = Known() if kept is None else Known(models=kept.models)
        for name, table in self.tables.items():
            rows = NO_ROWS if kept is None else kept.rows[name]
            known.rows[name] = table.find(connection, tenant_id, batch.facts[name], rows)
        if batch.by_model and not known.models:
            known.models = read_models(connection, tenant_id)
        return known

    def pages(self, connection: Connection, tenant_id: str) -> Iterator[Known]:
        """Read all rows of the tenant, in pages."""
        for name, table in self.tables.items():
            for rows in table.pages(connection, tenant_id):
                known = Known()
                known.rows[name] = rows
                yield known

    def write(self, connection: Connection, tenant_id: str, rolled: Rolled) -> None:
        """Write the rows that a batch made or changed."""
        for name, table in self.tables.items():
            table.write(connection, tenant_id, rolled.rows[name])


LIVE = RollupStore(schema.ROLLUPS)
ARCHIVE = RollupStore(schema.ARCHIVE)


def _divide(keys: Iterable[Key], kept: Mapping[Key, Row]) -> tuple[dict[Key, Row], list[Key]]:
    """Give the rows of *keys* that are kept, and the keys of the others."""
    found, left = {}, []
    for key in keys:
        if (row := kept.get(key)) is None:
            left.append(key)
        else:
            found[key] = row
    return found, left


def by_group(keys: Iterable[Key]) -> dict[Key, list[str]]:
    """Gather the last parts of keys by all that comes before."""
    found: dict[Key, list[str]] = {}
    for key in keys:
        found.setdefault(key[:-1], []).append(key[-1])
    return found


_counters = schema.counters.c
_FIRST_LABEL, _PAST_LABELS = label_bounds(LABELLED[0].name)
_FIND_MODELS = select(_counters.metric).where(
    _counters.tenant_id == bindparam("tenant"),
    _counters.grain == "total",
    _counters.metric >= _FIRST_LABEL,
    _counters.metric < _PAST_LABELS,
)


def read_models(connection: Connection, tenant_id: str) -> set[str]:
    """Read which models have counters of their own."""
    names = connection.scalars(_FIND_MODELS, {"tenant": tenant_id})
    return {name[len(_FIRST_LABEL) :] for name in names} - {OTHERS}
