"""The figures that a rule may watch, as whole numbers of a part of their unit: so every comparison is exact. Pure.

They are made of the counters of a window by the same rules as the summary makes them of all time.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from storage.model.metrics import COUNTERS, FIGURES, LABELLED, MONEY

Totals = Mapping[str, int]
"""Counters by name; one that is absent is 0."""
MICRO, NANO = 1_000_000, 1_000_000_000
DOLLARS = "US dollars"
PERCENT = "percent"
COST = "llm_cost"
"""The counter of the cost of LLM calls, in nano-dollars."""
ACTIVE_USERS = "active_users"
"""Distinct users of a local day: they do not add up, so only a window of one day has them."""
_TIMELESS = "deleted_conversations"
_DERIVED = ("users", "conversations")
_MAX_DIGITS = 18
_DECIMAL = re.compile(rf"[0-9]{{1,{_MAX_DIGITS}}}(\.[0-9]{{1,9}})?", re.ASCII)
"""18 digits and 9 decimals at the most: so few that nothing of a product is rounded."""


@dataclass(frozen=True)
class Figure:
    """One figure of a window: made of the counters it ``needs``, in parts of its ``unit`` (``scale`` of them are one).

    ``value`` gives None where nothing was measured. ``is_daily``: it is there for one local day alone.
    """

    name: str
    unit: str
    scale: int
    needs: tuple[str, ...]
    value: Callable[[Totals], int | None]
    is_daily: bool = False

    def read(self, written: str) -> int:
        """Read decimal text, such as ``0.50``, as a number of parts; raises ``ValueError``, which says the rule."""
        # Without exponents: Decimal would read 1e999999, and fail at the multiplication.
        parts = Decimal(written) * self.scale if _DECIMAL.fullmatch(written) else Decimal("NaN")
        if not parts.is_finite() or parts >= 10**_MAX_DIGITS:
            raise ValueError("must be a decimal number of 0 or more with at most 9 decimals, such as 12.5")
        if parts != parts.to_integral_value():
            raise ValueError(f"must have at most {len(str(self.scale)) - 1} decimals")
        return int(parts)

    def write(self, parts: int) -> str:
        """Write a number of parts as decimal text, without zeros at the end."""
        written = format(Decimal(parts) / self.scale, "f")
        return written.rstrip("0").rstrip(".") if "." in written else written


def find_figure(name: str) -> Figure | None:
    """Find a figure by its name; None if there is no such one.

    It is one of the summary, a counter of the catalogue, a counter of one model (``model_tokens:gpt-4o``), or a rate of
    errors in percent.
    """
    found = _FIGURES.get(name)
    family, mark, label = name.partition(":")
    if found is None and mark and label and family in _LABELLED:
        return _count(name, _LABELLED[family].unit, name)
    return found


def _count(name: str, unit: str, counter: str, scale: int = 1, *, is_daily: bool = False) -> Figure:
    return Figure(name, unit, scale, (counter,), lambda totals: totals.get(counter, 0), is_daily)


def _ratio(name: str, unit: str, scale: int, above: str, below: str, factor: int) -> Figure:
    """Make a figure of *factor* times one counter over another one, rounded as the summary rounds."""

    def value(totals: Totals) -> int | None:
        count = totals.get(below, 0)
        return round(totals.get(above, 0) * factor / count) if count else None

    return Figure(name, unit, scale, (above, below), value)


def _of_summary(name: str, unit: str, needs: tuple[str, ...]) -> Figure:
    """Give a figure of the summary over a window: a count, money, a mean of microseconds, or tokens a second."""
    if unit == "seconds":
        return _ratio(name, unit, MICRO, needs[0], needs[1], 1)
    if unit == "tokens a second":
        return _ratio(name, unit, 1000, needs[0], needs[1], NANO)
    (counter,) = needs
    return _count(name, unit, counter, NANO if counter in MONEY else 1, is_daily=counter == ACTIVE_USERS)


_LABELLED = {counter.name: counter for counter in LABELLED}
_FIGURES = {
    figure.name: figure
    for figure in (
        *(_of_summary(found.name, found.unit, found.needs) for found in FIGURES if _TIMELESS not in found.needs),
        *(
            _count(found.name, DOLLARS, found.name, NANO)
            if found.name in MONEY
            else _count(found.name, found.unit, found.name)
            for found in COUNTERS
        ),
        *(_count(name, name, name) for name in _DERIVED),
        _count(ACTIVE_USERS, "users", ACTIVE_USERS, is_daily=True),
        _ratio("api_error_rate", PERCENT, MICRO // 100, "api_errors", "api_calls", MICRO),
        _ratio("llm_error_rate", PERCENT, MICRO // 100, "llm_errors", "llm_calls", MICRO),
    )
}
NAMES = tuple(_FIGURES)
"""The names of all figures, but those of single models."""
OF_LLM_DAYS = {
    "llm_calls": "calls",
    "llm_errors": "failed_calls",
    "input_tokens": "input_tokens",
    "cached_input_tokens": "cached_input_tokens",
    "cache_write_tokens": "cache_write_tokens",
    "output_tokens": "output_tokens",
    "reasoning_tokens": "reasoning_tokens",
    COST: "cost_nanodollars",
    "unpriced_calls": "unpriced_calls",
    "unpriced_tokens": "unpriced_tokens",
}
"""The counters that are kept by user and by model, too, on local days, with their columns there."""
