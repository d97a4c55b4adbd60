"""Rules, as they are written."""

from typing import Any

import pytest

from storage.alerts.figure import NAMES, find_figure
from storage.alerts.rule import InvalidRule, Rule, check, decode, encode

GOOD: list[dict[str, Any]] = [
    {"kind": "threshold", "figure": "messages", "window": "10m", "above": "100", "clear": "80"},
    {"kind": "threshold", "figure": "avg_response_time", "window": "hour", "above": "1.5"},
    {"kind": "threshold", "figure": "total_cost", "window": "month", "above": "9.99", "user_id": "u"},
    {"kind": "threshold", "figure": "llm_calls", "window": "today", "below": "5", "provider": "p", "model": "m"},
    {"kind": "threshold", "figure": "active_users_today", "window": "today", "below": "5"},
    {"kind": "threshold", "figure": "model_tokens:gpt-4o", "window": "1440m", "above": "5"},
    {"kind": "change", "figure": "messages", "window": "today", "against": "last_week", "percent": 50},
    {"kind": "budget", "window": "month", "limit": "1"},
    {"kind": "budget", "window": "today", "limit": "0.000000001", "levels": [10, 200]},
    {"kind": "silence", "event": "message", "minutes": 5},
    {"kind": "unusual", "figure": "api_errors"},
    {"kind": "unusual", "figure": "total_cost", "false_alarms_a_month": 1},
]
BAD: list[tuple[str, dict[str, Any]]] = [
    ("figure", {"kind": "unusual"}),
    ("figure", {"kind": "unusual", "figure": "api_error_rate"}),
    ("figure", {"kind": "unusual", "figure": "active_users"}),
    ("for_minutes", {"kind": "unusual", "figure": "messages", "for_minutes": 5}),
    ("window", {"kind": "unusual", "figure": "messages", "window": "hour"}),
    ("false_alarms_a_month", {**GOOD[0], "false_alarms_a_month": 5}),
    ("kind", {"kind": "magic"}),
    ("name", {**GOOD[0], "name": "  "}),
    ("severity", {**GOOD[0], "severity": "huge"}),
    ("figure", {**GOOD[0], "figure": "happiness"}),
    ("figure", {**GOOD[0], "figure": "deleted_conversations"}),
    ("figure", {**GOOD[0], "figure": None}),
    ("window", {**GOOD[0], "window": "0m"}),
    ("window", {**GOOD[0], "window": "1441m"}),
    ("window", {**GOOD[0], "window": "year"}),
    ("window", {**GOOD[4], "window": "month"}),
    ("window", {**GOOD[2], "window": "10m"}),
    ("figure", {**GOOD[2], "figure": "messages"}),
    ("above", {**GOOD[0], "below": "5"}),
    ("above", {**GOOD[0], "above": None, "clear": None}),
    ("above", {**GOOD[0], "above": "1.5", "clear": None}),
    ("above", {**GOOD[0], "above": "-1"}),
    ("above", {**GOOD[0], "above": "1e400"}),
    ("above", {**GOOD[0], "above": "NaN"}),
    ("above", {**GOOD[0], "above": "1e999999"}),
    ("above", {**GOOD[0], "above": "1.00000000000000000000000000000001"}),
    ("above", {**GOOD[0], "above": "1_000"}),
    ("clear", {**GOOD[0], "clear": "101"}),
    ("provider", {**GOOD[0], "model": "m"}),
    ("user_id", {**GOOD[3], "user_id": "u"}),
    ("limit", {**GOOD[0], "limit": "5"}),
    ("limit", {**GOOD[7], "limit": "0"}),
    ("limit", {**GOOD[7], "limit": "0.0000000001"}),
    ("levels", {**GOOD[7], "levels": [50, 50]}),
    ("percent", {**GOOD[6], "percent": None}),
    ("percent", {**GOOD[6], "direction": "down", "percent": 101}),
    ("against", {**GOOD[6], "against": "tomorrow"}),
    ("window", {**GOOD[6], "window": "month"}),
    ("figure", {**GOOD[6], "figure": "avg_response_time"}),
    ("event", {**GOOD[9], "event": "conversation"}),
    ("minutes", {**GOOD[9], "minutes": None}),
]


@pytest.mark.parametrize("fields", GOOD)
def test_a_good_rule_stays_as_it_is(fields: dict[str, Any]) -> None:
    """A rule that fits together is taken, and read again as it was written."""
    rule = Rule(name="x", **fields)
    check(rule)
    assert decode(encode(rule)) == rule


@pytest.mark.parametrize(("field", "fields"), BAD)
def test_a_wrong_rule_names_its_field(field: str, fields: dict[str, Any]) -> None:
    """A rule whose fields do not fit is refused, by the field at fault."""
    with pytest.raises(InvalidRule) as refused:
        check(Rule(**{"name": "x", **fields}))
    assert refused.value.field == field
    assert str(refused.value) == f"{field}: {refused.value.error}"
    assert "happiness" not in refused.value.error


def test_every_figure_reads_what_it_writes() -> None:
    """Every figure's limits are exact: what is written of a number of parts is read as that number."""
    assert len(NAMES) > 40
    for name in NAMES:
        figure = find_figure(name)
        assert figure is not None
        for parts in (0, 1, figure.scale, 123_456_789):
            assert figure.read(figure.write(parts)) == parts
