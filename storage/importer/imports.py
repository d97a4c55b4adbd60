"""Importing a legacy database: its rows are committed as events in the ordinary way, and its figures are compared.

Each event has an id of its own, so that an import that was interrupted is simply run again.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import compress, islice

from sqlalchemy import Connection, select
from sqlalchemy.ext.asyncio import AsyncConnection

from storage.engine.database import Database
from storage.errors import DataRefused
from storage.importer.legacy import DAYS, LegacyDatabase, LegacyRow, Refusal, Source
from storage.model.clock import Days, now
from storage.model.cutoffs import Cutoffs
from storage.model.events import EARLIEST, KIND_OF, AnyEvent
from storage.read.reports import Page, daily_stats
from storage.tables import schema
from storage.tables.heads import lock
from storage.write.commit import Outcome, commit

BATCH_ROWS = 2000
"""Rows of a commit: as much as the service commits at once, so that others wait no longer for their turn."""
LOOKUP_ROWS = 500
CLOSE_SECONDS = 0.0005
"""Means that are as close as this are equal: the platform's were sums of floats."""

Figures = dict[str, float | None]


@dataclass
class ImportCounts:
    """What became of a table's rows. A row counts as ``recorded`` if any of its events was new."""

    rows: int = 0
    recorded: int = 0
    known: int = 0
    refused: int = 0


@dataclass(frozen=True)
class Deviation:
    """A day or a conversation for which the platform had other figures: name, its value, and the one here."""

    key: str
    figures: list[tuple[str, float | None, float | None]]


class Import:
    """Imports the tables of *old*, for one tenant. The database must be open for writing."""

    def __init__(
        self, database: Database, old: LegacyDatabase, tenant_id: str, keep: int, refuse: Callable[[Refusal], None]
    ) -> None:
        """*keep* is how many entries the change log holds at the least; *refuse* gets the rows that are left out."""
        self._database = database
        self._old = old
        self._tenant_id = tenant_id
        self._keep = keep
        self._refuse = refuse

    async def import_table(self, source: Source, progress: Callable[[int, int], None]) -> ImportCounts:
        """Import one table, which must be there and lack no column."""
        counts, total = ImportCounts(), self._old.count(source.table)
        rows = self._old.rows(source)
        while batch := list(islice(rows, BATCH_ROWS)):
            refused = [row for row in batch if isinstance(row, Refusal)]
            for refusal in refused:
                self._skip(refusal, counts)
            counts.rows += len(batch)
            await self._commit(source, [row for row in batch if isinstance(row, LegacyRow)], counts)
            progress(counts.rows, total)
        return counts

    async def _commit(self, source: Source, rows: Sequence[LegacyRow], counts: ImportCounts) -> None:
        if not rows:
            return
        try:
            taken, outcome = await self._write(rows)
        except DataRefused as error:
            # By halves, until the row that the database does not take is alone.
            if len(rows) == 1:
                self._skip(Refusal(source.table, rows[0].id, "row", str(error)), counts)
                return
            middle = len(rows) // 2
            await self._commit(source, rows[:middle], counts)
            await self._commit(source, rows[middle:], counts)
            return
        for row, is_taken in zip(rows, taken, strict=True):
            if not is_taken:
                self._skip(Refusal(source.table, row.id, source.time, "lies before what is still kept here"), counts)
        recorded = iter(outcome.recorded)
        new = sum(sum(next(recorded) for _ in row.events) > 0 for row in compress(rows, taken))
        counts.recorded += new
        counts.known += sum(taken) - new

    def _skip(self, refusal: Refusal, counts: ImportCounts) -> None:
        self._refuse(refusal)
        counts.refused += 1

    async def _write(self, rows: Sequence[LegacyRow]) -> tuple[list[bool], Outcome]:
        """Commit the rows whose time is kept, and say which these are.

        The ids of removed events are not known any more: imported a second time, these would count twice.
        """
        epoch, days, arrival = self._database.epoch, self._database.days, now()

        def work(connection: Connection) -> tuple[list[bool], Outcome]:
            cutoffs = lock(connection, self._tenant_id).cutoffs
            taken = [not any(_is_removed(event, cutoffs) for event in row.events) for row in rows]
            arrived = [(event, arrival) for row in compress(rows, taken) for event in row.events]
            return taken, commit(connection, epoch, days, self._tenant_id, arrived, self._keep)

        return await self._database.write(work)


def _is_removed(event: AnyEvent, cutoffs: Cutoffs) -> bool:
    return str(event.timestamp) < cutoffs.tables[KIND_OF[type(event)].table]


async def compare_days(
    connection: AsyncConnection, days: Days, tenant_id: str, old: LegacyDatabase
) -> tuple[int, list[Deviation]]:
    """Compare the platform's days with those here; says how many there were, and which deviate."""
    latest = days.shift(days.today(), 1)
    kept = {day: figures for key, figures in old.figures(DAYS) if (day := _day(key)) and day <= latest}
    if not kept:
        return 0, []
    first, last = min(kept), max(kept)
    length = (date.fromisoformat(last) - date.fromisoformat(first)).days + 1
    listing = await daily_stats(connection, tenant_id, days, first, last, Page(length))
    here = {item["date"]: item for item in listing.items}
    return len(kept), [found for day in sorted(kept) if (found := _deviation(day, kept[day], here[day])).figures]


async def compare_conversations(
    connection: AsyncConnection, tenant_id: str, old: LegacyDatabase
) -> tuple[int, list[Deviation]]:
    """Compare the platform's sums by conversation with those here; one that is not here has none."""
    compared, deviations = 0, []
    conversations = schema.conversation_metrics.c
    for kept in _pages(old.figures("conversation_metrics")):
        query = select(conversations.conversation_id, conversations.message_count, conversations.total_tokens).where(
            conversations.tenant_id == tenant_id, conversations.conversation_id.in_(list(kept))
        )
        here = {
            key: {"message_count": messages, "total_tokens": tokens}
            for key, messages, tokens in await connection.execute(query)
        }
        compared += len(kept)
        deviations += [
            found for key, figures in kept.items() if (found := _deviation(key, figures, here.get(key, {}))).figures
        ]
    return compared, deviations


def _pages(figures: Iterator[tuple[str, Figures]]) -> Iterator[dict[str, Figures]]:
    while page := dict(islice(figures, LOOKUP_ROWS)):
        yield page


def _deviation(key: str, kept: Figures, here: Figures) -> Deviation:
    """What is missing counts as 0: the guide's columns begin with that."""
    values = [(name, value, here.get(name)) for name, value in kept.items()]
    return Deviation(key, [each for each in values if abs((each[1] or 0) - (each[2] or 0)) > CLOSE_SECONDS])


def _day(written: str) -> str | None:
    """Read a day, also from a date with a time; None if there can be no event on it."""
    try:
        day = date.fromisoformat(written[:10]).isoformat()
    except ValueError:
        return None
    return day if day >= EARLIEST[:10] else None
