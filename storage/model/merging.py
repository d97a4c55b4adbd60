"""How a batch of events changes the rows of the rollups and the counters. Pure; no I/O.

Nothing here depends on the order of events: measures merge in any order, and sums are sums of integers.
"""

import heapq
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from storage.model.changes import RECENT, TOP, RecentActivity, TopUser
from storage.model.cutoffs import Cutoffs
from storage.model.events import Activity, AnyEvent, Message
from storage.model.metrics import COUNTERS, LABELLED, LABELS, OTHERS, labelled, one
from storage.model.rollup import Entry, Fact, Key, Rollup, Row, Values
from storage.model.rollups import LLM_ROLLUPS, ROLLUPS, USER_DAYS, USER_RETURNS, USERS
from storage.model.user_days import HOURLY_USERS, new_hours

_AMOUNTS: dict[type[AnyEvent], tuple[tuple[str, Callable[[AnyEvent], int]], ...]] = {
    kind: tuple((counter.name, counter.amount) for counter in COUNTERS if counter.event is kind)
    for kind in {counter.event for counter in COUNTERS}
}

Group = Sequence[Entry]
"""Events of one kind."""
Tell = Callable[[Any, Entry], Fact | None]
"""Says what an event tells."""


@dataclass(slots=True)
class Batch:
    """What the events of a batch tell, merged by key: ``facts`` by the rollup's name.

    ``sums`` are counters by name and minute. ``by_model`` has by minute and model, models in the order of their events,
    the sums of the labelled counters.
    """

    facts: dict[str, dict[Key, Values]]
    sums: dict[str, Mapping[str, int]]
    by_model: dict[tuple[str, str], list[int]]
    activities: Group


def gather(entries: Iterable[Entry]) -> Batch:
    """Merge what *entries* tell; they come in the order of their ids."""
    of_kind: defaultdict[type[AnyEvent], list[Entry]] = defaultdict(list)
    for entry in entries:
        of_kind[type(entry.event)].append(entry)
    batch = Batch({rollup.name: {} for rollup in ROLLUPS}, {}, {}, of_kind.get(Activity, []))
    for kind, group in of_kind.items():
        shared: dict[Tell, dict[Key, Values]] = {}
        for rollup in ROLLUPS:
            if (tell := rollup.facts.get(kind)) is None:
                continue
            if rollup.spread is None:
                _gather_facts(rollup, tell, group, batch.facts[rollup.name])
                continue
            if tell not in shared:
                shared[tell] = {}
                _gather_facts(rollup, tell, group, shared[tell])
            _spread(rollup, rollup.spread, shared[tell], batch.facts[rollup.name])
        minutes = [entry.at[:16] for entry in group]
        for name, amount in _AMOUNTS.get(kind, ()):
            batch.sums[name] = _by_minute(amount, group, minutes)
        if kind is Message:
            _gather_models(group, minutes, batch.by_model)
    return batch


def subtract(after: Batch, before: Batch) -> Batch:
    """Give what has to be added if calls that told *before* tell *after*: both are of the same calls at the same times.

    Only sums can differ, so only rollups of sums are changed.
    """
    facts: dict[str, dict[Key, Values]] = {rollup.name: {} for rollup in ROLLUPS}
    for rollup in LLM_ROLLUPS:
        told = before.facts[rollup.name]
        for key, values in after.facts[rollup.name].items():
            facts[rollup.name][key] = [new - old for new, old in zip(values, told[key], strict=True)]
    sums: dict[str, Mapping[str, int]] = {
        name: {minute: value - before.sums[name].get(minute, 0) for minute, value in minutes.items()}
        for name, minutes in after.sums.items()
    }
    return Batch(facts, sums, {}, [])


def _gather_facts(rollup: Rollup, tell: Tell, group: Group, facts: dict[Key, Values]) -> None:
    merge = rollup.merge
    for entry in group:
        if (fact := tell(entry.event, entry)) is None:
            continue
        key, values = fact
        if (before := facts.get(key)) is None:
            facts[key] = values
            continue
        if not isinstance(before, list):
            before = facts[key] = list(before)
        merge(before, values)


def _spread(
    rollup: Rollup, spread: Callable[[Key], Iterable[Key]], told: Mapping[Key, Values], facts: dict[Key, Values]
) -> None:
    """Merge facts that rollups share into those of one of them."""
    merge, copy = rollup.merge, rollup.copy
    for key, values in told.items():
        for target in spread(key):
            before: Any = facts.get(target)
            if before is None:
                facts[target] = copy(values)
            else:
                merge(before, values)


