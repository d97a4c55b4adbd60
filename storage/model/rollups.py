"""Rollups: from a batch of events, and the rows it touches, to the rows as they must be after it. Pure; no I/O.

Nothing here depends on the order of events: first and last are taken by (timestamp, id), sums are sums of integers.
"""

import heapq
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from storage.model.changes import RECENT, TOP, RecentActivity, TopUser
from storage.model.cutoffs import Horizons
from storage.model.events import Activity, AnyEvent, ApiUsage, Conversation, Message
from storage.model.histogram import Histogram, bucket
from storage.model.metrics import COUNTERS, LABELLED, LABELS, OTHERS, labelled

Amounts = tuple[tuple[str, Callable[[AnyEvent], int]], ...]

_AMOUNTS: dict[type[AnyEvent], Amounts] = {
    kind: tuple((counter.name, counter.amount) for counter in COUNTERS if counter.event is kind)
    for kind in {counter.event for counter in COUNTERS}
}

ENDPOINTS = 250
"""How many endpoints of a local day have a row of their own; what comes beyond shares one. A row is read and written
whole by each commit that touches it: a batch that calls 1,000 of them would take 0.3 s."""
OTHER_ENDPOINTS = ""
"""The endpoint of that row."""

NOTHING_REMOVED = Horizons()
DAY_LENGTH = len("2026-11-22")

CREATED, MESSAGE, DELETED = 0, 1, 2
"""Founding ranks: which kind of event decides a conversation's owner and creation, best first."""


@dataclass(slots=True)
class Entry:
    """An accepted event with what the writer gives it: the row's id, its time, and the local day of that time."""

    event: AnyEvent
    id: int
    at: str
    day: str


@dataclass(slots=True)
class User:
    """A row of ``users``. ``counted_at`` and ``ranked_at`` are the first_seen and activity_count with which the user
    is counted so far; None: not yet.
    """

    user_id: str
    username: str | None
    named_at: str | None
    named_id: int | None
    first_seen: str
    last_seen: str
    activity_count: int
    counted_at: str | None = None
    ranked_at: int | None = None

    def counted(self) -> "User":
        """Mark the row as one that the database holds."""
        self.counted_at, self.ranked_at = self.first_seen, self.activity_count
        return self

    @property
    def keeps_rank(self) -> bool:
        """Whether nothing changed by which users are ranked or named."""
        return self.ranked_at == self.activity_count

    def see(self, at: str) -> None:
        """Take note of any event of the user."""
        if at < self.first_seen:
            self.first_seen = at
        if at > self.last_seen:
            self.last_seen = at

    def act(self, activity: Activity, at: str, row_id: int) -> None:
        """Count an activity; the latest one by (timestamp, id) names the user."""
        self.activity_count += 1
        if self.named_at is None or (at, row_id) > (self.named_at, self.named_id):
            self.username, self.named_at, self.named_id = activity.username, at, row_id


@dataclass(slots=True)
class Talk:
    """A row of ``conversation_metrics``. ``counted_at``, ``counted_deleted``, ``counted_id`` and ``founded_by`` (the id
    of the founding event) are with what it is counted so far; None: not yet.
    """

    id: int
    conversation_id: str
    user_id: str
    message_count: int
    total_tokens: int
    response_count: int
    response_time_us: int
    status: str
    created_at: str
    updated_at: str
    founding_rank: int
    founding_id: int
    counted_at: str | None = None
    counted_deleted: bool = False
    counted_id: int | None = None
    founded_by: int | None = None

    def counted(self) -> "Talk":
        """Mark the row as one that the database holds."""
        self.counted_at, self.counted_id, self.founded_by = self.created_at, self.id, self.founding_id
        self.counted_deleted = self.status == "deleted"
        return self

    @property
    def keeps_place(self) -> bool:
        """Whether nothing changed by which conversations are listed: id, owner, creation, status."""
        is_same = self.counted_id == self.id and self.founded_by == self.founding_id
        return is_same and self.counted_deleted == (self.status == "deleted")

    def hear(self, rank: int, user_id: str, at: str, row_id: int) -> None:
        """Take note of any event of the conversation; a better founding event changes owner and creation.

        Its id is the least of its events' ids: rows that are removed do not come in their order.
        """
        if row_id < self.id:
            self.id = row_id
        if at > self.updated_at:
            self.updated_at = at
        if (rank, at, row_id) < (self.founding_rank, self.created_at, self.founding_id):
            self.founding_rank, self.created_at, self.founding_id, self.user_id = rank, at, row_id, user_id

    def add(self, message: Message) -> None:
        """Count a message."""
        self.message_count += 1
        self.total_tokens += message.token_count or 0
        if message.response_time is not None:
            self.response_count += 1
            self.response_time_us += message.response_time


