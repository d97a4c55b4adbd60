"""Whose report is read next, and what answers may hold, at the real service."""

import asyncio
import json
import socket
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.faults.isolation.attacks import reading
from tests.paths import API, TRACK
from tests.samples.events import ACTIVITY, CALL
from tests.servers.process import Process
from tests.servers.service import Running, start
from web.reports import lists
from web.reports.admission import HEAVY_WAITING

HEAVY = f"{API}/api-usage"
ACME = {"X-Tracking-Key": "acme-key-0123456789"}
TALL = {"user_agent": "x" * 900, "extra_data": {"f": "y" * 4000}}
"""Fields that make an event of some 5 KB."""
MEGABYTES_AT_MOST = 256


class Gate:
    """Holds back what is read between the turn and its end, and knows for whom."""

    def __init__(self) -> None:
        self.inside: list[str] = []
        self._open = asyncio.Event()

    def open(self) -> None:
        self._open.set()

    async def until(self, *tenants: str) -> None:
        """Wait until those of these tenants, and no others, are inside; and see that it stays so for a while."""
        async with asyncio.timeout(10):
            while sorted(self.inside) != sorted(tenants):  # noqa: ASYNC110
                await asyncio.sleep(0.005)
        await asyncio.sleep(0.05)
        assert sorted(self.inside) == sorted(tenants)

    def around(self, read: Any) -> Any:
        async def held(connection: Any, tenant_id: str, *arguments: Any) -> Any:
            self.inside.append(tenant_id)
            await self._open.wait()
            found = await read(connection, tenant_id, *arguments)
            self.inside.remove(tenant_id)
            return found

        return held


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Gate:
    """Statistics of API calls that take until they are let go on: of real ones nobody knows how long they take."""
    found = Gate()
    monkeypatch.setattr(lists, "read_call_stats", found.around(lists.read_call_stats))
    return found


def ask(running: Running, tenant: str, subject: str = "ada", path: str = HEAVY) -> "asyncio.Task[httpx2.Response]":
    headers = {"Authorization": f"Bearer {running.token(tenant, subject)}"}
    return asyncio.create_task(running.http.get(path, headers=headers))


async def quiet(running: Running, left: int = 0) -> None:
    """Wait until no more than so many requests are in hand."""
    async with asyncio.timeout(10):
        while len(running.server.server_state.tasks) > left:  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_tenants_take_turns_with_heavy_reports(running: Running, gate: Gate) -> None:
    """However many reports a tenant asks for, another one's first goes on at once; in the end all are answered."""
    asked = [ask(running, "acme") for _ in range(5)]
    await gate.until("acme")
    asked.append(ask(running, "globex"))
    await gate.until("acme", "globex")
    gate.open()
    assert {response.status_code for response in await asyncio.gather(*asked)} == {200}


async def test_light_reads_never_wait_for_heavy_ones(running: Running, gate: Gate) -> None:
    """While all places for heavy reports are taken, and others wait, figures and short pages come as ever."""
    asked = [ask(running, tenant) for tenant in ("acme", "acme", "globex", "globex", "default")]
    await gate.until("acme", "globex")
    for path in ("summary", "snapshot", "users/activities", "users/list", "messages", "daily-stats", "conversations"):
        async with asyncio.timeout(5):
            assert (await ask(running, "acme", path=f"{API}/{path}")).status_code == 200
    gate.open()
    await asyncio.gather(*asked)


async def test_subjects_of_a_tenant_take_turns(running: Running, gate: Gate) -> None:
    """An admin who asks for much does not keep another one of the same tenant waiting for all of it."""
    order: list[str] = []

    async def note(subject: str) -> None:
        assert (await ask(running, "acme", subject)).status_code == 200
        order.append(subject)

    many = [asyncio.create_task(note("ada")) for _ in range(6)]
    await gate.until("acme")
    bob = asyncio.create_task(note("bob"))
    await asyncio.sleep(0.05)
    gate.open()
    await asyncio.gather(*many, bob)
    assert order.index("bob") <= 2


