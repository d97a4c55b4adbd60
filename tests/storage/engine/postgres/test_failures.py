"""Connections that are cut, servers that restart, full disks: what is lost, and what is tried again."""

import asyncio
import random

import pytest
from sqlalchemy import Connection, event, text

from storage.engine import postgres as postgres_database
from storage.engine.database import READERS
from storage.engine.urls import database_at
from storage.errors import DataRefused, StorageFull, StorageUnavailable
from tests.samples.events import event as make
from tests.servers.postgres import Postgres
from tests.storage.engine.postgres.databases import TENANTS, held_head, is_clean, name_of, sequences
from tests.storage.writers import Bench


async def test_a_cut_connection_is_unavailable(bench: Bench, url: str, postgres: Postgres) -> None:
    """A connection that is cut in mid-transaction: nothing is recorded, the post may be sent again, and counts once."""
    await bench.post("m")
    with held_head(postgres, url, "default") as held:
        cut = asyncio.create_task(bench.post("n"))
        # It waits for a tenth of a second at a time.
        while not postgres.cut(name_of(url), "active"):  # noqa: ASYNC110 - PostgreSQL has no event for it
            await asyncio.sleep(0.005)
        with pytest.raises(StorageUnavailable):
            await cut
        held.rollback()
    assert await bench.count() == 1
    assert [(await bench.post("n")).recorded for _ in range(2)] == [1, 0]
    assert await is_clean(bench.database)


@pytest.mark.parametrize("committed", [False, True])
async def test_an_unknown_outcome_is_an_error(bench: Bench, url: str, postgres: Postgres, committed: bool) -> None:
    """If the connection is lost around the COMMIT the client gets an error; sent again, its events count once."""

    def cut(connection: Connection) -> None:
        if committed:
            connection.connection.driver_connection.commit()  # type: ignore[union-attr]
        connection.connection.driver_connection.close()  # type: ignore[union-attr]

    engine = bench.database._writing
    assert engine is not None
    event.listen(engine, "commit", cut)
    with pytest.raises(StorageUnavailable):
        await bench.post("m")
    event.remove(engine, "commit", cut)
    assert await bench.count() == committed
    assert (await bench.post("m")).recorded == (not committed)
    assert await is_clean(bench.database)


async def until_recorded(bench: Bench, name: str, tenant: str) -> None:
    while True:
        try:
            await bench.post(name, tenant=tenant)
            return
        except StorageUnavailable:
            await asyncio.sleep(0.01)


async def test_cuts_under_load_lose_nothing(benches: list[Bench], url: str, postgres: Postgres) -> None:
    """All connections are cut over and over under load: each message is there exactly once, and all recounts agree."""
    load = [
        asyncio.create_task(until_recorded(benches[number % 2], f"m{number}", TENANTS[number % 3]))
        for number in range(900)
    ]
    cuts = 0
    while not all(task.done() for task in load):
        await asyncio.sleep(0.02)
        if cuts < 40:
            cuts += await asyncio.to_thread(postgres.cut, name_of(url))
    await asyncio.gather(*load)
    assert cuts > 5
    assert await benches[0].count() == 900
    for tenant in TENANTS:
        found = await sequences(benches[0].database, tenant)
        assert found == list(range(1, len(found) + 1))
    assert await is_clean(benches[0].database)


@pytest.mark.parametrize("mode", ["fast", "immediate"])
async def test_a_server_that_restarts_is_found_again(bench: Bench, postgres: Postgres, mode: str) -> None:
    """While the server is down reads and writes are unavailable; when it is back they work, without a restart here."""
    await bench.post("m")
    postgres.stop(mode)
    try:
        for _ in range(2):
            with pytest.raises(StorageUnavailable):
                await bench.post("n")
            with pytest.raises(StorageUnavailable):
                await bench.count()
    finally:
        postgres.start()
    assert (await bench.post("n")).recorded == 1
    assert await bench.count() == 2


async def test_a_transaction_that_was_given_up_is_tried_again(bench: Bench) -> None:
    """A deadlock or a serialization failure is the database's affair: the work is done again, a few times."""
    tries = 0

    def give_up(connection: Connection) -> int:
        nonlocal tries
        tries += 1
        if tries < postgres_database.ATTEMPTS:
            connection.execute(text("DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '40P01'; END $$"))
        return tries

    assert await bench.database.write(give_up) == postgres_database.ATTEMPTS
    tries = -1000
    with pytest.raises(StorageUnavailable):
        await bench.database.write(give_up)


async def test_a_full_disk_is_told_apart(bench: Bench) -> None:
    """A server without room is an error of its own; when there is room again, writing goes on."""
    refuse = text(
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION USING ERRCODE = 'disk_full'; END $$;"
        "CREATE TRIGGER refuse BEFORE INSERT ON message_metrics EXECUTE FUNCTION refuse()"
    )
    await bench.database.write(lambda connection: connection.execute(refuse))
    with pytest.raises(StorageFull):
        await bench.post("m")
    await bench.database.write(lambda connection: connection.execute(text("DROP TRIGGER refuse ON message_metrics")))
    assert (await bench.post("m")).recorded == 1


async def test_a_value_that_no_index_takes_fails_alone(bench: Bench) -> None:
    """A key that is too long for PostgreSQL's indexes is refused, without harm to who shares the commit."""
    draw = random.Random(1)
    endpoint = "".join(chr(draw.randrange(0x10000, 0x110000)) for _ in range(512))
    tenant = "".join(chr(draw.randrange(0x10000, 0x110000)) for _ in range(255))
    call = make(type="api_usage", endpoint=endpoint, method="GET", status_code=200, response_time=1)
    answers = await asyncio.gather(
        bench.post("a", tenant=tenant),
        bench.writer.write(tenant, [call]),
        bench.post("b", tenant=tenant),
        return_exceptions=True,
    )
    assert [isinstance(answer, DataRefused) for answer in answers] == [False, True, False]
    assert await bench.count() == 2


async def test_a_read_that_takes_too_long_is_ended(url: str) -> None:
    """A query beyond its time is ended with what to do, and its connection serves the next reader."""
    database = database_at(url, read_seconds=0.2)
    await database.open()
    for _ in range(2 * READERS):
        with pytest.raises(StorageUnavailable, match=r"longer than 0\.2 s"):
            async with database.read() as connection:
                await connection.execute(text("SELECT pg_sleep(30)"))
    async with database.read() as connection:
        assert await connection.scalar(text("SELECT 1")) == 1
    await database.close()
