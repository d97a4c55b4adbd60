"""Deciding the rules about what is unusual, in a transaction: states and transitions as of its hours."""

from dataclasses import replace

from sqlalchemy import Connection

from storage.alerts.condition import Condition, unusual_condition
from storage.alerts.rule import Rule
from storage.alerts.state import State
from storage.alerts.unusual.hours import Values, read_hours
from storage.alerts.unusual.usual import Usual, Wanted, wanted_by
from storage.alerts.unusual.verdict import Finding, follow
from storage.alerts.watch import NOTHING_SEEN, Look, Transition, Watch
from storage.alerts.window import HOUR


def wanted(rules: dict[str, Rule]) -> set[Wanted]:
    """Name what has to be known to decide rules."""
    return {wanted_by(condition) for condition in _conditions(rules)}


def _conditions(rules: dict[str, Rule]) -> list[Condition]:
    found = (unusual_condition(rule_id, rule) for rule_id, rule in rules.items())
    return [condition for condition in found if condition is not None]


def look_at_hours(connection: Connection, tenant_id: str, watch: Watch, usual: Usual, at: str) -> Look:
    """Decide the rules about what is unusual; the states of *watch* become those that follow.

    Nothing is decided if *usual* is not of the hour of *at*.
    """
    # Commits know nothing of it: no rule is looked at for them.
    if not usual.of or at[:HOUR] != usual.opened:
        return NOTHING_SEEN
    known = [condition for condition in _conditions(watch.rules) if wanted_by(condition) in usual.of]
    if not known:
        return NOTHING_SEEN
    look = Look([], [])
    metrics = {wanted_by(condition)[0] for condition in known}
    values = read_hours(connection, tenant_id, metrics, usual.closed, usual.opened)
    for condition in known:
        _decide(condition, watch, _findings(condition, usual, values.get(wanted_by(condition)[0], {})), at, look)
    return look


def _findings(condition: Condition, usual: Usual, values: Values) -> tuple[Finding, Finding]:
    closed, opened = usual.of[wanted_by(condition)]
    return (
        Finding(usual.closed, values.get(usual.closed, 0), closed),
        Finding(usual.opened, values.get(usual.opened, 0), opened),
    )


def _decide(condition: Condition, watch: Watch, findings: tuple[Finding, Finding], at: str, look: Look) -> None:
    name = (condition.rule_id, condition.level)
    following = follow(watch.states.get(name, State(*name)), *findings, at)
    if following is None:
        return
    state, finding = following
    state = watch.states[name] = replace(state, value=condition.figure.write(finding.value))
    look.states.append(state)
    look.transitions.append(Transition(state, condition, 0, finding))