def _by_minute(amount: Callable[[AnyEvent], int], group: Group, minutes: Sequence[str]) -> Mapping[str, int]:
    """Add up what events add to a counter."""
    if amount is one:
        return Counter(minutes)
    sums: defaultdict[str, int] = defaultdict(int)
    for entry, minute in zip(group, minutes, strict=True):
        sums[minute] += amount(entry.event)
    return sums


def _gather_models(group: Group, minutes: Sequence[str], by_model: dict[tuple[str, str], list[int]]) -> None:
    for entry, minute in zip(group, minutes, strict=True):
        event: Any = entry.event
        if event.model_used is not None:
            key = (minute, event.model_used)
            if (sums := by_model.get(key)) is None:
                sums = by_model[key] = [0] * len(LABELLED)
            for place, counter in enumerate(LABELLED):
                sums[place] += counter.amount(event)


@dataclass(slots=True)
class Known:
    """The rows that a batch touches and the database holds already, by the rollup's name and by key.

    ``named`` are further keys of rollups with a bound that have a row of their own, ``labels`` how many labels the rows
    with the same beginning of the key have; ``models`` are the models with counters of their own. ``beside`` has the
    hours of users' days that share one with days of the batch.
    """

    rows: dict[str, dict[Key, Row]] = field(default_factory=lambda: {rollup.name: {} for rollup in ROLLUPS})
    named: set[tuple[str, Key]] = field(default_factory=set)
    labels: dict[tuple[str, Key], int] = field(default_factory=dict)
    models: set[str] = field(default_factory=set)
    beside: dict[Key, int] = field(default_factory=dict)


@dataclass(slots=True)
class Rolled:
    """What a batch makes of the rows it touches: ``rows`` by the rollup's name.

    ``counters`` maps (grain, metric, start) to what is added.
    """

    rows: dict[str, list[Row]]
    counters: dict[tuple[str, str, str], int]
    activities: list[RecentActivity]
    top_users: list[TopUser]


NOTHING_REMOVED = Cutoffs()
NO_RETURNS: Mapping[Key, Values] = {}


def roll(batch: Batch, known: Known, day_of: Callable[[str], str], cutoffs: Cutoffs = NOTHING_REMOVED) -> Rolled:
    """Merge a *batch* into the *known* rows, which are changed in place.

    What has expired by the *cutoffs* is not counted: an event can arrive late, for a day of which rows were removed.
    """
    counters = _Sums(day_of, cutoffs)
    for name, sums in batch.sums.items():
        for minute, value in sums.items():
            counters.add(name, minute, value)
    for (minute, model), values in batch.by_model.items():
        label = _label(known.models, model)
        for counter, value in zip(LABELLED, values, strict=True):
            counters.add(labelled(counter.name, label), minute, value)
    rows = {rollup.name: _merge(rollup, batch.facts[rollup.name], known, cutoffs) for rollup in ROLLUPS}
    for rollup in ROLLUPS:
        _count(rollup, rows[rollup.name], counters)
    counters.add_hours(new_hours(rows[USER_DAYS.name], known.beside, day_of))
    return Rolled(
        rows=rows,
        counters={key: value for key, value in counters.values.items() if value},
        activities=_newest(batch.activities),
        top_users=_most_active(batch.activities, known.rows[USERS.name]),
    )


def roll_archive(
    known: Known,
    sums: Iterable[tuple[str, str, int]],
    day_of: Callable[[str], str],
    cutoffs: Cutoffs,
    returns: Mapping[Key, Values] = NO_RETURNS,
) -> Rolled:
    """Make rollups of the archive alone: of the *known* rows, as if none was counted yet, and archived counters.

    *sums* are (metric, start, value): start is a minute, an hour, a local day, or "" for what has no time. *returns*
    are added to the known ones.
    """
    counters = _Sums(day_of, cutoffs)
    rows: dict[str, list[Row]] = {}
    for rollup in ROLLUPS:
        found = (Row(key, row.values) for key, row in known.rows[rollup.name].items())
        rows[rollup.name] = [row for row in found if not rollup.expires(row.key, cutoffs)]
        _count(rollup, rows[rollup.name], counters)
    if returns:
        rows[USER_RETURNS.name] = _merge(USER_RETURNS, returns, known, cutoffs)
    counters.add_hours(new_hours(rows[USER_DAYS.name], known.beside, day_of))
    for name, start, value in sums:
        counters.add_archived(name, start, value)
    return Rolled(rows, {key: value for key, value in counters.values.items() if value}, [], [])


