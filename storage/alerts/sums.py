"""The sums that conditions look at: read from the rollups once, then kept up with every commit.

Kept sums are facts of the tenant's head, as rows of rollups are (``storage/write/row_cache.py``): whoever finds another
head, or another minute of a window that does not move by itself, reads them again.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping
from typing import Any

from sqlalchemy import Connection, Select, bindparam, func, select

from storage.alerts.condition import MODEL, USER, Subject
from storage.alerts.figure import OF_LLM_DAYS
from storage.alerts.window import Moment, Source, Span, Window, WindowSum, same_time, span
from storage.model.clock import Days
from storage.model.merging import Rolled
from storage.model.rollups import LLM_MODEL_DAYS, LLM_USER_DAYS
from storage.tables import schema

_counters = schema.counters.c
_OF_GRAIN = (
    _counters.tenant_id == bindparam("tenant"),
    _counters.grain == bindparam("grain"),
    _counters.metric.in_(bindparam("metrics", expanding=True)),
    _counters.start.between(bindparam("first"), bindparam("last")),
)
_ROWS = select(_counters.metric, _counters.start, _counters.value).where(*_OF_GRAIN)
_SUM = select(_counters.metric, func.sum(_counters.value)).where(*_OF_GRAIN).group_by(_counters.metric)
_OF = {USER: LLM_USER_DAYS, MODEL: LLM_MODEL_DAYS}
_PLACES = {metric: LLM_USER_DAYS.place(column) for metric, column in OF_LLM_DAYS.items()}
"""Where among the values of a day of LLM calls each counter is; of users and models alike."""


def _days_of(of: str) -> Select[Any]:
    table = schema.ROLLUPS[_OF[of].name].c
    columns = [table[name] for name in (*_OF[of].key, *_OF[of].columns)]
    return select(*columns).where(
        table.tenant_id == bindparam("tenant"),
        table.day.between(bindparam("first"), bindparam("last")),
        table[of].in_(bindparam("labels", expanding=True)),
    )


_DAYS = {of: _days_of(of) for of in _OF}

Found = Mapping[Source, dict[str, int]]


class Sums:
    """The sums over all windows of a tenant's rules."""

    def __init__(self, subjects: Collection[Subject]) -> None:
        self._sums: dict[tuple[Source, Window], WindowSum] = {}
        self._of_counter: defaultdict[tuple[str, str], list[WindowSum]] = defaultdict(list)
        self._of_label: dict[str, defaultdict[str, list[WindowSum]]] = {
            USER: defaultdict(list),
            MODEL: defaultdict(list),
        }
        self._before: dict[Subject, int] = {}
        self._compared = [subject for subject in subjects if subject.back]
        self._moment: Moment | None = None
        for subject in subjects:
            for source in subject.sources:
                self._watch(source, subject.window)

    def _watch(self, source: Source, window: Window) -> None:
        if (source, window) in self._sums:
            return
        kept = self._sums[source, window] = WindowSum(source, window)
        if source.of:
            self._of_label[source.of][source.label].append(kept)
        else:
            self._of_counter[window.grain, source.metric].append(kept)

    @property
    def minutes(self) -> int:
        """How many rows of minutes there are at the most."""
        return sum(window.minutes for _, window in self._sums)

    @property
    def rows(self) -> int:
        """How many rows are kept."""
        return sum(len(kept.rows) for kept in self._sums.values())

    def of(self, subject: Subject) -> list[WindowSum]:
        """Give the sums of a subject, one for each of its sources; they are kept up from then on."""
        return [self._sums[source, subject.window] for source in subject.sources]

    def before(self, subject: Subject) -> int:
        """Give what a subject is compared with; 0 if it is compared with nothing."""
        return self._before.get(subject, 0)

    def bring(self, connection: Connection, tenant_id: str, moment: Moment, days: Days, rolled: Rolled | None) -> bool:
        """Come to a *moment*, with what *rolled* added; says whether any sum, or what it is compared with, may differ.

        With *rolled* None all of it is read. Else the sums are those of the head before it, or were never read.
        """
        before, self._moment = self._moment, moment
        if rolled is None or before is None or moment.minute < before.minute or moment.frame[1:] != before.frame[1:]:
            self._read(connection, tenant_id, moment, days)
            return True
        moved = self._add(rolled)
        if moment.minute == before.minute:
            return moved
        for kept in self._sums.values():
            if kept.window.minutes:
                kept.slide(span(kept.window, moment, days))
        self._compare(connection, tenant_id, moment, days)
        return True

    def _add(self, rolled: Rolled) -> bool:
        moved, of_counter = False, self._of_counter
        for (grain, metric, start), value in rolled.counters.items():
            if (grain, metric) in of_counter:
                for kept in of_counter[grain, metric]:
                    moved |= kept.add(start, value)
        for of, rollup in _OF.items():
            if by_label := self._of_label[of]:
                for row in rolled.rows[rollup.name]:
                    # A user has a row for each model.
                    day, label, *parts = row.key
                    for kept in by_label.get(label, ()):
                        moved |= kept.put(day, "".join(parts), row.values[_PLACES[kept.source.metric]])
        return moved

    def _read(self, connection: Connection, tenant_id: str, moment: Moment, days: Days) -> None:
        by_span: defaultdict[tuple[str, str, Span], list[WindowSum]] = defaultdict(list)
        for kept in self._sums.values():
            by_span[kept.source.of, kept.window.grain, span(kept.window, moment, days)].append(kept)
        for (of, grain, found_span), group in by_span.items():
            if of:
                found = _read_days(connection, tenant_id, of, found_span, group)
            else:
                found = _read_rows(connection, tenant_id, grain, found_span, group)
            for kept in group:
                kept.load(found_span, found.get(kept.source, {}))
        self._compare(connection, tenant_id, moment, days)

    def _compare(self, connection: Connection, tenant_id: str, moment: Moment, days: Days) -> None:
        """Read what the windows of other days had."""
        by_time: defaultdict[tuple[str, str], list[Subject]] = defaultdict(list)
        for subject in self._compared:
            by_time[same_time(subject.window, moment, days, subject.back)].append(subject)
        for (first, last), group in by_time.items():
            metrics = sorted({subject.sources[0].metric for subject in group})
            wanted = {"tenant": tenant_id, "grain": "minute", "metrics": metrics, "first": first, "last": last}
            sums = {metric: int(total) for metric, total in connection.execute(_SUM, wanted)}
            self._before.update((subject, sums.get(subject.sources[0].metric, 0)) for subject in group)


def _read_rows(connection: Connection, tenant_id: str, grain: str, found_span: Span, group: list[WindowSum]) -> Found:
    metrics = sorted({kept.source.metric for kept in group})
    wanted = {
        "tenant": tenant_id,
        "grain": grain,
        "metrics": metrics,
        "first": found_span.first,
        "last": found_span.last,
    }
    found: defaultdict[Source, dict[str, int]] = defaultdict(dict)
    for metric, start, value in connection.execute(_ROWS, wanted):
        found[Source(metric)][start] = value
    return found


def _read_days(connection: Connection, tenant_id: str, of: str, found_span: Span, group: list[WindowSum]) -> Found:
    labels = sorted({kept.source.label for kept in group})
    wanted = {"tenant": tenant_id, "labels": labels, "first": found_span.first, "last": found_span.last}
    found: defaultdict[Source, dict[str, int]] = defaultdict(dict)
    width = len(_OF[of].key)
    for row in connection.execute(_DAYS[of], wanted):
        (day, label, *parts), values = row[:width], row[width:]
        for metric, place in _PLACES.items():
            found[Source(metric, of, label)][day + "".join(parts)] = values[place]
    return found
