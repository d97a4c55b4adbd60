"""The client of ConvoAI Analytics: tracking calls that never wait, never raise, and never lose events quietly."""

from convoai_analytics_client.analytics import Analytics
from convoai_analytics_client.delivery.stats import REASONS, Stats
from convoai_analytics_client.delivery.transport import VERSION
from convoai_analytics_client.environment import (
    aflush,
    default,
    flush,
    stats,
    track_api_usage,
    track_conversation,
    track_llm_call,
    track_message,
    track_user_activity,
)

__version__ = VERSION

__all__ = [
    "REASONS",
    "Analytics",
    "Stats",
    "__version__",
    "aflush",
    "default",
    "flush",
    "stats",
    "track_api_usage",
    "track_conversation",
    "track_llm_call",
    "track_message",
    "track_user_activity",
]
