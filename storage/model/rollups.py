"""The declarations of all rollups: what an event tells each of them, and what they keep of it. Pure; no I/O.

``merging.py`` merges batches of events into their rows.
"""

from storage.model.events import KINDS, Activity, AnyEvent, ApiUsage, Conversation, LlmCall, Message
from storage.model.histogram import bucket
from storage.model.measures import distribution, earliest, first, last, latest, total
from storage.model.rollup import Count, Entry, Fact, Rollup

ENDPOINTS = 250
"""How many endpoints of a local day have a row of their own. A row is read and written whole by each commit that
touches it: a batch that calls 1,000 of them would take 0.3 s."""
CREATED, MESSAGE, LLM_CALL, DELETED, LLM_CALL_OF_NOBODY = range(5)
"""Founding ranks: which kind of event decides a conversation's owner and creation, best first."""
NOBODY = ""
"""The owner of a conversation whose owner was erased, or of which no event names a user."""
_NO_NAME = (None, None, None)


def _active_user(event: Activity, entry: Entry) -> Fact:
    return (event.user_id,), (entry.at, entry.id, event.username, entry.at, entry.at, 1)


def _user(event: AnyEvent, entry: Entry) -> Fact | None:
    user_id = event.user_id
    return None if user_id is None else ((user_id,), (*_NO_NAME, entry.at, entry.at, 0))


def _user_day(event: AnyEvent, entry: Entry) -> Fact | None:
    user_id = event.user_id
    return None if user_id is None else ((entry.day, user_id), (entry.at,))


def _message(event: Message, entry: Entry) -> Fact:
    at, row_id, took = entry.at, entry.id, event.response_time
    measures = (row_id, 1, event.token_count or 0, int(took is not None), int(took or 0), "active")
    return (event.conversation_id,), (*measures, at, MESSAGE, at, row_id, event.user_id)


def _conversation(event: Conversation, entry: Entry) -> Fact:
    at, row_id = entry.at, entry.id
    rank, status = (CREATED, "active") if event.action == "created" else (DELETED, "deleted")
    return (event.conversation_id,), (row_id, 0, 0, 0, 0, status, at, rank, at, row_id, event.user_id)


def _llm_call(event: LlmCall, entry: Entry) -> Fact | None:
    if event.conversation_id is None:
        return None
    at, row_id, user_id = entry.at, entry.id, event.user_id
    rank = LLM_CALL_OF_NOBODY if user_id is None else LLM_CALL
    return (event.conversation_id,), (row_id, 0, 0, 0, 0, "active", at, rank, at, row_id, user_id or NOBODY)


def _call(event: ApiUsage, entry: Entry) -> Fact:
    took = int(event.response_time)
    return (entry.day, event.endpoint), (1, int(event.status_code >= 500), took, {bucket(took): 1})


_OF_USERS = tuple(kind.event for kind in KINDS if "user_id" in kind.event.__struct_fields__)

USERS = Rollup(
    "users",
    "When each user was first and last seen, the number of activities, and the name from the latest activity.",
    ("user_id",),
    (latest("named_at", "named_id", "username"), first("first_seen"), last("last_seen"), total("activity_count")),
    {**dict.fromkeys(_OF_USERS, _user), Activity: _active_user},
    # An earlier event that arrives late moves the user to that moment.
    counts=(Count("users", "first_seen"),),
    listed=("user_id", "username", "first_seen", "last_seen", "activity_count"),
)
USER_DAYS = Rollup(
    "user_days",
    "The users who were active on each local day, with the time of the first event.",
    ("day", "user_id"),
    (first("first_at"),),
    dict.fromkeys(_OF_USERS, _user_day),
    counts=(Count("active_users", "first_at", in_total=False),),
    # The users of days before are counted, but their ids are gone.
    has_expired=lambda key, cutoffs: key[0] < cutoffs.user_days,
)
CONVERSATIONS = Rollup(
    "conversation_metrics",
    "Each conversation's messages, tokens and response times, its status, owner and creation. The founding event "
    "decides the last two: the earliest created, else the earliest message, else the earliest LLM call with a user, "
    "else the earliest deleted, else the earliest LLM call (founding_rank 0 to 4).",
    ("conversation_id",),
    (
        # The least of its events' ids: rows that are removed do not come in their order.
        first("id"),
        total("message_count"),
        total("total_tokens"),
        total("response_count"),
        total("response_time_us"),
        # "deleted" comes behind "active".
        last("status"),
        last("updated_at"),
        earliest("founding_rank", "created_at", "founding_id", "user_id"),
    ),
    {Message: _message, Conversation: _conversation, LlmCall: _llm_call},
    counts=(Count("conversations", "created_at"), Count("deleted_conversations", "status", value="deleted")),
    listed=(
        "id",
        "conversation_id",
        "user_id",
        "message_count",
        "total_tokens",
        "response_count",
        "response_time_us",
        "status",
        "created_at",
        "updated_at",
    ),
)
ENDPOINT_DAYS = Rollup(
    "endpoint_days",
    "The calls of each endpoint on each local day; buckets is a histogram of their response times.",
    ("day", "endpoint"),
    (total("count"), total("error_count"), total("response_time_us"), distribution("buckets")),
    {ApiUsage: _call},
    bound=ENDPOINTS,
)
ROLLUPS = (USERS, USER_DAYS, CONVERSATIONS, ENDPOINT_DAYS)
