"""One crossing is one transition, and none is lost: processes are killed while figures cross limits."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2

from storage.engine.urls import database_at
from tests.faults.figures import Figures
from tests.paths import API, TRACK
from tests.receivers.webhooks import SECRET, Received, Receiver, receiver
from tests.samples.events import LLM_CALL
from tests.servers.postgres import Postgres
from tests.servers.process import Process
from tests.servers.settings import SECRET as SIGNING
from tests.storage.alerts.rules import crossings
from web.auth.tokens import ADMIN, make_token

KILLS, FULL_KILLS = 4, 200
RULES, FULL_RULES = 60, 500
STEP, FULL_STEP = 20, 150
"""Each so many calls cross a limit."""
DELIVERED_SECONDS = 90.0
"""A message that a killed process had in hand waits for half a minute."""


def limits(count: int, step: int) -> dict[str, dict[str, Any]]:
    """Give so many rules, of which each *step* calls cross two: every other two are told of in one message."""
    rule = {"kind": "threshold", "figure": "llm_calls", "window": "1440m", "targets": ["hook"]}
    return {
        f"{twin}{limit}": {**rule, "name": str(limit), "above": str(limit), "grouped": limit // step % 2 == 1}
        for limit in range(0, count // 2 * step, step)
        for twin in "ab"
    }


async def set_up(url: str, hook: Receiver, rules: dict[str, dict[str, Any]]) -> None:
    headers = {"Authorization": f"Bearer {make_token(SIGNING, 'ada', [ADMIN], 'default', 3600)}"}
    async with httpx2.AsyncClient(base_url=url, headers=headers, timeout=60) as client:
        target = {"kind": "webhook", "address": hook.url, "secret": SECRET}
        assert (await client.put(f"{API}/alerts/targets/hook", json=target)).status_code == 200
        for rule_id, rule in rules.items():
            assert (await client.put(f"{API}/alerts/rules/{rule_id}", json=rule)).status_code == 200


@asynccontextmanager
async def running(processes: list[Process]) -> AsyncIterator[None]:
    """Start processes, and end those that are left."""
    try:
        await asyncio.gather(*(process.start(60) for process in processes))
        yield
    finally:
        for process in processes:
            process.stop_if_running()


def transitions(items: list[Received]) -> set[tuple[str, str, str]]:
    """Give each transition that was told of: its id, its rule, and the id of the message that it came in."""
    found = set()
    for item in items:
        document = item.verify()
        alerts = document["data"]["alerts"] if document["type"] == "alert.group" else [document]
        found |= {(alert["data"]["id"], alert["data"]["rule"], item.id) for alert in alerts}
    return found


class Calls:
    """Calls that are posted, each until it is acknowledged, to one process after another."""

    def __init__(self, processes: list[Process]) -> None:
        self._processes = processes
        self.acknowledged = 0
        self.running = True

    async def post(self, worker: int) -> None:
        number = 0
        async with httpx2.AsyncClient(timeout=30) as client:
            while self.running:
                call = {**LLM_CALL, "event_id": f"{worker}-{number}"}
                await self._deliver(client, call, worker + number)
                number += 1
                self.acknowledged += 1

    async def _deliver(self, client: httpx2.AsyncClient, call: dict[str, Any], place: int) -> None:
        while True:
            url = self._processes[place % len(self._processes)].url
            place += 1
            try:
                if (await client.post(f"{url}{TRACK}/llm-call-public", json=call)).status_code == 201:
                    return
            except httpx2.TransportError:
                pass
            await asyncio.sleep(0.02)

    async def until(self, count: int) -> None:
        while self.acknowledged < count:  # noqa: ASYNC110 - they are counted by others
            await asyncio.sleep(0.01)


async def test_one_crossing_is_one_transition(tmp_path: Path, postgres: Postgres, full: bool, figures: Figures) -> None:
    """Three processes on PostgreSQL, killed under load: every limit that was crossed has one transition, which
    arrives in one message, alone or in a group, and each copy of it has the same id and the same bytes."""
    kills, name = FULL_KILLS if full else KILLS, postgres.create()
    rules = limits(FULL_RULES, FULL_STEP) if full else limits(RULES, STEP)
    settings = {"DATABASE_URL": postgres.url(name), "ALERTS_NETWORKS": "127.0.0.0/8", "ALERTS_SECRET": "s"}
    processes = []
    for number in range(3):
        (tmp_path / str(number)).mkdir()
        processes.append(Process(tmp_path / str(number), **settings))
    draw = random.Random(3)
    async with receiver() as hook, running(processes):
        await set_up(processes[0].url, hook, rules)
        calls = Calls(processes)
        tasks = [asyncio.create_task(calls.post(worker)) for worker in range(4)]
        for kill in range(1, kills + 1):
            await calls.until(kill * 200)
            victim = draw.choice(processes)
            await asyncio.sleep(draw.uniform(0, 0.1))
            victim.kill()
            await victim.start(60)
        calls.running = False
        await asyncio.gather(*tasks)
        database = database_at(postgres.url(name))
        await database.open_alongside()
        found = await crossings(database)
        await database.close()
        async with asyncio.timeout(DELIVERED_SECONDS):
            while len(told := transitions(hook.received)) < len(found):  # noqa: ASYNC110
                await asyncio.sleep(0.1)
        assert [process.terminate() for process in processes] == [0, 0, 0]
    wanted = {rule_id for rule_id, rule in rules.items() if int(rule["above"]) < calls.acknowledged}
    assert {status for _, _, status in found} == {"firing"}
    assert sorted(rule_id for rule_id, _, _ in found) == sorted(wanted)
    ids = {message_id for _, _, message_id in told}
    assert len({(item.id, item.body) for item in hook.received}) == len(ids) < len(found)
    assert len({transition_id for transition_id, _, _ in told}) == len({rule for _, rule, _ in told}) == len(found)
    assert len(told) == len(found)
    figures("SIGKILL, alerts", kills=kills, crossings=len(found), copies=len(hook.received))
    postgres.drop(name)
