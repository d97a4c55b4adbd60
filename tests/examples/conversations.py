"""Conversations with the chatbot."""

import json
from typing import Any

from tests.examples.services import Json, Platform

QUESTION = "How do I plan a garden?"


def events(text: str) -> list[tuple[str, Json]]:
    """Read server-sent events: the name and the data of each."""
    found = []
    for block in text.split("\n\n")[:-1]:
        name, data = block.split("\n")
        found.append((name.removeprefix("event: "), json.loads(data.removeprefix("data: "))))
    return found


async def begun(platform: Platform, headers: dict[str, str]) -> str:
    """Begin a conversation, and give its path."""
    answer = await platform.chatbot.post("/conversations", json={}, headers=headers)
    assert answer.status_code == 201, answer.text
    return f"/conversations/{answer.json()['id']}"


async def asked(platform: Platform, path: str, headers: dict[str, str], content: str = QUESTION) -> list[Any]:
    """Post a message, and give the events of the answer."""
    answer = await platform.chatbot.post(f"{path}/messages", json={"content": content}, headers=headers)
    assert answer.status_code == 200, answer.text
    assert answer.headers["Content-Type"].startswith("text/event-stream")
    return events(answer.text)


async def messages(platform: Platform, path: str, headers: dict[str, str]) -> list[Json]:
    """List the messages of a conversation."""
    found: list[Json] = (await platform.chatbot.get(f"{path}/messages", headers=headers)).json()["items"]
    return found
