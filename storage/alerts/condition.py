"""What of a rule is decided: a value, and when it is beyond its limit. Pure.

A budget has one condition for each of its levels, every other rule has one.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import inf

from storage.alerts.figure import Figure
from storage.alerts.rule import LEVELS, Rule, figure_of, sliding_minutes
from storage.alerts.state import Sign
from storage.alerts.window import Source, Window
from storage.model.rollups import model_label

USER, MODEL = "user_id", "model"
"""Columns by which the days of LLM calls are kept."""
BACK = {"yesterday": 1, "last_week": 7}
PERCENT = 100
UNUSUAL = "unusual"

Decide = Callable[[int | None, int], Sign]
"""Says what a value means, beside the value that it is compared with (0 where there is none)."""


@dataclass(frozen=True)
class Subject:
    """What is looked at: a figure of some sources over a window. Conditions about the same share its value.

    ``back`` is how many local days back the same window is that it is compared with; 0: with none.
    """

    figure: str
    sources: tuple[Source, ...]
    window: Window
    back: int = 0


@dataclass(frozen=True)
class Condition:
    """One condition of a rule. ``limit`` is what its value is held against, None where that moves.

    ``normal`` has the least and the greatest value that is not beyond; None: that depends on something else.
    """

    rule_id: str
    level: str
    rule: Rule
    figure: Figure
    subject: Subject
    decide: Decide
    limit: int | None
    normal: tuple[float, float] | None = None


def conditions(rule_id: str, rule: Rule) -> list[Condition]:
    """Give the conditions of a rule that was checked, which commits decide; none of one that is switched off."""
    figure = figure_of(rule)
    if figure is None or not rule.enabled or rule.kind == UNUSUAL:
        return []
    subject = _subject(rule, figure)
    if rule.kind == "budget":
        limit = figure.read(rule.limit or "")
        return [
            Condition(rule_id, str(level), rule, figure, subject, _reached(start), limit, (-inf, start - 1))
            for level in rule.levels or LEVELS
            for start in [-(-limit * level // PERCENT)]
        ]
    decide, bound, normal = _MAKERS[rule.kind](rule, figure)
    return [Condition(rule_id, "", rule, figure, subject, decide, bound, normal)]


def unusual_condition(rule_id: str, rule: Rule) -> Condition | None:
    """Give the condition of a rule about what is unusual, which the clock decides; None of every other one."""
    figure = figure_of(rule)
    if figure is None or not rule.enabled or rule.kind != UNUSUAL:
        return None
    subject = Subject(figure.name, (Source(figure.needs[0]),), Window("hour"))
    return Condition(rule_id, "", rule, figure, subject, _never, None)


def levels(rule_id: str, rule: Rule) -> set[tuple[str, str]]:
    """Name the rule with each of the levels at which it has a state."""
    if unusual_condition(rule_id, rule) is not None:
        return {(rule_id, "")}
    return {(rule_id, condition.level) for condition in conditions(rule_id, rule)}


def _never(_value: int | None, _before: int) -> Sign:
    return Sign.BETWEEN


def _subject(rule: Rule, figure: Figure) -> Subject:
    minutes = sliding_minutes(rule)
    if minutes is not None:
        window = Window("", minutes)
    else:
        # What is too little is known only when its window is over.
        window = Window(rule.window or "", closed=rule.kind == "threshold" and rule.below is not None)
    of, label = "", ""
    if rule.user_id is not None:
        of, label = USER, rule.user_id
    elif rule.model is not None:
        of, label = MODEL, model_label(rule.provider or "", rule.model)
    sources = tuple(Source(name, of, label) for name in figure.needs)
    return Subject(figure.name, sources, window, BACK.get(rule.against or "", 0))


def _reached(limit: int) -> Decide:
    def decide(value: int | None, _before: int) -> Sign:
        return Sign.BEYOND if value is not None and value >= limit else Sign.NORMAL

    return decide


Made = tuple[Decide, int | None, tuple[float, float] | None]
"""How a condition decides, its limit, and its ``normal``."""


def _threshold(rule: Rule, figure: Figure) -> Made:
    if rule.below is None:
        limit = figure.read(rule.above or "")
        clear = limit if rule.clear is None else figure.read(rule.clear)
        return _above(limit, clear), limit, (-inf, limit)
    limit = figure.read(rule.below)
    return _below(limit, limit if rule.clear is None else figure.read(rule.clear)), limit, (limit, inf)


def _above(limit: int, clear: int) -> Decide:
    def decide(value: int | None, _before: int) -> Sign:
        # Where nothing is measured nothing is wrong.
        if value is None or value <= clear:
            return Sign.NORMAL
        return Sign.BEYOND if value > limit else Sign.BETWEEN

    return decide


def _below(limit: int, clear: int) -> Decide:
    def decide(value: int | None, _before: int) -> Sign:
        if value is None or value >= clear:
            return Sign.NORMAL
        return Sign.BEYOND if value < limit else Sign.BETWEEN

    return decide


def _change(rule: Rule, figure: Figure) -> Made:
    least, percent = figure.read(rule.at_least), rule.percent or 0

    def up(value: int | None, before: int) -> Sign:
        grown = (value or 0) * PERCENT > before * (PERCENT + percent)
        return Sign.BEYOND if grown and before >= least else Sign.NORMAL

    def down(value: int | None, before: int) -> Sign:
        fallen = (value or 0) * PERCENT < before * (PERCENT - percent)
        return Sign.BEYOND if fallen and before >= least else Sign.NORMAL

    return (up if rule.direction == "up" else down), None, None


def _silence(_rule: Rule, _figure: Figure) -> Made:
    return _below(1, 1), None, (1, inf)


_MAKERS = {"threshold": _threshold, "change": _change, "silence": _silence}
