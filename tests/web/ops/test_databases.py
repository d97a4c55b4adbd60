"""The service on either database: the same answers, the same commands. (Databases that fail: tests/faults/.)"""

import asyncio
import json
import random
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from sqlalchemy import text

from tests.paths import API, TRACK
from tests.samples.events import ACTIVITY
from tests.samples.history import made_up
from tests.servers.postgres import PASSWORD, Postgres
from tests.servers.process import Process
from tests.servers.service import Running, start
from tests.servers.settings import SECRET

# Languages sort these, and make small letters of them, in other ways than code points do.
NAMES = [
    "ada",
    "Ada",
    "ADA",
    "äda",
    "Äda",
    "a-da",
    "a.da",
    "_ada",
    "zoë",
    "ZOË",
    "Z",
    "z",
    "😀",
    "ß",
    "100%",
    "a_b",
    "İ",
]
SORTS = ("user_id", "username", "activity_count", "first_seen", "last_seen")
QUESTIONS = [
    "summary",
    "snapshot",
    *(f"users/list?sort={name}&limit=5" for name in SORTS),
    *(f"users/list?search={part}" for part in ("ad", "AD", "Ä", "ä", "z", "%25", "_", "ß", "İ", "%F0%9F%98%80")),
    "users/list?active_only=true",
    "users/top?limit=4",
    "users/top?from=2026-03-07&to=2026-03-09",
    "users/activities?limit=7&activity_type=login",
    "conversations?limit=6",
    "conversations?status=deleted",
    "messages?limit=9",
    "api-usage?endpoint=/1",
    "api-usage/endpoints?limit=2",
    "daily-stats?from=2026-03-05&to=2026-03-11",
    "series?metrics=messages,avg_response_time,model_tokens,total_users&interval=hour&from=2026-03-06&to=2026-03-10",
]


def events() -> list[dict[str, Any]]:
    draw = random.Random(3)
    found = made_up(seed=5, count=200)
    for number, name in enumerate(NAMES * 2):
        at = {"timestamp": f"2026-03-07T10:{number:02d}:00.000Z"}
        label = draw.choice(NAMES)
        found.append({"type": "activity", "user_id": name, "username": label, "activity_type": "login", **at})
    return found


async def answers(running: Running) -> list[bytes]:
    """Every report, page after page, as bytes; without what is drawn or read from the clock."""
    batch = events()
    for begin in range(0, len(batch), 60):
        assert (await running.http.post(f"{TRACK}/batch", json=batch[begin : begin + 60])).status_code == 201
    found = []
    for question in QUESTIONS:
        cursor = ""
        while cursor is not None:
            url = f"{API}/{question}" + (f"{'&' if '?' in question else '?'}cursor={cursor}" if cursor else "")
            response = await running.http.get(url, headers=running.admin())
            assert response.status_code == 200, (url, response.text)
            found.append(re.sub(rb'"(position|at)":"[^"]*"', b'"\\1":""', response.content))
            cursor = response.json().get("next")
    for table in ("users/list", "users/activities", "conversations", "messages", "api-usage"):
        headers = {**running.admin(), "Accept": "text/csv"}
        found.append((await running.http.get(f"{API}/{table}", headers=headers)).content)
    return found


async def test_answers_are_the_same_byte_for_byte(tmp_path: Path, postgres: Postgres) -> None:
    """The same events give the same answers on both databases: figures, order, search, cursors, CSV."""
    name = postgres.create()
    found = []
    for url in (f"sqlite+aiosqlite:///{tmp_path}/a.db", postgres.url(name)):
        running = await start(tmp_path, DATABASE_URL=url)
        found.append(await answers(running))
        assert (await running.verdict()).differences == []
        await running.drop()
    assert len(found[0]) > len(QUESTIONS) + 20
    for one, other in zip(*found, strict=True):
        assert one == other
    postgres.drop(name)