async def test_only_so_many_wait(running: Running, gate: Gate) -> None:
    """Whoever has too many reports waiting is told to come back, and that one alone."""
    asked = [ask(running, "acme") for _ in range(1 + HEAVY_WAITING)]
    await gate.until("acme")
    refused = await ask(running, "acme")
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "1")
    assert refused.headers["content-type"] == "application/problem+json"
    assert (await ask(running, "acme", path=f"{API}/summary")).status_code == 200
    others = [ask(running, "acme", "bob"), ask(running, "globex")]
    await gate.until("acme", "globex")
    gate.open()
    assert {response.status_code for response in await asyncio.gather(*asked, *others)} == {200}


async def test_who_leaves_gives_the_place_back(running: Running, gate: Gate) -> None:
    """A client that goes while it waits is waited for no more: its place in line is another one's, and nothing is
    read for it.
    """
    first = ask(running, "acme")
    await gate.until("acme")
    gone = [ask(running, "acme") for _ in range(HEAVY_WAITING)]
    await asyncio.sleep(0.1)
    assert (await ask(running, "acme")).status_code == 429
    for task in gone:
        task.cancel()
    await asyncio.gather(*gone, return_exceptions=True)
    await quiet(running, 1)
    again = ask(running, "acme")
    await gate.until("acme")
    gate.open()
    assert [response.status_code for response in await asyncio.gather(first, again)] == [200, 200]
    assert gate.inside == []


async def test_a_long_query_is_refused(running: Running) -> None:
    """A query that is longer than any that makes sense is not taken apart; the longest that does is."""
    response = await running.http.get(f"{API}/users/list?cursor={'a' * 20_000}", headers=running.admin())
    assert response.status_code == 414
    longest = {"search": "\u20ac" * 255, "cursor": "a" * 5000, "from": "2026-01-01", "to": "2026-01-02"}
    response = await running.http.get(f"{API}/users/list", params=longest, headers=running.admin())
    assert (response.status_code, response.json()["field"]) == (422, "cursor")


async def post_tall(http: httpx2.AsyncClient, count: int) -> None:
    """Post so many long activities of acme, each of another user."""
    for begin in range(0, count, 500):
        events = [{"type": "activity", **ACTIVITY, **TALL, "user_id": f"u{begin + n}"} for n in range(500)]
        response = await http.post(f"{TRACK}/batch", json=events, headers=ACME)
        assert response.status_code == 201, response.text


@asynccontextmanager
async def unread(running: Running, path: str, **headers: str) -> AsyncIterator[httpx2.Response]:
    """Ask, and read nothing but the head."""
    transport = httpx2.AsyncHTTPTransport(socket_options=[(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)])
    known = {**running.admin("acme"), "Accept-Encoding": "identity", **headers}
    async with (
        httpx2.AsyncClient(transport=transport, timeout=30) as client,
        client.stream("GET", f"{running.url}{API}/{path}", headers=known) as response,
    ):
        yield response


@pytest.mark.parametrize(
    ("path", "headers"),
    [("users/activities?limit=1000", {}), ("users/activities", {"Accept": "text/csv"})],
    ids=["json", "csv"],
)
async def test_answers_that_nobody_reads_are_counted(tmp_path: Path, path: str, headers: dict[str, str]) -> None:
    """What answers hold that one admin does not read is bounded: 429 beyond; others are served, and so is the admin
    again when they are read, or their connections have gone.
    """
    running = await start(tmp_path, MEMORY_MB="16")
    try:
        await post_tall(running.http, 1500)
        async with unread(running, path, **headers) as first, unread(running, path, **headers):
            async with unread(running, path, **headers) as third:
                assert first.status_code == 200
                assert (third.status_code, third.headers["retry-after"]) == (429, "1")
            for other, tenant in (("summary", "acme"), (path, "globex")):
                assert (await ask(running, tenant, path=f"{API}/{other}")).status_code == 200
        await quiet(running)
        async with unread(running, path, **headers) as again:
            assert again.status_code == 200
        await quiet(running)
        assert running.service.memory.used == 0
    finally:
        await running.drop()


