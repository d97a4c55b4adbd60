"""Retention and erasure on the running service: what is taken, what panels see, and the commands beside it."""

import asyncio
import json
import socket
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest

from realtime.subscriber_state import Json
from storage.retention.prune import prune
from storage.retention.steps import Steps
from storage.tables.heads import move_cutoffs
from tests.paths import API, TRACK
from tests.samples.events import ACTIVITY, BATCH, MESSAGE
from tests.samples.history import days_ago
from tests.servers.process import COMMAND, Process
from tests.servers.service import Running, start
from tests.servers.settings import RETENTION, environment
from tests.subscribers.live import Fed
from tests.subscribers.stream import StreamPanel
from web.settings import Settings

GONE = "erase-me-please"


@pytest.fixture
async def keeping(tmp_path: Path, database_url: str) -> AsyncIterator[Running]:
    """A service that keeps three days of everything."""
    found = await start(tmp_path, DATABASE_URL=database_url, **RETENTION)
    yield found
    await found.drop()


async def test_an_event_that_is_too_old_is_refused(keeping: Running) -> None:
    """An event of a day that is not kept is a 422 that names its timestamp; one of the first kept day is taken."""
    posts: dict[str, Json] = {"activity-public": ACTIVITY, "message-public": MESSAGE}
    for path, event in posts.items():
        response = await keeping.http.post(f"{TRACK}/{path}", json={**event, "timestamp": days_ago(4)})
        assert response.status_code == 422
        assert response.json()["field"] == "timestamp"
        await keeping.post(path, {**event, "timestamp": days_ago(3)})


@pytest.mark.parametrize("form", ["array", "lines", "one by one"])
async def test_a_batch_keeps_what_is_new_enough(keeping: Running, form: str) -> None:
    """In a batch each event that is too old is rejected at its place, and no other is lost by it."""
    old = {"timestamp": days_ago(10)}
    events: list[Any] = [{**BATCH[0], **old}, BATCH[0], {**BATCH[1], **old}, BATCH[1]]
    if form == "one by one":
        events.append({"type": "nonsense"})
    body = "\n".join(map(json.dumps, events)) if form == "lines" else json.dumps(events)
    media = "application/x-ndjson" if form == "lines" else "application/json"
    answer = (await keeping.http.post(f"{TRACK}/batch", content=body, headers={"Content-Type": media})).json()
    assert answer["recorded"] == 2
    refused = [(item["index"], item["field"]) for item in answer["rejected"]]
    assert refused[:2] == [(0, "timestamp"), (2, "timestamp")]
    assert len(refused) == len(events) - 4 + 2


async def follow(running: Running) -> list[Fed]:
    """A panel by WebSocket, and one by an event stream."""
    stream = StreamPanel(running.url, running.token())
    running.panels.append(stream)
    await stream.open()
    await stream.until(lambda: bool(stream.frames))
    return [await running.panel(), stream]


async def show(running: Running, panels: list[Fed]) -> Json:
    """Wait until every panel shows what a snapshot tells, and give that."""
    found = await running.get("snapshot")
    for panel in panels:
        await panel.until(lambda shown=panel: shown.state.position == found["position"])  # type: ignore[misc]
        assert panel.state.shown() == {name: found[name] for name in panel.state.shown()}
    return dict(found)


def counts(summary: Json) -> Json:
    return {name: value for name, value in summary.items() if isinstance(value, int)}


@pytest.mark.each_database
async def test_panels_live_through_prune_and_forget(tmp_path: Path, database_url: str) -> None:
    """Panels are right through both commands, typed beside the service: rows and names go from them by a snapshot, no
    count moves, and those that come back with a later position are not sent one again.
    """
    running = await start(tmp_path, DATABASE_URL=database_url)
    (tmp_path / "beside").mkdir()
    operator = Process(tmp_path / "beside", DATABASE_URL=database_url, **RETENTION)
    panels = await follow(running)
    for number in range(6):
        await running.post("activity-public", {**ACTIVITY, "user_id": f"u{number}", "timestamp": days_ago(number + 2)})
        await running.post("message-public", {**MESSAGE, "message_id": f"m{number}", "timestamp": days_ago(number + 2)})
    await running.post("activity-public", {**ACTIVITY, "user_id": GONE, "username": GONE})
    before = await show(running, panels)
    for arguments in (("prune",), ("forget", GONE)):
        for panel in panels:
            panel.frames.clear()
        done = await asyncio.to_thread(operator.command, *arguments)
        assert done.returncode == 0, done.stderr
        after = await show(running, panels)
        assert counts(after["summary"]) == counts(before["summary"])
        assert after["position"] != before["position"]
        assert all("snapshot" in {frame["type"] for frame in panel.frames} for panel in panels)
        assert (await running.verdict()).differences == []
    assert [item["user_id"] for item in after["activities"]] == ["u0", "u1", "u2"]
    assert GONE not in json.dumps(after)
    for panel in panels:
        await panel.close()
    await running.post("activity-public", ACTIVITY)
    for panel in panels:
        panel.frames.clear()
        await panel.resume()
    await show(running, panels)
    assert [panel.frames[0]["type"] for panel in panels] == ["delta", "delta"]
    await running.stop()