@pytest.mark.each_database
async def test_no_room_is_507(running: Running) -> None:
    """A database without room answers 507 with Retry-After and takes nothing; with room again it goes on."""
    database = running.service.database
    is_sqlite = database.url.get_backend_name() == "sqlite"
    refuse = (
        "PRAGMA max_page_count = 1"  # SQLite takes it to mean: no more than there are.
        if is_sqlite
        else "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE disk_full; END $$; "
        "CREATE TRIGGER refuse BEFORE INSERT ON user_activity EXECUTE FUNCTION refuse()"
    )
    permit = "PRAGMA max_page_count = 1000000" if is_sqlite else "DROP TRIGGER refuse ON user_activity"
    await running.post("activity-public", ACTIVITY)
    await database.write(lambda connection: connection.execute(text(refuse)).close())
    large = [{"type": "activity", **ACTIVITY, "user_agent": "x" * 1000} for _ in range(200)]
    response = await running.http.post(f"{TRACK}/batch", json=large)
    assert (response.status_code, response.headers["retry-after"]) == (507, "30")
    assert response.json()["title"] == "Insufficient Storage"
    await database.write(lambda connection: connection.execute(text(permit)).close())
    assert (await running.http.post(f"{TRACK}/batch", json=large)).json()["recorded"] == 200
    assert (await running.get("summary"))["total_activities"] == 201


@pytest.fixture
def process(tmp_path: Path, postgres: Postgres) -> Iterator[Process]:
    """A service as a process, on an empty database."""
    name = postgres.create("template0")
    found = Process(tmp_path, DATABASE_URL=postgres.url(name), LOG_LEVEL="debug")
    yield found
    found.stop_if_running()
    postgres.drop(name)


async def until_recorded(http: httpx2.AsyncClient, seconds: float) -> None:
    async with asyncio.timeout(seconds):
        while (await http.post(f"{TRACK}/activity-public", json=ACTIVITY)).status_code != 201:  # noqa: ASYNC110
            await asyncio.sleep(0.05)


async def test_commands_work_beside_the_service(process: Process, postgres: Postgres) -> None:
    """On PostgreSQL migrate, serve, verify and export do what they do on SQLite; no log tells the password."""
    migrated = process.command("migrate")
    assert (migrated.returncode, migrated.stderr) == (0, "")
    await process.start()
    async with httpx2.AsyncClient(base_url=process.url) as http:
        assert (await http.post(f"{TRACK}/activity-public", json=ACTIVITY)).status_code == 201
        postgres.cut(process.environment["ANALYTICS_DATABASE_URL"].rpartition("/")[2])
        exported = process.command("export", "users", "--format", "ndjson")
        assert json.loads(exported.stdout)["user_id"] == ACTIVITY["user_id"]
        verified = process.command("verify")
        assert (verified.returncode, "0 differ" in verified.stdout) == (0, True)
        postgres.stop("immediate")
        try:
            assert (await http.post(f"{TRACK}/activity-public", json=ACTIVITY)).status_code == 503
            away = process.command("verify")
            assert (away.returncode, away.stderr.count("convoai-analytics: ")) == (2, 1)
        finally:
            postgres.start()
        await until_recorded(http, 5)
    assert process.terminate() == 0
    told = process.log() + away.stdout + away.stderr + exported.stderr
    assert "commit_failed" in told
    assert PASSWORD not in told


def test_a_secret_must_be_shared(tmp_path: Path) -> None:
    """With the database on a server there is no place beside it for a secret: it must be set, and the line says so."""
    process = Process(tmp_path, DATABASE_URL="postgresql://user:hunter2@127.0.0.1:1/x", JWT_SECRET="")
    for command in ("serve", "token", "watch"):
        done = process.command(command)
        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
        assert "ANALYTICS_JWT_SECRET must be set" in done.stderr
    process.environment["ANALYTICS_JWT_SECRET"] = SECRET
    for command in ("serve", "verify", "migrate"):
        done = process.command(command)
        assert (done.returncode, done.stderr.count("convoai-analytics: ")) == (2, 1)
        assert "127.0.0.1:1/x" in done.stderr
        assert "hunter2" not in done.stderr
