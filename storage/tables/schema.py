"""The tables. ``migrations/`` builds them in a database; a test holds the two together.

Every table carries ``tenant_id`` and every key and index starts with it. Times are UTC text with milliseconds, so that
text order is time order; durations are integer microseconds.
"""

from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
    text,
)

from storage.model import rollups
from storage.model.events import KINDS
from storage.model.rollup import Rollup
from storage.model.rollups import LLM_CONVERSATION_DAYS

metadata = MetaData()


def _ordered(length: int) -> String:
    """Make text in code-point order: PostgreSQL would go by its cluster's language, also for small letters."""
    return String(length).with_variant(String(length, collation="C"), "postgresql")


Key = _ordered(255)
Stamp = _ordered(24)
Day = _ordered(10)
Endpoint = _ordered(512)


def _column(name: str, kind: Any, null: bool = False) -> Column[Any]:
    return Column(name, kind, nullable=null)


def event_table(name: str, *columns: Column[Any]) -> Table:
    """Make a table of events: one row an event, ``id`` counted up by tenant in the order of commits."""
    table = Table(
        name,
        metadata,
        _column("tenant_id", Key),
        _column("id", BigInteger),
        _column("event_id", Key, null=True),
        *columns,
        PrimaryKeyConstraint("tenant_id", "id"),
    )
    keyed = text("event_id IS NOT NULL")
    Index(f"{name}_event", table.c.tenant_id, table.c.event_id, unique=True, sqlite_where=keyed, postgresql_where=keyed)
    return table


user_activity = event_table(
    "user_activity",
    _column("user_id", Key),
    _column("username", String(255)),
    _column("activity_type", String(100)),
    _column("timestamp", Stamp),
    _column("ip_address", String(45), null=True),
    _column("user_agent", String(1024), null=True),
    _column("extra_data", Text, null=True),
)
Index("user_activity_time", user_activity.c.tenant_id, user_activity.c.timestamp, user_activity.c.id)
Index(
    "user_activity_user",
    user_activity.c.tenant_id,
    user_activity.c.user_id,
    user_activity.c.timestamp,
    user_activity.c.id,
)

message_metrics = event_table(
    "message_metrics",
    _column("message_id", Key),
    _column("conversation_id", Key),
    _column("user_id", Key),
    _column("role", String(16)),
    _column("token_count", BigInteger, null=True),
    _column("response_time_us", BigInteger, null=True),
    _column("model_used", String(255), null=True),
    _column("created_at", Stamp),
    _column("time_to_first_token_us", BigInteger, null=True),
    _column("finish_reason", String(100), null=True),
)
Index("message_metrics_message", message_metrics.c.tenant_id, message_metrics.c.message_id, unique=True)
Index(
    "message_metrics_conversation",
    message_metrics.c.tenant_id,
    message_metrics.c.conversation_id,
    message_metrics.c.created_at,
    message_metrics.c.id,
)
Index("message_metrics_user", message_metrics.c.tenant_id, message_metrics.c.user_id)
Index("message_metrics_time", message_metrics.c.tenant_id, message_metrics.c.created_at, message_metrics.c.id)

api_usage = event_table(
    "api_usage",
    _column("endpoint", Endpoint),
    _column("method", String(16)),
    _column("user_id", Key, null=True),
    _column("status_code", Integer),
    _column("response_time_us", BigInteger),
    _column("timestamp", Stamp),
)
Index("api_usage_time", api_usage.c.tenant_id, api_usage.c.timestamp, api_usage.c.id)
Index("api_usage_endpoint", api_usage.c.tenant_id, api_usage.c.endpoint, api_usage.c.timestamp, api_usage.c.id)
Index("api_usage_user", api_usage.c.tenant_id, api_usage.c.user_id)

conversation_events = event_table(
    "conversation_events",
    _column("conversation_id", Key),
    _column("user_id", Key),
    _column("action", String(16)),
    _column("timestamp", Stamp),
)
Index("conversation_events_conversation", conversation_events.c.tenant_id, conversation_events.c.conversation_id)
Index("conversation_events_user", conversation_events.c.tenant_id, conversation_events.c.user_id)
Index("conversation_events_time", conversation_events.c.tenant_id, conversation_events.c.timestamp)

