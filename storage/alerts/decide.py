"""Deciding a tenant's rules inside a transaction that holds its head: states, transitions and what is to be sent.

All of it is written by that transaction. So one crossing is one transition, whoever sees it, and however often a
process dies on the way: without the commit there was neither the crossing nor the message.
"""

import secrets
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

import structlog
from sqlalchemy import Connection, delete, select
from sqlalchemy.exc import SQLAlchemyError

from storage.alerts import message
from storage.alerts.message import MAX_GROUP
from storage.alerts.rule import Rule, decode
from storage.alerts.silence import read_matchers
from storage.alerts.state import State
from storage.alerts.unusual.baseline import NOT_KNOWN, Baseline
from storage.alerts.unusual.evaluation import evaluate_hours
from storage.alerts.watch import StateKey, Transition, Watch
from storage.alerts.window import Moment
from storage.model.changes import AlertCounts, Position
from storage.model.clock import Days, now
from storage.model.merging import Rolled
from storage.tables import schema
from storage.tables.bulk import Insert, replace
from storage.tables.heads import Head, move_alerts

log = structlog.get_logger()

ID_BYTES = 8
UNKNOWN = -1
"""A version that no head names."""
SILENCED, INHIBITED = "silenced", "inhibited"
_rules = schema.alert_rules.c
_states = schema.alert_states.c
_targets = schema.alert_targets.c
_PUT_STATE = replace(schema.alert_states)
_INSERT_TRANSITION = Insert(schema.alert_transitions)
_INSERT_DELIVERY = Insert(schema.alert_deliveries)
_STATE = tuple(_states[name] for name in State.__dataclass_fields__)


@dataclass(frozen=True)
class Decided:
    """What was decided: the alerts that fire now (None: as before), and how many messages wait to be sent."""

    counts: AlertCounts | None = None
    deliveries: int = 0


NOTHING = Decided()


def load(connection: Connection, tenant_id: str, version: int) -> Watch:
    """Read a tenant's rules and states, which the head names by *version*."""
    rules = connection.execute(select(_rules.id, _rules.body).where(_rules.tenant_id == tenant_id))
    rows = connection.execute(select(*_STATE).where(_states.tenant_id == tenant_id))
    states = [State(*row) for row in rows]
    return Watch(version, {rule_id: decode(body) for rule_id, body in rules}, {(s.rule_id, s.level): s for s in states})


def watch_of(connection: Connection, head: Head, kept: Watch | None) -> Watch | None:
    """Give what is known of the rules as they stand at the *head*, *kept* if that is so; None if there are none."""
    if not head.alerts:
        return None
    watch = kept if kept is not None and kept.version == head.alerts else load(connection, head.tenant_id, head.alerts)
    if not watch.stands_at(head.sequence, head.tag):
        watch.forget_sums()
    return watch


def decide(
    connection: Connection,
    head: Head,
    watch: Watch | None,
    epoch: str,
    days: Days,
    rolled: Rolled | None = None,
    baseline: Baseline = NOT_KNOWN,
) -> Decided:
    """Decide the rules after a change of the tenant's figures, or of its rules, that leads on from the *head*.

    *rolled* is what the change wrote to the rollups, before this; None: read all sums. The rules about
    what is unusual are decided by the *baseline*. *watch* is then that of the new head, and valid only if the
    transaction is committed.
    """
    if watch is None:
        return NOTHING
    position = Position(epoch, head.sequence + 1, head.next_tag)
    added = rolled if watch.stands_at(head.sequence, head.tag) else None
    at = now()
    try:
        evaluation = watch.evaluate(connection, head.tenant_id, Moment.of(at, days), days, added).joined(
            evaluate_hours(connection, head.tenant_id, watch, baseline, at)
        )
    except SQLAlchemyError:
        raise
    except Exception:
        if rolled is None:
            raise
        # Events are worth more than alerts: they are recorded, and everything is read again at the next commit.
        log.exception("alerts_not_decided")
        watch.version = UNKNOWN
        return NOTHING
    watch.keep(position)
    if not evaluation.states:
        return NOTHING
    _PUT_STATE.write(connection, [(head.tenant_id, *vars(state).values()) for state in evaluation.states])
    watch.version = move_alerts(connection, head.tenant_id, are_any=True)
    deliveries = _tell(connection, head.tenant_id, watch, evaluation.transitions, position)
    return Decided(watch.counts, deliveries)


