"""The lists and reports of the admin's endpoints, and events of March for them to show."""

import random
from typing import Any

from tests.paths import API
from tests.samples.events import ACTIVITY, CALL, MESSAGE, TALK
from tests.servers.service import Running

LISTS = (
    "users/activities",
    "users/top",
    "users/list",
    "conversations",
    "messages",
    "api-usage",
    "api-usage/endpoints",
    "daily-stats",
)
REPORTS = ("summary", "snapshot", *LISTS)


def at(day: int, hour: int = 12, minute: int = 0) -> str:
    return f"2026-03-{day:02d}T{hour:02d}:{minute:02d}:00.000Z"


async def fill(running: Running) -> None:
    """Three users, two conversations, over three days of March."""
    for day, user in ((1, "ada"), (1, "bob"), (2, "ada"), (3, "cyd"), (3, "ada")):
        await running.post(
            "activity-public", {**ACTIVITY, "user_id": user, "username": user.title(), "timestamp": at(day)}
        )
    await running.post("conversation-public", {**TALK, "user_id": "ada", "timestamp": at(1)})
    for number, day in enumerate((1, 2, 2)):
        message = {**MESSAGE, "message_id": f"m{number}", "user_id": "ada", "token_count": 10 * (number + 1)}
        await running.post("message-public", {**message, "response_time": number, "timestamp": at(day)})
    await running.post(
        "message-public", {**MESSAGE, "message_id": "m9", "conversation_id": "c2", "user_id": "bob", "timestamp": at(2)}
    )
    for status, day in ((200, 1), (500, 2), (503, 2)):
        await running.post("api-usage-public", {**CALL, "status_code": status, "timestamp": at(day)})


async def crowd(running: Running, seed: int) -> None:
    """Users with ties in everything, some without a name."""
    draw = random.Random(seed)
    batch: list[dict[str, Any]] = []
    for number in range(60):
        seen = {"user_id": f"u{draw.randrange(40):02d}", "timestamp": at(draw.randrange(1, 4))}
        named = {"type": "activity", "activity_type": "login", "username": draw.choice(["", "Ann", "Zoe", "ann", "Ä"])}
        written = {
            "type": "message",
            "message_id": f"m{number}",
            "conversation_id": "c",
            "role": "user",
            "token_count": 1,
        }
        batch.append({**seen, **(named if draw.random() < 0.6 else written)})
    response = await running.http.post(f"{API}/track/batch", json=batch)
    assert response.status_code == 201, response.text