async def test_large_answers_are_whole(running: Running) -> None:
    """An answer that is sent in pieces is the one that short pages give, gzipped or not; HEAD has its head alone."""
    await post_tall(running.http, 1000)
    path = f"{API}/users/activities?limit=1000"
    known = running.admin("acme")
    plain, zipped = [
        await running.http.get(path, headers={**known, "Accept-Encoding": coding}) for coding in ("identity", "gzip")
    ]
    assert (plain.headers.get("content-encoding"), zipped.headers["content-encoding"]) == (None, "gzip")
    assert int(plain.headers["content-length"]) == len(plain.content) > 4_000_000
    assert plain.content == zipped.content
    items: list[Any] = []
    cursor: dict[str, str] = {}
    while True:
        page = await running.get("users/activities", "acme", limit=100, **cursor)
        items += page["items"]
        if page["next"] is None:
            break
        cursor = {"cursor": page["next"]}
    assert json.loads(plain.content)["items"] == items
    head = await running.http.head(path, headers={**known, "Accept-Encoding": "identity"})
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == plain.headers["content-length"]


UNREAD: list[tuple[str, dict[str, str]]] = [
    ("users/activities?limit=1000", {"Accept-Encoding": "identity"}),
    ("users/activities?limit=1000", {"Accept-Encoding": "gzip"}),
    ("users/activities", {"Accept": "text/csv", "Accept-Encoding": "gzip"}),
    ("users/list", {"Accept": "text/csv", "Accept-Encoding": "identity"}),
]


async def test_memory_is_bounded(tmp_path: Path) -> None:
    """Two hundred clients of one admin who read nothing make the process grow by 256 MB at the most, whatever they ask
    for; afterwards it serves as before.
    """
    process = Process(tmp_path)
    await process.start()
    try:
        async with httpx2.AsyncClient(base_url=process.url, timeout=60) as http:
            await post_tall(http, 2000)
        before = highest = process.resident_kb()
        for path, headers in UNREAD:
            answers = Counter[str]()
            # On a busy machine a second may be over before the first answer.
            for seconds in (1, 4, 16, 64):
                attack = asyncio.create_task(reading.unread_answers(process.url, seconds, "acme", 200, path, **headers))
                while not attack.done():
                    highest = max(highest, process.resident_kb())
                    await asyncio.sleep(0.05)
                answers += attack.result()
                if answers["200"] and answers["429"]:
                    break
            assert answers["200"] > 0, (path, answers)
            assert answers["429"] > 0, (path, answers)
        assert (highest - before) >> 10 < MEGABYTES_AT_MOST
        assert (await reading.heavy_reports(process.url, 0.5, "acme", 1))["200"] > 0
    finally:
        assert process.terminate() == 0
    assert "Traceback" not in process.log()


async def test_whatever_readers_do_the_service_goes_on(tmp_path: Path) -> None:
    """Under each attack of a reader another tenant's admin is answered, and afterwards nothing is held or waits."""
    running = await start(tmp_path)
    try:
        await post_tall(running.http, 500)
        await running.post("api-usage-public", CALL, ACME["X-Tracking-Key"])
        attacks = (
            reading.heavy_reports, reading.large_pages, reading.longest_series, reading.hard_searches,
            reading.long_texts, reading.copied_lists, reading.clients_that_leave, reading.summaries,
        )  # fmt: skip
        for attack in attacks:
            task = asyncio.create_task(attack(running.url, 0.5, "acme", 20))
            await asyncio.sleep(0.2)
            assert (await ask(running, "globex", path=f"{API}/summary")).status_code == 200, attack
            answers = await task
            assert "500" not in answers, (attack, answers)
            await quiet(running)
            assert running.service.memory.used == 0, attack
            assert (await ask(running, "acme")).status_code == 200, attack
            await quiet(running)
    finally:
        await running.drop()
