"""One user: what is known of all time, and what the raw rows of a range say."""

from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from storage.model.clock import Days
from storage.model.rollups import USERS
from storage.read.details.breakdown import CALL_SUMS, COUNT, MESSAGE_SUMS, Breakdown, Rows, kept_from, with_mean
from storage.read.series import Points
from storage.read.snapshots import read_cutoffs
from storage.tables import schema

_activities, _messages, _calls = schema.user_activity, schema.message_metrics, schema.api_usage
_conversations = schema.conversation_metrics


async def user(
    connection: AsyncConnection, tenant_id: str, days: Days, covered: Points, user_id: str
) -> dict[str, Any] | None:
    """Describe a user at the points that are *covered*; None if no event names the user.

    Messages are those that name the user; conversations are those that the user owns, where they were created.
    """
    table = schema.users.c
    known = select(*(table[name] for name in USERS.listed)).where(
        table.tenant_id == tenant_id, table.user_id == user_id
    )
    row = (await connection.execute(known)).one_or_none()
    if row is None:
        return None
    activities, messages, calls, owned = (
        Rows(of, time, (of.c.user_id == user_id,))
        for of, time in (
            (_activities, "timestamp"),
            (_messages, "created_at"),
            (_calls, "timestamp"),
            (_conversations, "created_at"),
        )
    )
    breakdown = Breakdown(connection, tenant_id, days, covered)
    written = await breakdown.by_point(messages, MESSAGE_SUMS)
    called = await breakdown.by_point(calls, CALL_SUMS)
    metrics = {
        "activities": (await breakdown.by_point(activities, COUNT))["count"],
        "conversations": (await breakdown.by_point(owned, COUNT))["count"],
        "messages": written["message_count"],
        "tokens": written["total_tokens"],
        "api_calls": called["count"],
        "api_errors": called["error_count"],
    }
    took = with_mean({name: sum(column) for name, column in written.items()})
    waited = with_mean({name: sum(column) for name, column in called.items()}, count="count")
    cutoffs = await read_cutoffs(connection, tenant_id)
    return {
        **dict(zip(USERS.listed, row, strict=True)),
        "figures": {
            **{name: sum(column) for name, column in metrics.items()},
            "avg_response_time": took["avg_response_time"],
            "avg_api_response_time": waited["avg_response_time"],
        },
        "kept_from": kept_from(cutoffs, covered, _activities, _messages, _calls),
        "activity_types": await breakdown.by_label(activities, "activity_type", COUNT),
        "models": list(map(with_mean, await breakdown.by_label(messages, "model_used", MESSAGE_SUMS))),
        "endpoints": [
            with_mean(item, count="count") for item in await breakdown.by_label(calls, "endpoint", CALL_SUMS)
        ],
        "metrics": metrics,
    }
