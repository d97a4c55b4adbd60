"""One model: its messages and tokens over time, and who used it."""

from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from storage.model.clock import Days
from storage.model.metrics import labelled, mean_seconds
from storage.read.details.breakdown import MESSAGE_SUMS, Breakdown, Rows, kept_from, named, with_mean
from storage.read.series import Points, read_counter
from storage.read.snapshots import read_cutoffs
from storage.tables import schema

_messages = schema.message_metrics
_counters = schema.counters.c


async def model(connection: AsyncConnection, tenant_id: str, days: Days, covered: Points, name: str) -> dict[str, Any]:
    """Describe a model at the points that are *covered*; one that was never used has zeros.

    Messages and tokens are read from their counters. Models beyond the bound of these, response times and users are
    counted from the messages that are kept.
    """
    breakdown = Breakdown(connection, tenant_id, days, covered)
    ours = Rows(_messages, "created_at", (_messages.c.model_used == name,))
    kept = await breakdown.by_point(ours, MESSAGE_SUMS)
    counters = {"messages": labelled("model_messages", name), "tokens": labelled("model_tokens", name)}
    if await _has_counters(connection, tenant_id, counters["messages"]):
        metrics = {
            metric: await read_counter(connection, tenant_id, days, counter, covered)
            for metric, counter in counters.items()
        }
    else:
        metrics = {"messages": list(kept["message_count"]), "tokens": list(kept["total_tokens"])}
    users = [with_mean(item) for item in await breakdown.by_label(ours, "user_id", MESSAGE_SUMS)]
    return {
        "model_used": name,
        "figures": {
            **{metric: sum(value or 0 for value in column) for metric, column in metrics.items()},
            "avg_response_time": mean_seconds(sum(kept["response_time_us"]), sum(kept["responses"])),
        },
        "kept_from": kept_from(await read_cutoffs(connection, tenant_id), covered, _messages),
        "users": await named(connection, tenant_id, users),
        "metrics": {
            **metrics,
            "response_time": [
                mean_seconds(us, among) for us, among in zip(kept["response_time_us"], kept["responses"], strict=True)
            ],
        },
    }


async def _has_counters(connection: AsyncConnection, tenant_id: str, metric: str) -> bool:
    query = select(_counters.value).where(
        _counters.tenant_id == tenant_id, _counters.grain == "total", _counters.metric == metric, _counters.start == ""
    )
    return await connection.scalar(query) is not None
