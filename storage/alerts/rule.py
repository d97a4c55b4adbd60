"""Rules: what is watched, over which window, and when that is an alert. Pure.

A rule is one document, which REST, the command and the database share.
"""

import re
from typing import Annotated, Any, Literal, get_args

import msgspec
from msgspec import Meta, Struct

from storage.alerts.figure import OF_LLM_DAYS, Figure, find_figure

Kind = Literal["threshold", "change", "budget", "silence", "unusual"]
Against = Literal["yesterday", "last_week"]
Direction = Literal["up", "down"]
Severity = Literal["info", "warning", "critical"]
EVENTS = {"activity": "activities", "message": "messages", "api_usage": "api_calls", "llm_call": "llm_calls"}
"""The kinds of events whose silence is noticed, each with the counter of its events."""
CALENDAR = ("hour", "today", "month")
"""Windows that begin at a boundary: an hour of UTC, a local day, the month of local days."""
MAX_MINUTES = 1440
LEAST_FALSE_ALARMS, MOST_FALSE_ALARMS, FALSE_ALARMS = 1, 30, 5
"""How many a month may be allowed, and how many are if nothing is said."""
MAX_RULES = 500
"""How many a tenant may have."""
MAX_TENANT_MINUTES = 50_000
"""How many minutes the windows of a tenant's rules may have together, equal ones once: each is a row that is kept in
some 90 bytes, and read again by whichever process did not write last."""
MAX_TENANT_ROWS = 5000
"""How many transitions and messages a tenant's rules may make if all fire at once: one commit writes them."""
MAX_TARGETS, MAX_LEVELS = 10, 10
MAX_PERCENT = 100_000
LEVELS = (50, 80, 100)
RULE_ID = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}", re.ASCII)
_SLIDING = re.compile(r"([1-9][0-9]{0,3})m", re.ASCII)

Text = Annotated[str, Meta(min_length=1, max_length=255)]
Amount = Annotated[str, Meta(min_length=1, max_length=40)]
"""Decimal text, in the figure's unit: money may have more digits than a JSON number keeps."""


class InvalidRule(ValueError):
    """A rule breaks a rule; ``field`` names which of its fields, and the text what is wrong, without repeating it."""

    def __init__(self, field: str, error: str) -> None:
        super().__init__(f"{field}: {error}")
        self.field = field
        self.error = error


class Rule(Struct, forbid_unknown_fields=True, frozen=True, omit_defaults=True):
    """One rule.

    - ``window``: ``10m`` (the last ten minutes), ``hour``, ``today`` or ``month``.
    - threshold: ``figure`` goes ``above`` or ``below`` a limit, and is well again at ``clear`` (None: at the limit).
    - change: ``figure`` is ``percent`` more (``direction`` up) or less (down) than in the same window ``against``
      yesterday or last week, which had ``at_least`` so much.
    - budget: the cost of LLM calls reaches ``levels`` (percent) of ``limit`` (US dollars).
    - silence: no event of the kind ``event`` for ``minutes``.
    - unusual: an hour of ``figure`` is unlike the same hour of the last 14 days, with at most
      ``false_alarms_a_month`` (None: 5) where nothing is wrong.

    ``user_id``, or ``provider`` and ``model``, limit a budget, or a threshold of LLM calls, to those of one.
    ``for_minutes``: how long it has to hold before it is an alert. ``targets``: ids of those who are told.
    ``inhibited_by``: ids of rules; while one of them fires, nobody is told of this one. ``grouped``: what one decision
    finds of such rules goes to a target as one message.
    """

    name: Annotated[str, Meta(min_length=1, max_length=100)]
    kind: str
    figure: Text | None = None
    window: Annotated[str, Meta(min_length=1, max_length=10)] | None = None
    above: Amount | None = None
    below: Amount | None = None
    clear: Amount | None = None
    against: Annotated[str, Meta(max_length=20)] | None = None
    direction: Annotated[str, Meta(max_length=10)] = "up"
    percent: Annotated[int, Meta(ge=1, le=MAX_PERCENT)] | None = None
    at_least: Amount = "0"
    limit: Amount | None = None
    levels: Annotated[list[Annotated[int, Meta(ge=1, le=1000)]], Meta(max_length=MAX_LEVELS)] = []
    event: Annotated[str, Meta(max_length=20)] | None = None
    minutes: Annotated[int, Meta(ge=1, le=MAX_MINUTES)] | None = None
    false_alarms_a_month: Annotated[int, Meta(ge=LEAST_FALSE_ALARMS, le=MOST_FALSE_ALARMS)] | None = None
    user_id: Text | None = None
    provider: Text | None = None
    model: Text | None = None
    for_minutes: Annotated[int, Meta(ge=0, le=MAX_MINUTES)] = 0
    severity: Annotated[str, Meta(max_length=10)] = "warning"
    targets: Annotated[list[Text], Meta(max_length=MAX_TARGETS)] = []
    inhibited_by: Annotated[list[Text], Meta(max_length=MAX_TARGETS)] = []
    grouped: bool = False
    enabled: bool = True