def end(
    connection: Connection, head: Head, watch: Watch, keys: Iterable[StateKey], epoch: str, rules: dict[str, Rule]
) -> int:
    """Drop the states of rules that are gone or changed; what fired is resolved. Gives how many messages wait.

    *rules* are those as they were.
    """
    at, rows, told = now(), [], []
    for rule_id, level in keys:
        state = watch.states.get((rule_id, level))
        mine = (_states.tenant_id == head.tenant_id, _states.rule_id == rule_id, _states.level == level)
        connection.execute(delete(schema.alert_states).where(*mine))
        if state is None:
            continue
        ended = watch.end(state, at)
        if state.fires:
            transition_id = secrets.token_hex(ID_BYTES)
            rule = rules.get(rule_id)
            body = message.write_ended(transition_id, rule_id, rule, at, head.tenant_id, level)
            user_id = None if rule is None else rule.user_id
            rows.append((head.tenant_id, transition_id, at, rule_id, level, ended.status, None, None, user_id, body))
            if rule is not None:
                told.append((transition_id, rule))
    _INSERT_TRANSITION.write(connection, rows)
    return _send(connection, head.tenant_id, told, at)


def _tell(
    connection: Connection, tenant_id: str, watch: Watch, transitions: list[Transition], position: Position
) -> int:
    """Write transitions, and what is to be sent of them; gives how many messages wait."""
    if not transitions:
        return 0
    at, rows, told = now(), [], []
    matchers = read_matchers(connection, tenant_id, at)
    firing = {state.rule_id for state in watch.states.values() if state.fires}
    # In their order also where they are of one moment, by which they are listed.
    ids = sorted(secrets.token_hex(ID_BYTES) for _ in transitions)
    for transition_id, transition in zip(ids, transitions, strict=True):
        state, rule = transition.state, transition.condition.rule
        held = None
        if any(matcher.matches(state.rule_id, rule) for matcher in matchers):
            held = SILENCED
        elif not firing.isdisjoint(rule.inhibited_by):
            held = INHIBITED
        body = message.write(transition_id, transition, tenant_id, position)
        row = (tenant_id, transition_id, state.since, state.rule_id, state.level, state.status)
        rows.append((*row, state.value, held, rule.user_id, body))
        if held is None:
            told.append((transition_id, rule))
    _INSERT_TRANSITION.write(connection, rows)
    return _send(connection, tenant_id, told, at)


Row = tuple[object, ...]


def _send(connection: Connection, tenant_id: str, told: list[tuple[str, Rule]], at: str) -> int:
    """Write what is to be sent of transitions, to the targets that their rules name; gives how many rows wait."""
    if not told:
        return 0
    existing, rows = _existing(connection, tenant_id), list[Row]()
    together: defaultdict[str, list[str]] = defaultdict(list)
    for transition_id, rule in told:
        for target in dict.fromkeys(rule.targets):
            if target in existing and rule.grouped:
                together[target].append(transition_id)
            elif target in existing:
                rows.append(_delivery(tenant_id, transition_id, target, at, None))
    for target, ids in together.items():
        rows += _grouped(tenant_id, target, ids, at)
    _INSERT_DELIVERY.write(connection, rows)
    return len(rows)


def _grouped(tenant_id: str, target: str, ids: list[str], at: str) -> list[Row]:
    """Make as few messages as their greatest size allows; one about a single transition is like any other."""
    parts = [ids[first : first + MAX_GROUP] for first in range(0, len(ids), MAX_GROUP)]
    groups = [(part, message.group_id(part) if len(part) > 1 else None) for part in parts]
    return [_delivery(tenant_id, found, target, at, group_id) for part, group_id in groups for found in part]


def _existing(connection: Connection, tenant_id: str) -> set[str]:
    """Name the targets that there are and that want messages."""
    query = select(_targets.id).where(_targets.tenant_id == tenant_id, _targets.ended_at.is_(None))
    return set(connection.scalars(query))


def _delivery(tenant_id: str, transition_id: str, target: str, at: str, group_id: str | None) -> Row:
    delivery_id = secrets.token_hex(ID_BYTES)
    return (tenant_id, delivery_id, transition_id, target, "waiting", 0, at, at, "", None, None, group_id)
