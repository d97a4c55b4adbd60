"""The clock of alerts, tick by tick, on a real database."""

from functools import partial
from typing import Any

import pytest
from sqlalchemy import func, select

from storage.alerts import deliveries, due
from storage.alerts.decide import Decided
from storage.alerts.rule import Rule
from storage.alerts.rules import Place, put_rules
from storage.engine.database import Database
from storage.model import clock
from storage.retention.steps import Done, Steps
from storage.tables import schema
from tests.storage.alerts.rules import crossings
from tests.storage.writers import Bench
from web.alerts.clock import AlertClock

SILENT = Rule(name="n", kind="silence", event="message", minutes=1)


async def _set(database: Database, tenant: str, rule: Rule) -> None:
    def step(connection: Any, head: Any) -> Done:
        decided: Decided = put_rules(connection, Place(head, database.epoch, database.days), {"r": rule}, "ada")
        return Done(1, alerts=decided.counts)

    await Steps(database, 1000, rest=0).take(tenant, step)


@pytest.mark.each_database
async def test_a_tenant_that_cannot_be_decided_keeps_no_other_waiting(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If the rules of a tenant cannot be decided, those of the tenants after it are decided in the same tick."""
    bench = Bench(database_url)
    await bench.database.open()
    for tenant in ("a", "b"):
        await bench.post("m", tenant=tenant)
        await _set(bench.database, tenant, SILENT)
    assert await crossings(bench.database, "b") == []
    look, real = due.would_change, clock.unix

    def faulty(connection: Any, tenant_id: str, *more: Any) -> bool:
        if tenant_id == "a":
            raise LookupError
        return look(connection, tenant_id, *more)

    monkeypatch.setattr(due, "would_change", faulty)
    monkeypatch.setattr(clock, "unix", lambda: real() + 180)
    await AlertClock(bench.database, Steps(bench.database, 1000, rest=0), lambda: None).tick()
    assert await crossings(bench.database, "b") == [("r", "", "firing")]
    await bench.writer.stop()
    await bench.database.close()


@pytest.mark.each_database
async def test_the_history_of_a_tenant_is_bounded(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond their number, and beyond 400 days, the oldest transitions are deleted with their deliveries, by tenant."""
    monkeypatch.setattr(deliveries, "MAX_HISTORY", 3)
    bench = Bench(database_url)
    await bench.database.open()
    await _set(bench.database, "a", SILENT)
    old, new = "2020-01-01T00:00:00.000Z", clock.now()[:20]
    times = {"a": [f"{new}{number:03}Z" for number in range(6)], "b": [old, f"{new}000Z"]}
    for tenant, each in times.items():
        for number, at in enumerate(each):
            await bench.database.write(partial(_add, tenant, f"t{number}", at))
    await AlertClock(bench.database, Steps(bench.database, 1000, rest=0), lambda: None).tick()
    columns = schema.alert_transitions.c
    async with bench.database.read() as connection:
        rows = (await connection.execute(select(columns.tenant_id, columns.at))).all()
        sent = await connection.scalar(select(func.count()).select_from(schema.alert_deliveries))
    left = {
        tenant: sorted(at for found, at in rows if found == tenant and at in each) for tenant, each in times.items()
    }
    assert left == {"a": times["a"][-len(left["a"]) :], "b": times["b"][1:]}
    assert 2 <= len(left["a"]) <= 4
    assert sent == len(left["a"]) + 1
    await bench.writer.stop()
    await bench.database.close()


@pytest.mark.each_database
async def test_history_is_deleted_without_rules(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is older than 400 days is deleted also while no tenant has a rule, by a look in each hour; while there is
    nothing to delete no lease is taken or kept."""
    bench = Bench(database_url)
    await bench.database.open()
    ticking = AlertClock(bench.database, Steps(bench.database, 1000, rest=0), lambda: None)
    await ticking.tick()
    async with bench.database.read() as connection:
        assert (await connection.execute(select(schema.leases))).all() == []
    for name, at in (("old", "2020-01-01T00:00:00.000Z"), ("new", clock.now())):
        await bench.database.write(partial(_add, "a", name, at))
    ticking = AlertClock(bench.database, Steps(bench.database, 1000, rest=0), lambda: None)
    await ticking.tick()
    monkeypatch.setattr("web.alerts.clock.RENEW_SECONDS", 0.0)
    await ticking.tick()
    async with bench.database.read() as connection:
        (lease,) = (await connection.execute(select(schema.leases))).all()
    await ticking.tick()
    await ticking.tick()
    async with bench.database.read() as connection:
        assert (await connection.execute(select(schema.leases))).all() == [lease]
        assert list(await connection.scalars(select(schema.alert_transitions.c.id))) == ["new"]
        assert list(await connection.scalars(select(schema.alert_deliveries.c.id))) == ["new"]
    await bench.writer.stop()
    await bench.database.close()


def _add(tenant: str, name: str, at: str, connection: Any) -> None:
    row = {"tenant_id": tenant, "id": name, "at": at, "rule_id": "r", "level": "", "status": "firing", "body": "{}"}
    connection.execute(schema.alert_transitions.insert(), [row])
    sent = {"tenant_id": tenant, "id": name, "transition_id": name, "target_id": "t", "status": "failed", "attempts": 1}
    times = {"created_at": at, "due_at": at, "claimed_until": ""}
    connection.execute(schema.alert_deliveries.insert(), [{**sent, **times}])