llm_calls = event_table(
    "llm_calls",
    _column("provider", Key),
    _column("model", Key),
    _column("operation", String(100)),
    _column("user_id", Key, null=True),
    _column("conversation_id", Key, null=True),
    _column("message_id", Key, null=True),
    _column("input_tokens", BigInteger, null=True),
    _column("cached_input_tokens", BigInteger, null=True),
    _column("cache_write_tokens", BigInteger, null=True),
    _column("output_tokens", BigInteger, null=True),
    _column("reasoning_tokens", BigInteger, null=True),
    _column("response_time_us", BigInteger, null=True),
    _column("time_to_first_token_us", BigInteger, null=True),
    _column("finish_reason", String(100), null=True),
    _column("error_type", String(255), null=True),
    _column("service_tier", String(100), null=True),
    _column("cost_nanodollars", BigInteger, null=True),
    _column("timestamp", Stamp),
    _column("price_id", _ordered(16), null=True),
)
Index("llm_calls_time", llm_calls.c.tenant_id, llm_calls.c.timestamp, llm_calls.c.id)
Index("llm_calls_user", llm_calls.c.tenant_id, llm_calls.c.user_id)
Index("llm_calls_conversation", llm_calls.c.tenant_id, llm_calls.c.conversation_id)


def _support(name: str, *columns: Column[Any], key: tuple[str, ...]) -> Table:
    """Make a small table that is read by its key: in SQLite the key is the table, without a second tree."""
    return Table(name, metadata, *columns, PrimaryKeyConstraint(*key), sqlite_with_rowid=False)


_TYPES = {
    "user_id": Key,
    "conversation_id": Key,
    "model": Endpoint,
    "username": Key,
    "day": Day,
    "hour": _ordered(13),
    "endpoint": Endpoint,
    "scope": _ordered(16),
    "label": Endpoint,
    "status": _ordered(8),
    "founding_rank": Integer,
    "buckets": Text,
    "previous": Day,
    **dict.fromkeys(("id", "named_id", "founding_id", "hours"), BigInteger),
    **dict.fromkeys(("named_at", "first_seen", "last_seen", "first_at", "created_at", "updated_at"), Stamp),
}
"""The types of columns of rollups that are no sums."""
_OPTIONAL = ("username", "named_at", "named_id")
"""The columns of rollups that may be null: a user without an activity has no name."""


def _rollup(rollup: Rollup, prefix: str = "") -> Table:
    """Make the table of a rollup, or the archived twin of it; raises ``KeyError`` for a column without a type."""
    sums = {name for measure in rollup.measures if measure.is_sum for name in measure.columns}
    columns = [
        _column(name, BigInteger if name in sums else _TYPES[name], null=name in _OPTIONAL)
        for name in (*rollup.key, *rollup.columns)
    ]
    return _support(prefix + rollup.name, _column("tenant_id", Key), *columns, key=("tenant_id", *rollup.key))


ROLLUPS = {rollup.name: _rollup(rollup) for rollup in rollups.ROLLUPS}
"""The tables of the rollups, by the rollup's name."""
users = ROLLUPS[rollups.USERS.name]
user_days = ROLLUPS[rollups.USER_DAYS.name]
user_returns = ROLLUPS[rollups.USER_RETURNS.name]
conversation_metrics = ROLLUPS[rollups.CONVERSATIONS.name]
endpoint_days = ROLLUPS[rollups.ENDPOINT_DAYS.name]
response_hours = ROLLUPS[rollups.RESPONSE_HOURS.name]
response_days = ROLLUPS[rollups.RESPONSE_DAYS.name]

Index(
    "conversation_metrics_time",
    conversation_metrics.c.tenant_id,
    conversation_metrics.c.created_at,
    conversation_metrics.c.id,
)
Index(
    "conversation_metrics_status",
    conversation_metrics.c.tenant_id,
    conversation_metrics.c.status,
    conversation_metrics.c.created_at,
    conversation_metrics.c.id,
)
Index(
    "conversation_metrics_user",
    conversation_metrics.c.tenant_id,
    conversation_metrics.c.user_id,
    conversation_metrics.c.created_at,
    conversation_metrics.c.id,
)

# By it the days before and after a day of a user are found, and whether a user was active within some days.
Index("user_days_user", user_days.c.tenant_id, user_days.c.user_id, user_days.c.day)
Index("users_rank", users.c.tenant_id, users.c.activity_count.desc(), users.c.user_id)