_FIELDS = {
    "threshold": {"figure", "window", "above", "below", "clear", "user_id", "provider", "model"},
    "change": {"figure", "window", "against", "direction", "percent", "at_least"},
    "budget": {"window", "limit", "levels", "user_id", "provider", "model"},
    "silence": {"event", "minutes"},
    "unusual": {"figure", "false_alarms_a_month"},
}
"""The fields of each kind, beside those of all."""
_OF_ALL = {"name", "kind", "for_minutes", "severity", "targets", "inhibited_by", "grouped", "enabled"}


def check(rule: Rule) -> None:
    """See that the fields of a rule fit each other; raises :exc:`InvalidRule`."""
    _choose("kind", rule.kind, get_args(Kind))
    _choose("severity", rule.severity, get_args(Severity))
    if not rule.name.strip():
        raise InvalidRule("name", "must not be of spaces alone")
    for field in Rule.__struct_fields__:
        given = getattr(rule, field) != _DEFAULTS[field]
        if given and field not in _FIELDS[rule.kind] | _OF_ALL:
            raise InvalidRule(field, f"is not one of the fields of a {rule.kind}")
    _check_scope(rule)
    _CHECKS[rule.kind](rule)


def _check_scope(rule: Rule) -> None:
    if (rule.provider is None) != (rule.model is None):
        raise InvalidRule("model" if rule.model is None else "provider", "is required: give both provider and model")
    if rule.user_id is not None and rule.model is not None:
        raise InvalidRule("user_id", "must not stand beside a model")
    if is_limited(rule):
        if rule.window not in ("today", "month"):
            raise InvalidRule("window", "must be today or month for one user or one model")
        if not set(_figure(rule).needs) <= OF_LLM_DAYS.keys():
            raise InvalidRule("figure", f"of one user or model must be one of {', '.join(OF_LLM_DAYS)}, or total_cost")


def _check_threshold(rule: Rule) -> None:
    figure = _figure(rule)
    _check_window(rule, figure)
    if (rule.above is None) == (rule.below is None):
        raise InvalidRule("above", "give either above or below")
    limit = _amount(rule, figure, "above" if rule.below is None else "below")
    if rule.clear is not None:
        clear = _amount(rule, figure, "clear")
        if (clear > limit) if rule.below is None else (clear < limit):
            raise InvalidRule("clear", "must lie on the good side of the limit")


def _check_change(rule: Rule) -> None:
    figure = _figure(rule)
    _check_window(rule, figure)
    if rule.window == "month":
        raise InvalidRule("window", "must not be month for a change")
    if len(figure.needs) > 1 or figure.is_daily:
        raise InvalidRule("figure", "must be one that adds up for a change")
    _choose("against", rule.against, get_args(Against))
    _choose("direction", rule.direction, get_args(Direction))
    if rule.percent is None:
        raise InvalidRule("percent", "is required")
    if rule.direction == "down" and rule.percent > 100:
        raise InvalidRule("percent", "must be at most 100 for a direction of down")
    _amount(rule, figure, "at_least")


