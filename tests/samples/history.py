"""Events of past days, and times before now."""

import random
from datetime import UTC, datetime, timedelta
from typing import Any

from storage.model import clock

Json = dict[str, Any]
# Daylight saving begins in New York on 2026-03-08.
BEGIN = datetime(2026, 3, 6, 12, tzinfo=UTC)


def made_up(seed: int, count: int = 300) -> list[Json]:
    """Four days of events, in no order of time."""
    draw = random.Random(seed)
    events: list[Json] = []
    for number in range(count):
        at = {"timestamp": clock.text(BEGIN + timedelta(seconds=draw.uniform(0, 4 * 86_400)))}
        user = f"u{draw.randrange(8)}"
        match draw.randrange(5):
            case 0:
                events.append({"type": "activity", "user_id": user, "username": user, "activity_type": "login", **at})
            case 1:
                call = {"endpoint": f"/{draw.randrange(3)}", "method": "GET", "status_code": draw.choice([200, 503])}
                events.append({"type": "api_usage", "response_time": draw.random(), **call, **at})
            case 2:
                conversation = {
                    "conversation_id": f"c{draw.randrange(20)}",
                    "action": draw.choice(["created", "deleted"]),
                }
                events.append({"type": "conversation", "user_id": user, **conversation, **at})
            case 3:
                call = {"provider": "openai", "model": "gpt-5-mini", "operation": "chat"}
                call["user_id"] = draw.choice([None, user])
                call["conversation_id"] = draw.choice([None, f"c{draw.randrange(25)}"])
                call |= {name: draw.choice([None, draw.random()]) for name in ("response_time", "time_to_first_token")}
                call |= {"input_tokens": draw.choice([None, draw.randrange(10, 100)]), "cached_input_tokens": 3}
                call |= {"output_tokens": draw.choice([None, draw.randrange(10, 100)]), "reasoning_tokens": 2}
                call |= {"cost": draw.choice([None, f"9999.{draw.randrange(10**9):09}"]), "cache_write_tokens": 1}
                call["error_type"] = draw.choice([None, "Timeout"])
                events.append({"type": "llm_call", **call, **at})
            case _:
                message = {
                    "message_id": f"m{number}",
                    "conversation_id": f"c{draw.randrange(20)}",
                    "user_id": user,
                    "role": "user",
                    "token_count": draw.randrange(100),
                    "response_time": draw.choice([None, draw.random()]),
                    "model_used": draw.choice([None, "small", "large"]),
                }
                events.append({"type": "message", **message, **at})
    return events


def days_ago(days: float) -> str:
    return clock.text(clock.moment(clock.now()) - timedelta(days=days))
