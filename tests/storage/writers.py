"""Writers on a test's database, with all that they tell."""

from typing import Any

from sqlalchemy import func, select

from storage.engine.urls import database_at
from storage.model.changes import Change
from storage.tables import schema
from storage.write.commit import Outcome
from storage.write.writer import Writer
from tests.samples.events import event as make

MESSAGE = {"type": "message", "conversation_id": "c", "user_id": "u", "role": "user", "token_count": 1}


class Observed:
    def __init__(self) -> None:
        self.sizes: list[int] = []

    def committed(self, outcome: Outcome, seconds: float) -> None:
        self.sizes.append(len(outcome.recorded))


class Bench:
    """A writer with all that it tells."""

    def __init__(self, url: str, **given: int) -> None:
        self.database = database_at(url)
        self.changes: list[Change] = []
        self.observed = Observed()
        limits: Any = {"queue_events": 1000, "change_log": 100, **given}
        self.writer = Writer(self.database, self.changes.append, observer=self.observed, **limits)

    async def post(self, *names: str, tenant: str = "default", **fields: Any) -> Any:
        events = [make(**{**MESSAGE, "message_id": name, **fields}) for name in names]
        return await self.writer.write(tenant, events)

    async def count(self, table: Any = schema.message_metrics) -> int:
        async with self.database.read() as connection:
            return int(await connection.scalar(select(func.count()).select_from(table)) or 0)


class Silent:
    def committed(self, outcome: object, seconds: float) -> None:
        pass
