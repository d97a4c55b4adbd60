"""Which report is wanted, and the document that it becomes: all of it read in one transaction."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, get_args

from storage.engine.database import ReadTransaction
from storage.model import clock
from storage.model.changes import Position
from storage.model.clock import Days
from storage.read.reports import Page
from storage.read.snapshots import read_committed_at, read_head
from web.pdf.costs import costs
from web.pdf.document import Content, Document, Paper
from web.pdf.language.words import Language, language
from web.pdf.listing import WIDE, columns_of, listing
from web.pdf.overview import overview
from web.pdf.period import Period, before, period
from web.reports.lists import LISTS, Ask, List

OVERVIEW, COSTS = "overview", "costs"
SOURCES: Mapping[str, List] = {source.name: source for source in LISTS}
NAMES = (OVERVIEW, COSTS, *SOURCES)
PAPERS: tuple[Paper, ...] = get_args(Paper)
LANGUAGES = ("en", "de")


@dataclass(frozen=True)
class Wanted:
    """A report: one of :data:`NAMES`, over a range (None: the usual one), of a list what its ``filters`` select.

    ``title`` stands above it in the place of its own name: that of a saved view; "" for none.
    """

    name: str = OVERVIEW
    start: str | None = None
    end: str | None = None
    paper: Paper = "a4"
    language: str = "en"
    filters: Mapping[str, Any] = field(default_factory=dict)
    shown_filters: Mapping[str, str] = field(default_factory=dict)
    title: str = ""


@dataclass(frozen=True)
class Report:
    """A document, what it has, and the position of its figures."""

    document: Document
    content: Content
    position: Position


async def read_report(connection: ReadTransaction, epoch: str, tenant_id: str, days: Days, wanted: Wanted) -> Report:
    """Read a report in one transaction; raises a 422 :exc:`Problem`."""
    words = language(wanted.language, days)
    position = await read_head(connection, epoch, tenant_id)
    at = await read_committed_at(connection, tenant_id, position)
    page = Page(1, None, wanted.start, wanted.end)
    ask = Ask(connection, tenant_id, days, days.today(), page, wanted.filters)
    facts = {}
    if wanted.name in SOURCES:
        content = await listing(ask, words, SOURCES[wanted.name])
        facts[words("range")] = _open_range(words, wanted)
    else:
        covered = await period(days, *_rounded(days, wanted))
        facts[words("range")] = _range(words, covered)
        if wanted.name == OVERVIEW:
            content = await overview(ask, words, covered)
            if covered.has_ended:
                facts[words("compared")] = _range(words, await before(days, covered))
        else:
            content = await costs(ask, words, covered)
    facts |= _facts(words, wanted, tenant_id, position, at)
    return Report(_document(words, wanted, facts, content, at), content, position)


def _rounded(days: Days, wanted: Wanted) -> tuple[str | None, str | None]:
    """Take whole days for costs, whose rollups are by day."""
    start, end = wanted.start, wanted.end
    if wanted.name == COSTS:
        start = None if start is None else days.start(days.of(start))
        end = None if end is None else days.start(days.shift(days.last_before(end), 1))
    return start, end


def _facts(words: Language, wanted: Wanted, tenant_id: str, position: Position, at: str | None) -> dict[str, str]:
    shown = ", ".join(f"{words.column(name)} {value}" for name, value in wanted.shown_filters.items())
    return {
        **({words("filters"): shown} if shown else {}),
        words("zone"): words.days.zone.key,
        words("as_of"): words("nothing_yet") if at is None else words.moment(at, seconds=True),
        words("position"): str(position),
        words("tenant"): tenant_id,
    }


def _document(words: Language, wanted: Wanted, facts: Mapping[str, str], content: Content, at: str | None) -> Document:
    source = SOURCES.get(wanted.name)
    name = words(wanted.name) if source is None else words(f"list_{wanted.name}")
    return Document(
        language=words.name,
        paper=wanted.paper,
        landscape=source is not None and len(columns_of(source)) > WIDE,
        title=wanted.title or name,
        subtitle=name if wanted.title else "",
        facts=list(facts.items()),
        sections=content.sections,
        footer=words("footer"),
        page=words("page"),
        time=0 if at is None else int(clock.moment(at).timestamp()),
    )


def _range(words: Language, covered: Period) -> str:
    if covered.interval == "day":
        first, last = covered.covered.keys[0], covered.covered.keys[-1]
        return words.day(first) if first == last else words("until", start=words.day(first), end=words.day(last))
    return words("until", start=words.moment(covered.start), end=words.moment(covered.end))


def _open_range(words: Language, wanted: Wanted) -> str:
    start, end = (None if edge is None else words.moment(edge) for edge in (wanted.start, wanted.end))
    if start is not None and end is not None:
        return words("until", start=start, end=end)
    if start is not None:
        return words("from_on", start=start)
    return words("all_time") if end is None else words("up_to", end=end)
