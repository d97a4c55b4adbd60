"""The clock of alerts, tick by tick, on a real database."""

from typing import Any

import pytest

from storage.alerts import due
from storage.alerts.decide import Decided
from storage.alerts.rule import Rule
from storage.alerts.rules import Place, put_rules
from storage.engine.database import Database
from storage.model import clock
from storage.retention.steps import Done, Steps
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
