"""The declarations of all rollups: what an event tells each of them, and what they keep of it. Pure; no I/O.

``merging.py`` merges batches of events into their rows.
"""

from collections.abc import Iterable

from storage.model.cutoffs import Cutoffs
from storage.model.events import KIND_OF, KINDS, Activity, AnyEvent, ApiUsage, Conversation, LlmCall, Message
from storage.model.histogram import bucket
from storage.model.measures import bits, distribution, earliest, first, last, latest, total
from storage.model.rollup import Count, Entry, Fact, Key, Rollup
from storage.model.user_days import hour_mask

ENDPOINTS = 250
"""How many endpoints of a local day have a row of their own. A row is read and written whole by each commit that
touches it: a batch that calls 1,000 of them would take 0.3 s."""
RESPONSE_LABELS = 100
"""How many models, and how many endpoints, of an hour or a local day have a histogram of their own."""
MESSAGES, MODEL, API_CALLS, ENDPOINT = "messages", "model", "api_calls", "endpoint"
LLM_CALLS, LLM_MODEL = "llm_calls", "llm_model"
"""Scopes of response times: of all messages, of one model's, of all API calls, of one endpoint's, of all LLM calls, of
those of one model."""
ALL = ""
"""The label of a scope that has none."""
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
    if user_id is None:
        return None
    return (entry.day, user_id), (entry.at, hour_mask(entry.at[:13], entry.day), 0, 0)


def _author_day(event: Message, entry: Entry) -> Fact:
    seen = (entry.at, hour_mask(entry.at[:13], entry.day))
    return (entry.day, event.user_id), (*seen, 1, event.token_count or 0)


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


def _response(event: Message, entry: Entry) -> Fact | None:
    if event.response_time is None:
        return None
    took = int(event.response_time)
    return (entry.day, entry.at[:13], MODEL, event.model_used or ALL), (1, 0, took, {bucket(took): 1})


def _call(event: ApiUsage, entry: Entry) -> Fact:
    took = int(event.response_time)
    key = (entry.day, entry.at[:13], ENDPOINT, event.endpoint)
    return key, (1, int(event.status_code >= 500), took, {bucket(took): 1})


def _llm_response(event: LlmCall, entry: Entry) -> Fact | None:
    if event.response_time is None:
        return None
    took = int(event.response_time)
    key = (entry.day, entry.at[:13], LLM_MODEL, model_label(event.provider, event.model))
    return key, (1, int(event.error_type is not None), took, {bucket(took): 1})


EVENTS_OF = {
    **dict.fromkeys((MESSAGES, MODEL), KIND_OF[Message].table),
    **dict.fromkeys((API_CALLS, ENDPOINT), KIND_OF[ApiUsage].table),
    **dict.fromkeys((LLM_CALLS, LLM_MODEL), KIND_OF[LlmCall].table),
}
"""The table of the events of each scope."""
_WHOLE = {MODEL: MESSAGES, ENDPOINT: API_CALLS, LLM_MODEL: LLM_CALLS}
"""The scope of all, by that of each label."""


def _of_endpoint_day(key: Key) -> Iterable[Key]:
    day, _, _, endpoint = key
    return ((day, endpoint),)


def _of_hour(key: Key) -> Iterable[Key]:
    _, hour, scope, label = key
    whole = (hour, _WHOLE[scope], ALL)
    return (whole,) if label == ALL else (whole, (hour, scope, label))


def _of_day(key: Key) -> Iterable[Key]:
    day, _, scope, label = key
    whole = (day, _WHOLE[scope], ALL)
    # Endpoints by day have a rollup of their own.
    return (whole,) if label == ALL or scope == ENDPOINT else (whole, (day, scope, label))


def _hour_has_expired(key: Key, cutoffs: Cutoffs) -> bool:
    events = EVENTS_OF.get(key[1])
    # A scope that is not known here is damage, which only a row that has not expired shows.
    return events is not None and f"{key[0]}:00" < cutoffs.tables[events]


