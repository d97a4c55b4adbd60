"""Deciding the rules about what is unusual, in a transaction: states and transitions as of its hours."""

from dataclasses import replace

from sqlalchemy import Connection

from storage.alerts.condition import Condition, unusual_condition
from storage.alerts.rule import Rule
from storage.alerts.state import State
from storage.alerts.unusual.baseline import Baseline, Wanted, wanted_by
from storage.alerts.unusual.hours import Values, read_hours
from storage.alerts.unusual.verdict import Finding, follow
from storage.alerts.watch import NOTHING_FOUND, Evaluation, Transition, Watch
from storage.alerts.window import HOUR


def wanted(rules: dict[str, Rule]) -> set[Wanted]:
    """Name what has to be known to decide rules."""
    return {wanted_by(condition) for condition in _conditions(rules)}


def _conditions(rules: dict[str, Rule]) -> list[Condition]:
    found = (unusual_condition(rule_id, rule) for rule_id, rule in rules.items())
    return [condition for condition in found if condition is not None]


def evaluate_hours(connection: Connection, tenant_id: str, watch: Watch, baseline: Baseline, at: str) -> Evaluation:
    """Decide the rules about what is unusual; the states of *watch* become those that follow.

    Nothing is decided if *baseline* is not of the hour of *at*.
    """
    # Commits know nothing of it: no rule is looked at for them.
    if not baseline.of or at[:HOUR] != baseline.opened:
        return NOTHING_FOUND
    known = [condition for condition in _conditions(watch.rules) if wanted_by(condition) in baseline.of]
    if not known:
        return NOTHING_FOUND
    evaluation = Evaluation([], [])
    metrics = {wanted_by(condition)[0] for condition in known}
    values = read_hours(connection, tenant_id, metrics, baseline.closed, baseline.opened)
    for condition in known:
        _decide(
            condition, watch, _findings(condition, baseline, values.get(wanted_by(condition)[0], {})), at, evaluation
        )
    return evaluation


def _findings(condition: Condition, baseline: Baseline, values: Values) -> tuple[Finding, Finding]:
    closed, opened = baseline.of[wanted_by(condition)]
    return (
        Finding(baseline.closed, values.get(baseline.closed, 0), closed),
        Finding(baseline.opened, values.get(baseline.opened, 0), opened),
    )


def _decide(
    condition: Condition, watch: Watch, findings: tuple[Finding, Finding], at: str, evaluation: Evaluation
) -> None:
    name = (condition.rule_id, condition.level)
    following = follow(watch.states.get(name, State(*name)), *findings, at)
    if following is None:
        return
    state, finding = following
    state = watch.states[name] = replace(state, value=condition.figure.write(finding.value))
    evaluation.states.append(state)
    evaluation.transitions.append(Transition(state, condition, 0, finding))
