"""What is sent of a transition: one JSON document, written with it, so that every copy has the same bytes. Pure."""

from typing import Any

import msgspec

from storage.alerts.rule import Rule
from storage.alerts.watch import Transition
from storage.model.changes import Position


def type_of(status: str) -> str:
    """Name the type of a message: ``alert.firing`` or ``alert.resolved``."""
    return f"alert.{status}"


def write(transition_id: str, transition: Transition, tenant_id: str, position: Position) -> str:
    """Write the document of a transition, decided by the commit that led to *position*."""
    state, condition = transition.state, transition.condition
    rule, figure = condition.rule, condition.figure
    data = {
        "id": transition_id,
        "tenant": tenant_id,
        "rule": condition.rule_id,
        "name": rule.name,
        "kind": rule.kind,
        "severity": rule.severity,
        "status": state.status,
        "figure": figure.name,
        "unit": figure.unit,
        "value": state.value,
        "limit": None if condition.limit is None else figure.write(condition.limit),
        "level": int(state.level) if state.level else None,
        "compared_with": figure.write(transition.before) if condition.subject.back else None,
        "window": rule.window or f"{rule.minutes}m",
        "window_start": state.window_key or None,
        "user_id": rule.user_id,
        "provider": rule.provider,
        "model": rule.model,
        "position": str(position),
    }
    return _encode(state.status, state.since, data)


def write_ended(transition_id: str, rule_id: str, rule: Rule | None, at: str, tenant_id: str, level: str) -> str:
    """Write the document of a rule that fired when it was deleted, switched off, or changed so that it has no value."""
    data: dict[str, Any] = {"id": transition_id, "tenant": tenant_id, "rule": rule_id, "status": "resolved"}
    if rule is not None:
        data |= {"name": rule.name, "kind": rule.kind, "severity": rule.severity}
    return _encode("resolved", at, {**data, "level": int(level) if level else None, "value": None})


def write_test(transition_id: str, tenant_id: str, at: str) -> str:
    """Write the document by which a target is tried out."""
    return msgspec.json.encode(
        {"type": "alert.test", "timestamp": at, "data": {"id": transition_id, "tenant": tenant_id, "name": "Test"}}
    ).decode()


def _encode(status: str, at: str, data: dict[str, Any]) -> str:
    return msgspec.json.encode({"type": type_of(status), "timestamp": at, "data": data}).decode()
