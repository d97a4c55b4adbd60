"""The client of modules that make none of their own: its URL and key come from the environment."""

import os
import threading
from typing import Any

from convoai_analytics_client.analytics import Analytics
from convoai_analytics_client.delivery.failure_log import LOG
from convoai_analytics_client.delivery.stats import Stats
from convoai_analytics_client.done import Done

_lock = threading.Lock()
_client: Analytics | None = None


def _renew_lock() -> None:
    global _lock
    _lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_lock)


def default() -> Analytics:
    """Give the client that ``ANALYTICS_URL`` and ``ANALYTICS_TRACKING_KEY`` describe; it is made at the first call.

    Without a URL, or with one that makes no sense, it drops every event, and says so once in the log.
    """
    global _client
    if _client is None:
        with _lock:
            if _client is None:
                _client = _made()
    return _client


def _made() -> Analytics:
    url = os.environ.get("ANALYTICS_URL")
    if not url:
        LOG.warning("analytics: ANALYTICS_URL is not set, events are dropped")
        return Analytics(None)
    try:
        return Analytics(url, os.environ.get("ANALYTICS_TRACKING_KEY") or None)
    except ValueError as error:
        LOG.error("analytics: events are dropped, ANALYTICS_URL or ANALYTICS_TRACKING_KEY is wrong: %s", error)
        return Analytics(None)


def track_user_activity(
    user_id: Any,
    username: str,
    activity_type: str,
    ip_address: str | None = None,
    user_agent: str | None = None,
    extra_data: "dict[str, Any] | None" = None,
) -> Done:
    """Track something that a user did: see :meth:`Analytics.track_user_activity`."""
    return default().track_user_activity(user_id, username, activity_type, ip_address, user_agent, extra_data)


def track_conversation(conversation_id: Any, user_id: Any, action: str) -> Done:
    """Track that a conversation was created or deleted: see :meth:`Analytics.track_conversation`."""
    return default().track_conversation(conversation_id, user_id, action)


def track_message(
    message_id: Any,
    conversation_id: Any,
    user_id: Any,
    role: str,
    tokens: int | None,
    model: str | None = None,
    response_time: float | None = None,
    time_to_first_token: float | None = None,
    finish_reason: str | None = None,
) -> Done:
    """Track a message: see :meth:`Analytics.track_message`."""
    return default().track_message(
        message_id, conversation_id, user_id, role, tokens, model, response_time, time_to_first_token, finish_reason
    )


def track_llm_call(provider: str, model: str, operation: str = "chat", **fields: Any) -> Done:
    """Track a call of a language model: see :meth:`Analytics.track_llm_call`, which has all *fields*."""
    return default().track_llm_call(provider, model, operation, **fields)


def track_api_usage(endpoint: str, method: str, status_code: int, response_time: float, user_id: Any = None) -> Done:
    """Track a call of your API: see :meth:`Analytics.track_api_usage`."""
    return default().track_api_usage(endpoint, method, status_code, response_time, user_id)


def flush(timeout: float = 10.0) -> bool:
    """Post what was tracked before this call: see :meth:`Analytics.flush`."""
    return default().flush(timeout)


async def aflush(timeout: float = 10.0) -> bool:
    """Do as :func:`flush` without blocking the event loop."""
    return await default().aflush(timeout)


def stats() -> Stats:
    """Tell what became of the events so far: see :meth:`Analytics.stats`."""
    return default().stats()
