"""The service as a whole: it is there from its opening to its end, and nothing of it is left."""

import asyncio
from dataclasses import fields
from pathlib import Path

import pytest

from realtime.node import Node
from storage.engine.urls import database_at
from storage.errors import StorageUnavailable
from storage.write.writer import Writer
from tests.servers.settings import environment
from web.auth.credentials import Credentials
from web.ops.health import Health
from web.ops.housekeeping import Housekeeping
from web.server.app import open_service
from web.settings import Settings


async def test_a_service_is_whole(tmp_path: Path) -> None:
    """Whoever gets a service gets all of it, and no part is put in another one's place later."""
    async with open_service(Settings.read(environment(tmp_path))) as service:
        assert all(getattr(service, part.name) is not None for part in fields(service))
        with pytest.raises(AttributeError):
            service.app = service.app  # type: ignore[misc]


async def test_parts_are_closed_in_reverse_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was opened last is closed first: the writer commits what waits while changes are still published."""
    ended: list[str] = []

    def note(kind: type) -> None:
        stop = kind.stop  # type: ignore[attr-defined]

        async def noted(part: object) -> None:
            ended.append(kind.__name__)
            await stop(part)

        monkeypatch.setattr(kind, "stop", noted)

    for kind in (Credentials, Node, Writer, Housekeeping, Health):
        note(kind)
    async with open_service(Settings.read(environment(tmp_path))):
        assert ended == []
    assert ended == ["Health", "Housekeeping", "Writer", "Node", "Credentials"]


async def test_what_cannot_be_opened_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If a part cannot be opened, those before it are closed: another can open the database, and no task is left."""
    settings, tasks = Settings.read(environment(tmp_path)), asyncio.all_tasks()

    async def fail(_node: Node) -> None:
        raise StorageUnavailable("not now")

    with monkeypatch.context() as patch:
        patch.setattr(Node, "start", fail)
        with pytest.raises(StorageUnavailable, match="not now"):
            async with open_service(settings):
                pass
    assert asyncio.all_tasks() == tasks
    database = database_at(settings.database_url)
    await database.open()
    await database.close()
