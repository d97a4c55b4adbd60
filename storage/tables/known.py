"""What has to be known of the database before a batch is merged: the rows it touches, and the days around new ones."""

from collections.abc import Iterable, Mapping

from sqlalchemy import Connection

from storage.model.clock import Days
from storage.model.cutoffs import Cutoffs
from storage.model.merging import Batch, Known
from storage.model.rollup import Key, Row, Values
from storage.model.rollups import ROLLUPS, USER_DAYS, USER_RETURNS, USERS
from storage.model.user_days import Around, beside, returns
from storage.tables.bulk import Each
from storage.tables.rollup_rows import LIVE, by_group

_HOURS = USER_DAYS.place("hours")
_LAST_SEEN = USERS.place("last_seen")
_AROUND = Each(
    ("user_id", "day"),
    """
    SELECT rows.user_id, rows.day,
        (SELECT MAX(day) FROM user_days AS days
            WHERE days.tenant_id = {} AND days.user_id = rows.user_id AND days.day < rows.day),
        (SELECT MIN(day) FROM user_days AS days
            WHERE days.tenant_id = {} AND days.user_id = rows.user_id AND days.day > rows.day),
        (SELECT day FROM carried_last_days AS counted
            WHERE counted.tenant_id = {} AND counted.user_id = rows.user_id)
    FROM rows
    """,
)


def read_known(
    connection: Connection, tenant_id: str, batch: Batch, days: Days, cutoffs: Cutoffs, kept: Known | None = None
) -> Known:
    """Read the live rows that a batch touches, and how many labels have rows where the batch may bring new ones.

    The batch gets the returns that follow from its new days of users. What is *kept* is not read again: it must be what
    the transaction would read.
    """
    known = LIVE.read(connection, tenant_id, batch, kept)
    for rollup in ROLLUPS:
        if rollup.bound is not None:
            rows = known.rows[rollup.name]
            for group in by_group(key for key in batch.facts[rollup.name] if key not in rows):
                count = LIVE.tables[rollup.name].count_labels(connection, tenant_id, group)
                known.labels[rollup.name, group] = count
    # Nearly always the users of a batch were active in the same hour before.
    if changed := _changed(batch.facts[USER_DAYS.name], known.rows[USER_DAYS.name]):
        known.beside = _read_beside(connection, tenant_id, changed, days)
        new = [key for key in changed if key not in known.rows[USER_DAYS.name]]
        around = _around(connection, tenant_id, new, known, days, cutoffs)
        batch.facts[USER_RETURNS.name] = _read_returns(connection, tenant_id, around, known)
    return known


def _changed(facts: Mapping[Key, Values], rows: Mapping[Key, Row]) -> dict[Key, int]:
    """Give the hours of the days of users that are new, or have an hour more."""
    return {
        key: values[_HOURS]
        for key, values in facts.items()
        if (row := rows.get(key)) is None or values[_HOURS] & ~row.values[_HOURS]
    }


def read_returns(
    connection: Connection, tenant_id: str, known: Known, days: Days, cutoffs: Cutoffs
) -> Mapping[Key, Values]:
    """Give the returns that follow from archived days of users, which become *known* with the rows that they touch."""
    rows = known.rows[USER_DAYS.name]
    if not rows:
        return {}
    known.beside = _read_beside(connection, tenant_id, {key: row.values[_HOURS] for key, row in rows.items()}, days)
    kept = [key for key in rows if not USER_DAYS.expires(key, cutoffs)]
    return _read_returns(connection, tenant_id, _read_around(connection, tenant_id, kept), known)


def _read_beside(connection: Connection, tenant_id: str, hours: Mapping[Key, int], days: Days) -> dict[Key, int]:
    """Read the hours of the days that share one with days of users with these *hours*; in most zones none do."""
    found = LIVE.tables[USER_DAYS.name].find(connection, tenant_id, beside(hours, days.of))
    return {key: row.values[_HOURS] for key, row in found.items()}


def _read_returns(
    connection: Connection, tenant_id: str, around: Mapping[Key, Around], known: Known
) -> dict[Key, Values]:
    changes = returns(around)
    known.rows[USER_RETURNS.name] = LIVE.tables[USER_RETURNS.name].find(connection, tenant_id, changes)
    return {key: (change,) for key, change in changes.items()}


def _around(
    connection: Connection, tenant_id: str, new: Iterable[Key], known: Known, days: Days, cutoffs: Cutoffs
) -> dict[Key, Around]:
    """Say between which days of their users new ones lie.

    Nearly always a new day follows the last one of its user, which is known already.
    """
    users, found, late = known.rows[USERS.name], dict[Key, Around](), list[Key]()
    for key in new:
        day, user_id = key
        if day < cutoffs.user_days:
            continue
        user = users.get((user_id,))
        last = "" if user is None or user.stored is None else days.of(user.stored[_LAST_SEEN])
        # An event of a day that was counted for good moves a user's last one, but makes no day.
        if user is None or (cutoffs.user_days <= last < day):
            found[key] = (last, "")
        else:
            late.append(key)
    return found | _read_around(connection, tenant_id, late)


def _read_around(connection: Connection, tenant_id: str, keys: Iterable[Key]) -> dict[Key, Around]:
    """Read between which days of their users some days lie, but those that are given."""
    wanted = [(user_id, day) for day, user_id in keys]
    rows = _AROUND.find(connection, (tenant_id,) * 3, wanted)
    return {
        (day, user_id): (max(previous or "", counted or ""), following or "")
        for user_id, day, previous, following, counted in rows
    }
