"""Sample events: one of each kind, under the names of their endpoints, and as a batch."""

from typing import Any

import msgspec

from storage.model.events import AnyEvent
from storage.model.parsing import parse_any

ACTIVITY = {"user_id": "u1", "username": "Ada", "activity_type": "login"}
CALL = {"endpoint": "/v1/chat", "method": "POST", "status_code": 200, "response_time": 0.25}
TALK = {"conversation_id": "c1", "user_id": "u1", "action": "created"}
MESSAGE = {"message_id": "m1", "conversation_id": "c1", "user_id": "u1", "role": "user", "token_count": 7}
LLM_CALL = {"provider": "openai", "model": "gpt-5-mini", "operation": "chat"}
EVENTS: dict[str, dict[str, Any]] = {
    "activity-public": ACTIVITY,
    "api-usage-public": CALL,
    "conversation-public": TALK,
    "message-public": MESSAGE,
    "llm-call-public": LLM_CALL,
}
BATCH: list[dict[str, Any]] = [
    {"type": "activity", **ACTIVITY},
    {"type": "api_usage", **CALL},
    {"type": "conversation", **TALK},
    {"type": "message", **MESSAGE},
    {"type": "llm_call", **LLM_CALL},
]


def event(**fields: Any) -> AnyEvent:
    """Make an event as a service would post it in a batch."""
    return parse_any(msgspec.json.encode(fields))
