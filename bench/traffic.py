"""Made-up traffic of a chat platform, drawn from a fixed seed."""

import time
import uuid
from datetime import UTC, datetime
from random import Random

Event = dict[str, str | int | float]

USERS = 500
CONVERSATIONS = 3000
MODELS = ("small-1", "large-1", "large-2")
ACTIVITIES = ("login", "logout", "message_sent", "conversation_started", "api_call")
ENDPOINTS = ("/chat", "/conversations", "/models", "/login")


class Traffic:
    """Draws events. Each conversation belongs to one user; every message has an id of its own."""

    def __init__(self, seed: int = 1) -> None:
        self._random = Random(seed)

    def message(self) -> Event:
        """Draw a message; those of the assistant carry a response time and a model."""
        draw = self._random.random
        talk = int(draw() * CONVERSATIONS)
        event: Event = {
            "message_id": self._id(),
            "conversation_id": f"conversation-{talk:05}",
            "user_id": _user(talk % USERS),
            "role": "user",
            "token_count": int(draw() * 800),
        }
        if draw() < 0.5:
            model = MODELS[int(draw() * len(MODELS))]
            event |= {"role": "assistant", "response_time": round(draw() * 5, 3), "model_used": model}
        return event

    def activity(self) -> Event:
        """Draw an activity."""
        draw = self._random.random
        user = int(draw() * USERS)
        kind = ACTIVITIES[int(draw() * len(ACTIVITIES))]
        return {"user_id": _user(user), "username": f"Name {user}", "activity_type": kind}

    def api_call(self) -> Event:
        """Draw an API call; one in fifty fails."""
        draw = self._random.random
        return {
            "endpoint": ENDPOINTS[int(draw() * len(ENDPOINTS))],
            "method": "POST",
            "status_code": 500 if draw() < 0.02 else 200,
            "response_time": round(draw(), 3),
            "user_id": _user(int(draw() * USERS)),
        }

    def llm_call(self) -> Event:
        """Draw a call of a language model, whose sender tells its cost."""
        draw = self._random.random
        talk = int(draw() * CONVERSATIONS)
        return {
            "provider": "local",
            "model": MODELS[int(draw() * len(MODELS))],
            "operation": "chat",
            "user_id": _user(talk % USERS),
            "conversation_id": f"conversation-{talk:05}",
            "input_tokens": int(draw() * 4000),
            "output_tokens": int(draw() * 800),
            "response_time": round(draw() * 5, 3),
            "finish_reason": "stop",
            "cost": f"{draw() / 10:.6f}",
        }

    def any(self, at: float) -> Event:
        """Draw an event of any kind, for a batch, that happened *at* this Unix time: six in ten are messages."""
        kind = self._random.random()
        if kind < 0.6:
            event = {"type": "message", **self.message()}
        elif kind < 0.8:
            event = {"type": "activity", **self.activity()}
        else:
            event = {"type": "api_usage", **self.api_call()}
        event["timestamp"] = stamp(at)
        return event

    def _id(self) -> str:
        return str(uuid.UUID(int=self._random.getrandbits(128)))


def _user(number: int) -> str:
    return f"user-{number:04}"


def stamp(at: float) -> str:
    """Write a Unix time as events carry it."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")[:23] + "Z"


def spread(count: int, seconds: float) -> list[float]:
    """Spread *count* Unix times evenly over the last *seconds*."""
    end = time.time()
    return [end - seconds * (count - number) / count for number in range(count)]
