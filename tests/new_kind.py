"""A program that declares a further kind of event, as a change of the code would, and uses the service with it.

It is run as a process of its own, since declarations are read when modules are imported. What it saw it prints as JSON.
"""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

from sqlalchemy import Column, Connection, Integer, String, text

from storage.model import events


class Feedback(events.Event, tag="feedback", tag_field="type"):
    """What a user thinks of an answer."""

    user_id: events.Identifier
    rating: int


KIND = events.Kind(Feedback, "feedback", "timestamp", "feedback-public", "Track feedback", "feedback")  # type: ignore[arg-type]
events.KINDS = (*events.KINDS, KIND)  # type: ignore[assignment]
events.KIND_OF[KIND.event] = KIND

from storage.tables import schema  # noqa: E402 - its tables follow from the kinds

schema.event_table(
    "feedback", Column("user_id", String(255)), Column("timestamp", String(24)), Column("rating", Integer)
)

from storage.engine.urls import database_at  # noqa: E402 - so do those of all below
from storage.retention.erasure import forget  # noqa: E402
from storage.retention.prune import prune  # noqa: E402
from storage.retention.steps import Steps  # noqa: E402
from storage.verify.comparison import verify  # noqa: E402
from tests.paths import API, TRACK  # noqa: E402
from tests.servers.service import start  # noqa: E402
from tests.servers.settings import SECRET  # noqa: E402
from web.auth.tokens import ADMIN, make_token  # noqa: E402

EVENTS = [
    {
        "type": "feedback",
        "event_id": f"f{day}",
        "user_id": f"u{day}",
        "rating": 4,
        "timestamp": f"2026-01-0{day}T12:00:00Z",
    }
    for day in range(1, 4)
]


async def main(folder: Path) -> dict[str, Any]:
    """Use the service; gives what was seen."""
    url = f"sqlite+aiosqlite:///{folder}/analytics.db"
    database = database_at(url)
    await database.open()
    await database.write(_migrate)
    await database.close()
    running = await start(folder)
    seen: dict[str, Any] = {}
    single = {"user_id": "u9", "rating": 5}
    seen["single"] = (await running.http.post(f"{TRACK}/feedback-public", json=single)).status_code
    seen["batch"] = (await running.http.post(f"{TRACK}/batch", json=[*EVENTS, EVENTS[0]])).json()
    admin = {"Authorization": f"Bearer {make_token(SECRET, 'ada', [ADMIN], 'default', 60)}"}
    seen["users"] = (await running.http.get(f"{API}/summary", headers=admin)).json()["total_users"]
    seen["paths"] = [path for path in (await running.http.get("/openapi.json")).json()["paths"] if "feedback" in path]
    seen["setting"] = vars(running.service.settings)["retention_feedback_days"]
    database = running.service.database
    steps = Steps(database, 100, rest=0)
    wanted = type(running.service.settings.retention)({"feedback": 3}).cutoffs(database.days)
    seen["pruned"] = await prune(steps, "default", wanted)
    seen["forgotten"] = await forget(steps, "default", "u9")
    async with database.read() as connection:
        seen["differences"] = list(map(str, (await verify(connection, database.days)).differences))
    await running.drop()
    return seen


def _migrate(connection: Connection) -> None:
    schema.metadata.tables["feedback"].create(connection)
    connection.execute(text("ALTER TABLE heads ADD COLUMN feedback_from VARCHAR(16) NOT NULL DEFAULT ''"))


if __name__ == "__main__":
    print(json.dumps(asyncio.run(main(Path(sys.argv[1])))))
