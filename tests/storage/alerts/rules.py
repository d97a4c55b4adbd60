"""Rules on a test's database, and what became of them."""

from typing import Any

from sqlalchemy import select

from storage.alerts.due import decide_now
from storage.alerts.rule import Rule, check
from storage.alerts.rules import Place, apply_rules
from storage.engine.database import Database
from storage.retention.steps import NOTHING, Done, Steps
from storage.tables import schema

Crossing = tuple[str, str, str]
"""Rule, level and status of a transition."""


def rule(kind: str = "threshold", **fields: Any) -> Rule:
    """A rule that was checked; its name is its kind."""
    found = Rule(name=kind, kind=kind, **fields)
    check(found)
    return found


async def set_rules(database: Database, **rules: Rule) -> Done:
    """Take *rules* for all that there are."""

    def step(connection: Any, head: Any) -> Done:
        place = Place(head, database.epoch, database.days)
        decided = apply_rules(connection, place, rules, "ada", delete_others=True)
        return Done(1, alerts=decided.counts, deliveries=decided.deliveries)

    return await Steps(database, 1000, rest=0).take("default", step)


async def tick(database: Database, tenant: str = "default") -> None:
    """Decide what time did, as the clock does."""

    def step(connection: Any, head: Any) -> Done:
        decided = decide_now(connection, head, database.epoch, database.days)
        return NOTHING if decided.counts is None else Done(1, alerts=decided.counts)

    await Steps(database, 1000, rest=0).take(tenant, step)


async def crossings(database: Database, tenant: str = "default") -> list[Crossing]:
    """Give the transitions of a tenant, in their order."""
    columns = schema.alert_transitions.c
    query = select(columns.rule_id, columns.level, columns.status).where(columns.tenant_id == tenant)
    async with database.read() as connection:
        rows = await connection.execute(query.order_by(columns.at, columns.rule_id, columns.level, columns.status))
        return [(rule_id, level, status) for rule_id, level, status in rows]