@pytest.mark.each_database
async def test_a_service_prunes_by_itself(tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A service removes in the background what its retention does not keep; its panels see it at once."""
    running = await start(tmp_path, DATABASE_URL=database_url)
    for number in range(30):
        await running.post("activity-public", {**ACTIVITY, "timestamp": days_ago(number % 10)})
    await running.stop()
    running = await start(tmp_path, DATABASE_URL=database_url, **RETENTION)
    panels = await follow(running)
    before = await show(running, panels)
    monkeypatch.setattr("web.ops.housekeeping.FIRST_SECONDS", (0.0, 0.0))
    await running.service.housekeeping.stop()
    running.service.housekeeping.start()
    await panels[0].until(lambda: panels[0].state.position != before["position"])
    async with asyncio.timeout(10):
        while len((await running.get("users/activities", limit=100))["items"]) > 15:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
        counted = 'convoai_pruned_rows_total{table="user_activity"} 15.0'
        while counted not in (await running.http.get("/metrics")).text:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    after = await show(running, panels)
    assert counts(after["summary"]) == counts(before["summary"])
    assert after["summary"]["total_activities"] == 30
    days = (await running.get("daily-stats", days=12))["items"]
    assert sum(day["new_users"] for day in days) == 1
    series = (await running.get("series", metrics="activities", interval="hour", **{"from": days_ago(8)}))["metrics"]
    assert series["activities"][0] is None
    assert (await running.verdict()).differences == []
    await running.stop()


async def test_a_dry_run_only_counts(tmp_path: Path) -> None:
    """prune --dry-run says what prune then removes, and removes nothing itself; without a retention it says so."""
    running = await start(tmp_path)
    for number in range(8):
        await running.post("activity-public", {**ACTIVITY, "timestamp": days_ago(number)})
    position = (await running.get("snapshot"))["position"]
    await running.stop()
    operator = Process(tmp_path, **RETENTION)
    assert operator.command("prune", "--dry-run").stdout == "user_activity: 3 would be removed\n"
    assert operator.command("prune", "--tenant", "acme").stdout == ""
    assert "user_activity: 3 removed\n" in operator.command("prune").stdout
    assert operator.command("prune").stdout == ""
    assert operator.command("verify").returncode == 0
    refused = Process(tmp_path).command("prune")
    assert refused.returncode == 2
    assert "ANALYTICS_RETENTION_ACTIVITY_DAYS" in refused.stderr
    running = await start(tmp_path)
    assert (await running.get("snapshot"))["position"] != position
    await running.stop()


def named(folder: Path) -> int:
    """How often the files of a database hold the user's name."""
    return sum((folder / f"analytics.db{end}").read_bytes().count(GONE.encode()) for end in ("", "-wal"))


async def test_what_was_erased_is_not_in_the_file(tmp_path: Path) -> None:
    """After forget, neither the database nor its write-ahead log holds the user anywhere, and the audit says that it
    was done, not to whom.
    """
    # A process of its own: to close a file that SQLite has open in this one would give its locks away.
    service = Process(tmp_path)
    await service.start()
    async with httpx2.AsyncClient(base_url=service.url) as http:
        for number in range(400):
            user = GONE if number % 3 == 0 else f"user-{number}"
            events = [{**event, "user_id": user, "event_id": f"{user}-{number}"} for event in BATCH]
            events[0]["username"] = f"{user}-name"
            events[3]["message_id"] = f"{user}-{number}"
            answer = (await http.post(f"{TRACK}/batch", json=events)).json()
            assert answer["recorded"] == len(BATCH)
    assert named(tmp_path) > 1000
    done = await asyncio.to_thread(service.command, "forget", GONE)
    assert done.returncode == 0, done.stderr
    assert "users: 1 removed" in done.stdout
    assert named(tmp_path) == 0
    assert service.command("verify").returncode == 0
    assert "user forgotten" in service.command("audit").stdout
    assert service.terminate() == 0
    assert GONE not in service.log() + service.audit()


async def test_a_user_who_is_not_there(tmp_path: Path) -> None:
    """To forget nobody, of a tenant or of none, is no error and changes nothing."""
    running = await start(tmp_path)
    position = (await running.post("activity-public", ACTIVITY))["position"]
    for arguments in (("nobody",), ("",), ("nobody", "--tenant", "none")):
        done = await asyncio.to_thread(Process(tmp_path).command, "forget", *arguments)
        assert (done.returncode, done.stdout) == (0, "there is no such user\n")
    assert (await running.get("snapshot"))["position"] == position
    await running.stop()


async def post_rows(http: httpx2.AsyncClient, count: int, user: str, timestamp: str) -> None:
    """Post so many activities of *user*, of a kilobyte each."""
    event = {"type": "activity", **ACTIVITY, "user_id": user, "user_agent": "x" * 1000, "timestamp": timestamp}
    for begin in range(0, count, 1000):
        answer = await http.post(f"{TRACK}/batch", json=[event] * min(1000, count - begin))
        assert answer.status_code == 201


@asynccontextmanager
async def slow_csv(running: Running) -> AsyncIterator[httpx2.Response]:
    """Begin to download all activities, and read only the head."""
    transport = httpx2.AsyncHTTPTransport(socket_options=[(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)])
    headers = {**running.admin(), "Accept": "text/csv", "Accept-Encoding": "identity"}
    async with (
        httpx2.AsyncClient(transport=transport, timeout=60) as client,
        client.stream("GET", f"{running.url}{API}/users/activities", headers=headers) as response,
    ):
        assert response.status_code == 200
        yield response


@pytest.mark.each_database
async def test_an_export_whose_rows_are_forgotten_breaks_off(tmp_path: Path, database_url: str) -> None:
    """A download that goes on while a user in it is forgotten ends as one that failed; the next one is whole."""
    running = await start(tmp_path, DATABASE_URL=database_url)
    (tmp_path / "beside").mkdir()
    operator = Process(tmp_path / "beside", DATABASE_URL=database_url)
    await post_rows(running.http, 1000, GONE, days_ago(3))
    await post_rows(running.http, 9000, "ada", days_ago(2))
    async with slow_csv(running) as response:
        done = await asyncio.to_thread(operator.command, "forget", GONE)
        assert "user_activity: 1,000 removed" in done.stdout
        with pytest.raises(httpx2.RemoteProtocolError, match="incomplete chunked read"):
            await response.aread()
    async with slow_csv(running) as response:
        assert (await asyncio.to_thread(operator.command, "forget", "nobody")).returncode == 0
        assert len((await response.aread()).splitlines()) == 9001
    await running.stop()


@pytest.mark.each_database
async def test_pruning_breaks_no_export_off_that_began_after_it(tmp_path: Path, database_url: str) -> None:
    """Rows that are just being pruned are in no export, so that it is whole whatever the pruning has come to."""
    running = await start(tmp_path, DATABASE_URL=database_url)
    await post_rows(running.http, 1500, "old", days_ago(9))
    await post_rows(running.http, 9000, "ada", days_ago(2))
    database = running.service.database
    cutoffs = Settings.read(environment(tmp_path, **RETENTION)).retention.cutoffs(database.days)
    # What the first step does, before any row is removed.
    await database.write(lambda connection: move_cutoffs(connection, "default", cutoffs))
    async with slow_csv(running) as response:
        removed = await prune(Steps(database, 100, rest=0), "default", cutoffs)
        assert removed["user_activity"] == 1500
        assert len((await response.aread()).splitlines()) == 9001
    await running.stop()


async def test_the_command_says_that_rows_were_removed(tmp_path: Path) -> None:
    """The command export ends with exit code 1 and one clear line if rows were removed while it wrote."""
    service = Process(tmp_path)
    await service.start()
    async with httpx2.AsyncClient(base_url=service.url, timeout=60) as http:
        await post_rows(http, 1000, GONE, days_ago(3))
        await post_rows(http, 3000, "ada", days_ago(2))
    assert service.terminate() == 0
    pipe = subprocess.PIPE
    command = [*COMMAND, "export", "user_activity"]
    export = await asyncio.create_subprocess_exec(*command, env=service.environment, stdout=pipe, stderr=pipe)
    assert export.stdout is not None
    # It waits for its reader, and has read only the first pages.
    await export.stdout.readexactly(1000)
    assert "1,000 removed" in (await asyncio.to_thread(service.command, "forget", GONE)).stdout
    _, told = await export.communicate()
    assert export.returncode == 1
    assert told.decode() == "convoai-analytics: 1,000 rows were removed while they were exported: export them anew\n"
