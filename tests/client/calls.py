"""Calls of a client, and whether its accounts are balanced."""

from convoai_analytics_client import Analytics, Stats

DOWN = "http://127.0.0.1:9"
"""Nothing listens there."""


def balanced(stats: Stats) -> bool:
    settled = stats.recorded + stats.duplicates + stats.rejected + sum(stats.dropped.values())
    return stats.tracked + stats.restored == settled + stats.pending


def track_all(analytics: Analytics) -> None:
    """Track one event of each type."""
    analytics.track_user_activity("u1", "Ada", "login", "203.0.113.7", "Mozilla", {"plan": "pro"})
    analytics.track_conversation("c1", "u1", "created")
    analytics.track_message("m1", "c1", "u1", "assistant", 42, "atlas", 1.5)
    analytics.track_api_usage("/conversations/{id}", "GET", 200, 0.25, "u1")
    analytics.track_llm_call("openai", "atlas", user_id="u1", conversation_id="c1", input_tokens=9, cost="0.0123")
