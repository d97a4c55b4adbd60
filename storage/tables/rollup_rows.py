"""The rows of users, days, conversations and endpoints: read before a batch is rolled up, written after it.

There are two sets of them, with the same columns: those that reports read, and those **carried**, which are the same
facts about removed rows alone.
"""

from collections.abc import Iterable, Iterator, Mapping
from operator import attrgetter

import msgspec
from sqlalchemy import Connection, Table, bindparam, select, tuple_

from storage.model.histogram import Histogram
from storage.model.metrics import LABELLED, OTHERS, label_bounds
from storage.model.rollups import OTHER_ENDPOINTS, DayKey, EndpointDay, Known, Rollup, Talk, Touched, User
from storage.tables import schema
from storage.tables.bulk import Lookup, Row, replace

PAGE_ROWS = 2000
"""Rows that are read at a time where all are."""

_USER_COLUMNS = schema.users.c.keys()[1:]
_TALK_COLUMNS = schema.conversation_metrics.c.keys()[1:]
_ENDPOINT_DAY_COLUMNS = schema.endpoint_days.c.keys()[1:]
_of_user = attrgetter(*_USER_COLUMNS)
_of_talk = attrgetter(*_TALK_COLUMNS)


class Ledger:
    """One set of the four tables."""

    def __init__(self, users: Table, user_days: Table, conversations: Table, endpoint_days: Table) -> None:
        self._tables = (users, user_days, conversations, endpoint_days)
        self._find_users = Lookup(users, "user_id", _USER_COLUMNS)
        self._find_user_days = Lookup(user_days, "user_id", ["user_id", "first_at"], ["tenant_id", "day"])
        self._find_talks = Lookup(conversations, "conversation_id", _TALK_COLUMNS)
        self._find_endpoint_days = Lookup(endpoint_days, "endpoint", _ENDPOINT_DAY_COLUMNS, ["tenant_id", "day"])
        self._replace_users = replace(users)
        self._replace_talks = replace(conversations)
        self._replace_user_days = replace(user_days)
        self._replace_endpoint_days = replace(endpoint_days)
        # Most events leave the indexed columns of a known row as they are: not setting these spares their indexes.
        self._update_users = replace(users, ("first_seen", "last_seen"))
        self._update_talks = replace(
            conversations, ("message_count", "total_tokens", "response_count", "response_time_us", "updated_at")
        )

    def read(self, connection: Connection, tenant_id: str, keys: Touched) -> Known:
        """Read the rows named by *keys*, and the one that the other endpoints of each of their days share."""
        known = Known()
        for row in self._find_users.find(connection, (tenant_id,), keys.users):
            user = User(*row)
            known.users[user.user_id] = user.counted()
        for day, user_ids in by_day(keys.user_days).items():
            for user_id, first_at in self._find_user_days.find(connection, (tenant_id, day), user_ids):
                known.user_days[day, user_id] = first_at
        for row in self._find_talks.find(connection, (tenant_id,), keys.conversations):
            talk = Talk(*row)
            known.conversations[talk.conversation_id] = talk.counted()
        for day, endpoints in by_day(keys.endpoint_days).items():
            for row in self._find_endpoint_days.find(connection, (tenant_id, day), [*endpoints, OTHER_ENDPOINTS]):
                known.endpoint_days[row[0], row[1]] = _endpoint_day(row)
        return known

    def pages(self, connection: Connection, tenant_id: str) -> Iterator[Known]:
        """Read all rows of the tenant, in pages; none is marked as counted."""
        for rows in _all(connection, self._tables[0], tenant_id):
            yield Known(users={user.user_id: user for user in (User(*each) for each in rows)})
        for rows in _all(connection, self._tables[1], tenant_id):
            yield Known(user_days={(day, user_id): first_at for day, user_id, first_at in rows})
        for rows in _all(connection, self._tables[2], tenant_id):
            yield Known(conversations={talk.conversation_id: talk for talk in (Talk(*each) for each in rows)})
        for rows in _all(connection, self._tables[3], tenant_id):
            yield Known(endpoint_days={(each[0], each[1]): _endpoint_day(each) for each in rows})

    def write(self, connection: Connection, tenant_id: str, rollup: Rollup) -> None:
        """Write the rows that a batch made or changed."""
        for statement, users in ((self._update_users, True), (self._replace_users, False)):
            chosen = [user for user in rollup.users if user.keeps_rank is users]
            statement.write(connection, [(tenant_id, *_of_user(user)) for user in chosen])
        for statement, talks in ((self._update_talks, True), (self._replace_talks, False)):
            settled = [talk for talk in rollup.conversations if talk.keeps_place is talks]
            statement.write(connection, [(tenant_id, *_of_talk(talk)) for talk in settled])
        self._replace_user_days.write(connection, [(tenant_id, *row) for row in rollup.user_days])
        self._replace_endpoint_days.write(
            connection, [(tenant_id, *_of_endpoint_day(row)) for row in rollup.endpoint_days]
        )


def _all(connection: Connection, table: Table, tenant_id: str) -> Iterator[list[Row]]:
    """Read a tenant's rows, without the tenant, in the order of their key."""
    key = [column for column in table.primary_key.c if column.name != "tenant_id"]
    places = [table.c.keys()[1:].index(column.name) for column in key]
    query = select(*list(table.c)[1:]).where(table.c.tenant_id == tenant_id).order_by(*key).limit(PAGE_ROWS)
    page = query
    while rows := [tuple(row) for row in connection.execute(page)]:
        yield rows
        page = query.where(tuple_(*key) > tuple_(*(rows[-1][place] for place in places)))


LIVE = Ledger(schema.users, schema.user_days, schema.conversation_metrics, schema.endpoint_days)
CARRIED = Ledger(
    schema.carried_users,
    schema.carried_user_days,
    schema.carried_conversation_metrics,
    schema.carried_endpoint_days,
)


def by_day(keys: Iterable[DayKey]) -> Mapping[str, list[str]]:
    """Gather keys by their day."""
    found: dict[str, list[str]] = {}
    for day, key in keys:
        found.setdefault(day, []).append(key)
    return found


def _endpoint_day(row: Row) -> EndpointDay:
    day, endpoint, count, errors, total_us, buckets = row
    return EndpointDay(day, endpoint, count, errors, total_us, msgspec.json.decode(buckets, type=Histogram))


def _of_endpoint_day(row: EndpointDay) -> Row:
    buckets = msgspec.json.encode(dict(sorted(row.buckets.items()))).decode()
    return (row.day, row.endpoint, row.count, row.error_count, row.response_time_us, buckets)


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
