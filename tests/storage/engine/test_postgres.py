"""PostgreSQL: many writers at once, connections that are cut, a server that goes away."""

import asyncio
import random
import sys
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import psycopg
import pytest
from sqlalchemy import Connection, event, select, text
from sqlalchemy.exc import DBAPIError

from storage.engine import postgres as postgres_database
from storage.engine import retries
from storage.engine.database import READERS, REVISION, Database, revision, touch
from storage.engine.urls import database_at
from storage.errors import (
    DatabaseInUse,
    DataRefused,
    Locked,
    StorageError,
    StorageFull,
    StorageUnavailable,
    WrongDatabase,
)
from storage.tables import schema
from storage.tables.heads import lock
from storage.verify.comparison import verify
from storage.write.commit import commit
from tests.samples.events import event as make
from tests.samples.history import made_up
from tests.servers.postgres import PASSWORD, Postgres
from tests.storage.databases import opened
from tests.storage.engine.earlier_versions import as_first
from tests.storage.writers import MESSAGE, Bench

TENANTS = ("default", "acme", "globex")


@pytest.fixture
def url(postgres: Postgres) -> Iterator[str]:
    name = postgres.create()
    yield postgres.url(name)
    postgres.drop(name)


async def test_no_version_migrates_under_another(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """While an older version has the database open, one that would have to migrate it says so, and changes nothing."""
    monkeypatch.setattr(postgres_database, "GONE_TRIES", 2)
    older = await opened(url, "UTC", made_up(seed=3))
    await older.write(as_first)
    newer = database_at(url)
    with pytest.raises(DatabaseInUse, match="stop the services first"):
        await newer.open()
    assert await older.write(revision) == "0001"
    await older.close()
    await newer.close()
    newer = database_at(url)
    await newer.open()
    assert await is_clean(newer)
    await newer.close()


async def test_an_older_version_does_not_write_what_was_migrated(url: str, postgres: Postgres) -> None:
    """One that lost its connections while the database was migrated comes back to other tables: it leaves them be."""
    database = database_at(url)
    await database.open()
    postgres.cut(name_of(url))
    postgres.execute("UPDATE alembic_version SET version_num = '9999'", database=name_of(url))
    with pytest.raises(StorageUnavailable, match="was migrated by another version"):
        await database.write(touch)
    postgres.execute("UPDATE alembic_version SET version_num = %s", REVISION, database=name_of(url))
    await database.write(touch)
    await database.close()


def name_of(url: str) -> str:
    return url.rpartition("/")[2]


@pytest.fixture
async def benches(url: str) -> AsyncIterator[list[Bench]]:
    """Two writers of one database, each with connections of its own, as two processes have."""
    found = [Bench(url), Bench(url)]
    for bench in found:
        await bench.database.open()
    yield found
    for bench in found:
        await bench.writer.stop()
        await bench.database.close()


async def is_clean(database: Database) -> bool:
    async with database.read() as connection:
        return (await verify(connection, database.days)).differences == []


async def sequences(database: Database, tenant: str) -> list[int]:
    log = schema.changes.c
    async with database.read() as connection:
        return list(
            await connection.scalars(select(log.sequence).where(log.tenant_id == tenant).order_by(log.sequence))
        )


async def test_writers_of_a_tenant_stand_in_line(benches: list[Bench]) -> None:
    """Two processes that post to the same tenants at once: no error, no gap in a sequence, every rollup exact."""
    draw = random.Random(5)

    async def post(number: int) -> tuple[str, Any]:
        # Two in five messages are posted by both.
        tenant, name = TENANTS[number % 3], f"m{number if draw.random() < 0.6 else number // 2}"
        fields = {"user_id": f"u{draw.randrange(6)}", "conversation_id": f"c{draw.randrange(6)}"}
        await asyncio.sleep(draw.random() / 2)
        return tenant, await draw.choice(benches).post(name, tenant=tenant, **fields)

    answers = await asyncio.gather(*(post(number) for number in range(600)))
    database = benches[0].database
    for tenant in TENANTS:
        changes = sorted(
            (change for bench in benches for change in bench.changes if change.tenant_id == tenant),
            key=lambda change: change.sequence,
        )
        assert [change.sequence for change in changes] == list(range(1, len(changes) + 1))
        assert await sequences(database, tenant) == list(range(1, len(changes) + 1))
        positions = {change.position for change in changes}
        assert {receipt.position for name, receipt in answers if name == tenant} <= positions
    assert sum(receipt.recorded for _, receipt in answers) == await benches[0].count()
    assert all(bench.changes for bench in benches)
    assert await is_clean(database)


async def test_a_duplicate_waits_for_its_original(benches: list[Bench], url: str, postgres: Postgres) -> None:
    """A duplicate in one process is answered only when the original, in another process, is committed."""
    first, second = benches
    await first.post("before")
    with held_head(postgres, url, "default") as held:
        original = asyncio.create_task(first.post("m"))
        await asyncio.sleep(0.05)
        duplicate = asyncio.create_task(second.post("m"))
        await asyncio.sleep(0.1)
        assert not original.done()
        assert not duplicate.done()
        held.rollback()
    receipts = [await original, await duplicate]
    assert sorted(receipt.recorded for receipt in receipts) == [0, 1]
    assert receipts[0].position == receipts[1].position


async def test_tenants_do_not_wait_for_each_other(bench: Bench, url: str, postgres: Postgres) -> None:
    """While one tenant's commit waits, in whatever process, another tenant's is made."""
    await bench.post("m")
    with held_head(postgres, url, "default") as held:
        stuck = asyncio.create_task(bench.post("stuck"))
        receipts = await asyncio.gather(*(bench.post("m", tenant=tenant) for tenant in ("acme", "globex")))
        assert [receipt.recorded for receipt in receipts] == [1, 1]
        assert not stuck.done()
        held.rollback()
    assert (await stuck).recorded == 1


async def test_those_who_wait_for_a_lock_leave_room(bench: Bench, url: str, postgres: Postgres) -> None:
    """More tenants than there are connections wait for another process: everybody else is served, and so is `touch`."""
    blocked = [f"blocked{number}" for number in range(2 * bench.database.writers)]
    await asyncio.gather(*(bench.post("m", tenant=tenant) for tenant in blocked))
    with held_head(postgres, url, "%") as held:
        stuck = [asyncio.create_task(bench.post("n", tenant=tenant)) for tenant in blocked]
        # Longer than each of them may wait the first time, after which they are known.
        await asyncio.sleep(3 * postgres_database.LOCK_MS / 1000)
        async with asyncio.timeout(retries.LOCK_SECONDS / 2):
            for number in range(20):
                assert (await bench.post(f"m{number}", tenant="free")).recorded == 1
                await bench.database.attempt(touch)
        assert not any(task.done() for task in stuck)
        held.rollback()
    assert [receipt.recorded for receipt in await asyncio.gather(*stuck)] == [1] * len(blocked)
    assert bench.writer._blocked == set()


async def test_a_lock_is_waited_for_in_order(bench: Bench, url: str, postgres: Postgres) -> None:
    """What waits for a lock keeps its place: it is committed before what came later, and as one group with it."""
    await bench.post("before")
    with held_head(postgres, url, "default") as held:
        first = asyncio.create_task(bench.post("first"))
        await asyncio.sleep(0.3)
        later = [asyncio.create_task(bench.post(f"later{number}")) for number in range(5)]
        await asyncio.sleep(0.1)
        held.rollback()
    receipts = [await first, *await asyncio.gather(*later)]
    assert {receipt.position.sequence for receipt in receipts} == {2}


async def test_patience_has_an_end(bench: Bench, url: str, postgres: Postgres, monkeypatch: pytest.MonkeyPatch) -> None:
    """When a lock was waited for long enough, all of that tenant's posts are refused, and nothing of them is kept."""
    monkeypatch.setattr(retries, "LOCK_SECONDS", 0.5)
    await bench.post("m")
    with held_head(postgres, url, "default") as held:
        answers = await asyncio.gather(*(bench.post(f"n{number}") for number in range(3)), return_exceptions=True)
        assert all(isinstance(answer, Locked) for answer in answers)
        with pytest.raises(Locked):
            await bench.database.write(lambda connection: lock(connection, "default"))
        held.rollback()
    assert bench.writer.waiting == 0
    assert await bench.count() == 1
    assert (await bench.post("n0")).recorded == 1


async def test_a_write_is_tried_again_when_the_lock_is_free(bench: Bench, url: str, postgres: Postgres) -> None:
    """Whoever writes beside the writer waits for a lock as commits do, and takes no connection meanwhile."""
    await bench.post("m")
    with held_head(postgres, url, "default") as held:
        steps = [
            asyncio.create_task(bench.database.write(lambda connection: lock(connection, "default").sequence))
            for _ in range(2 * bench.database.writers)
        ]
        await asyncio.sleep(3 * postgres_database.LOCK_MS / 1000)
        assert (await bench.post("m", tenant="free")).recorded == 1
        held.rollback()
    assert await asyncio.gather(*steps) == [1] * len(steps)


async def test_a_stop_waits_for_what_is_locked(url: str, postgres: Postgres) -> None:
    """A stop while a tenant is locked elsewhere: what was accepted is committed when the lock is free."""
    found = Bench(url)
    await found.database.open()
    await found.post("m")
    with held_head(postgres, url, "default") as held:
        stuck = asyncio.create_task(found.post("n"))
        await asyncio.sleep(0.3)
        stopping = asyncio.create_task(found.writer.stop())
        await asyncio.sleep(0.1)
        assert not stopping.done()
        held.rollback()
    await stopping
    assert (await stuck).recorded == 1
    await found.database.close()


async def test_the_first_commits_of_a_tenant_race(benches: list[Bench]) -> None:
    """A tenant whose first events come to two processes at once has one head, and both commits."""
    for number in range(20):
        tenant = f"new{number}"
        await asyncio.gather(*(bench.post(f"m{place}", tenant=tenant) for place, bench in enumerate(benches)))
        assert await sequences(benches[0].database, tenant) == [1, 2]


async def test_processes_that_start_at_once_agree(postgres: Postgres) -> None:
    """Of several processes that start on an empty database one migrates it, and all have the same epoch."""
    name = postgres.create("template0")
    databases = [database_at(postgres.url(name)) for _ in range(5)]
    await asyncio.gather(*(database.open() for database in databases))
    assert len({database.epoch for database in databases}) == 1
    for database in databases:
        await database.close()
    postgres.drop(name)


@pytest.fixture
async def bench(benches: list[Bench]) -> Bench:
    return benches[0]


def held_head(postgres: Postgres, url: str, tenant: str) -> "psycopg.Connection[Any]":
    """A transaction of another process, which holds a tenant's head row until it is rolled back; of all for "%"."""
    connection = psycopg.connect(
        host="127.0.0.1", port=postgres.port, user="postgres", password=PASSWORD, dbname=name_of(url)
    )
    connection.execute("SELECT FROM heads WHERE tenant_id LIKE %s FOR UPDATE", [tenant])
    return connection


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


async def test_a_stopped_process_keeps_no_tenant_locked(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that stands still in the middle of a commit loses it after a while, and others go on."""
    monkeypatch.setattr(postgres_database, "IDLE_SECONDS", 1)
    stopped, other = database_at(url), Bench(url)
    await stopped.open()
    await other.database.open()
    await other.post("m")

    def stand_still(connection: Connection) -> None:
        arrived = [(make(**MESSAGE, message_id="lost"), "2026-03-01T00:00:00.000Z")]
        commit(connection, stopped.epoch, stopped.days, "default", arrived, 10)
        time.sleep(2)

    lost = asyncio.create_task(stopped.write(stand_still))
    await asyncio.sleep(0.2)
    assert (await other.post("n")).recorded == 1
    with pytest.raises(StorageUnavailable):
        await lost
    assert await other.count() == 2
    await other.writer.stop()
    await other.database.close()
    await stopped.close()


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


async def test_transactions_are_what_they_must_be(url: str, postgres: Postgres) -> None:
    """A commit waits for the disk even where the server's default does not; a read is of one moment and only reads."""
    postgres.execute(f"ALTER DATABASE {name_of(url)} SET synchronous_commit = off")
    database = database_at(url)
    await database.open()
    names = ("synchronous_commit", "transaction_isolation", "transaction_read_only")

    def shown(connection: Connection) -> list[Any]:
        return [connection.scalar(text(f"SHOW {name}")) for name in names]

    assert await database.write(shown) == ["on", "read committed", "off"]
    for read in (database.read, database.follow):
        async with read() as connection:
            assert (await connection.run_sync(shown))[1:] == ["repeatable read", "on"]
    with pytest.raises(DBAPIError, match="read-only"):
        async with database.read() as connection:
            await connection.execute(text("DELETE FROM heads"))
    await database.close()


def test_keys_are_in_code_point_order(url: str, postgres: Postgres) -> None:
    """Every text in a key or an index sorts by code point, whatever the language of the server; so do names."""
    columns = """
        SELECT DISTINCT table_name, column_name, collation_name FROM information_schema.columns
        LEFT JOIN pg_index ON indrelid = table_name::regclass
        LEFT JOIN pg_attribute ON attrelid = indrelid AND attnum = ANY(indkey)
        WHERE table_schema = 'public' AND data_type = 'character varying'
            AND (attname = column_name OR (table_name, column_name) = ('users', 'username'))
    """
    found = {(table, column): order for table, column, order in postgres.execute(columns, database=name_of(url))}
    assert len(found) > 40
    assert {key for key, order in found.items() if order != "C"} == {("alembic_version", "version_num")}


async def test_another_encoding_is_refused(postgres: Postgres) -> None:
    """A database that cannot hold every text is refused at the start, not at the first emoji."""
    postgres.execute("CREATE DATABASE latin ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0")
    database = database_at(postgres.url("latin"))
    with pytest.raises(WrongDatabase, match="UTF8"):
        await database.open()
    await database.close()


async def test_a_missing_driver_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without psycopg the error says what to install."""
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(WrongDatabase, match=r"pip install 'convoai-analytics\[postgres\]'"):
        database_at("postgresql://user:hunter2@db/x")


@pytest.mark.parametrize("name", ["postgres", "absent", "postgres?a=b", "postgres?connect_timeout=soon"])
async def test_no_error_tells_the_password(postgres: Postgres, name: str) -> None:
    """Whatever keeps the database from being opened, the error is one line without the password."""
    password = "wrong-hunter2" if name == "postgres" else PASSWORD
    database = database_at(postgres.url(name, password))
    with pytest.raises(StorageError) as caught:
        await database.open()
    assert "hunter2" not in str(caught.value)
    assert "\n" not in str(caught.value)
    await database.close()


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