@dataclass(slots=True)
class EndpointDay:
    """A row of ``endpoint_days``."""

    day: str
    endpoint: str
    count: int
    error_count: int
    response_time_us: int
    buckets: Histogram

    def add(self, call: ApiUsage) -> None:
        """Count a call."""
        self.count += 1
        self.error_count += call.status_code >= 500
        self.response_time_us += call.response_time
        number = bucket(call.response_time)
        self.buckets[number] = self.buckets.get(number, 0) + 1


DayKey = tuple[str, str]
"""A local day, and a user id or an endpoint."""


@dataclass(slots=True)
class Touched:
    """The keys of the rows that a batch touches."""

    users: set[str]
    user_days: set[DayKey]
    conversations: set[str]
    endpoint_days: set[DayKey]
    models: bool


def touched(entries: Iterable[Entry]) -> Touched:
    """Name the rows that must be read before :func:`roll` can apply *entries*."""
    user_days = {(entry.day, entry.event.user_id) for entry in entries if entry.event.user_id is not None}
    conversations = {
        entry.event.conversation_id for entry in entries if isinstance(entry.event, Message | Conversation)
    }
    endpoint_days = {(entry.day, entry.event.endpoint) for entry in entries if isinstance(entry.event, ApiUsage)}
    models = any(isinstance(entry.event, Message) and entry.event.model_used is not None for entry in entries)
    return Touched({user_id for _, user_id in user_days}, user_days, conversations, endpoint_days, models)


@dataclass(slots=True)
class Known:
    """The rows of :class:`Touched` that the database holds already.

    ``user_days`` tells since when; ``endpoints`` how many endpoints a day has, apart from :data:`OTHER_ENDPOINTS`;
    ``models`` which models have counters of their own.
    """

    users: dict[str, User] = field(default_factory=dict)
    user_days: dict[DayKey, str] = field(default_factory=dict)
    conversations: dict[str, Talk] = field(default_factory=dict)
    endpoint_days: dict[DayKey, EndpointDay] = field(default_factory=dict)
    endpoints: dict[str, int] = field(default_factory=dict)
    models: set[str] = field(default_factory=set)


@dataclass(slots=True)
class Rollup:
    """What a batch makes of the rows it touches. ``counters`` maps (grain, metric, start) to what is added."""

    users: list[User]
    user_days: list[tuple[str, str, str]]
    conversations: list[Talk]
    endpoint_days: list[EndpointDay]
    counters: dict[tuple[str, str, str], int]
    activities: list[RecentActivity]
    top_users: list[TopUser]