_DURATIONS = (total("count"), total("error_count"), total("response_time_us"), distribution("buckets"))
USER_SUMS = ("messages", "tokens")
"""What is added up of each user and day. Not of API calls: a commit of these alone would take 10 % longer."""
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
    "The users who were active on each local day, with the time of the first event, a bit for each hour with one, and "
    "the messages of the user and their tokens.",
    ("day", "user_id"),
    (first("first_at"), bits("hours"), *map(total, USER_SUMS)),
    {**dict.fromkeys(_OF_USERS, _user_day), Message: _author_day},
    counts=(Count("active_users", "first_at", in_total=False),),
    # The users of days before are counted, but their ids are gone.
    has_expired=lambda key, cutoffs: key[0] < cutoffs.user_days,
)
USER_RETURNS = Rollup(
    "user_returns",
    "How many users were active on each local day, by the day on which they were active before; empty for none.",
    ("day", "previous"),
    (total("users"),),
    # No event tells it: it follows from the rows of user_days.
    {},
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
    _DURATIONS,
    {ApiUsage: _call},
    spread=_of_endpoint_day,
    bound=ENDPOINTS,
)
RESPONSE_HOURS = Rollup(
    "response_hours",
    "The response times of each hour of UTC, by scope: of all messages that carry one (messages) and of those of each "
    "model (model), of all API calls (api_calls) and of those to each endpoint (endpoint), of all LLM calls that carry "
    "one (llm_calls) and of those of each model (llm_model). label is the model or the endpoint, of LLM calls provider "
    "and model with a tab between them; buckets is a histogram. error_count is 0 of messages.",
    ("hour", "scope", "label"),
    _DURATIONS,
    {Message: _response, ApiUsage: _call, LlmCall: _llm_response},
    spread=_of_hour,
    bound=RESPONSE_LABELS,
    has_expired=_hour_has_expired,
)
RESPONSE_DAYS = Rollup(
    "response_days",
    "The same for each local day; those to each endpoint are in endpoint_days.",
    ("day", "scope", "label"),
    _DURATIONS,
    {Message: _response, ApiUsage: _call, LlmCall: _llm_response},
    spread=_of_day,
    bound=RESPONSE_LABELS,
)
EVENT_LABELS = 250
"""How many labels of a scope and local day have a row of their own: of roles and models, or of types of activities."""
ROLE, FINISH_REASON, ACTIVITY_TYPE, ERROR_TYPE = "role", "finish_reason", "activity_type", "error_type"
"""Scopes of events and of LLM calls by day."""
SEPARATOR = "\t"
"""Stands between the parts of a label."""


def label_of(part: str, rest: str) -> str:
    """Put two parts of a label together, with :data:`SEPARATOR` between them, which the first one cannot have then."""
    return f"{part.replace(SEPARATOR, ' ')}{SEPARATOR}{rest}"


def model_label(provider: str, model: str) -> str:
    """Name a model of a provider."""
    return label_of(provider, model)


def _message_labels(event: Message, entry: Entry) -> Fact:
    key = (entry.day, event.role, event.finish_reason or ALL, event.model_used or ALL)
    return key, (1, event.token_count or 0)


def _activity_label(event: Activity, entry: Entry) -> Fact:
    return (entry.day, ACTIVITY_TYPE, event.activity_type), (1, 0)


def _of_scopes(key: Key) -> Iterable[Key]:
    if key[1] == ACTIVITY_TYPE:
        return (key,)
    day, role, reason, model = key
    by_role = (day, ROLE, label_of(role, model))
    return (by_role,) if reason == ALL else (by_role, (day, FINISH_REASON, label_of(reason, model)))


EVENT_DAYS = Rollup(
    "event_days",
    "The messages of each role (role) and of each finish reason (finish_reason), and the activities of each type "
    "(activity_type), on each local day. label is the role or the finish reason, and behind a tab the model; or the "
    "type. Activities have no tokens.",
    ("day", "scope", "label"),
    (total("count"), total("tokens")),
    {Message: _message_labels, Activity: _activity_label},
    spread=_of_scopes,
    bound=EVENT_LABELS,
)
LLM_MODELS = 250
"""How many models of a local day have a row of their own: names of models are an open set from outside."""
LLM_HOUR_MODELS = 100
"""The same for an hour."""
LLM_OUTCOMES = 250
"""How many finish reasons and models, and errors and models, of a local day have a row of their own."""


def _llm_sums(call: LlmCall) -> tuple[int, ...]:
    read, written = call.input_tokens or 0, call.output_tokens or 0
    is_unpriced = call.cost is None
    tokens = (read, call.cached_input_tokens or 0, call.cache_write_tokens or 0, written, call.reasoning_tokens or 0)
    cost = (int(call.cost or 0), int(is_unpriced), read + written if is_unpriced else 0)
    return (1, int(call.error_type is not None), *tokens, *cost)