def _check_budget(rule: Rule) -> None:
    if rule.window not in CALENDAR:
        raise InvalidRule("window", "must be hour, today or month for a budget")
    if _amount(rule, _figure(rule), "limit") == 0:
        raise InvalidRule("limit", "must be more than 0")
    if len(set(rule.levels)) != len(rule.levels):
        raise InvalidRule("levels", "must name each level once")


def _check_silence(rule: Rule) -> None:
    _choose("event", rule.event, EVENTS)
    if rule.minutes is None:
        raise InvalidRule("minutes", "is required")


def _check_unusual(rule: Rule) -> None:
    check_adds_up(_figure(rule))
    if rule.for_minutes:
        raise InvalidRule("for_minutes", "must be 0 for what is unusual: it is so for an hour")


def check_adds_up(figure: Figure) -> None:
    """See that hours of a figure can be compared; raises :exc:`InvalidRule`."""
    if len(figure.needs) > 1 or figure.is_daily:
        raise InvalidRule("figure", "must be one that adds up for what is unusual")


_CHECKS = {
    "threshold": _check_threshold,
    "change": _check_change,
    "budget": _check_budget,
    "silence": _check_silence,
    "unusual": _check_unusual,
}


def _check_window(rule: Rule, figure: Figure) -> None:
    if rule.window not in CALENDAR and sliding_minutes(rule) is None:
        raise InvalidRule("window", f"must be hour, today, month, or minutes from 1m to {MAX_MINUTES}m")
    if figure.is_daily and rule.window != "today":
        raise InvalidRule("window", "must be today for active users")


def sliding_minutes(rule: Rule) -> int | None:
    """Say how many minutes a window has that moves with the clock; None for one of the calendar."""
    if rule.kind == "silence":
        # One more than it was silent for: the first of them had begun before.
        return (rule.minutes or 0) + 1
    found = _SLIDING.fullmatch(rule.window or "")
    minutes = int(found[1]) if found else 0
    return minutes if 0 < minutes <= MAX_MINUTES else None


def figure_of(rule: Rule) -> Figure | None:
    """Find the figure that a rule watches; None if its name is none."""
    if rule.kind == "silence":
        return find_figure(EVENTS.get(rule.event or "", ""))
    return find_figure("total_cost" if rule.kind == "budget" else rule.figure or "")


def _figure(rule: Rule) -> Figure:
    found = figure_of(rule)
    if found is None:
        raise InvalidRule("figure", "is required" if rule.figure is None else "is not known: see /docs")
    return found


def is_limited(rule: Rule) -> bool:
    """Say whether a rule watches one user or one model."""
    return rule.user_id is not None or rule.model is not None


def _amount(rule: Rule, figure: Figure, field: str) -> int:
    written = getattr(rule, field)
    if written is None:
        raise InvalidRule(field, "is required")
    try:
        return figure.read(written)
    except ValueError as error:
        raise InvalidRule(field, str(error)) from None


def _choose(field: str, value: str | None, choices: Any) -> None:
    if value not in choices:
        raise InvalidRule(field, f"must be one of {', '.join(choices)}")


_DEFAULTS = {
    field.name: [] if field.default_factory is list else field.default for field in msgspec.structs.fields(Rule)
}


def decode(body: str | bytes) -> Rule:
    """Read a rule as the database keeps it.

    What cannot be read, or breaks a rule, becomes :data:`UNREADABLE`: a later version may have written it, and no
    commit may fail because of a rule.
    """
    try:
        rule = _DECODER.decode(body)
        check(rule)
    except (msgspec.MsgspecError, InvalidRule):
        return UNREADABLE
    return rule


def encode(rule: Rule) -> str:
    """Write a rule for the database."""
    return msgspec.json.encode(rule).decode()


_DECODER: msgspec.json.Decoder[Rule] = msgspec.json.Decoder(Rule)
UNREADABLE = Rule(name="cannot be read: set it again, or delete it", kind="threshold", enabled=False)
"""Stands for a kept rule that cannot be read; it decides nothing."""
