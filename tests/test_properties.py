"""The properties of the design, attacked by a state machine: random events, random panels over WebSockets
and event streams, a clock that jumps.

After every step: one commit is one change and sequences have no gap (2), rollups equal the recount (3), and every panel
that reads shows exactly the snapshot, and the breakdown that it follows (4). Neither a heartbeat's digest nor a feed's
look at the database ever finds a figure wrong.
"""

import asyncio
import json
import tempfile
import time
from collections.abc import Coroutine
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    precondition,
    rule,
)
from sqlalchemy import select

from realtime.protocol import TOPICS
from storage.model import clock
from storage.tables import schema
from tests.new_database import create
from tests.paths import API, TRACK
from tests.samples.strategies import EVENT
from tests.servers.ports import free_port
from tests.servers.postgres import Postgres
from tests.servers.service import Running, start
from tests.subscribers.breakdowns import equals_list
from tests.subscribers.live import Fed
from tests.subscribers.stream import StreamPanel

T = TypeVar("T")

KEYS = {"default": "own-key-0123456789", "acme": "acme-key-0123456789"}
TENANTS = st.sampled_from(sorted(KEYS))
ASKED = st.sampled_from(
    [
        {"metric": "cost", "by": "model", "limit": 1},
        {"metric": "cost", "by": "user,model", "limit": 3},
        {"metric": "llm_calls", "by": "model", "range": "hour"},
        {"metric": "tokens", "by": "user", "limit": 2},
        {"metric": "p95_llm_response_time", "by": "model"},
    ]
)