def _llm_model(call: LlmCall, entry: Entry) -> Fact:
    return (entry.day, entry.at[:13], model_label(call.provider, call.model)), _llm_sums(call)


def _llm_model_of_day(key: Key) -> Iterable[Key]:
    day, _, model = key
    return ((day, model),)


def _llm_model_of_hour(key: Key) -> Iterable[Key]:
    _, hour, model = key
    return ((hour, model),)


def _llm_hour_has_expired(key: Key, cutoffs: Cutoffs) -> bool:
    return f"{key[0]}:00" < cutoffs.tables[KIND_OF[LlmCall].table]


def _llm_outcome(call: LlmCall, entry: Entry) -> Fact | None:
    if call.finish_reason is None and call.error_type is None:
        return None
    return (entry.day, call.finish_reason or ALL, call.error_type or ALL, call.model), _llm_sums(call)


def _of_outcomes(key: Key) -> Iterable[Key]:
    day, *outcomes, model = key
    scopes = zip((FINISH_REASON, ERROR_TYPE), outcomes, strict=True)
    return [(day, scope, label_of(outcome, model)) for scope, outcome in scopes if outcome != ALL]


def _llm_user_day(call: LlmCall, entry: Entry) -> Fact | None:
    return None if call.user_id is None else ((entry.day, call.user_id, call.model), _llm_sums(call))


def _llm_conversation_day(call: LlmCall, entry: Entry) -> Fact | None:
    return None if call.conversation_id is None else ((entry.day, call.conversation_id), _llm_sums(call))


LLM_SUMS = (
    "calls",
    "failed_calls",
    "input_tokens",
    "cached_input_tokens",
    "cache_write_tokens",
    "output_tokens",
    "reasoning_tokens",
    "cost_nanodollars",
    "unpriced_calls",
    "unpriced_tokens",
)
"""What is added up of LLM calls."""
_LLM_MEASURES = tuple(map(total, LLM_SUMS))
LLM_MODEL_DAYS = Rollup(
    "llm_model_days",
    "The LLM calls of each model on each local day. model is provider and model with a tab between them.",
    ("day", "model"),
    _LLM_MEASURES,
    {LlmCall: _llm_model},
    spread=_llm_model_of_day,
    bound=LLM_MODELS,
)
LLM_MODEL_HOURS = Rollup(
    "llm_model_hours",
    "The same for each hour of UTC.",
    ("hour", "model"),
    _LLM_MEASURES,
    {LlmCall: _llm_model},
    spread=_llm_model_of_hour,
    bound=LLM_HOUR_MODELS,
    has_expired=_llm_hour_has_expired,
)
LLM_OUTCOME_DAYS = Rollup(
    "llm_outcome_days",
    "The LLM calls with each finish reason (finish_reason) and with each error (error_type) on each local day. label "
    "is the one or the other, and behind a tab the model.",
    ("day", "scope", "label"),
    _LLM_MEASURES,
    {LlmCall: _llm_outcome},
    spread=_of_outcomes,
    bound=LLM_OUTCOMES,
)
LLM_USER_DAYS = Rollup(
    "llm_user_days",
    "The LLM calls of each user and model on each local day.",
    ("day", "user_id", "model"),
    _LLM_MEASURES,
    {LlmCall: _llm_user_day},
)
LLM_CONVERSATION_DAYS = Rollup(
    "llm_conversation_days",
    "The LLM calls of each conversation on each local day.",
    ("day", "conversation_id"),
    _LLM_MEASURES,
    {LlmCall: _llm_conversation_day},
)
LLM_ROLLUPS = (LLM_MODEL_DAYS, LLM_MODEL_HOURS, LLM_OUTCOME_DAYS, LLM_USER_DAYS, LLM_CONVERSATION_DAYS)
"""What breakdowns and budgets of LLM calls read: a row for each hour or day, whatever the number of calls."""
# Returns before the days from which they follow: so the archived ones are rebuilt first, and those of days are added.
ROLLUPS = (
    USERS,
    USER_RETURNS,
    USER_DAYS,
    CONVERSATIONS,
    ENDPOINT_DAYS,
    RESPONSE_HOURS,
    RESPONSE_DAYS,
    EVENT_DAYS,
    *LLM_ROLLUPS,
)