def _merge(rollup: Rollup, facts: Mapping[Key, Values], known: Known, cutoffs: Cutoffs) -> list[Row]:
    """Merge facts into the known rows of one rollup; gives the rows that they touch."""
    rows, merge, has_expired = known.rows[rollup.name], rollup.merge, rollup.has_expired
    touched: dict[Key, Row] = {}
    for key, values in facts.items():
        if has_expired is not None and has_expired(key, cutoffs):
            continue
        if rollup.bound is not None:
            key = _own_key(rollup, key, known)
        if (row := rows.get(key)) is None:
            row = rows[key] = Row(key, list(values))
        else:
            merge(row.values, values)
        touched[key] = row
    return list(touched.values())


def _own_key(rollup: Rollup, key: Key, known: Known) -> Key:
    """Give the key of the row for a label: its own one, or that which all labels beyond the bound share."""
    name, group = rollup.name, key[:-1]
    if key in known.rows[name] or (name, key) in known.named:
        return key
    count = known.labels.get((name, group), 0)
    if rollup.bound is not None and count >= rollup.bound:
        return (*group, OTHERS)
    known.labels[name, group] = count + 1
    return key


def _label(models: set[str], model: str) -> str:
    """Give the label under which a model is counted; the first models have counters of their own."""
    if model not in models:
        if len(models) >= LABELS:
            return OTHERS
        models.add(model)
    return model


class _Sums:
    """Sums by (grain, metric, start): what is added to a minute is added to its hour and day, and to the total, too."""

    def __init__(self, day_of: Callable[[str], str], cutoffs: Cutoffs) -> None:
        self.values: defaultdict[tuple[str, str, str], int] = defaultdict(int)
        self._day_of = day_of
        self._cutoffs = cutoffs
        self._open = cutoffs.latest

    def add(self, name: str, at: str, value: int, in_total: bool = True) -> None:
        """Add what happened *at* a time; "" is no time: it is counted in total only."""
        if at:
            self._add_to_grains(name, at, value)
        if in_total:
            self.values["total", name, ""] += value

    def _add_to_grains(self, name: str, at: str, value: int) -> None:
        minute, hour = at[:16], at[:13]
        # Nearly every event is newer than all that has expired.
        is_open = f"{hour}:00" >= self._open
        if is_open or not self._cutoffs.has_expired(name, minute):
            self.values["minute", name, minute] += value
        if is_open or not self._cutoffs.has_expired(name, hour):
            self.values["hour", name, hour] += value
        self.values["day", name, self._day_of(at)] += value

    def add_archived(self, name: str, start: str, value: int) -> None:
        """Add what was archived by minute, by hour, by local day, or without a time."""
        if name == HOURLY_USERS:
            self.add_hours({start: value})
            return
        in_total = name not in _NOT_IN_TOTAL
        if len(start) == DAY_LENGTH:
            self.values["day", name, start] += value
            start = ""
        self.add(name, start, value, in_total)

    def add_hours(self, users: Mapping[str, int]) -> None:
        """Add distinct users by hour of UTC."""
        for hour, value in users.items():
            if not self._cutoffs.has_expired(HOURLY_USERS, hour):
                self.values["hour", HOURLY_USERS, hour] += value


DAY_LENGTH = len("2026-11-22")
_NOT_IN_TOTAL = {count.metric for rollup in ROLLUPS for count in rollup.counts if not count.in_total}


def _count(rollup: Rollup, rows: Sequence[Row], counters: _Sums) -> None:
    """Count rows at their moments; one that was counted at another moment moves."""
    for count in rollup.counts:
        place, moved = rollup.place(count.column), defaultdict[str, int](int)
        for row in rows:
            value, stored = row.values[place], None if row.stored is None else row.stored[place]
            if value == stored:
                continue
            if stored is not None and (before := count.moment(stored)) is not None:
                moved[before[:16]] -= 1
            if (after := count.moment(value)) is not None:
                moved[after[:16]] += 1
        for minute, number in moved.items():
            counters.add(count.metric, minute, number, count.in_total)


def _newest(activities: Group) -> list[RecentActivity]:
    newest = heapq.nlargest(RECENT, activities, key=lambda entry: (entry.at, entry.id))
    return [
        RecentActivity(entry.id, event.user_id, event.username, event.activity_type, entry.at)
        for entry in newest
        if isinstance(event := entry.event, Activity)
    ]


def _most_active(activities: Group, users: dict[Key, Row]) -> list[TopUser]:
    keys = {(entry.event.user_id,) for entry in activities if entry.event.user_id is not None}
    ranked = [_ranked(key[0], users[key].values) for key in keys]
    return heapq.nsmallest(TOP, ranked, key=lambda user: user.rank)


def _ranked(user_id: str, values: Values) -> TopUser:
    return TopUser(user_id, values[_NAME] or "", values[_ACTIVITIES])


_NAME, _ACTIVITIES = USERS.place("username"), USERS.place("activity_count")
