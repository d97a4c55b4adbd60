"""Events for reports to show, and texts that a typesetter could take for its own."""

from typing import Any

from tests.paths import API
from tests.samples.events import ACTIVITY, CALL, LLM_CALL, MESSAGE
from tests.servers.service import Running

MARKUP = '#panic("x") *b* $1+1$ \\ @a <l> `r` // /* = - + [x]'
"""Of a user's name: shown as it is, or not at all."""


def at(day: int, hour: int = 12) -> str:
    return f"2026-03-{day:02d}T{hour:02d}:00:00.000Z"


async def fill(running: Running, tenant_key: str | None = None) -> None:
    """Six users over March 1 to 6, with messages, API calls and LLM calls of two models."""
    batch: list[dict[str, Any]] = []
    for day in range(1, 7):
        for number in range(day):
            user = {"user_id": f"u{number}", "timestamp": at(day, 8 + number)}
            model = ("alpha", "beta")[number % 2]
            batch += [
                {"type": "activity", **ACTIVITY, **user, "username": MARKUP if number == 0 else f"Name {number}"},
                {
                    "type": "message",
                    **MESSAGE,
                    **user,
                    "message_id": f"m{day}-{number}",
                    "conversation_id": f"c{number}",
                    "model_used": model,
                    "response_time": number + 0.5,
                },
                {"type": "api_usage", **CALL, **user, "status_code": 500 if number == 3 else 200},
                {"type": "llm_call", **LLM_CALL, **user, "model": model, "cost": f"0.{day}{number}00000001"},
            ]
    headers = {} if tenant_key is None else {"X-Tracking-Key": tenant_key}
    response = await running.http.post(f"{API}/track/batch", json=batch, headers=headers)
    assert response.status_code == 201, response.text
    assert response.json()["rejected"] == []
