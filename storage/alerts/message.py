"""What is sent of a transition: one JSON document, written with it, so that every copy has the same bytes. Pure."""

import hashlib
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from storage.alerts.figure import Figure
from storage.alerts.rule import Rule
from storage.alerts.unusual.verdict import Finding
from storage.alerts.watch import Transition
from storage.model.changes import Position

GROUP = "alert.group"
"""The type of a message about several transitions."""
MAX_GROUP = 100
"""How many transitions a message has at the most: some 60 KB."""
ID_DIGITS = 16


def type_of(status: str) -> str:
    """Name the type of a message: ``alert.firing`` or ``alert.resolved``."""
    return f"alert.{status}"


def write(transition_id: str, transition: Transition, tenant_id: str, position: Position) -> str:
    """Write the document of a transition, decided by the commit that led to *position*."""
    state, condition = transition.state, transition.condition
    rule, figure, finding = condition.rule, condition.figure, transition.finding
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
        "window": "hour" if finding else rule.window or f"{rule.minutes}m",
        "window_start": (finding.hour if finding else state.window_key) or None,
        "user_id": rule.user_id,
        "provider": rule.provider,
        "model": rule.model,
        "position": str(position),
    }
    if finding is not None:
        data |= _why(finding, figure)
    return _encode(state.status, state.since, data)


def _why(finding: Finding, figure: Figure) -> dict[str, Any]:
    """Say what the hours like one had, as data and as a sentence; nothing if too little is known of them now."""
    if finding.bounds is None:
        return {"usual": None, "reason": None}
    least, greatest, count = (
        figure.write(finding.bounds.least),
        figure.write(finding.bounds.greatest),
        finding.bounds.count,
    )
    hour = finding.hour.replace("T", " ")
    return {
        "usual": {"least": least, "greatest": greatest, "hours": count},
        "reason": f"{figure.name}: {figure.write(finding.value)} in the hour from {hour}:00 UTC; "
        f"the {count} hours like it had {least} to {greatest}",
    }


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


def group_id(transition_ids: Iterable[str]) -> str:
    """Derive the id of a message about several transitions: the first 16 hex digits of SHA-256 of their ids.

    These are in ascending order, each behind the other.
    """
    return hashlib.sha256("".join(sorted(transition_ids)).encode()).hexdigest()[:ID_DIGITS]


def write_group(message_id: str, tenant_id: str, at: str, bodies: Sequence[str]) -> str:
    """Write the document of several transitions: theirs, as each would be sent by itself."""
    data = msgspec.json.encode({"id": message_id, "tenant": tenant_id}).decode().removesuffix("}")
    return f'{{"type":"{GROUP}","timestamp":"{at}","data":{data},"alerts":[{",".join(bodies)}]}}}}'


def _encode(status: str, at: str, data: dict[str, Any]) -> str:
    return msgspec.json.encode({"type": type_of(status), "timestamp": at, "data": data}).decode()
