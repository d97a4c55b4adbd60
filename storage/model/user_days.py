"""What follows from the days on which users were active: the hours of each day, and the day before it. Pure.

The distinct users of some days are those of each day who were not active earlier among them: of each user exactly the
first of these days counts. So it suffices to know how many users of a day were active before on which day: the
**returns**. An inserted day changes the returns of itself and of the user's next day, whatever the order in which days
come.

The hours of a user's day are a set of hours of UTC, as bits. Days of zones that begin within an hour share that hour
with the day before: a user who was active in both parts of it counts once.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from functools import lru_cache

from storage.model.rollup import Key, Row

HOURLY_USERS = "hourly_users"
"""The counter of distinct users by hour of UTC; it is kept by hour only."""

# Bit 0 is 10:00 UTC of the date before: no zone's day begins earlier. The last one that a day can have is 49.
_EARLIEST = timedelta(hours=-14)
_DATE_BEFORE, _SAME_DATE, _DATE_AFTER = -10, 14, 38
_HOURS = 1
"""The place of the hours among the columns of a user's day."""

Around = tuple[str, str]
"""The days before and after a day on which its user was active, "" for none."""


def hour_bit(at: str, day: str) -> int:
    """Number the bit of the hour of UTC of a time, or of an hour, among those of a local *day*."""
    date = at[:10]
    return int(at[11:13]) + (_SAME_DATE if date == day else _DATE_AFTER if date > day else _DATE_BEFORE)


@lru_cache(maxsize=4096)
def hour_mask(hour: str, day: str) -> int:
    """Give the bit of an hour of UTC, ``2026-11-22T11``, of a local *day*; kept, since each event needs it."""
    return 1 << hour_bit(hour, day)


def hours(day: str, bits: int) -> Iterator[str]:
    """Name the hours of UTC of a local day whose bits are set: ``2026-11-22T11``."""
    while bits:
        yield _hour(day, (bits & -bits).bit_length() - 1)
        bits &= bits - 1


@lru_cache(maxsize=4096)
def _hour(day: str, bit: int) -> str:
    return (datetime.fromisoformat(day) + _EARLIEST + timedelta(hours=bit)).isoformat()[:13]


_MINUTES = ("00", "15", "30", "45", "59")
"""Of an hour: days begin at quarters of hours of UTC. Clocks of St. John's turned back a minute after midnight, so that
one minute of a day lay between two parts of the day before."""


def other_day(day: str, hour: str, day_of: Callable[[str], str]) -> str | None:
    """Name the other local day of which a part lies in an *hour* of a *day*; None if the hour lies in one day."""
    return next((found for minute in _MINUTES if (found := day_of(f"{hour}:{minute}")) != day), None)


def beside(days: Mapping[Key, int], day_of: Callable[[str], str]) -> set[Key]:
    """Name the users' days that share an hour with those of *days*, which have their hours."""
    others = {
        (day, bits): {other for hour in hours(day, bits) if (other := other_day(day, hour, day_of)) is not None}
        for day, bits in {(day, bits) for (day, _), bits in days.items()}
    }
    if not any(others.values()):
        return set()
    return {(other, user_id) for (day, user_id), bits in days.items() for other in others[day, bits]}


def new_hours(rows: Sequence[Row], known: Mapping[Key, int], day_of: Callable[[str], str]) -> Counter[str]:
    """Count the users by the hours of UTC in which the *rows* of their days say newly that they were active.

    *known* has the hours of the days that share one with these, as they were before.
    """
    found = Counter[str]()
    changed: defaultdict[tuple[str, int], list[Row]] = defaultdict(list)
    by_key: dict[Key, Row] = {}
    for row in rows:
        if new := row.values[_HOURS] & ~(0 if row.stored is None else row.stored[_HOURS]):
            changed[row.key[0], new].append(row)
    for (day, new), of_users in changed.items():
        for hour in hours(day, new):
            other = other_day(day, hour, day_of)
            if other is None:
                found[hour] += len(of_users)
            else:
                by_key = by_key or {row.key: row for row in rows}
                place = hour_bit(hour, other)
                found[hour] += sum(
                    not _hours_before((other, row.key[1]), other < day, by_key, known) >> place & 1 for row in of_users
                )
    return found


def _hours_before(key: Key, is_earlier: bool, rows: Mapping[Key, Row], known: Mapping[Key, int]) -> int:
    """Give the hours that a day counted before another one: of two days that are new, the earlier one counts first."""
    row = rows.get(key)
    if row is None:
        return known.get(key, 0)
    if is_earlier:
        return int(row.values[_HOURS])
    return 0 if row.stored is None else int(row.stored[_HOURS])


def returns(around: Mapping[Key, Around]) -> Counter[Key]:
    """Say by how many users each (day, previous) changes by new days of users.

    *around* has them by (day, user), with the days before and after as they were known without the new ones.
    """
    changes = Counter[Key]()
    for days in _by_user(around):
        for place, (day, previous, following) in enumerate(days):
            inserted = days[place - 1][0] if place else ""
            changes[day, max(previous, inserted)] += 1
            is_last = place + 1 == len(days) or days[place + 1][0] > following
            if following and is_last:
                changes[following, previous] -= 1
                changes[following, day] += 1
    return Counter({key: change for key, change in changes.items() if change})


def _by_user(around: Mapping[Key, Around]) -> Iterable[list[tuple[str, str, str]]]:
    """Gather the days of each user, in their order."""
    found: defaultdict[str, list[tuple[str, str, str]]] = defaultdict(list)
    for (day, user_id), (previous, following) in around.items():
        found[user_id].append((day, previous, following))
    return (sorted(days) for days in found.values())