def roll(
    entries: Sequence[Entry], known: Known, day_of: Callable[[str], str], horizons: Horizons = NOTHING_REMOVED
) -> Rollup:
    """Apply *entries*, in the order of their ids, to the *known* rows, which are changed in place.

    What is closed by the *horizons* is not counted anew: an event can come late, for a day of which rows were removed.
    """
    users, talks = known.users, known.conversations
    by_minute: defaultdict[str, defaultdict[str, int]] = defaultdict(lambda: defaultdict(int))
    first_of_day: dict[DayKey, str] = {}
    activities: list[Entry] = []
    called: dict[DayKey, EndpointDay] = {}
    for entry in entries:
        event = entry.event
        sums = by_minute[entry.at[:16]]
        for name, amount in _AMOUNTS.get(type(event), ()):
            sums[name] += amount(event)
        if event.user_id is not None:
            _see(users, first_of_day, event.user_id, entry)
        if isinstance(event, Activity):
            activities.append(entry)
        elif isinstance(event, Message):
            _hear(talks, event, MESSAGE, entry).add(event)
            _use(known.models, event, sums)
        elif isinstance(event, ApiUsage):
            row = _call(known, entry.day, event)
            called[row.day, row.endpoint] = row
        elif event.action == "created":
            _hear(talks, event, CREATED, entry)
        else:
            _hear(talks, event, DELETED, entry).status = "deleted"
    counters = _Sums(day_of, horizons)
    for minute, sums in by_minute.items():
        for name, value in sums.items():
            counters.add(name, minute, value)
    _count_users(users.values(), counters)
    _count_conversations(talks.values(), counters)
    return Rollup(
        users=list(users.values()),
        user_days=_count_user_days(first_of_day, known.user_days, horizons.user_days, counters),
        conversations=list(talks.values()),
        endpoint_days=list(called.values()),
        counters={key: value for key, value in counters.values.items() if value},
        activities=_newest(activities),
        top_users=_most_active({entry.event.user_id for entry in activities}, users),
    )


def _see(users: dict[str, User], first_of_day: dict[DayKey, str], user_id: str, entry: Entry) -> None:
    """Take note that a user was there, and of what an activity tells of the user."""
    at, user = entry.at, users.get(user_id)
    if user is None:
        user = users[user_id] = User(user_id, None, None, None, at, at, 0)
    else:
        user.see(at)
    if isinstance(entry.event, Activity):
        user.act(entry.event, at, entry.id)
    key = (entry.day, user_id)
    if (earliest := first_of_day.get(key)) is None or at < earliest:
        first_of_day[key] = at


def roll_carried(
    known: Known, sums: Iterable[tuple[str, str, int]], day_of: Callable[[str], str], horizons: Horizons
) -> Rollup:
    """Make rollups of carried facts alone: of the *known* rows, none of which is counted yet, and carried counters.

    *sums* are (metric, start, value): start is a minute, a local day, or "" for what has no time.
    """
    counters = _Sums(day_of, horizons)
    _count_users(known.users.values(), counters)
    _count_conversations(known.conversations.values(), counters)
    for name, start, value in sums:
        counters.carry(name, start, value)
    return Rollup(
        users=list(known.users.values()),
        user_days=_count_user_days(known.user_days, {}, horizons.user_days, counters),
        conversations=list(known.conversations.values()),
        endpoint_days=list(known.endpoint_days.values()),
        counters={key: value for key, value in counters.values.items() if value},
        activities=[],
        top_users=[],
    )


def _use(models: set[str], message: Message, sums: dict[str, int]) -> None:
    """Count a message for its model; the first models have counters of their own."""
    model = message.model_used
    if model is None:
        return
    if model not in models:
        if len(models) < LABELS:
            models.add(model)
        else:
            model = OTHERS
    for counter in LABELLED:
        sums[labelled(counter.name, model)] += counter.amount(message)


def _call(known: Known, day: str, call: ApiUsage) -> EndpointDay:
    """Count a call for its endpoint; the first endpoints of a day have rows of their own."""
    rows, key = known.endpoint_days, (day, call.endpoint)
    if key not in rows:
        count = known.endpoints.get(day, 0)
        if count < ENDPOINTS:
            known.endpoints[day] = count + 1
        else:
            key = (day, OTHER_ENDPOINTS)
    row = rows.get(key)
    if row is None:
        row = rows[key] = EndpointDay(*key, 0, 0, 0, {})
    row.add(call)
    return row


