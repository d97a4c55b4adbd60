"""A tenant's rules: kept, changed and deleted. Every statement about their table.

Each is done in a transaction that holds the tenant's head, and decides the rules as they are then. So a rule counts
from the next commit on, also one of another process.
"""

from collections.abc import Collection
from dataclasses import dataclass, replace

from sqlalchemy import Connection, delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from storage.alerts import decide as deciding
from storage.alerts.condition import UNUSUAL, levels
from storage.alerts.decide import Decided
from storage.alerts.rule import MAX_RULES, MAX_TENANT_MINUTES, MAX_TENANT_ROWS, Rule, decode, encode
from storage.alerts.silence import forget_user as forget_silences
from storage.alerts.state import FIRING, State
from storage.alerts.watch import Watch
from storage.credentials import record
from storage.errors import TooManyRules
from storage.model.changes import AlertCounts
from storage.model.clock import Days, now
from storage.tables import schema
from storage.tables.bulk import replace as replacing
from storage.tables.heads import Head, move_alerts

_table = schema.alert_rules
_rules = _table.c
_states = schema.alert_states.c
_PUT = replacing(_table)


@dataclass(frozen=True)
class KeptRule:
    """A rule with its id, and how it stands."""

    id: str
    rule: Rule
    author: str
    updated_at: str
    states: list[State]


async def read_rules(connection: AsyncConnection, tenant_id: str) -> list[KeptRule]:
    """Read the rules of a tenant, by id."""
    columns = (_states[name] for name in State.__dataclass_fields__)
    states: dict[str, list[State]] = {}
    for row in await connection.execute(select(*columns).where(_states.tenant_id == tenant_id).order_by(_states.level)):
        states.setdefault(row[0], []).append(State(*row))
    query = select(_rules.id, _rules.body, _rules.author, _rules.updated_at).where(_rules.tenant_id == tenant_id)
    rows = await connection.execute(query.order_by(_rules.id))
    return [KeptRule(rule_id, decode(body), author, at, states.get(rule_id, [])) for rule_id, body, author, at in rows]


async def count_alerts(connection: AsyncConnection, tenant_id: str) -> AlertCounts:
    """Count the alerts of a tenant that fire."""
    query = select(func.count(), func.count(_states.acknowledged_by)).where(
        _states.tenant_id == tenant_id, _states.status == FIRING
    )
    return AlertCounts(*(await connection.execute(query)).one())


@dataclass(frozen=True)
class Place:
    """Where rules are changed: the head that the transaction holds, and by which epoch and days it counts."""

    head: Head
    epoch: str
    days: Days


def put_rules(connection: Connection, place: Place, rules: dict[str, Rule], actor: str) -> Decided:
    """Add rules, or change those of the same id; raises :exc:`TooManyRules`.

    A rule that fires goes on firing if it is beyond its limit still; else it is resolved at once.
    """
    return apply_rules(connection, place, rules, actor)


def apply_rules(
    connection: Connection, place: Place, rules: dict[str, Rule], actor: str, *, delete_others: bool = False
) -> Decided:
    """Do as :func:`put_rules`, and *delete_others*: delete the rules that are not among them, too."""
    head = place.head
    watch = _load(connection, head)
    before = watch.rules
    after = dict(rules) if delete_others else {**before, **rules}
    if len(after) > MAX_RULES:
        raise TooManyRules(f"a tenant has {MAX_RULES} rules at the most: delete some first")
    changed = {rule_id: rule for rule_id, rule in rules.items() if before.get(rule_id) != rule}
    gone = before.keys() - after.keys()
    if not changed and not gone:
        return deciding.NOTHING
    _write(connection, head.tenant_id, changed, actor)
    _delete(connection, head.tenant_id, gone, actor)
    return _settle(connection, place, watch, after)


def _write(connection: Connection, tenant_id: str, changed: dict[str, Rule], actor: str) -> None:
    at = now()
    _PUT.write(
        connection, [(tenant_id, rule_id, encode(rule), rule.user_id, actor, at) for rule_id, rule in changed.items()]
    )
    for rule_id in changed:
        record(connection, tenant_id, actor, "alert rule set", rule_id)


def _delete(connection: Connection, tenant_id: str, rule_ids: Collection[str], actor: str) -> None:
    connection.execute(delete(_table).where(_rules.tenant_id == tenant_id, _rules.id.in_(rule_ids)))
    for rule_id in rule_ids:
        record(connection, tenant_id, actor, "alert rule deleted", rule_id)