class Platform(RuleBasedStateMachine):
    """Services that post, admins who watch, and time that passes."""

    panels = Bundle("panels")

    @initialize(zone=st.sampled_from(["UTC", "America/New_York", "Asia/Kolkata"]))
    def begin(self, zone: str) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.loop = asyncio.new_event_loop()
        self.shift = 0.0
        self.patch = pytest.MonkeyPatch()
        self.patch.setattr(clock, "unix", lambda: time.time() + self.shift)
        self.patch.setattr("realtime.node.FOLLOW_SECONDS", 0.05)
        self.patch.setattr("realtime.feed.VERIFY_SECONDS", 0.0)
        self.patch.setattr("realtime.follower.VERIFY_SHARE", 1.0)
        self.seen: set[tuple[str, str, str]] = set()
        self.messages: set[tuple[str, str]] = set()
        self.commits = dict.fromkeys(KEYS, 0)
        self.watching: dict[Fed, str] = {}
        self.stalled: set[Fed] = set()
        self.asking: set[Fed] = set()
        self.options = {
            "TIMEZONE": zone,
            "TICK_MS": "5",
            "HEARTBEAT_SECONDS": "0.1",
            "PORT": str(free_port()),
            "DATABASE_URL": self.make(),
        }
        self.restarted = False
        self.running: Running = self.run(start(Path(self.folder.name), plain=False, **self.options))

    def make(self) -> str:
        """Make a database, and give its URL."""
        url = f"sqlite+aiosqlite:///{self.folder.name}/analytics.db"
        create(url)
        return url

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(work)

    def teardown(self) -> None:
        if hasattr(self, "running"):
            for panel in self.stalled:
                panel.go_on()
            self.run(self.running.stop())
            self.loop.close()
            self.patch.undo()
            self.folder.cleanup()

    @rule(tenant=TENANTS, drawn=st.lists(EVENT, min_size=1, max_size=8))
    def post(self, tenant: str, drawn: list[tuple[dict[str, Any], str | None, int | None]]) -> None:
        events, new = [], 0
        for fields, event_id, minutes in drawn:
            event = {**fields, "event_id": event_id}
            if minutes is not None:
                moment = datetime.fromtimestamp(clock.unix(), UTC) + timedelta(minutes=minutes)
                event["timestamp"] = moment.isoformat()
            events.append(event)
            new += self._counts(tenant, event)
        headers = {"X-Tracking-Key": KEYS[tenant]}
        response = self.run(self.running.http.post(f"{TRACK}/batch", content=json.dumps(events), headers=headers))
        answer = response.json()
        assert (answer["recorded"], answer["duplicates"], answer["rejected"]) == (new, len(events) - new, [])
        self.commits[tenant] += new > 0
        assert int(answer["position"].split(".")[1]) == self.commits[tenant]

    def _counts(self, tenant: str, event: dict[str, Any]) -> bool:
        """Say whether an event is new by its ids, as the contract has it."""
        key = (tenant, event["type"], event["event_id"])
        message = (tenant, str(event.get("message_id")))
        if event["event_id"] is not None and key in self.seen:
            return False
        if event["type"] == "message":
            if message in self.messages:
                return False
            self.messages.add(message)
        if event["event_id"] is not None:
            self.seen.add(key)
        return True

    @rule(tenant=TENANTS, of=st.sampled_from([("messages", "responses"), ("api_calls", "api_calls")]))
    def read_response_times(self, tenant: str, of: tuple[str, str]) -> None:
        """By hour and by day, response times come to the same, and there are as many as the counter says."""
        begin, end = (datetime.fromtimestamp(clock.unix(), UTC) + timedelta(days=days) for days in (-60, 1))
        wanted = {"from": begin.isoformat(), "to": end.isoformat()}
        by_hour, by_day = (
            self.get("response-times", tenant, of=of[0], interval=interval, **wanted) for interval in ("hour", "day")
        )
        assert by_hour["total"] == by_day["total"]
        assert by_hour["unknown"] == by_day["unknown"] == 0
        series = self.get("series", tenant, metrics=of[1], interval="day", **wanted)
        assert by_day["points"]["count"] == series["metrics"][of[1]]

    @rule(tenant=TENANTS)
    def annotate(self, tenant: str) -> None:
        """An annotation is one change, which moves no figure."""
        before = self.get("summary", tenant)
        work = self.running.http.post(f"{API}/annotations", json={"text": "deploy"}, headers=self._admin(tenant))
        assert self.run(work).status_code == 201
        self.commits[tenant] += 1
        after = self.get("summary", tenant)
        assert {**after, "position": before["position"]} == before

    def get(self, path: str, tenant: str, **params: str) -> Any:
        """Read a report."""
        response = self.run(self.running.http.get(f"{API}/{path}", params=params, headers=self._admin(tenant)))
        assert response.status_code == 200, response.text
        return response.json()

    def _admin(self, tenant: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.running.token(tenant, seconds=10**9)}"}

    @rule(hours=st.sampled_from([1, 11, 24]))
    def let_time_pass(self, hours: int) -> None:
        self.shift += hours * 3600

    @rule(target=panels, tenant=TENANTS, streams=st.booleans())
    def connect(self, tenant: str, streams: bool) -> Any:
        if len(self.watching) >= 4:
            return multiple()
        token = self.running.token(tenant, seconds=10**9)
        panel = self.run(self._follow(token) if streams else self.running.panel(tenant, token=token))
        self.watching[panel] = tenant
        return panel

    async def _follow(self, token: str) -> Fed:
        panel = StreamPanel(self.running.url, token)
        self.running.panels.append(panel)
        await panel.open()
        await panel.until(lambda: bool(panel.frames))
        return panel

    @rule(target=panels, tenant=TENANTS, asked=ASKED)
    def follow_breakdown(self, tenant: str, asked: dict[str, Any]) -> Any:
        if len(self.watching) >= 4:
            return multiple()
        token = self.running.token(tenant, seconds=10**9)
        panel = self.run(self.running.panel(tenant, token=token, breakdown=asked))
        self.watching[panel] = tenant
        self.asking.add(panel)
        return panel

    @rule(panel=panels)
    def stall(self, panel: Fed) -> None:
        panel.stall()
        self.stalled.add(panel)

    @rule(panel=panels)
    def go_on(self, panel: Fed) -> None:
        panel.go_on()
        self.stalled.discard(panel)

    @rule(panel=panels)
    def drop_and_resume(self, panel: Fed) -> None:
        self.stalled.discard(panel)
        self.run(panel.close())
        self.run(panel.resume())

    @rule(panel=consumes(panels))
    def leave(self, panel: Fed) -> None:
        self.stalled.discard(panel)
        del self.watching[panel]
        self.run(panel.close())

    @precondition(lambda self: not self.restarted and sum(self.commits.values()) > 2)
    @rule()
    def restart(self) -> None:
        """Stop and start the service, once; panels come back to it with their positions."""
        self.restarted = True
        for panel in self.watching:
            panel.go_on()
        self.stalled.clear()
        self.run(self.running.stop())
        self.running = self.run(start(Path(self.folder.name), plain=False, **self.options))
        for panel in self.watching:
            self.running.panels.append(panel)
            self.run(panel.resume())

    @invariant()
    def sequences_have_no_gap(self) -> None:
        if hasattr(self, "running"):
            self.run(self._check_log())

    async def _check_log(self) -> None:
        log = schema.changes.c
        async with self.running.service.database.read() as connection:
            for tenant, commits in self.commits.items():
                query = select(log.sequence).where(log.tenant_id == tenant).order_by(log.sequence)
                assert list(await connection.scalars(query)) == list(range(1, commits + 1))

    @invariant()
    def rollups_equal_the_recount(self) -> None:
        if hasattr(self, "running"):
            assert self.run(self.running.verdict()).differences == []

    @invariant()
    def nobody_disagrees(self) -> None:
        if hasattr(self, "running"):
            self.running.check_proofs()

    @invariant()
    def panels_equal_the_snapshot(self) -> None:
        if hasattr(self, "running"):
            for panel, tenant in self.watching.items():
                if panel not in self.stalled:
                    self.run(self._check_panel(panel, tenant))

    async def _check_panel(self, panel: Fed, tenant: str) -> None:
        response = await self.running.http.get(
            "/api/v1/analytics/snapshot",
            headers={"Authorization": f"Bearer {self.running.token(tenant, seconds=10**9)}"},
        )
        snapshot = response.json()
        wanted = {name: snapshot[name] for name in TOPICS}
        await panel.until(lambda: panel.state.position == snapshot["position"] and panel.state.shown() == wanted, 5)
        if panel in self.asking:
            await equals_list(self.running, panel, tenant)


class PlatformOnPostgres(Platform):
    """The same on PostgreSQL."""

    server: ClassVar[Postgres]

    def make(self) -> str:
        self.database = self.server.create()
        return self.server.url(self.database)

    def teardown(self) -> None:
        super().teardown()
        if hasattr(self, "database"):
            self.server.drop(self.database)


def examples(count: int) -> settings:
    return settings(
        max_examples=count,
        stateful_step_count=25,
        deadline=None,
        # A step that fails takes seconds to be sure of it: shrinking would take many minutes.
        phases=[Phase.explicit, Phase.reuse, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )


TestPlatform = Platform.TestCase
TestPlatform.settings = examples(25)


class TestPlatformOnPostgres(PlatformOnPostgres.TestCase):  # type: ignore[misc,valid-type]
    settings = examples(6)

    @pytest.fixture(autouse=True)
    def serve(self, postgres: Postgres) -> None:
        PlatformOnPostgres.server = postgres