# Every counter of the catalogue by grain. start: "" for the total, 2026-11-22 for a local day,
# 2026-11-22T11 for an hour of UTC, 2026-11-22T11:14 for a minute.
counters = _support(
    "counters",
    _column("tenant_id", Key),
    _column("grain", _ordered(6)),
    _column("metric", _ordered(300)),
    _column("start", _ordered(16)),
    _column("value", BigInteger),
    key=("tenant_id", "grain", "metric", "start"),
)


ARCHIVE = {rollup.name: _rollup(rollup, "carried_") for rollup in rollups.ROLLUPS}
"""The tables of the same facts about rows that were removed: a recount merges them with the raw rows."""
_owned = ARCHIVE[rollups.CONVERSATIONS.name].c
Index("carried_conversation_metrics_user", _owned.tenant_id, _owned.user_id)
for _stored, _prefix in ((ROLLUPS, ""), (ARCHIVE, "carried_")):
    _of_day = _stored[LLM_CONVERSATION_DAYS.name].c
    Index(f"{_prefix}llm_conversation_days_conversation", _of_day.tenant_id, _of_day.conversation_id)

# The last of the days of each user that were counted for good: the first later one continues from it.
last_counted_days = _support(
    "carried_last_days",
    _column("tenant_id", Key),
    _column("user_id", Key),
    _column("day", Day),
    key=("tenant_id", "user_id"),
)

# What removed rows, and users and conversations that were erased, had added to counters. start: a local day; a minute
# or an hour of UTC where the counter of that time is still kept; "" for what has no time.
archived_counters = _support(
    "carried_counters",
    _column("tenant_id", Key),
    _column("metric", _ordered(300)),
    _column("start", _ordered(16)),
    _column("value", BigInteger),
    key=("tenant_id", "metric", "start"),
)

# One row a tenant: the newest sequence, its tag, and the last id given to a row. Then the cutoffs: the minutes of UTC
# before which rows of a table may have been removed, the local day before which user_days may have, and those before
# which the hours and returns of users are not known; "" for none.
heads = _support(
    "heads",
    _column("tenant_id", Key),
    _column("sequence", BigInteger),
    _column("tag", String(32)),
    _column("last_id", BigInteger),
    *(_column(f"{kind.table}_from", _ordered(16)) for kind in KINDS),
    _column("user_days_from", Day),
    _column("user_hours_from", Day),
    _column("user_returns_from", Day),
    # Which rules there are, and how they stand: drawn anew with each change of them; 0: there are none.
    Column("alerts", BigInteger, nullable=False, server_default="0"),
    key=("tenant_id",),
)

# The change log: one entry a commit, body as changes.Change encodes it; the writer cuts off the oldest.
changes = Table(
    "changes",
    metadata,
    _column("tenant_id", Key),
    _column("sequence", BigInteger),
    _column("tag", String(32)),
    _column("body", LargeBinary),
    PrimaryKeyConstraint("tenant_id", "sequence"),
)

# About the database itself: its epoch, and the time zone in which its days were cut.
about = _support("about", _column("name", _ordered(40)), _column("value", String(255)), key=("name",))

# Who may post, beside the keys of the settings. hash: SHA-256 of the key, as hex. From revoked_at on it is worth
# nothing; after a rotation that lies ahead.
tracking_keys = _support(
    "tracking_keys",
    _column("tenant_id", Key),
    _column("id", _ordered(16)),
    _column("hash", String(64)),
    _column("name", String(255)),
    _column("created_at", Stamp),
    _column("last_used_at", Stamp, null=True),
    _column("revoked_at", Stamp, null=True),
    key=("tenant_id", "id"),
)

# Prices of LLM calls: a tenant's own ones, and those that its calls were priced by. Only the last two columns ever
# change. body: the price as JSON, of which id is the hash. set_at: when the tenant took it for its own; null: it
# shipped with the service. removed_at: from then on it is not used any more.
prices = _support(
    "prices",
    _column("tenant_id", Key),
    _column("id", _ordered(16)),
    _column("provider", Key),
    _column("model", Key),
    _column("body", Text),
    _column("set_at", Stamp, null=True),
    _column("removed_at", Stamp, null=True),
    key=("tenant_id", "id"),
)
Index("prices_model", prices.c.tenant_id, prices.c.model)