def _hear(talks: dict[str, Talk], event: Message | Conversation, rank: int, entry: Entry) -> Talk:
    talk = talks.get(event.conversation_id)
    if talk is None:
        talk = Talk(
            entry.id, event.conversation_id, event.user_id, 0, 0, 0, 0, "active", entry.at, entry.at, rank, entry.id
        )
        talks[event.conversation_id] = talk
    else:
        talk.hear(rank, event.user_id, entry.at, entry.id)
    return talk


class _Sums:
    """Sums by (grain, metric, start): what is added to a minute is added to its hour and day, and to the total, too."""

    def __init__(self, day_of: Callable[[str], str], horizons: Horizons) -> None:
        self.values: defaultdict[tuple[str, str, str], int] = defaultdict(int)
        self._day_of = day_of
        self._horizons = horizons
        self._open = horizons.latest

    def add(self, name: str, at: str, value: int) -> None:
        self.add_within_days(name, at, value)
        self.values["total", name, ""] += value

    def add_within_days(self, name: str, at: str, value: int) -> None:
        """Add to what has no total: distinct counts of days do not add up."""
        minute, hour = at[:16], at[:13]
        # Nearly every event is newer than all that is closed.
        is_open = f"{hour}:00" >= self._open
        if is_open or not self._horizons.closes(name, minute):
            self.values["minute", name, minute] += value
        if is_open or not self._horizons.closes(name, hour):
            self.values["hour", name, hour] += value
        self.values["day", name, self._day_of(at)] += value

    def carry(self, name: str, start: str, value: int) -> None:
        """Add what was carried by minute, by local day, or without a time."""
        if len(start) > DAY_LENGTH:
            self.add_within_days(name, start, value)
        elif start:
            self.values["day", name, start] += value
        if name != "active_users":
            self.values["total", name, ""] += value


def _count_users(users: Iterable[User], counters: _Sums) -> None:
    """First seen: an earlier event that arrives late moves the user to that moment."""
    for user in users:
        _move("users", user.counted_at, user.first_seen, counters)


def _count_conversations(talks: Iterable[Talk], counters: _Sums) -> None:
    for talk in talks:
        _move("conversations", talk.counted_at, talk.created_at, counters)
        if talk.status == "deleted" and not talk.counted_deleted:
            counters.values["total", "deleted_conversations", ""] += 1


def _count_user_days(
    first_of_day: dict[DayKey, str], known: dict[DayKey, str], since: str, counters: _Sums
) -> list[tuple[str, str, str]]:
    """Count users where they were first active on each day; gives the rows that are new or changed.

    Who was active on the days before *since* is not known any more, so nobody is counted for them.
    """
    rows = []
    for key, at in sorted(first_of_day.items()):
        before = known.get(key)
        if key[0] < since or (before is not None and before <= at):
            continue
        if before is not None:
            counters.add_within_days("active_users", before, -1)
        counters.add_within_days("active_users", at, 1)
        rows.append((*key, at))
    return rows


def _move(name: str, before: str | None, after: str, counters: _Sums) -> None:
    if before == after:
        return
    if before is not None:
        counters.add(name, before, -1)
    counters.add(name, after, 1)


def _newest(activities: list[Entry]) -> list[RecentActivity]:
    newest = heapq.nlargest(RECENT, activities, key=lambda entry: (entry.at, entry.id))
    return [
        RecentActivity(entry.id, event.user_id, event.username, event.activity_type, entry.at)
        for entry in newest
        if isinstance(event := entry.event, Activity)
    ]


def _most_active(user_ids: Iterable[str | None], users: dict[str, User]) -> list[TopUser]:
    ranked = [
        TopUser(user.user_id, user.username or "", user.activity_count)
        for user in (users[user_id] for user_id in user_ids if user_id is not None)
    ]
    return heapq.nsmallest(TOP, ranked, key=lambda user: user.rank)