def delete_rules(connection: Connection, place: Place, rule_ids: set[str], actor: str) -> Decided:
    """Delete rules, all of which there must be: raises ``KeyError``. What fires is resolved."""
    head = place.head
    watch = _load(connection, head)
    if missing := rule_ids - watch.rules.keys():
        raise KeyError(missing.pop())
    _delete(connection, head.tenant_id, rule_ids, actor)
    return _settle(connection, place, watch, {key: rule for key, rule in watch.rules.items() if key not in rule_ids})


def acknowledge(connection: Connection, head: Head, rule_id: str, actor: str) -> AlertCounts:
    """Record that somebody has seen that a rule fires; raises ``KeyError`` if it does not."""
    mine = (_states.tenant_id == head.tenant_id, _states.rule_id == rule_id, _states.status == FIRING)
    seen = update(schema.alert_states).where(*mine).values(acknowledged_at=now(), acknowledged_by=actor)
    if not connection.execute(seen).rowcount:
        raise KeyError(rule_id)
    record(connection, head.tenant_id, actor, "alert acknowledged", rule_id)
    move_alerts(connection, head.tenant_id, are_any=True)
    return _load(connection, head).counts


def forget_user(connection: Connection, head: Head, user_id: str) -> tuple[int, AlertCounts | None]:
    """Delete the rules and silences that name a user, their states and messages; gives how many, and what fires now.

    Nobody is told: the message would name the user.
    """
    tenant_id, transitions, deliveries = head.tenant_id, schema.alert_transitions, schema.alert_deliveries
    of_user = (_rules.tenant_id == tenant_id, _rules.user_id == user_id)
    ids = list(connection.scalars(select(_rules.id).where(*of_user)))
    connection.execute(delete(schema.alert_states).where(_states.tenant_id == tenant_id, _states.rule_id.in_(ids)))
    connection.execute(delete(_table).where(*of_user))
    sent = (transitions.c.tenant_id == tenant_id, transitions.c.user_id == user_id)
    of_sent = deliveries.c.transition_id.in_(select(transitions.c.id).where(*sent))
    connection.execute(delete(deliveries).where(deliveries.c.tenant_id == tenant_id, of_sent))
    removed = len(ids) + connection.execute(delete(transitions).where(*sent)).rowcount
    removed += forget_silences(connection, tenant_id, user_id)
    if not removed:
        return 0, None
    watch = _load(connection, head)
    move_alerts(connection, tenant_id, are_any=bool(watch.rules))
    return removed, watch.counts


def _load(connection: Connection, head: Head) -> Watch:
    return deciding.load(connection, head.tenant_id, head.alerts)


def _settle(connection: Connection, place: Place, watch: Watch, rules: dict[str, Rule]) -> Decided:
    """Decide the rules as they are now."""
    head = place.head
    rows = sum(len(levels(key, rule)) * (1 + len(rule.targets)) for key, rule in rules.items())
    if rows > MAX_TENANT_ROWS:
        raise TooManyRules(
            f"all rules together may make {MAX_TENANT_ROWS:,} transitions and messages: take fewer levels or targets"
        )
    keys = {name for rule_id, rule in rules.items() for name in levels(rule_id, rule)}
    ended = [name for name in watch.states if name not in keys or _has_turned(watch.rules, rules, name[0])]
    deliveries = deciding.end(connection, head, watch, ended, place.epoch, watch.rules)
    version = move_alerts(connection, head.tenant_id, are_any=bool(rules))
    fresh = Watch(version, rules, watch.states)
    if fresh.sums.minutes > MAX_TENANT_MINUTES:
        raise TooManyRules(
            f"the windows of all rules have more than {MAX_TENANT_MINUTES:,} minutes together: take shorter windows, "
            "or the same one for several rules"
        )
    decided = deciding.decide(connection, head, fresh, place.epoch, place.days)
    return replace(decided, counts=fresh.counts, deliveries=deliveries + decided.deliveries)


def _has_turned(before: dict[str, Rule], after: dict[str, Rule], rule_id: str) -> bool:
    """Say whether a rule is about what is unusual now and was not, or was and is not: its state is of other windows."""
    pair = before.get(rule_id), after[rule_id]
    return pair[0] is not None and len({rule is not None and rule.kind == UNUSUAL for rule in pair}) > 1