# Tokens that are worth nothing although they have not expired. kind: sub or jti; tenant_id: "" for every tenant.
# expires_at: from then on no such token can be valid any more; null if that is not known.
revocations = _support(
    "revocations",
    _column("tenant_id", Key),
    _column("kind", _ordered(3)),
    _column("value", Key),
    _column("revoked_at", Stamp),
    _column("expires_at", Stamp, null=True),
    key=("tenant_id", "kind", "value"),
)

# What admins marked on the charts: at a time, or from then until another one.
annotations = _support(
    "annotations",
    _column("tenant_id", Key),
    _column("at", Stamp),
    _column("id", _ordered(16)),
    _column("until", Stamp, null=True),
    _column("kind", _ordered(16)),
    _column("text", String(500)),
    _column("link", String(2000), null=True),
    _column("author", String(255)),
    _column("created_at", Stamp),
    key=("tenant_id", "at", "id"),
)

# Who is signed in, and codes that wait to become a session (code_until is not null). digest: SHA-256 of the secret, as
# hex, by which alone a session is looked for: whoever shows it does not say the tenant. roles: a JSON list.
sessions = _support(
    "sessions",
    _column("digest", _ordered(64)),
    _column("tenant_id", Key),
    _column("sub", Key),
    _column("roles", Text),
    _column("expires_at", Stamp),
    _column("created_at", Stamp),
    _column("signed_by", String(32)),
    _column("issued_at", Stamp, null=True),
    _column("token_id", Text, null=True),
    _column("code", _ordered(64), null=True),
    _column("code_until", Stamp, null=True),
    key=("digest",),
)
Index("sessions_subject", sessions.c.tenant_id, sessions.c.sub, sessions.c.created_at)

# Views of the dashboard that admins of a tenant saved: a name, the page, its range, and what it is limited to.
saved_views = _support(
    "saved_views",
    _column("tenant_id", Key),
    _column("id", _ordered(16)),
    _column("name", _ordered(100)),
    _column("page", String(40)),
    _column("range", String(60), null=True),
    _column("user_id", Key, null=True),
    _column("conversation_id", Key, null=True),
    _column("model_used", Key, null=True),
    _column("endpoint", Endpoint, null=True),
    _column("activity_type", String(100), null=True),
    _column("status", String(16), null=True),
    _column("created_at", Stamp),
    key=("tenant_id", "id"),
)

# Reports that are sent by e-mail again and again. every: daily, weekly or monthly, in the database's zone: at a local
# time (08:00), on a day of the week (1 is Monday) or of the month (null: each day). recipients: a JSON list of
# addresses. report: the name of one, or else view_id is a saved view. next_at: when it is due next; sent_at, problem:
# when it was last sent, and what went wrong then (null: nothing).
report_schedules = _support(
    "report_schedules",
    _column("tenant_id", Key),
    _column("id", _ordered(16)),
    _column("name", String(100)),
    _column("report", String(40), null=True),
    _column("view_id", _ordered(16), null=True),
    _column("every", String(16)),
    _column("on_day", BigInteger, null=True),
    _column("at_time", String(5)),
    _column("paper", String(16)),
    _column("language", String(8)),
    _column("recipients", Text),
    _column("author", String(255)),
    _column("created_at", Stamp),
    _column("next_at", Stamp),
    _column("sent_at", Stamp, null=True),
    _column("problem", String(200), null=True),
    key=("tenant_id", "id"),
)
Index("report_schedules_due", report_schedules.c.next_at)

# What of a schedule has to be sent: for each recipient of a due time a row, until it is sent or given up. Who sends
# claims rows, and moves try_at on: from then on they may be claimed (again). missed: due times before this one that
# were never sent.
report_deliveries = _support(
    "report_deliveries",
    _column("tenant_id", Key),
    _column("schedule_id", _ordered(16)),
    _column("due_at", Stamp),
    _column("recipient", Key),
    _column("missed", BigInteger),
    _column("attempts", BigInteger),
    _column("try_at", Stamp),
    _column("claim", _ordered(32), null=True),
    key=("tenant_id", "schedule_id", "due_at", "recipient"),
)
Index("report_deliveries_due", report_deliveries.c.try_at)

# Rules of alerts. body: the rule as JSON. user_id: whom it watches, so that an erasure finds it.
alert_rules = _support(
    "alert_rules",
    _column("tenant_id", Key),
    _column("id", _ordered(64)),
    _column("body", Text),
    _column("user_id", Key, null=True),
    _column("author", String(255)),
    _column("updated_at", Stamp),
    key=("tenant_id", "id"),
)
Index("alert_rules_user", alert_rules.c.tenant_id, alert_rules.c.user_id)

# How each rule stands, a budget at each of its levels. No row: ok.
alert_states = _support(
    "alert_states",
    _column("tenant_id", Key),
    _column("rule_id", _ordered(64)),
    _column("level", _ordered(8)),
    _column("status", String(8)),
    _column("since", Stamp),
    _column("value", String(40), null=True),
    _column("window_key", _ordered(16)),
    _column("due_at", Stamp, null=True),
    _column("acknowledged_at", Stamp, null=True),
    _column("acknowledged_by", String(255), null=True),
    key=("tenant_id", "rule_id", "level"),
)

# Every time that a rule fired or was resolved. body: what is sent of it, as JSON. held: why nobody was told; null: they
# were.
alert_transitions = _support(
    "alert_transitions",
    _column("tenant_id", Key),
    _column("id", _ordered(16)),
    _column("at", Stamp),
    _column("rule_id", _ordered(64)),
    _column("level", _ordered(8)),
    _column("status", String(8)),
    _column("value", String(40), null=True),
    _column("held", String(16), null=True),
    _column("user_id", Key, null=True),
    _column("body", Text),
    key=("tenant_id", "id"),
)
Index("alert_transitions_time", alert_transitions.c.tenant_id, alert_transitions.c.at, alert_transitions.c.id)

# What is to be sent, and what became of it. status: waiting, delivered, failed (no more attempts) or gone (the target
# wants no more). due_at: when the next attempt is due. claimed_until: until then one process has it in hand. group_id:
# the id of the message if it is about several transitions; the rows of one message to one target change together.
alert_deliveries = _support(
    "alert_deliveries",
    _column("tenant_id", Key),
    _column("id", _ordered(16)),
    _column("transition_id", _ordered(16)),
    _column("target_id", _ordered(64)),
    _column("status", String(10)),
    _column("attempts", Integer),
    _column("created_at", Stamp),
    _column("due_at", Stamp),
    _column("claimed_until", Stamp),
    _column("last_at", Stamp, null=True),
    _column("error", String(200), null=True),
    _column("group_id", _ordered(16), null=True),
    key=("tenant_id", "id"),
)
_waiting = text("status = 'waiting'")
Index("alert_deliveries_due", alert_deliveries.c.due_at, sqlite_where=_waiting, postgresql_where=_waiting)
Index("alert_deliveries_time", alert_deliveries.c.tenant_id, alert_deliveries.c.created_at, alert_deliveries.c.id)
Index("alert_deliveries_transition", alert_deliveries.c.tenant_id, alert_deliveries.c.transition_id)
Index("alert_deliveries_group", alert_deliveries.c.group_id, alert_deliveries.c.target_id)

# Who is told. shown: of the address what may be shown. sealed: address and secrets, encrypted (web/alerts/seal.py).
# ended_at: when the target said that it wants no more (410).
alert_targets = _support(
    "alert_targets",
    _column("tenant_id", Key),
    _column("id", _ordered(64)),
    _column("kind", String(10)),
    _column("shown", String(400)),
    _column("sealed", Text),
    _column("author", String(255)),
    _column("updated_at", Stamp),
    _column("ended_at", Stamp, null=True),
    key=("tenant_id", "id"),
)

# Times in which nobody is told of what matches. body: the matcher, as JSON.
alert_silences = _support(
    "alert_silences",
    _column("tenant_id", Key),
    _column("id", _ordered(16)),
    _column("body", Text),
    _column("until", Stamp),
    _column("author", String(255)),
    _column("created_at", Stamp),
    key=("tenant_id", "id"),
)

# What one process at a time does: its name, who has it (a random name), and until when.
leases = _support(
    "leases", _column("name", _ordered(40)), _column("holder", String(32)), _column("until", Stamp), key=("name",)
)

# What was done to keys, tokens and saved views, and by whom. No row is ever changed.
audit = _support(
    "audit",
    _column("tenant_id", Key),
    _column("at", Stamp),
    _column("id", _ordered(16)),
    _column("actor", String(255)),
    _column("action", String(40)),
    _column("target", String(600)),
    key=("tenant_id", "at", "id"),
)

# Beside the tables, the migrations make a view `daily_stats` of the counters by day, for those who read with SQL.
